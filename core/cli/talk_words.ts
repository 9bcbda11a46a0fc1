/** What went wrong when talking, in sentences that say what to do. */
import type { ErrorData } from "../base/mod.ts";

export const TALK_SENTENCES: Readonly<Record<string, (data: ErrorData) => string>> = {
  "node/not-running": ({ folder }) =>
    `No node runs on ${folder}; start it with: kith start (or give its --home).`,
  "node/gone": () => "The node has ended; start it with: kith start",
  "node/control": ({ reason }) =>
    `The node cannot be reached at its socket (${reason}); check who owns the home.`,
  "node/control-path": ({ limit }) =>
    `The home's path is too long for a local socket (${limit} bytes); other commands cannot talk to this node. Choose a shorter --home.`,
  "node/no-account": () =>
    "There is no account here; end the node and make one with: kith account create --name NAME",
  "node/which-account": ({ count }) =>
    `There are ${count} accounts; say which one with --account (its Jami id, local id or name).`,
  "node/account-refused": ({ code }) => `This account stays off line (${code}); see: kith account show`,
  "node/account-not-running": () => "This account is new; start the node again.",
  "node/unknown-person": ({ word }) =>
    `Nobody known here is ${word}; give the whole Jami id or a name. See: kith contact list`,
  "node/unknown-conversation": ({ word }) => `There is no conversation ${word}; see: kith conversation list`,
  "node/unknown-message": ({ word }) => `There is no message ${word} in this conversation.`,
  "node/ambiguous": ({ word, count }) => `${word} may mean ${count} different ones; give more digits.`,
  "node/conversation-pending": ({ state }) =>
    state === "invited"
      ? "You are invited to this conversation; say yes first with: kith conversation accept"
      : "This conversation is still being fetched; it is there as soon as a device of theirs is.",
  "node/pair-is-two": () =>
    "A conversation of two stays one of two; make a group with: kith conversation create",
  "node/not-blocked": () => "This account is not blocked.",
  "node/no-contact": () => "This account is no contact.",
  "node/not-yours": () => "Only your own messages can be changed.",
  "node/bug": () => "This is a mistake in the node, please report it; its log says more.",
  "control/busy": ({ limit }) => `${limit} programs talk to the node already; end one of them.`,
  "control/line-size": ({ limit }) => `This is more than one request may hold (${limit} bytes).`,
  "contacts/self": () => "This is your own account.",
  "contacts/no-request": () => "Nobody of this id asks to be a contact; see: kith contact list",
  "contacts/too-many": ({ limit }) => `There are ${limit} contacts already.`,
  "swarm/text-size": ({ limit }) => `A message has 1 to ${limit} bytes.`,
  "swarm/already-member": () => "This person is in, or invited, already.",
  "swarm/not-admin": () => "Only an admin of the conversation may do this.",
  "swarm/not-member": () => "You are not in this conversation any more.",
  "swarm/no-invitation": () => "There is no such invitation; see: kith conversation list",
  "cli/nobody": ({ word }) => `Nobody has the name ${word}; check the spelling, or give the Jami id.`,
  "cli/message-size": ({ limit }) => `The message is too long; at most ${limit} bytes fit.`,
  "cli/text-encoding": () => "The message is no text (it must be UTF-8).",
};
