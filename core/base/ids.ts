/** Ids: branded lower-case hex strings, so that an account can never be passed where a commit is asked for. */
import { CoreError } from "./errors.ts";

declare const brand: unique symbol;
type Branded<Name extends string> = string & { readonly [brand]: { readonly [N in Name]: true } };

/** 40 hex digits: SHA-1 of a public key's DER, a DHT key or node id. */
export type InfoHash = Branded<"InfoHash">;
/** 40 hex digits: the Jami id, SHA-1 of the account's public key. */
export type AccountId = InfoHash & Branded<"AccountId">;
/** 64 hex digits: SHA-256 of the device's public key. */
export type DeviceId = Branded<"DeviceId">;
/** 40 hex digits: a git commit. */
export type CommitId = Branded<"CommitId">;
/** 40 hex digits: the id of a conversation, the commit it began with. */
export type ConversationId = CommitId & Branded<"ConversationId">;

const isHex = (text: string, digits: number) => text.length === digits && /^[0-9a-f]*$/.test(text);

const reader = <T extends string>(kind: string, digits: number) => (value: string): T => {
  const lower = value.toLowerCase();
  if (!isHex(lower, digits)) throw new CoreError("base/id", { kind, length: value.length });
  return lower as unknown as T;
};

/** Checks and lower-cases an id. @throws {CoreError} `base/id`. */
export const infoHash = reader<InfoHash>("info hash", 40);
/** @throws {CoreError} `base/id`. */
export const accountId = reader<AccountId>("account id", 40);
/** @throws {CoreError} `base/id`. */
export const deviceId = reader<DeviceId>("device id", 64);
/** @throws {CoreError} `base/id`. */
export const commitId = reader<CommitId>("commit id", 40);
/** @throws {CoreError} `base/id`. */
export const conversationId = reader<ConversationId>("conversation id", 40);
