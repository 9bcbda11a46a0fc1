/** Seeded randomness: one independent stream per name, so that a new host does not shift the luck of the others. */
import type { Random } from "../../core/base/mod.ts";

/** 32-bit hash of `text` from a starting value (FNV-1a with a finishing mix). */
export function hash32(text: string, start = 0x811c9dc5): number {
  let h = start | 0;
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193);
  h = Math.imul(h ^ (h >>> 16), 0x7feb352d);
  h = Math.imul(h ^ (h >>> 15), 0x846ca68b);
  return (h ^ (h >>> 16)) >>> 0;
}

/** A small fast chaotic generator (sfc32 construction, 128 bits of state). Good luck, no secrets. */
export class Seeded implements Random {
  #a: number;
  #b: number;
  #c: number;
  #d = 1;

  /** The same `seed` and `name` always give the same stream. */
  constructor(seed: string | number, name = "") {
    const text = `${seed}/${name}`;
    this.#a = hash32(text, 0x2545f491),
      this.#b = hash32(text, 0x9e3779b9),
      this.#c = hash32(text, 0x85ebca6b);
    for (let i = 0; i < 12; i++) this.uint32();
  }

  uint32(): number {
    const sum = (this.#a + this.#b + this.#d) | 0;
    this.#d = (this.#d + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = ((this.#c << 21) | (this.#c >>> 11)) + sum | 0;
    return sum >>> 0;
  }

  float(): number {
    return this.uint32() / 2 ** 32;
  }

  bytes(length: number): Uint8Array {
    const bytes = new Uint8Array(length);
    for (let i = 0, word = 0; i < length; i++, word >>>= 8) {
      if ((i & 3) === 0) word = this.uint32();
      bytes[i] = word & 255;
    }
    return bytes;
  }

  /** Uniform integer in [0, `count`). */
  below(count: number): number {
    return Math.floor(this.float() * count);
  }

  /** One element of a non-empty list. */
  pick<T>(list: readonly T[]): T {
    if (!list.length) throw new RangeError("pick from an empty list");
    return list[this.below(list.length)]!;
  }

  /** True with probability `p`; draws nothing for 0 and 1. */
  chance(p: number): boolean {
    return p > 0 && (p >= 1 || this.float() < p);
  }

  /** A new order of `list`. */
  shuffle<T>(list: readonly T[]): T[] {
    const mixed = [...list];
    for (let i = mixed.length - 1; i > 0; i--) {
      const j = this.below(i + 1);
      [mixed[i], mixed[j]] = [mixed[j]!, mixed[i]!];
    }
    return mixed;
  }
}
