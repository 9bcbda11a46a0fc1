/** How contacts, conversations and messages look to whoever asks the node: plain values, times in ISO 8601. */
import type { AccountId, CommitId, ConversationId } from "../base/mod.ts";
import { jsonText } from "../codec/mod.ts";
import type { Contact, ContactRequest, ContactState } from "../contacts/mod.ts";
import type { Conversation, Invitation, Message, Swarm } from "../swarm/mod.ts";
import { cardName } from "./node_card.ts";
import type { NodeNames } from "./node_names.ts";
import type { AccountSession } from "./session.ts";

/** Where a message of ours is for one member: stored here only, on a device of theirs, or read. */
export type Reach = "stored" | "sent" | "read";
const REACH: readonly Reach[] = ["stored", "sent", "read"];

export const iso = (ms: number): string => new Date(ms).toISOString();

export function contactFact(contact: Contact, session: AccountSession, names: NodeNames) {
  const { account, added, confirmed, conversation } = contact, { online, book } = session;
  return {
    contact: account,
    ...names.of(account),
    state: stateOf(book.state(account), confirmed),
    presence: online.online.presence(account)?.state ?? "away",
    ...(conversation && { conversation }),
    added: iso(added * 1000),
  };
}
/** `asked`: we asked, they have not answered yet. */
const stateOf = (state: ContactState, confirmed: boolean) =>
  state === "active" ? confirmed ? "confirmed" : "asked" : state === "banned" ? "blocked" : state;

export function requestFact({ account, conversation, payload, received }: ContactRequest, names: NodeNames) {
  const card = cardName(payload);
  return {
    contact: account,
    ...names.of(account),
    ...(card && { card }),
    ...(conversation && { conversation }),
    received: iso(received * 1000),
  };
}

export function invitationFact({ conversation, from, infos, receivedMs }: Invitation, names: NodeNames) {
  const { title } = infos;
  return {
    conversation,
    from,
    ...names.of(from),
    ...(title && { title }),
    received: iso(receivedMs),
  };
}

/** A conversation that is here. `last`: its newest message. */
export function conversationFact(
  conversation: Conversation,
  { swarm, jamiId }: AccountSession,
  names: NodeNames,
) {
  const { id, members } = conversation, pair = conversation.foundation().mode === 0;
  const { title, description } = conversation.profile(), [last] = swarm.index.page(id, { limit: 1 });
  return {
    conversation: id,
    kind: pair ? "pair" : "group",
    state: swarm.register.get(id)?.state ?? "ready",
    ...(title && { title }),
    ...(description && { description }),
    members: members.map(({ account, role }) => ({
      contact: account,
      role,
      ...names.of(account),
      ...(account === jamiId && { me: true }),
    })),
    ...(last && { last: messageFact(last) }),
  };
}

export function messageFact(message: Message) {
  const { id, conversation, account, device, time, type, text, edited, deleted, replyTo, reactions, body } =
    message;
  const action = jsonText(body.action), who = jsonText(body.uri), duration = jsonText(body.duration);
  return {
    conversation,
    message: id,
    from: account,
    device,
    time: iso(time * 1000),
    type,
    ...(text !== undefined && { text }),
    ...(edited && { edited }),
    ...(deleted && { deleted }),
    ...(replyTo && { replyTo }),
    ...(reactions.length && { reactions: reactions.map(({ account, text }) => ({ from: account, text })) }),
    ...(action && { action }),
    ...(who && { who }),
    ...(duration && { duration }),
  };
}

/**
 * How far our messages got, per member that is in: what a device of theirs fetched or read, and what they wrote on top
 * of. `ids`: our messages; `heads`: commits of others seen meanwhile, which prove that their author had what lies below.
 */
export function reachOf(
  swarm: Pick<Swarm, "index" | "marks">,
  { id, members }: Pick<Conversation, "id" | "members">,
  me: AccountId,
  ids: readonly CommitId[],
  heads: readonly { readonly account: AccountId; readonly id: CommitId }[],
): Map<CommitId, Record<string, Reach>> {
  const others = members.filter(({ account, role }) =>
    account !== me && (role === "admin" || role === "member")
  );
  const found = new Map<CommitId, Record<string, Reach>>(ids.map((id) => [id, {}]));
  if (!ids.length) return found;
  const marks = swarm.marks(id);
  for (const { account } of others) {
    const from = (kind: string) =>
      marks.filter((m) => m.account === account && m.kind === kind).map((m) => m.commit);
    const wrote = heads.filter((head) => head.account === account).map((head) => head.id);
    const read = below(swarm, id, ids, from("read")),
      sent = below(swarm, id, ids, [...from("fetched"), ...wrote]);
    for (const one of ids) {
      found.get(one)![account] = REACH[read.has(one) ? 2 : sent.has(one) ? 1 : 0]!;
    }
  }
  return found;
}

/** Which of `ids` are one of `heads` or an ancestor of one. */
function below(
  { index }: Pick<Swarm, "index">,
  conversation: ConversationId,
  ids: readonly CommitId[],
  heads: readonly string[],
): Set<string> {
  const graph = index.graph(conversation), wanted = new Set<string>(ids), seen = new Set<string>(heads);
  const open = [...seen], hit = new Set<string>();
  while (open.length && hit.size < wanted.size) {
    const id = open.pop()!, node = graph(id);
    if (node && wanted.has(id)) hit.add(id);
    for (const parent of node?.parents ?? []) if (!seen.has(parent)) seen.add(parent), open.push(parent);
  }
  return hit;
}
