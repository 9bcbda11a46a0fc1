/** The running hash of everything that was delivered: two runs of one seed must end with the same one. */
import { hash32 } from "./random.ts";

const places = new Map<string, number>();

function place(ip: string): number {
  let known = places.get(ip);
  if (known === undefined) places.set(ip, known = hash32(ip));
  return known;
}

export class TraceHash {
  #a = 0x1b873593;
  #b = 0xcc9e2d51 | 0;

  /** Folds one 32-bit word in. */
  word(value: number): void {
    this.#a = Math.imul(this.#a ^ value, 0x9e3779b1);
    this.#a ^= this.#a >>> 15;
    this.#b = (Math.imul(this.#b, 0x85ebca77) + (value ^ this.#a)) | 0;
  }

  /** Folds a time in ms, to the microsecond and beyond 2³² of them. */
  time(ms: number): void {
    const us = Math.round(ms * 1000);
    this.word(us | 0);
    this.word(Math.floor(us / 2 ** 32));
  }

  endpoint(ip: string, port: number): void {
    this.word(place(ip) ^ Math.imul(port, 0x10001));
  }

  bytes(bytes: Uint8Array): void {
    const length = bytes.length, whole = length & ~3;
    this.word(length);
    for (let i = 0; i < whole; i += 4) {
      this.word(bytes[i]! | (bytes[i + 1]! << 8) | (bytes[i + 2]! << 16) | (bytes[i + 3]! << 24));
    }
    let tail = 0;
    for (let i = whole; i < length; i++) tail = (tail << 8) | bytes[i]!;
    if (whole !== length) this.word(tail);
  }

  text(text: string): void {
    this.word(hash32(text));
  }

  /** 16 hex digits. */
  toString(): string {
    const lane = (value: number) => (value >>> 0).toString(16).padStart(8, "0");
    return lane(this.#a) + lane(this.#b);
  }
}
