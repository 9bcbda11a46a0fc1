/** What may be typed after `kith`, as one value per command. Pure: reading arguments starts nothing. */
import {
  argument,
  command,
  constant,
  type InferValue,
  integer,
  merge,
  message,
  multiple,
  object,
  option,
  optional,
  or,
  string,
  type ValueParser,
  type ValueParserResult,
  withDefault,
} from "@optique/core";
import { accountCommands } from "./account_arguments.ts";
import { hostPort } from "./host_port.ts";
import { DEFAULTS } from "./limits.ts";
import { talkCommands } from "./talk_arguments.ts";

export { type HostPort, parseHostPort } from "./host_port.ts";

/** A decimal or `0x` value id, 1 to 2⁶⁴−1. */
const valueId: ValueParser<"sync", bigint> = {
  mode: "sync",
  metavar: "ID",
  placeholder: 1n,
  parse(text): ValueParserResult<bigint> {
    const value = /^(\d{1,20}|0x[0-9a-fA-F]{1,16})$/.test(text) ? BigInt(text) : 0n;
    return value > 0n && value < 1n << 64n
      ? { success: true, value }
      : { success: false, error: message`${text} is no value id; write a number from 1 to 2⁶⁴−1` };
  },
  format: String,
};

const text = (metavar: "KEY" | "TEXT" | "FILE" | "QUERY" | "MIME" | "FOLDER") => string({ metavar });
const json = {
  json: option("--json", { description: message`one JSON object a line instead of sentences` }),
};
const network = {
  network: withDefault(
    option("--network", "-n", integer({ min: 0, max: 2 ** 32 - 1, metavar: "N" }), {
      description: message`number of the network; 0 is the public one (default 0)`,
    }),
    0,
  ),
};
const bootstrap = {
  bootstrap: multiple(option("--bootstrap", "-b", hostPort, {
    description: message`node to join at, may be repeated (default ${DEFAULTS.bootstrap})`,
  })),
};
const port = (preset: number, note: string) => ({
  port: withDefault(
    option("--port", "-p", integer({ min: 0, max: 65535, metavar: "N" }), {
      description: message`UDP port, 0 for any free one (default ${note})`,
    }),
    preset,
  ),
});
const timeout = {
  timeout: withDefault(
    option("--timeout", integer({ min: 1, max: 3600, metavar: "SECONDS" }), {
      description: message`give up after so many seconds (default ${String(DEFAULTS.timeoutSeconds)})`,
    }),
    DEFAULTS.timeoutSeconds,
  ),
};
const key = {
  key: argument(text("KEY"), {
    description: message`40 hex digits, or any other text: then its SHA-1 is the key`,
  }),
};
const query = {
  query: optional(option("--query", "--where", "-q", text("QUERY"), {
    description: message`only what matches: ${'WHERE id=5, user_type="text/plain"'} or ${"SELECT id,seq"}`,
  })),
};
const client = object({ ...bootstrap, ...network, ...timeout, ...json });

const node = command(
  "node",
  object({
    verb: constant("dht node"),
    ...port(DEFAULTS.port, String(DEFAULTS.port)),
    ...bootstrap,
    ...network,
    state: optional(option("--state", text("FILE"), {
      description: message`file that keeps known nodes and values from one start to the next`,
    })),
    first: option("--first", { description: message`join nobody: this is the first node of a network` }),
    ...json,
  }),
  {
    brief: message`Runs a DHT node until you end it.`,
    description: message`Runs a DHT node until you end it (Ctrl+C).`,
  },
);

const put = command(
  "put",
  merge(
    object({
      verb: constant("dht put"),
      ...key,
      text: argument(text("TEXT"), { description: message`what to store` }),
      id: optional(
        option("--id", valueId, { description: message`id of the value (default: a random one)` }),
      ),
      type: withDefault(
        option("--type", integer({ min: 0, max: 65535, metavar: "N" }), {
          description: message`number of the value type (default 0, kept 10 minutes)`,
        }),
        0,
      ),
      userType: withDefault(
        option("--user-type", text("MIME"), { description: message`what the text is (default text/plain)` }),
        "text/plain",
      ),
      permanent: option("--permanent", { description: message`keep it alive until you end the command` }),
    }),
    client,
  ),
  { brief: message`Stores a text under a key.`, description: message`Stores a text under a key.` },
);

const get = command("get", merge(object({ verb: constant("dht get"), ...key, ...query }), client), {
  brief: message`Shows what is stored under a key.`,
  description: message`Shows what is stored under a key. Finding nothing is exit code 1.`,
});

const listen = command("listen", merge(object({ verb: constant("dht listen"), ...key, ...query }), client), {
  brief: message`Shows what is stored under a key, and every change.`,
  description: message`Shows what is stored under a key, then every change until you end it (Ctrl+C).`,
});

const info = command("info", merge(object({ verb: constant("dht info") }), client), {
  brief: message`Joins the network and tells what it looks like from here.`,
  description: message`Joins the network and tells what it looks like from here.`,
});

const start = command(
  "start",
  object({
    verb: constant("start"),
    ...port(DEFAULTS.port, String(DEFAULTS.port)),
    ...bootstrap,
    ...network,
    home: optional(option("--home", text("FOLDER"), {
      description:
        message`folder that keeps everything (default: KITH_HOME, else kith in the user’s data folder)`,
    })),
    ...json,
  }),
  {
    brief: message`Runs the node.`,
    description:
      message`Runs the node until you end it (Ctrl+C): a full DHT node, and every account of the home on line.`,
  },
);

/** Everything after `kith`. */
export const kith = or(
  start,
  command("dht", or(node, put, get, listen, info), {
    description: message`Works with the distributed hash table.`,
  }),
  accountCommands,
  talkCommands,
);
/** One understood command line. `verb` tells which. */
export type Command = InferValue<typeof kith>;
export type Verb = Command["verb"];
export type CommandOf<V extends Verb> = Extract<Command, { verb: V }>;
