/** Whom and what a word means: a whole id, the beginning of one, or a registered name. Names people give themselves lead nowhere. */
import { type AccountId, type CommitId, type ConversationId, CoreError } from "../base/mod.ts";
import type { Conversation } from "../swarm/mod.ts";
import { wholeId } from "./control_fields.ts";
import { LIMITS } from "./limits.ts";
import type { WorkingAccount } from "./node.ts";

const isBeginning = (word: string) => word.length >= LIMITS.shortestId && /^[0-9a-f]{1,40}$/i.test(word);

/** @throws {CoreError} `node/unknown-person`, `node/ambiguous`. A whole id may be anybody's. */
export function personOf(account: WorkingAccount, word: string): AccountId {
  const whole = wholeId(word);
  if (whole) return whole;
  const { session: { book, swarm }, names } = account, found = new Set(names.find(word));
  if (isBeginning(word)) {
    const known = [
      ...book.list().map((contact) => contact.account),
      ...book.requests().map((request) => request.account),
      ...swarm.invitations().map(({ from }) => from),
    ];
    for (const one of known) if (one.startsWith(word.toLowerCase())) found.add(one);
  }
  return only(found, word, "node/unknown-person");
}

/** As {@linkcode personOf}, members of `conversation` included. */
export function memberOf(
  account: WorkingAccount,
  conversation: Conversation | undefined,
  word: string,
): AccountId {
  const members = isBeginning(word) &&
      conversation?.members.filter(({ account }) => account.startsWith(word.toLowerCase())) || [];
  const found = new Set(members.map((member) => member.account));
  try {
    found.add(personOf(account, word));
  } catch (error) {
    if (!found.size || (error as CoreError).code !== "node/unknown-person") throw error;
  }
  return only(found, word, "node/unknown-person");
}

/** A conversation by its id, or by the contact it is with. @throws {CoreError} `node/unknown-conversation`, `node/ambiguous`. */
export function conversationOf(account: WorkingAccount, word: string): ConversationId {
  const { session: { book, swarm }, names } = account,
    found = new Set<ConversationId>(),
    lower = word.toLowerCase();
  const whole = wholeId(word), beginning = whole ?? (isBeginning(word) ? lower : undefined);
  if (beginning) {
    for (const { conversation, state } of swarm.register.list()) {
      if (state !== "erased" && state !== "declined" && conversation.startsWith(beginning)) {
        found.add(conversation);
      }
    }
  }
  const named = new Set(names.find(word));
  for (const { account, conversation } of book.list()) {
    if (conversation && (named.has(account) || (beginning && account.startsWith(beginning)))) {
      found.add(conversation);
    }
  }
  return only(found, word, "node/unknown-conversation");
}

/** An open conversation. @throws {CoreError} as {@linkcode conversationOf}; `node/conversation-pending` while it is invited to or fetched. */
export async function openConversation(account: WorkingAccount, word: string): Promise<Conversation> {
  const { swarm } = account.session,
    id = conversationOf(account, word),
    state = swarm.register.get(id)?.state;
  if (state === "invited" || state === "cloning") {
    throw new CoreError("node/conversation-pending", { id, state });
  }
  if (state !== "ready") throw new CoreError("node/unknown-conversation", { word });
  return await swarm.get(id);
}

/** A message of `conversation` by its id or the beginning of it, among the newest. @throws {CoreError} `node/unknown-message`, `node/ambiguous`. */
export function messageOf(
  { session: { swarm } }: WorkingAccount,
  { id }: Conversation,
  word: string,
): CommitId {
  const whole = wholeId(word) as unknown as CommitId | undefined;
  if (whole) {
    if (!swarm.index.message(id, whole)) throw new CoreError("node/unknown-message", { word });
    return whole;
  }
  const newest = isBeginning(word) ? swarm.index.page(id, { limit: LIMITS.pageMessages }) : [];
  const found = newest.map((message) => message.id).filter((one) => one.startsWith(word.toLowerCase()));
  return only(new Set(found), word, "node/unknown-message");
}

function only<T extends string>(found: ReadonlySet<T>, word: string, code: string): T {
  const [first] = found;
  if (first === undefined) throw new CoreError(code, { word });
  if (found.size > 1) throw new CoreError("node/ambiguous", { word, count: found.size });
  return first;
}
