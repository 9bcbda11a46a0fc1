/** RFC 4571 frames: two bytes of length in front of everything, for the whole life of a link. Spec: connection §2.8. */
import { FRAME } from "./limits.ts";

/** True if the receiver takes a frame of `length` bytes beginning with these four for STUN. */
function stunShaped(length: number, b0: number, b2: number, b3: number): boolean {
  return length >= 20 && length % 4 === 0 && b0 <= 1 && ((b2 << 8) | b3) + 20 === length;
}

/**
 * Cuts a byte stream into frames. STUN messages come out whole; data comes out piece by piece as it arrives, because
 * above it is a byte stream again. Empty frames vanish. Holds at most one STUN-shaped frame (65535 bytes).
 */
export class FrameReader {
  #head = new Uint8Array(6); // length, and the four payload bytes that tell STUN from data
  #have = 0;
  #left = 0; // of a data frame
  #stun: Uint8Array | undefined;
  #at = 0;

  /** True in the middle of a frame: the sender owes us bytes. */
  get partial(): boolean {
    return this.#have > 0 || this.#left > 0 || this.#stun !== undefined;
  }

  /** Pieces are views into `bytes` or fresh copies; `stun` ones are whole messages. */
  push(bytes: Uint8Array, stun: (message: Uint8Array) => void, data: (piece: Uint8Array) => void): void {
    for (let at = 0; at < bytes.length;) {
      if (this.#left > 0) {
        const take = Math.min(this.#left, bytes.length - at);
        this.#left -= take;
        data(bytes.subarray(at, at += take));
      } else if (this.#stun) {
        const take = Math.min(this.#stun.length - this.#at, bytes.length - at), whole = this.#stun;
        whole.set(bytes.subarray(at, at += take), this.#at);
        if ((this.#at += take) === whole.length) this.#stun = undefined, stun(whole);
      } else if (this.#have === 0 && bytes.length - at >= 6) {
        this.#begin(bytes, at);
        at += 2; // only the length is used up
      } else {
        this.#head[this.#have++] = bytes[at++]!;
        this.#judge(data);
      }
    }
  }

  /** A frame whose first six bytes are all there: nothing needs to be kept. */
  #begin(bytes: Uint8Array, at: number): void {
    const length = (bytes[at]! << 8) | bytes[at + 1]!;
    if (!stunShaped(length, bytes[at + 2]!, bytes[at + 4]!, bytes[at + 5]!)) this.#left = length;
    else this.#stun = new Uint8Array(length), this.#at = 0;
  }

  #judge(data: (piece: Uint8Array) => void): void {
    if (this.#have < 2) return;
    const head = this.#head, length = (head[0]! << 8) | head[1]!, payload = this.#have - 2;
    if (length === 0) {
      this.#have = 0;
      return;
    }
    if (payload === 0) return;
    const possible = length >= 20 && length % 4 === 0 && head[2]! <= 1;
    if (possible && payload < 4) return;
    this.#have = 0;
    if (possible && stunShaped(length, head[2]!, head[4]!, head[5]!)) {
      this.#stun = new Uint8Array(length);
      this.#stun.set(head.subarray(2));
      this.#at = 4;
    } else {
      this.#left = length - payload;
      data(head.slice(2, 2 + payload));
    }
  }
}

/**
 * Frames for `bytes`, ready to be written. Whole TLS records get a frame each; anything else is cut at 65535 bytes, and
 * never so that the receiver takes a frame for STUN.
 */
export function frameData(bytes: Uint8Array): Uint8Array {
  const cuts: number[] = []; // end of each frame
  for (let at = 0; at < bytes.length;) {
    const record = recordLength(bytes, at);
    let end = record ? at + record : Math.min(bytes.length, at + FRAME.max);
    if (!record && end - at >= 4 && stunShaped(end - at, bytes[at]!, bytes[at + 2]!, bytes[at + 3]!)) end--;
    cuts.push(at = end);
  }
  const out = new Uint8Array(bytes.length + 2 * cuts.length);
  let from = 0, to = 0;
  for (const end of cuts) {
    const length = end - from;
    out[to] = length >> 8, out[to + 1] = length & 255;
    out.set(bytes.subarray(from, end), to + 2);
    to += 2 + length, from = end;
  }
  return out;
}

/** One frame around a STUN message. */
export function frameStun(message: Uint8Array): Uint8Array {
  const out = new Uint8Array(message.length + 2);
  out[0] = message.length >> 8, out[1] = message.length & 255;
  out.set(message, 2);
  return out;
}

/** Length of the whole TLS record that begins at `at`, or 0. */
function recordLength(b: Uint8Array, at: number): number {
  if (at + 5 > b.length || b[at]! < 0x14 || b[at]! > 0x17 || b[at + 1] !== 3) return 0;
  const length = 5 + ((b[at + 3]! << 8) | b[at + 4]!);
  return length <= FRAME.record && at + length <= b.length ? length : 0;
}
