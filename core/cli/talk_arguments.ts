/** What may be typed to talk: `kith contact …`, `conversation …`, `send`, `log`, `search`, `status`. Pure. */
import {
  argument,
  command,
  constant,
  integer,
  message,
  multiple,
  object,
  option,
  optional,
  or,
  string,
  withDefault,
} from "@optique/core";
import { ACCOUNT_DEFAULTS, TALK_DEFAULTS, TALK_LIMITS } from "./limits.ts";

const text = (
  metavar: "FOLDER" | "ACCOUNT" | "WHO" | "TO" | "TEXT" | "CONVERSATION" | "TITLE" | "WORD" | "URL",
) => string({ metavar });
const common = {
  account: optional(option("--account", "-a", text("ACCOUNT"), {
    description:
      message`which of your accounts: its Jami id, local id or name (needed when there are several)`,
  })),
  home: optional(option("--home", text("FOLDER"), {
    description: message`home of the running node (default: KITH_HOME, else kith in the user’s data folder)`,
  })),
  json: option("--json", { description: message`one JSON object a line instead of sentences` }),
};
const server = {
  server: withDefault(
    option("--server", text("URL"), {
      description: message`name server that knows WHO (default ${ACCOUNT_DEFAULTS.nameServer})`,
    }),
    ACCOUNT_DEFAULTS.nameServer,
  ),
};
const who = {
  who: argument(text("WHO"), { description: message`a Jami id, the beginning of a known one, or a name` }),
};
const conversation = {
  conversation: argument(text("CONVERSATION"), {
    description: message`its id or the beginning of it, or the contact it is with`,
  }),
};
const limit = (preset: number, what: string) => ({
  limit: withDefault(
    option("--limit", integer({ min: 0, max: TALK_LIMITS.lines, metavar: "N" }), {
      description: message`${what} (default ${String(preset)})`,
    }),
    preset,
  ),
});
const said = (brief: string) => ({ brief: message`${brief}`, description: message`${brief}` });

const contact = or(
  command(
    "add",
    object({ verb: constant("contact add"), ...who, ...server, ...common }),
    said("Asks somebody to be a contact, or says yes to who asked already."),
  ),
  command(
    "accept",
    object({ verb: constant("contact accept"), ...who, ...server, ...common }),
    said("Says yes to a request."),
  ),
  command(
    "decline",
    object({ verb: constant("contact decline"), ...who, ...server, ...common }),
    said("Says no to a request; they are not told."),
  ),
  command(
    "block",
    object({ verb: constant("contact block"), ...who, ...server, ...common }),
    said("Refuses everything from somebody; they are not told."),
  ),
  command(
    "unblock",
    object({ verb: constant("contact unblock"), ...who, ...server, ...common }),
    said("Makes somebody you blocked a contact again."),
  ),
  command(
    "remove",
    object({ verb: constant("contact remove"), ...who, ...server, ...common }),
    said("Removes a contact, and leaves the conversation with them."),
  ),
  command(
    "list",
    object({
      verb: constant("contact list"),
      all: option("--all", { description: message`removed ones too` }),
      ...common,
    }),
    said("Lists contacts, and requests that wait for an answer."),
  ),
);

const conversations = or(
  command(
    "list",
    object({ verb: constant("conversation list"), ...common }),
    said("Lists conversations, and invitations that wait for an answer."),
  ),
  command(
    "create",
    object({
      verb: constant("conversation create"),
      title: optional(option("--title", "-t", text("TITLE"), { description: message`what it is called` })),
      members: multiple(argument(text("WHO"), { description: message`whom to invite: ids or names` })),
      ...server,
      ...common,
    }),
    said("Makes a group."),
  ),
  command(
    "add",
    object({
      verb: constant("conversation add"),
      ...conversation,
      members: multiple(argument(text("WHO"), { description: message`whom to invite: ids or names` }), {
        min: 1,
      }),
      ...server,
      ...common,
    }),
    said("Invites people into a group."),
  ),
  command(
    "leave",
    object({ verb: constant("conversation leave"), ...conversation, ...server, ...common }),
    said("Leaves a conversation; what was said in it is removed here."),
  ),
  command(
    "show",
    object({ verb: constant("conversation show"), ...conversation, ...server, ...common }),
    said("Shows who is in a conversation."),
  ),
  command(
    "accept",
    object({ verb: constant("conversation accept"), ...conversation, ...server, ...common }),
    said("Says yes to an invitation."),
  ),
  command(
    "decline",
    object({ verb: constant("conversation decline"), ...conversation, ...server, ...common }),
    said("Says no to an invitation; they are not told."),
  ),
);

const send = command(
  "send",
  object({
    verb: constant("send"),
    to: argument(text("TO"), {
      description: message`a conversation or a contact: id, beginning of one, or name`,
    }),
    text: optional(argument(text("TEXT"), {
      description: message`what to say; without it, or as ${"-"}, it is read from standard input`,
    })),
    reply: optional(option("--reply", text("WORD"), {
      description: message`id of the message this answers, or the beginning of it`,
    })),
    ...server,
    ...common,
  }),
  said("Sends a message. It is kept until every member has it."),
);
const log = command(
  "log",
  object({
    verb: constant("log"),
    conversation: optional(argument(text("CONVERSATION"), {
      description:
        message`its id, the beginning of it, or the contact it is with (default: all conversations)`,
    })),
    follow: option("--follow", "-f", {
      description: message`stay and show what comes in, until you end it (Ctrl+C)`,
    }),
    read: option("--read", { description: message`tell the others that you have read it` }),
    ...limit(TALK_DEFAULTS.logLines, "how many messages of each conversation"),
    ...server,
    ...common,
  }),
  said("Shows messages, oldest first."),
);
const search = command(
  "search",
  object({
    verb: constant("search"),
    words: multiple(
      argument(text("WORD"), { description: message`all must be there; the beginning of a word will do` }),
      {
        min: 1,
      },
    ),
    in: optional(option("--in", text("CONVERSATION"), { description: message`only in this conversation` })),
    from: optional(option("--from", text("WHO"), { description: message`only what this person wrote` })),
    ...limit(TALK_DEFAULTS.hits, "how many at most"),
    ...server,
    ...common,
  }),
  said("Finds messages, best first. Finding nothing is exit code 1."),
);
const status = command(
  "status",
  object({ verb: constant("status"), home: common.home, json: common.json }),
  said("Tells what the running node is doing."),
);

const peer = or(
  command(
    "connect",
    object({
      verb: constant("peer connect"),
      who: argument(text("WHO"), { description: message`a Jami id, a name, or a device id (64 hex digits)` }),
      trace: option("--trace", { description: message`show every phase with its time` }),
      ...server,
      ...common,
    }),
    said("Connects to a device of somebody, and tells what took how long."),
  ),
  command(
    "list",
    object({
      verb: constant("peer list"),
      trace: option("--trace", { description: message`the last attempts too, with every phase` }),
      ...common,
    }),
    said("Lists the devices that are connected."),
  ),
);

/** Everything that talks to a running node. */
export const talkCommands = or(
  command("contact", contact, { description: message`Adds, accepts, blocks and lists contacts.` }),
  command("conversation", conversations, {
    description: message`Makes, joins, shows and leaves conversations.`,
  }),
  command("peer", peer, { description: message`Connects to devices and shows why it is slow.` }),
  send,
  log,
  search,
  status,
);
