/** Conversations: repositories, their judge, their index, and how they travel. Floor 6. */
export { Conversation, type Ground, type Member, type Received, type Role } from "./conversation.ts";
export {
  ConversationIndex,
  type Hit,
  type Message,
  type PageOptions,
  type SearchOptions,
} from "./index/index.ts";
export { SCHEMA as CONVERSATIONS_SCHEMA } from "./index/schema.ts";
export { LIMITS as SWARM_LIMITS } from "./limits.ts";
export type { Me } from "./me.ts";
export { type ConversationProfile } from "./repo/profile.ts";
export { type Judgement, type Refusal, Validator, type ValidCommit } from "./validate/validator.ts";
export { type Invitation, type Known, type Mark, STATE_SCHEMA as SWARM_STATE_SCHEMA } from "./invitations.ts";
export type { Wire } from "./messages/messenger.ts";
export type { Speaker } from "./messages/sip_session.ts";
export { Swarm } from "./swarm.ts";
export type { SwarmEvent, SwarmOptions } from "./words.ts";
