/** Seeded randomness and mutation for fuzzing: a seed is a reproduction. */

/** xorshift128, good enough to make junk and quick enough to make millions of it. */
export class Dice {
  #s: Uint32Array;
  constructor(seed: number) {
    this.#s = Uint32Array.of(seed ^ 0x9e3779b9, seed * 0x85ebca6b | 1, 0xc2b2ae35 ^ (seed << 7), 0x27d4eb2f);
    for (let i = 0; i < 16; i++) this.uint32();
  }
  uint32(): number {
    const s = this.#s;
    let t = s[3]!;
    s[3] = s[2]!, s[2] = s[1]!, s[1] = s[0]!;
    t ^= t << 11, t ^= t >>> 8;
    s[0] = t ^ s[0]! ^ (s[0]! >>> 19);
    return s[0]!;
  }
  /** 0…n−1. */
  below(n: number): number {
    return this.uint32() % n;
  }
  /** True once in `n` times. */
  oneIn(n: number): boolean {
    return this.below(n) === 0;
  }
  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)]!;
  }
  bytes(length: number): Uint8Array {
    const bytes = new Uint8Array(length);
    for (let i = 0; i < length; i++) bytes[i] = this.uint32();
    return bytes;
  }
}

/** Bytes that mean something to binary formats. */
const TELLING = [
  0x00,
  0x01,
  0x7f,
  0x80,
  0x81,
  0x90,
  0x91,
  0xa0,
  0xa1,
  0xbf,
  0xc0,
  0xc1,
  0xc2,
  0xc3,
  0xc4,
  0xc5,
  0xc6,
  0xc7,
  0xca,
  0xcc,
  0xcd,
  0xce,
  0xcf,
  0xd0,
  0xd3,
  0xd4,
  0xd9,
  0xda,
  0xdb,
  0xdc,
  0xdd,
  0xde,
  0xdf,
  0xe0,
  0xff,
];

/** `bytes` changed in one to four places, sometimes crossed with `other`. */
export function mutate(dice: Dice, bytes: Uint8Array, other: Uint8Array, longest: number): Uint8Array {
  let made = Uint8Array.from(bytes);
  for (let n = 1 + dice.below(4); n > 0; n--) {
    const at = dice.below(made.length + 1);
    switch (dice.below(9)) {
      case 0:
        if (at < made.length) made[at]! ^= 1 << dice.below(8);
        break;
      case 1:
        if (at < made.length) made[at] = dice.uint32();
        break;
      case 2:
      case 3:
        if (at < made.length) made[at] = dice.pick(TELLING);
        break;
      case 4: // cut out
        made = Uint8Array.from([...made.subarray(0, at), ...made.subarray(at + dice.below(12))]);
        break;
      case 5: // put in
        made = Uint8Array.from([...made.subarray(0, at), ...dice.bytes(dice.below(6)), ...made.subarray(at)]);
        break;
      case 6: { // double
        const part = made.subarray(at, at + dice.below(24));
        made = Uint8Array.from([...made.subarray(0, at), ...part, ...made.subarray(at)]);
        break;
      }
      case 7: // end early
        made = made.slice(0, at);
        break;
      default: { // graft
        const from = dice.below(other.length + 1), part = other.subarray(from, from + dice.below(64));
        made = Uint8Array.from([
          ...made.subarray(0, at),
          ...part,
          ...made.subarray(at + (dice.oneIn(2) ? part.length : 0)),
        ]);
      }
    }
  }
  return made.length > longest ? made.slice(0, longest) : made;
}
