/**
 * What the DHT kernel promises, whichever body it has: WebAssembly or its TypeScript twin.
 *
 * The kernel takes a whole datagram and gives back a list of actions. It alone answers what every node on the
 * network asks all day (`ping`, `find`, `get`), checks write tokens, puts fragments together, bounds what
 * strangers may cost, and hands everything that needs judgement to the node above it (`core/dht`).
 * It knows no clock, no socket, no randomness: `now` and seeds are arguments. Spec: dht §1.
 */
import type { Endpoint } from "../../core/base/mod.ts";

/** A query filter. Spec: dht §1.8. */
export interface Query {
  /** Field numbers 1–5, ascending, unique; empty: whole values. */
  readonly select: readonly number[];
  /** All must hold. `value`: bigint for Id (1), number for ValueType (2), 20 bytes for OwnerPk (3), bytes for UserType (5). */
  readonly where: readonly Where[];
}
export type Where =
  | { readonly field: 1; readonly value: bigint }
  | { readonly field: 2; readonly value: number }
  | { readonly field: 3 | 5; readonly value: Uint8Array };

export const FIELD = { id: 1, type: 2, owner: 3, seq: 4, userType: 5 } as const;

export interface KernelOptions {
  /** Our node id, 20 bytes. */
  readonly id: Uint8Array;
  /** Network number; 0 is the public network and is left out on the wire. */
  readonly network: number;
  /** True: tell others not to route to us (`s`). */
  readonly client: boolean;
  /** User agent `v`, at most 16 characters of ASCII. */
  readonly agent: string;
  /** 16 random bytes: the first token secrets. Later ones come with `rotate`. */
  readonly seed: Uint8Array;
  /** Requests per second from everyone / from one IPv4 address or IPv6 /64. Default 8192 / 1024. */
  readonly globalRate?: number;
  readonly addressRate?: number;
}

/** Why a datagram, or a part of it, was dropped. Each is counted. */
export const DROP_REASONS = [
  "malformed", // not one msgpack map within the bounds (depth, lengths, truncation), or a field of the wrong shape
  "no-id", // `id` missing, zero, not bin20
  "own-id", // sent by ourselves
  "network", // another network number
  "not-a-packet", // none of a, r, e, u, p
  "unknown-query",
  "martian", // source address or port that cannot be
  "rate-global",
  "rate-address",
  "bytes-address", // one address asked for more answer bytes than it may have (amplification)
  "fragment-orphan", // no announced message and none may be begun
  "fragment-bad", // overlap, overflow, empty, index not announced
  "fragment-limit", // too many or too large incomplete messages
  "fragment-timeout", // 3 s silent or 10 s in all
  "too-many-values",
  "too-large", // a declared value above 65568 bytes
  "no-values", // put without a single readable value
] as const;
export type DropReason = typeof DROP_REASONS[number];

export const QUERY_NAMES = ["ping", "find", "get", "put", "listen", "refresh", "update"] as const;
export type QueryName = typeof QUERY_NAMES[number];

/** One decoded cell of a `fileds` row. */
export type Cell = bigint | number | Uint8Array;

/**
 * What the node must do or learn. Byte arrays are views that live until the next call on the kernel:
 * copy what you keep. `id` is the sender's claimed node id (20 bytes).
 */
export type KernelAction =
  /** A finished datagram. */
  | { readonly type: "send"; readonly bytes: Uint8Array; readonly to: Endpoint }
  /** A well-formed query arrived (also when it was answered with an error): the sender was heard. Comes first. */
  | {
    readonly type: "heard";
    readonly query: QueryName;
    readonly id: Uint8Array;
    readonly client: boolean;
    readonly from: Endpoint;
  }
  /** Token right, key present. Answer every value with `encodeStored`. `values`: each one packed value, id not yet judged. */
  | {
    readonly type: "put";
    readonly id: Uint8Array;
    readonly from: Endpoint;
    readonly tid: number;
    readonly key: Uint8Array;
    readonly created: number | undefined;
    readonly values: readonly Uint8Array[];
  }
  /** Token right, key present. */
  | {
    readonly type: "refresh";
    readonly id: Uint8Array;
    readonly from: Endpoint;
    readonly tid: number;
    readonly key: Uint8Array;
    readonly value: bigint;
  }
  /** Token right, key present. `version` 0: the peer understands only `r`/`u` pushes. */
  | {
    readonly type: "listen";
    readonly id: Uint8Array;
    readonly from: Endpoint;
    readonly tid: number;
    readonly key: Uint8Array;
    readonly socket: number;
    readonly version: number;
    readonly query: Query;
  }
  /** A push from a node we listen at. To be acknowledged even when the socket is unknown. */
  | {
    readonly type: "update";
    readonly id: Uint8Array;
    readonly from: Endpoint;
    readonly tid: number;
    readonly socket: number;
    readonly token: Uint8Array | undefined;
    readonly values: readonly Uint8Array[];
    readonly expired: readonly bigint[];
    readonly refreshed: readonly bigint[];
  }
  /** A reply, complete with its fragments; also legacy pushes (`tid` is then a listen socket). Not yet matched to a request. */
  | {
    readonly type: "reply";
    readonly id: Uint8Array;
    readonly from: Endpoint;
    readonly tid: number;
    readonly client: boolean;
    readonly seenAs: Uint8Array | undefined;
    readonly nodes4: Uint8Array;
    readonly nodes6: Uint8Array;
    readonly token: Uint8Array | undefined;
    readonly value: bigint | undefined;
    readonly values: readonly Uint8Array[] | undefined;
    readonly rows: Rows | undefined;
    readonly expired: readonly bigint[];
    readonly refreshed: readonly bigint[];
  }
  | {
    readonly type: "error";
    readonly id: Uint8Array | undefined;
    readonly from: Endpoint;
    readonly tid: number;
    readonly code: number;
  }
  | { readonly type: "drop"; readonly reason: DropReason; readonly from: Endpoint };

/** A `fileds` answer: `rows[i][j]` is the cell of `fields[j]`. Owner cells are DER or 20 zero bytes. */
export interface Rows {
  readonly fields: readonly number[];
  readonly rows: readonly (readonly Cell[])[];
}

/** A value as the kernel keeps it to answer `get`. */
export interface KernelValue {
  /** Non-zero. */
  readonly id: bigint;
  /** The whole packed value as it goes on the wire. */
  readonly packed: Uint8Array;
  readonly valueType: number;
  /** SubjectPublicKeyInfo DER, empty if unsigned. */
  readonly owner: Uint8Array;
  /** SHA-1 of `owner`, or 20 zero bytes. */
  readonly ownerId: Uint8Array;
  readonly seq: number;
  readonly userType: Uint8Array;
}

export interface KernelStats {
  readonly packets: number;
  readonly bytes: number;
  /** Queries that got their answer here, errors included, or were handed on. */
  readonly answered: Readonly<Record<QueryName, number>>;
  readonly drops: Readonly<Record<DropReason, number>>;
  readonly values: number;
  /** Of packed values, owners and user types together. */
  readonly valueBytes: number;
  readonly nodes4: number;
  readonly nodes6: number;
  /** Incomplete fragmented messages held now, and their bytes. */
  readonly partial: number;
  readonly partialBytes: number;
}

export interface DhtKernel {
  /**
   * Feeds one datagram received at monotonic `now` ms. Drops of messages given up meanwhile come before anything about
   * this datagram. `put` and `refresh`, `listen` without or with a wrong token, or without a key, were already answered.
   */
  packet(now: number, bytes: Uint8Array, from: Endpoint): readonly KernelAction[];
  /** Gives up incomplete messages. Call when `wakeAt` has come. */
  wake(now: number): readonly KernelAction[];
  readonly wakeAt: number;
  /** A new token secret (8 bytes); the one before stays good, the one before that does not. Spec: dht §1.9. */
  rotate(secret: Uint8Array): void;
  /** The 32-byte write token of `address` under the newest secret. */
  token(address: Endpoint): Uint8Array;
  /** Was `token` given to `address` under the newest or the previous secret? */
  tokenOk(token: Uint8Array, address: Endpoint): boolean;
  /** Lists this node in answers until `goodUntil` (monotonic ms); again with a later time prolongs. False: table full. */
  listNode(id: Uint8Array, address: Endpoint, goodUntil: number): boolean;
  /** Lists it no more. */
  unlistNode(id: Uint8Array, family: 4 | 6): void;
  /** Up to `count` (at most 64) listed nodes nearest to `target`, as compact bytes (26 or 38 each). A view. */
  closest(now: number, target: Uint8Array, family: 4 | 6, count: number): Uint8Array;
  /**
   * Announces that a reply with transaction (or listen socket) `tid` from `from` is expected. To be called for every
   * request that may bring values: only an announced reply may list sizes instead of values (another one is dropped
   * as `fragment-orphan`), and only its fragments may come before it. Of too many, the oldest is forgotten.
   */
  expect(now: number, tid: number, from: Endpoint): void;
  /** That message is no longer expected; what has come of it so far is thrown away. */
  forget(tid: number, from: Endpoint): void;
  /** Keeps a copy of `value` for answers, in the place of one with the same id. False: no room or too big, nothing changed. */
  setValue(key: Uint8Array, value: KernelValue): boolean;
  /** True if it was there. */
  removeValue(key: Uint8Array, id: bigint): boolean;
  /** Packed bytes of a kept value: a view. */
  value(key: Uint8Array, id: bigint): Uint8Array | undefined;
  stats(): KernelStats;
}
