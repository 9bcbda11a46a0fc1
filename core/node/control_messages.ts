/** What can be asked about messages. */
import { type CommitId, CoreError } from "../base/mod.ts";
import type { Conversation, Message } from "../swarm/mod.ts";
import type { Verbs } from "./control.ts";
import { conversationOf, memberOf, messageOf, openConversation } from "./control_targets.ts";
import { LIMITS } from "./limits.ts";
import type { WorkingAccount } from "./node.ts";
import { messageFact, reachOf } from "./node_facts.ts";

/** Messages as facts; ours with `reach`, per member. */
function told(
  { session: { swarm, jamiId } }: WorkingAccount,
  conversation: Conversation,
  messages: readonly Message[],
) {
  const own = messages.filter(({ account }) => account === jamiId).map(({ id }) => id);
  const reach = reachOf(swarm, conversation, jamiId, own, messages);
  return messages.map((message) => {
    const far = reach.get(message.id);
    return { ...messageFact(message), ...(far && { reach: far }) };
  });
}

const written = (conversation: Conversation, message: CommitId) => ({
  conversation: conversation.id,
  message,
});

/** Every verb takes `account`; `to` and `conversation` are as in the conversations' verbs, `message` an id or its beginning. */
export const MESSAGE_VERBS: Verbs = {
  /** Answers when the message is stored here; how far it gets shows in events and pages. */
  "message.send": async (node, fields) => {
    const account = node.account(fields.optional("account")), reply = fields.optional("replyTo");
    const conversation = await openConversation(account, fields.text("to")), text = fields.words("text");
    fields.end();
    return written(
      conversation,
      await conversation.send(
        text,
        reply === undefined ? undefined : messageOf(account, conversation, reply),
      ),
    );
  },
  "message.edit": async (node, fields) => {
    const { account, conversation, message } = await meant(node.account(fields.optional("account")), fields);
    const text = fields.text("text", Infinity);
    fields.end();
    mustBeOwn(account, conversation, message);
    return written(conversation, await conversation.edit(message, text));
  },
  "message.delete": async (node, fields) => {
    const { account, conversation, message } = await meant(node.account(fields.optional("account")), fields);
    fields.end();
    mustBeOwn(account, conversation, message);
    return written(conversation, await conversation.edit(message, ""));
  },
  "message.react": async (node, fields) => {
    const { conversation, message } = await meant(node.account(fields.optional("account")), fields);
    const text = fields.text("text", LIMITS.wordLength);
    fields.end();
    return written(conversation, await conversation.react(message, text));
  },
  /** Tells the members that we have read up to `message`. */
  "message.read": async (node, fields) => {
    const { account, conversation, message } = await meant(node.account(fields.optional("account")), fields);
    fields.end();
    await account.session.swarm.read(conversation.id, message);
    return written(conversation, message);
  },
  "message.typing": async (node, fields) => {
    const account = node.account(fields.optional("account"));
    const { id } = await openConversation(account, fields.text("conversation")),
      active = fields.flag("active");
    fields.end();
    await account.session.swarm.typing(id, active);
    return { conversation: id, active };
  },
  /** The newest `limit` messages (older than `before`), oldest first; `more`: there are older ones. */
  "message.page": async (node, fields) => {
    const account = node.account(fields.optional("account")), before = fields.optional("before");
    const conversation = await openConversation(account, fields.text("conversation"));
    const limit = fields.count("limit", 50, LIMITS.pageMessages);
    fields.end();
    const { index } = account.session.swarm, { id } = conversation;
    const options = before === undefined ? {} : { before: messageOf(account, conversation, before) };
    const found = limit ? index.page(id, { ...options, limit }) : [], fit = fitting(found);
    const last = fit.at(-1);
    return {
      conversation: id,
      messages: told(account, conversation, fit).reverse(),
      more: last !== undefined && index.page(id, { before: last.id, limit: 1 }).length > 0,
    };
  },
  /** Best first. `in`: a conversation, `from`: a person. The words found stand between U+0002 and U+0003 in `snippet`. */
  "message.search": async (node, fields) => {
    const account = node.account(fields.optional("account")), { swarm } = account.session;
    const words = fields.text("words"), where = fields.optional("in"), from = fields.optional("from");
    const limit = fields.count("limit", 50, LIMITS.pageMessages);
    fields.end();
    const conversation = where === undefined ? undefined : conversationOf(account, where);
    const open = conversation && await swarm.get(conversation);
    const hits = limit
      ? swarm.index.search(words, {
        ...(conversation && { conversation }),
        ...(from !== undefined && { account: memberOf(account, open, from) }),
        limit,
      })
      : [];
    return {
      hits: hits.map(({ message, snippet }) => ({
        ...messageFact({ ...message, text: undefined }),
        snippet,
      })),
    };
  },
};

async function meant(account: WorkingAccount, fields: Parameters<Verbs[string]>[1]) {
  const conversation = await openConversation(account, fields.text("conversation"));
  return { account, conversation, message: messageOf(account, conversation, fields.text("message")) };
}

function mustBeOwn(
  { session: { swarm, jamiId } }: WorkingAccount,
  { id }: Conversation,
  message: CommitId,
): void {
  const found = swarm.index.message(id, message);
  if (found?.account !== jamiId) throw new CoreError("node/not-yours", { message });
}

/** As many as one answer holds, at least one. */
function fitting(messages: readonly Message[]): Message[] {
  let left: number = LIMITS.pageCharacters;
  return messages.filter(({ text }, i) => (left -= text?.length ?? 0) >= 0 || i === 0);
}
