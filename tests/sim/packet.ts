/** What travels on simulated wires. */
import type { Endpoint } from "../../core/base/mod.ts";
import type { Host } from "./host.ts";

export type Proto = "udp" | "tcp";

/** A TCP segment's head. Sequence numbers count bytes from 0 and never wrap. */
export interface TcpHead {
  readonly syn: boolean;
  readonly fin: boolean;
  readonly rst: boolean;
  /** First byte carried. */
  readonly seq: number;
  /** Next byte expected, -1 if nothing is acknowledged yet. */
  readonly ack: number;
  /** Bytes the sender of this segment will take beyond `ack`. */
  readonly window: number;
}

export interface Packet {
  readonly proto: Proto;
  readonly src: Endpoint;
  readonly dst: Endpoint;
  readonly bytes: Uint8Array;
  readonly tcp: TcpHead | undefined;
  /** Who really sent it, whatever NATs write on it. */
  readonly origin: Host;
}

/** Bytes of an IPv4 or IPv6 header with UDP, and with TCP. */
export const headerBytes = (p: Packet): number =>
  (p.dst.ip.includes(":") ? 40 : 20) + (p.proto === "udp" ? 8 : 20);

const CHUNK = 65536;
let chunk = new Uint8Array(CHUNK), used = 0;

/** A copy of `bytes` that lives in a shared chunk: sending a datagram costs a view, not an allocation. */
export function copyOf(bytes: Uint8Array): Uint8Array {
  const length = bytes.length;
  if (length > CHUNK / 8) return bytes.slice();
  if (used + length > CHUNK) chunk = new Uint8Array(CHUNK), used = 0;
  const copy = chunk.subarray(used, used + length);
  copy.set(bytes);
  used += length;
  return copy;
}
