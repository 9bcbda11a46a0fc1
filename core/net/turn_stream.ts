/** What travels between us and a relay: STUN messages and channel data, on datagrams and on a stream. Spec: RFC 8656 §12. */
import { concat } from "../base/mod.ts";
import { TURN } from "./limits.ts";

export type TurnUnit =
  | { type: "stun"; bytes: Uint8Array }
  | { type: "channel"; channel: number; bytes: Uint8Array };

/** One datagram. Undefined if it is neither. */
export function readUnit(bytes: Uint8Array): TurnUnit | undefined {
  if (bytes.length < 4) return undefined;
  const kind = bytes[0]! >> 6, length = (bytes[2]! << 8) | bytes[3]!;
  if (kind === 0) return { type: "stun", bytes };
  if (kind !== 1 || 4 + length > bytes.length) return undefined;
  return { type: "channel", channel: (bytes[0]! << 8) | bytes[1]!, bytes: bytes.subarray(4, 4 + length) };
}

/** Cuts the server's stream into units; holds at most one incomplete one. */
export class TurnReader {
  #kept: Uint8Array = new Uint8Array(0);
  #broken = false;
  /** Bytes behind the last whole unit. */
  get rest(): Uint8Array {
    return this.#kept;
  }

  /** The next whole unit, "more", or "broken" when this is no relay's stream. */
  next(): TurnUnit | "more" | "broken" {
    const b = this.#kept;
    if (this.#broken) return "broken";
    if (b.length < 4) return "more";
    const kind = b[0]! >> 6, length = (b[2]! << 8) | b[3]!;
    const size = kind === 0 ? 20 + length : 4 + ((length + 3) & ~3); // channel data is padded on a stream
    if (kind > 1 || size > TURN.message) return this.#broken = true, "broken";
    if (b.length < size) return "more";
    this.#kept = b.subarray(size);
    return readUnit(b.subarray(0, size)) ?? "broken";
  }

  push(bytes: Uint8Array): void {
    this.#kept = this.#kept.length ? concat(this.#kept, bytes) : bytes.slice();
  }
}

/** Channel data; padded to four bytes when it goes over a stream. */
export function encodeChannelData(channel: number, bytes: Uint8Array, stream: boolean): Uint8Array {
  const out = new Uint8Array(4 + (stream ? (bytes.length + 3) & ~3 : bytes.length));
  out.set([channel >> 8, channel & 255, bytes.length >> 8, bytes.length & 255]);
  out.set(bytes, 4);
  return out;
}
