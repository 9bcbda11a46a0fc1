/** What goes into and comes out of an ICE agent. Spec: connection §2. */
import type { Endpoint, Wake } from "../base/mod.ts";
import type { FrameReader } from "./framing.ts";
import type { Candidate, DialPolicy, IceCredentials, IceOffer } from "./ice_candidate.ts";
import type { IceRole } from "./ice_check.ts";
import type { LocalCandidate, Pair } from "./ice_pairs.ts";

export interface IceOptions extends IceCredentials {
  readonly transport: "udp" | "tcp";
  /** Who sent the request is controlled; an offerer of media is controlling. */
  readonly role: IceRole;
  /** Default regular. */
  readonly nomination?: "regular" | "aggressive";
  /** Default fixed: a claimed conflict is answered 487 and never makes us switch. Spec: connection §9 H17. */
  readonly conflict?: "fixed" | "switch";
  readonly policy?: DialPolicy;
}

export type IceIn =
  | { type: "local"; candidates: readonly LocalCandidate[] }
  /** The other side's half: checks begin. Only the first one counts. */
  | { type: "remote"; offer: IceOffer }
  | { type: "accepted"; conn: number; from: Endpoint; local: LocalCandidate }
  | { type: "connected"; conn: number }
  | { type: "refused"; conn: number; code: string }
  | { type: "bytes"; conn: number; bytes: Uint8Array }
  | { type: "closed"; conn: number; code?: string }
  | { type: "datagram"; socket: number; from: Endpoint; bytes: Uint8Array }
  /** We stopped or started reading the selected connection: silence means nothing meanwhile. */
  | { type: "paused"; paused: boolean }
  | { type: "stop" }
  | Wake;

export type IceOut =
  | { type: "connect"; conn: number; to: Endpoint }
  | { type: "write"; conn: number; bytes: Uint8Array }
  | { type: "close"; conn: number }
  | { type: "send"; socket: number; to: Endpoint; bytes: Uint8Array }
  /** Data of the peer: in order on TCP (until something is selected it is early), one datagram on UDP. */
  | { type: "data"; component: number; bytes: Uint8Array; conn: number | undefined }
  | {
    type: "selected";
    component: number;
    local: LocalCandidate;
    remote: Candidate;
    conn: number | undefined;
  }
  /** Every component has its pair. */
  | { type: "completed" }
  /** No more connections are wanted: listeners may close. */
  | { type: "unlisten" }
  /** Before or after completion; `code` is `net/ice-failed`, `net/ice-lost`, `net/ice-silent`. */
  | { type: "failed"; code: string; why: string }
  /** The peer ended the selected connection in order. */
  | { type: "ended" }
  | { type: "drop"; why: string }
  /** For the trace of a connection attempt. */
  | { type: "note"; what: string; pair?: string; detail?: string };

/** A TCP connection as the agent sees it. */
export interface Conn {
  readonly id: number;
  readonly from: Endpoint;
  readonly outgoing: boolean;
  readonly local: LocalCandidate;
  readonly reader: FrameReader;
  /** A signed check or answer went over it. */
  valid: boolean;
  /** Data came over it. */
  used: boolean;
  unauthorized: number;
  deadline: number;
}

/** Where a message came from and where its answer goes. */
export type Path = { conn: Conn } | { socket: number; from: Endpoint; local: LocalCandidate };

/** What the parts of an agent do to the outside. */
export interface Wire {
  transmit(pair: Pair, bytes: Uint8Array): void;
  reply(bytes: Uint8Array, path: Path): void;
  drop(why: string): void;
  note(what: string, pair?: Pair, detail?: string): void;
}
