/**
 * The node's verbs, for whoever may ask: a request line (JSON) in, an answer line out. Knows no socket, so that every
 * door of the node speaks the same language.
 *
 * Request: `{"id"?, "verb", …fields}`. Answer: `{"id"?, "result"}` or `{"id"?, "error": {"code", "data"}}`.
 */
import { CoreError, text } from "../base/mod.ts";
import { CONTACT_VERBS } from "./control_contacts.ts";
import { CONVERSATION_VERBS } from "./control_conversations.ts";
import { Fields, type RequestFields } from "./control_fields.ts";
import { MESSAGE_VERBS } from "./control_messages.ts";
import { PEER_VERBS } from "./control_peers.ts";
import { LIMITS } from "./limits.ts";
import type { KithNode, NodeAccount } from "./node.ts";

export type Verb = (node: KithNode, fields: Fields) => object | Promise<object>;
export type Verbs = Readonly<Record<string, Verb>>;

/** What the door does with a line: writes `answer`, and from then on the events after number `follow`, if that is there. */
export interface Answered {
  readonly answer: string;
  readonly follow?: number;
}

const VERBS: Verbs = {
  ...CONTACT_VERBS,
  ...CONVERSATION_VERBS,
  ...MESSAGE_VERBS,
  ...PEER_VERBS,
  status: (node, fields) => {
    fields.end();
    const { dht } = node.options,
      { good: good4 = 0 } = dht.info().ipv4 ?? {},
      { good: good6 = 0 } = dht.info().ipv6 ?? {};
    return {
      dht: { id: dht.id, port: dht.local.port, status: dht.status, good4, good6 },
      accounts: node.accounts.map(accountFact),
      events: node.events.last,
    };
  },
  /** One account: the one named, or the only one. */
  "account.show": (node, fields) => {
    const account = node.account(fields.optional("account"));
    fields.end();
    return accountFact(account);
  },
  /** Events after number `since` (default: from now on) follow the answer, one a line; nothing more is asked on this connection. */
  events: (node, fields) => {
    const since = fields.count("since", node.events.last, Number.MAX_SAFE_INTEGER);
    fields.end();
    return { since: Math.min(since, node.events.last), last: node.events.last };
  },
};

function accountFact({ record, session, refused, announced }: NodeAccount) {
  const { id, jamiId, deviceId, displayName, registeredName } = record;
  return {
    id,
    jamiId,
    deviceId,
    displayName,
    ...(registeredName && { registeredName }),
    state: refused ? "refused" : announced === undefined ? "connecting" : "online",
    ...(refused && { code: refused }),
    ...(session && {
      contacts: session.book.list().filter(({ account }) => session.book.state(account) === "active").length,
      requests: session.book.requests().length,
      conversations: session.swarm.list().length,
      invitations: session.swarm.invitations().length,
      links: session.peers.links().length,
    }),
  };
}

/** Runs one verb. @throws {CoreError} `control/verb`, `control/field`, and what the verb runs into. */
export async function runVerb(node: KithNode, verb: string, fields: RequestFields): Promise<object> {
  const run = Object.hasOwn(VERBS, verb) ? VERBS[verb] : undefined;
  if (!run) throw new CoreError("control/verb", { verb: verb.slice(0, LIMITS.wordLength) });
  return await run(node, new Fields(fields));
}

/** Answers one line. Whatever comes in, an answer goes out. */
export async function answerLine(node: KithNode, line: Uint8Array): Promise<Answered> {
  let id: unknown;
  try {
    const { id: given, verb, ...fields } = readRequest(line);
    if (given !== undefined && !isTag(given)) throw new CoreError("control/field", { field: "id" });
    id = given;
    if (typeof verb !== "string") throw new CoreError("control/field", { field: "verb" });
    const result = await runVerb(node, verb, fields);
    const answer = JSON.stringify({ id, result });
    return verb === "events" && "since" in result ? { answer, follow: Number(result.since) } : { answer };
  } catch (error) {
    return { answer: JSON.stringify({ id, error: failure(node, error) }) };
  }
}

/** An error as it goes over the line. A mistake of ours is logged here and told without its inside. */
function failure(node: KithNode, error: unknown): { code: string; data: object } {
  if (error instanceof CoreError) return { code: error.code, data: error.data };
  node.options.env.log.error("request failed", { error: String((error as Error)?.stack ?? error) });
  return { code: "node/bug", data: {} };
}

function readRequest(line: Uint8Array): Record<string, unknown> {
  const words = text(line);
  if (words === undefined) throw new CoreError("control/json");
  let value: unknown;
  try {
    value = JSON.parse(words);
  } catch {
    throw new CoreError("control/json");
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new CoreError("control/json");
  }
  return value as Record<string, unknown>;
}

const isTag = (id: unknown) =>
  typeof id === "string" ? id.length <= LIMITS.wordLength : typeof id === "number" && Number.isFinite(id);
