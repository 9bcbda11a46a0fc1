/** What may be typed after `kith account`, `kith name` and `kith names`. Pure. */
import {
  argument,
  command,
  constant,
  integer,
  merge,
  message,
  multiple,
  object,
  option,
  optional,
  or,
  string,
  withDefault,
} from "@optique/core";
import { hostPort } from "./host_port.ts";
import { ACCOUNT_DEFAULTS } from "./limits.ts";

const text = (metavar: "NAME" | "FILE" | "FOLDER" | "ACCOUNT" | "PASSWORD" | "URL" | "ADDRESS") =>
  string({ metavar });
const home = {
  home: optional(option("--home", text("FOLDER"), {
    description:
      message`folder that keeps everything (default: KITH_HOME, else kith in the user’s data folder)`,
  })),
  json: option("--json", { description: message`one JSON object a line instead of sentences` }),
};
const password = {
  password: optional(option("--password", text("PASSWORD"), {
    description: message`password of the archive; other users may see it in the list of programs`,
  })),
  passwordFile: optional(option("--password-file", text("FILE"), {
    description: message`file whose first line is the password`,
  })),
};
const account = {
  account: optional(option("--account", "-a", text("ACCOUNT"), {
    description: message`which account: its Jami id, local id or name (needed when there are several)`,
  })),
};
const which = {
  account: optional(argument(text("ACCOUNT"), {
    description: message`which account: its Jami id, local id or name (needed when there are several)`,
  })),
};
const names = {
  name: optional(option("--name", "-n", text("NAME"), { description: message`what contacts see` })),
  device: optional(option("--device", text("NAME"), {
    description: message`what your other devices see (default: the name of this computer)`,
  })),
};
const online = {
  offline: option("--offline", { description: message`do not announce the device on the network now` }),
  bootstrap: multiple(option("--bootstrap", "-b", hostPort, {
    description: message`DHT node to join at, may be repeated`,
  })),
  network: withDefault(option("--network", integer({ min: 0, max: 2 ** 32 - 1, metavar: "N" })), 0),
  timeout: withDefault(
    option("--timeout", integer({ min: 1, max: 3600, metavar: "SECONDS" }), {
      description: message`give up announcing after so many seconds`,
    }),
    ACCOUNT_DEFAULTS.announceSeconds,
  ),
};
const file = (what: string) => ({ file: argument(text("FILE"), { description: message`${what}` }) });
const said = (brief: string) => ({ brief: message`${brief}`, description: message`${brief}` });

const create = command(
  "create",
  merge(object({ verb: constant("account create"), ...names, ...password }), object({ ...online, ...home })),
  said("Makes a new account. That takes some seconds."),
);
const bring = command(
  "import",
  merge(
    object({
      verb: constant("account import"),
      ...file("archive of an account, .gz or .jac"),
      ...names,
      ...password,
    }),
    object({ ...online, ...home }),
  ),
  said("Makes this computer a new device of the account in an archive."),
);
const save = command(
  "export",
  object({
    verb: constant("account export"),
    ...file("where to write the archive"),
    ...account,
    ...password,
    force: option("--force", { description: message`replace the file if it is there` }),
    ...home,
  }),
  said("Writes an account into a file to keep: whoever has it (and its password) has the account."),
);
const list = command(
  "list",
  object({ verb: constant("account list"), ...home }),
  said("Lists the accounts."),
);
const show = command(
  "show",
  object({ verb: constant("account show"), ...which, ...home }),
  said("Shows an account."),
);
const change = command(
  "password",
  object({
    verb: constant("account password"),
    ...account,
    ...password,
    next: optional(
      option("--new", text("PASSWORD"), { description: message`the new password; empty: none` }),
    ),
    nextFile: optional(option("--new-file", text("FILE"), {
      description: message`file whose first line is the new password`,
    })),
    ...home,
  }),
  said("Changes, sets or removes the password of an account’s archive."),
);
const remove = command(
  "delete",
  object({
    verb: constant("account delete"),
    account: argument(text("ACCOUNT"), { description: message`its Jami id, local id or name` }),
    yes: option("--yes", { description: message`do not ask` }),
    ...home,
  }),
  said("Deletes an account from this computer; without an archive elsewhere it is gone for ever."),
);

const server = {
  server: withDefault(
    option("--server", text("URL"), {
      description: message`name server to ask (default ${ACCOUNT_DEFAULTS.nameServer})`,
    }),
    ACCOUNT_DEFAULTS.nameServer,
  ),
};
const lookup = command(
  "lookup",
  object({
    verb: constant("name lookup"),
    word: argument(text("NAME"), {
      description: message`a name, a name@server, or the 40 digits of a Jami id`,
    }),
    ...server,
    ...home,
  }),
  said("Finds the account behind a name, or the name of an account. Finding nothing is exit code 1."),
);
const importNames = command(
  "import",
  object({
    verb: constant("name import"),
    file: argument(text("FILE"), {
      description: message`the file ${"namecache/…"} of a Jami daemon on this computer`,
    }),
    ...server,
    ...home,
  }),
  said("Takes over the names that a Jami daemon remembers, so that they need not be asked for again."),
);
const register = command(
  "register",
  object({
    verb: constant("name register"),
    name: argument(text("NAME"), { description: message`3 to 32 of a-z, 0-9, - and _` }),
    ...account,
    ...password,
    ...server,
    ...home,
  }),
  said("Registers a name for an account. It cannot be given back or changed."),
);
const serve = command(
  "serve",
  object({
    verb: constant("names serve"),
    port: withDefault(
      option("--port", "-p", integer({ min: 0, max: 65535, metavar: "N" }), {
        description: message`TCP port (default ${String(ACCOUNT_DEFAULTS.namesPort)})`,
      }),
      ACCOUNT_DEFAULTS.namesPort,
    ),
    listen: withDefault(
      option("--listen", text("ADDRESS"), {
        description:
          message`address to answer at (default 127.0.0.1: this computer only; 0.0.0.0: everybody)`,
      }),
      "127.0.0.1",
    ),
    ...home,
  }),
  said("Runs a name server until you end it (Ctrl+C)."),
);

/** `kith account …`, `kith name …`, `kith names …`. */
export const accountCommands = or(
  command("account", or(create, bring, save, list, show, change, remove), {
    description: message`Makes, brings, shows, locks and deletes accounts.`,
  }),
  command("name", or(lookup, register, importNames), { description: message`Asks a name server.` }),
  command("names", serve, { description: message`Serves names to a local network or a club.` }),
);
