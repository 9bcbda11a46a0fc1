/** What the swarm room asks of the rest, and what it tells. */
import type { AccountId, Clock, CommitId, ConversationId, DeviceId, Log, Random } from "../base/mod.ts";
import type { Rows } from "../storage/mod.ts";
import type { Invitation } from "./invitations.ts";
import type { Me } from "./me.ts";
import type { Wire } from "./messages/messenger.ts";
import type { Refusal, ValidCommit } from "./validate/validator.ts";

export interface SwarmOptions {
  readonly me: Me;
  /** Folder that holds a repository per conversation. */
  readonly folder: string;
  /** The index (`CONVERSATIONS_SCHEMA`) and what cannot be rebuilt (`SWARM_STATE_SCHEMA`). */
  readonly index: Rows;
  readonly state: Rows;
  readonly wire: Wire;
  /** Devices of an account that are announced or connected now. */
  readonly devicesOf: (account: AccountId) => readonly DeviceId[];
  /** May we have to do with this account? No for who is blocked. */
  readonly allowed: (account: AccountId) => boolean;
  /** A contact both sides agreed on: their one-to-one is taken without asking. */
  readonly confirmed: (account: AccountId) => boolean;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly onEvent: (event: SwarmEvent) => void;
}

export type SwarmEvent =
  /** Commits became visible, oldest first. */
  | {
    readonly type: "commits";
    readonly conversation: ConversationId;
    readonly commits: readonly ValidCommit[];
    readonly own: boolean;
  }
  /** A conversation is there, was left, or is gone. */
  | {
    readonly type: "conversation";
    readonly conversation: ConversationId;
    readonly state: "ready" | "left" | "erased";
  }
  | { readonly type: "invitation"; readonly invitation: Invitation }
  /** A member has everything up to `commit`, or has read up to it. */
  | {
    readonly type: "mark";
    readonly conversation: ConversationId;
    readonly account: AccountId;
    readonly kind: "fetched" | "read";
    readonly commit: CommitId;
  }
  | {
    readonly type: "typing";
    readonly conversation: ConversationId;
    readonly account: AccountId;
    readonly active: boolean;
  }
  /** A peer sent what cannot be accepted; nothing of it is visible. */
  | {
    readonly type: "refused";
    readonly conversation: ConversationId;
    readonly device: DeviceId;
    readonly refused: readonly Refusal[];
  }
  /** A conversation could not be had yet; it will be tried again. */
  | { readonly type: "waiting"; readonly conversation: ConversationId; readonly why: string };
