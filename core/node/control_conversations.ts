/** What can be asked about conversations. */
import { CoreError } from "../base/mod.ts";
import type { Verbs } from "./control.ts";
import { conversationOf, memberOf, openConversation, personOf } from "./control_targets.ts";
import { conversationFact, invitationFact } from "./node_facts.ts";

/** Every verb takes `account`, and most `conversation`: its id, the beginning of it, or the contact it is with. */
export const CONVERSATION_VERBS: Verbs = {
  /** Conversations that are here, newest message first; invitations that wait; those being fetched. */
  "conversation.list": async (node, fields) => {
    const { session, names } = node.account(fields.optional("account")), { swarm } = session;
    fields.end();
    const open = await Promise.all(swarm.list().map(({ conversation }) => swarm.get(conversation)));
    const conversations = open.map((one) => conversationFact(one, session, names));
    return {
      conversations: conversations.sort((a, b) => (b.last?.time ?? "").localeCompare(a.last?.time ?? "")),
      invitations: swarm.invitations().map((invitation) => invitationFact(invitation, names)),
      fetching: swarm.register.list("cloning").map(({ conversation, from }) => ({
        conversation,
        from,
        ...names.of(from),
      })),
    };
  },
  /** A new group. `members` are invited at once. */
  "conversation.create": async (node, fields) => {
    const account = node.account(fields.optional("account")), title = fields.optional("title");
    const members = new Set(fields.list("members").map((word) => personOf(account, word)));
    fields.end();
    const { session, names } = account, conversation = await session.swarm.create();
    if (title !== undefined) await conversation.setProfile({ title });
    for (const member of members) await session.swarm.invite(conversation.id, member);
    return conversationFact(conversation, session, names);
  },
  "conversation.add": async (node, fields) => {
    const account = node.account(fields.optional("account")), { session, names } = account;
    const conversation = await openConversation(account, fields.text("conversation"));
    const who = personOf(account, fields.text("who"));
    fields.end();
    if (conversation.foundation().mode === 0) {
      throw new CoreError("node/pair-is-two", { id: conversation.id });
    }
    await session.swarm.invite(conversation.id, who);
    return conversationFact(conversation, session, names);
  },
  /** Votes somebody out; for admins. */
  "conversation.ban": async (node, fields) => {
    const account = node.account(fields.optional("account"));
    const conversation = await openConversation(account, fields.text("conversation"));
    const who = memberOf(account, conversation, fields.text("who"));
    fields.end();
    await conversation.ban(who);
    return conversationFact(conversation, account.session, account.names);
  },
  "conversation.show": async (node, fields) => {
    const account = node.account(fields.optional("account"));
    const conversation = await openConversation(account, fields.text("conversation"));
    fields.end();
    return conversationFact(conversation, account.session, account.names);
  },
  "conversation.title": async (node, fields) => {
    const account = node.account(fields.optional("account"));
    const conversation = await openConversation(account, fields.text("conversation")),
      title = fields.text("title");
    fields.end();
    await conversation.setProfile({ ...conversation.profile(), title });
    return conversationFact(conversation, account.session, account.names);
  },
  /** The farewell is kept until a member has it, then everything is erased here. */
  "conversation.leave": async (node, fields) => {
    const account = node.account(fields.optional("account"));
    const { id } = await openConversation(account, fields.text("conversation"));
    fields.end();
    await account.session.swarm.leave(id);
    return { conversation: id, state: account.session.swarm.register.get(id)?.state };
  },
  "conversation.accept": (node, fields) => {
    const account = node.account(fields.optional("account")),
      id = conversationOf(account, fields.text("conversation"));
    fields.end();
    account.session.swarm.accept(id);
    return { conversation: id, state: account.session.swarm.register.get(id)?.state };
  },
  "conversation.decline": (node, fields) => {
    const account = node.account(fields.optional("account")),
      id = conversationOf(account, fields.text("conversation"));
    fields.end();
    account.session.swarm.decline(id);
    return { conversation: id, state: account.session.swarm.register.get(id)?.state };
  },
};
