/** The inside of an RSA encryption block (EME-PKCS1-v1_5), read without telling what was wrong. Spec: RFC 8017 §7.2.2. */

const SMALLEST = 11; // 00 02, eight bytes of padding, 00

/** 1 if `x` is 0, else 0, for 0 ≤ x < 2³¹, without a branch. */
const isZero = (x: number): number => ((x - 1) >>> 31) & 1;

/** Where the message starts, and whether the block is well formed (1 or 0); looks at every byte whatever it finds. */
function open(block: Uint8Array): { start: number; good: number } {
  let searching = 1, start = 0;
  for (let i = 2; i < block.length; i++) {
    const hit = searching & isZero(block[i]!);
    start |= -hit & (i + 1);
    searching &= 1 - hit;
  }
  let good = isZero(block[0]!) & isZero(block[1]! ^ 2) & (1 - searching);
  good &= 1 - ((start - SMALLEST) >>> 31 & 1);
  return { start, good };
}

/** The message inside `block`, or `undefined`. */
export function unpadMessage(block: Uint8Array): Uint8Array | undefined {
  if (block.length < SMALLEST) return undefined;
  const { start, good } = open(block);
  return good ? block.slice(start) : undefined;
}

/** The message of exactly `fallback.length` bytes inside `block`, else a copy of `fallback`: nobody learns which. */
export function unpadKey(block: Uint8Array, fallback: Uint8Array): Uint8Array {
  const size = fallback.length, key = new Uint8Array(size);
  if (block.length < SMALLEST + size) return fallback.slice();
  const { start, good } = open(block), at = block.length - size, use = -(good & isZero(start ^ at)) & 255;
  for (let i = 0; i < size; i++) key[i] = (block[at + i]! & use) | (fallback[i]! & ~use);
  return key;
}
