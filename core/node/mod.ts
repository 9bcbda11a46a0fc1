/** Puts the rooms together. Floor 8. */
export { bringOnline, type OnlineAccount } from "./account_online.ts";
export { answerLine, runVerb } from "./control.ts";
export { ControlClient } from "./control_client_io.ts";
export { wholeId } from "./control_fields.ts";
export { ControlDoor, controlPath } from "./control_io.ts";
export { LIMITS as NODE_LIMITS } from "./limits.ts";
export { KithNode, type NodeAccount, type NodeEnv, type NodeOptions, type WorkingAccount } from "./node.ts";
export { NodeEvents, type NodeFact, type NumberedFact } from "./node_events.ts";
export { type Reach } from "./node_facts.ts";
export { AccountSession, type SessionEvent, type SessionOptions } from "./session.ts";
