/** What goes into a {@linkcode DhtNode} and what comes out of it. */
import type { Endpoint, Family, Wake } from "../base/mod.ts";
import type { Cell, DropReason, Query } from "./kernel.ts";
import type { Value } from "./value.ts";
import type { Question } from "./value_types.ts";

/** How well a family, or the whole node, is connected. */
export type DhtStatus = "disconnected" | "connecting" | "connected";

/** A DNS name or an address, and a UDP port. */
export interface Host {
  readonly host: string;
  readonly port: number;
}

/** `wall`: milliseconds since 1970. `op`: a number the caller chose; answers carry it. `key`: 20 bytes. */
export type DhtIn =
  | Wake
  | {
    readonly type: "packet";
    readonly bytes: Uint8Array;
    readonly from: Endpoint;
    readonly wall: number;
  }
  /** The system refused to send to `to`. */
  | { readonly type: "unreachable"; readonly to: Endpoint; readonly code: string }
  | { readonly type: "start"; readonly wall: number }
  | { readonly type: "bootstrap"; readonly hosts: readonly Host[] }
  | {
    readonly type: "resolved";
    readonly host: string;
    readonly port: number;
    readonly ips: readonly string[];
  }
  | { readonly type: "verified"; readonly question: number; readonly ok: boolean }
  /** A node somebody knows of (LAN discovery, configuration). */
  | { readonly type: "insert"; readonly id: Uint8Array; readonly address: Endpoint }
  | { readonly type: "ping"; readonly op: number; readonly address: Endpoint }
  | { readonly type: "connectivity" }
  /** Whole values, paginated; the query's selection is ignored. */
  | { readonly type: "get"; readonly op: number; readonly key: Uint8Array; readonly query: Query }
  /** Only the selected fields. */
  | { readonly type: "query"; readonly op: number; readonly key: Uint8Array; readonly query: Query }
  | {
    readonly type: "put";
    readonly op: number;
    readonly key: Uint8Array;
    readonly value: Value;
    readonly permanent: boolean;
    /** Milliseconds since 1970; default now. */
    readonly created: number | undefined;
    readonly wall: number;
  }
  | { readonly type: "listen"; readonly op: number; readonly key: Uint8Array; readonly query: Query }
  | { readonly type: "cancel"; readonly op: number }
  | { readonly type: "import"; readonly state: Uint8Array; readonly wall: number };

export type DhtOut =
  | { readonly type: "send"; readonly bytes: Uint8Array; readonly to: Endpoint }
  | { readonly type: "resolve"; readonly host: string; readonly port: number }
  | { readonly type: "verify"; readonly question: number } & Question
  | { readonly type: "value"; readonly op: number; readonly value: Value }
  | {
    readonly type: "row";
    readonly op: number;
    readonly fields: readonly number[];
    readonly cells: readonly Cell[];
  }
  | { readonly type: "heard"; readonly op: number; readonly value: Value; readonly expired: boolean }
  /** A get, query, put or ping is over. `nodes`: how many answered. A permanent put goes on. */
  | { readonly type: "done"; readonly op: number; readonly ok: boolean; readonly nodes: number }
  | {
    readonly type: "status";
    readonly status: DhtStatus;
    readonly families: Readonly<Record<Family, DhtStatus>>;
  }
  | { readonly type: "public-address"; readonly ips: readonly string[] }
  /** What finding the nodes around a key took. */
  | {
    readonly type: "lookup";
    readonly key: Uint8Array;
    readonly family: Family;
    /** Answers followed from a node known before to the farthest of the nearest. */
    readonly hops: number;
    readonly messages: number;
    readonly ms: number;
  };

export interface FamilyInfo {
  readonly status: DhtStatus;
  readonly good: number;
  readonly dubious: number;
  readonly incoming: number;
  readonly tableDepth: number;
  readonly networkSize: number;
  readonly searches: number;
  readonly known: number;
}

/** A snapshot of the node. */
export interface DhtInfo {
  /** 40 hex digits. */
  readonly id: string;
  readonly network: number;
  readonly status: DhtStatus;
  readonly ipv4: FamilyInfo | undefined;
  readonly ipv6: FamilyInfo | undefined;
  readonly keys: number;
  readonly values: number;
  readonly valueBytes: number;
  readonly remoteBytes: number;
  readonly remoteListeners: number;
  /** Gets, puts and listens of ours. */
  readonly ops: number;
  readonly requests: number;
  /** Believed public addresses, best first, and every one that was ever named. */
  readonly publicAddresses: readonly string[];
  readonly claimedAddresses: readonly { readonly ip: string; readonly votes: number }[];
  readonly packetsIn: number;
  readonly bytesIn: number;
  readonly packetsOut: number;
  readonly bytesOut: number;
  /** What the kernel dropped, and what the node above it dropped. */
  readonly drops: Readonly<Record<DropReason, number>> & Readonly<Record<string, number>>;
}
