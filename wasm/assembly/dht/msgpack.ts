// MessagePack in memory: the guard, then readers that trust what the guard has seen, then writers.
import { BLOBS, OWED } from "./memory";
import { DATAGRAM_BYTES, DEPTH } from "./limits";

// @ts-ignore: decorator
@inline
function be16(p: usize): u32 {
  return <u32>bswap<u16>(load<u16>(p));
}
// @ts-ignore: decorator
@inline
function be32(p: usize): u32 {
  return bswap<u32>(load<u32>(p));
}
// @ts-ignore: decorator
@inline
function be64(p: usize): u64 {
  return bswap<u64>(load<u64>(p));
}

/** Bytes of a length that follow type `t` (0xc0…0xdf). */
// @ts-ignore: decorator
@inline
function lengthBytes(t: u32): u32 {
  if (t >= 0xc4 && t <= 0xc6) return 1 << (t - 0xc4);
  if (t >= 0xd9 && t <= 0xdb) return 1 << (t - 0xd9);
  if (t >= 0xdc) return 2 << (t & 1);
  return 0;
}

/** End of the object at `p`, or 0 if it is not whole before `end`, too deep, too long, or holds what must not be there. */
export function skim(p: usize, end: usize): usize {
  let level: u32 = 0; // index of the running level
  store<u32>(OWED, 1);
  while (p <= end) {
    while (load<u32>(OWED + (<usize>level << 2)) == 0) {
      if (level == 0) return p;
      level--;
    }
    if (p >= end) return 0;
    const cell = OWED + (<usize>level << 2);
    store<u32>(cell, load<u32>(cell) - 1);
    const t: u32 = load<u8>(p++);
    if (t < 0x80 || t >= 0xe0) continue;
    let skip: usize = 0, items: u32 = 0;
    if (t < 0x90) items = 2 * (t & 15);
    else if (t < 0xa0) items = t & 15;
    else if (t < 0xc0) skip = t & 31;
    else if (t <= 0xc3) {
      if (t == 0xc1) return 0;
    } else if ((t >= 0xc7 && t <= 0xc9) || (t >= 0xd4 && t <= 0xd8)) return 0;
    else if (t >= 0xca && t <= 0xd3) skip = numberBytes(t);
    else {
      const size = lengthBytes(t);
      if (p + size > end) return 0;
      const claimed: u32 = size == 1 ? load<u8>(p) : size == 2 ? be16(p) : be32(p);
      p += size;
      if (claimed > DATAGRAM_BYTES) return 0;
      if (t >= 0xde) items = 2 * claimed;
      else if (t >= 0xdc) items = claimed;
      else skip = claimed;
    }
    if (items) {
      if (level + 1 > DEPTH) return 0;
      level++;
      store<u32>(OWED + (<usize>level << 2), items);
    }
    p += skip;
  }
  return 0;
}

/** Bytes after the types 0xca…0xd3: f32 f64 u8 u16 u32 u64 i8 i16 i32 i64. */
// @ts-ignore: decorator
@inline
function numberBytes(t: u32): usize {
  return t == 0xca ? 4 : t == 0xcb ? 8 : 1 << ((t - 0xcc) & 3);
}

// --- readers: `p` points at an object the guard has seen

/** End of the object at `p`. */
export function skip(p: usize): usize {
  let owed: u32 = 1;
  while (owed) {
    owed--;
    const t: u32 = load<u8>(p++);
    if (t < 0x80 || t >= 0xe0) continue;
    if (t < 0x90) owed += 2 * (t & 15);
    else if (t < 0xa0) owed += t & 15;
    else if (t < 0xc0) p += t & 31;
    else if (t <= 0xc3) continue;
    else if (t >= 0xca && t <= 0xd3) p += numberBytes(t);
    else {
      const size = lengthBytes(t);
      const claimed: u32 = size == 1 ? load<u8>(p) : size == 2 ? be16(p) : be32(p);
      p += size;
      if (t >= 0xde) owed += 2 * claimed;
      else if (t >= 0xdc) owed += claimed;
      else p += claimed;
    }
  }
  return p;
}

/** Behind the header or number read last. */
export let next: usize = 0;
export let length: u32 = 0;
export let number: u64 = 0;
export let negative: bool = false;

/** Reads a map header: pairs in `length`. */
export function readMap(p: usize): bool {
  const t: u32 = load<u8>(p);
  if ((t & 0xf0) == 0x80) {
    length = t & 15;
    next = p + 1;
  } else if (t == 0xde) {
    length = be16(p + 1);
    next = p + 3;
  } else if (t == 0xdf) {
    length = be32(p + 1);
    next = p + 5;
  } else return false;
  return true;
}

export function readArray(p: usize): bool {
  const t: u32 = load<u8>(p);
  if ((t & 0xf0) == 0x90) {
    length = t & 15;
    next = p + 1;
  } else if (t == 0xdc) {
    length = be16(p + 1);
    next = p + 3;
  } else if (t == 0xdd) {
    length = be32(p + 1);
    next = p + 5;
  } else return false;
  return true;
}

/** Reads a str: its bytes begin at `next`, `length` of them. */
export function readStr(p: usize): bool {
  const t: u32 = load<u8>(p);
  if ((t & 0xe0) == 0xa0) {
    length = t & 31;
    next = p + 1;
  } else if (t == 0xd9) {
    length = load<u8>(p + 1);
    next = p + 2;
  } else if (t == 0xda) {
    length = be16(p + 1);
    next = p + 3;
  } else if (t == 0xdb) {
    length = be32(p + 1);
    next = p + 5;
  } else return false;
  return true;
}

export function readBin(p: usize): bool {
  const t: u32 = load<u8>(p);
  if (t == 0xc4) {
    length = load<u8>(p + 1);
    next = p + 2;
  } else if (t == 0xc5) {
    length = be16(p + 1);
    next = p + 3;
  } else if (t == 0xc6) {
    length = be32(p + 1);
    next = p + 5;
  } else return false;
  return true;
}

/** Reads any int into `number` and `negative` (then `number` is its two's complement). */
export function readInt(p: usize): bool {
  const t: u32 = load<u8>(p);
  negative = false;
  next = p + 1;
  if (t < 0x80) number = t;
  else if (t >= 0xe0) {
    number = <u64>(<i64>(<i32>t - 256));
    negative = true;
  } else {
    if (t < 0xcc || t > 0xd3) return false;
    let signed: i64 = 0;
    switch (t) {
      case 0xcc:
        number = load<u8>(p + 1);
        break;
      case 0xcd:
        number = be16(p + 1);
        break;
      case 0xce:
        number = be32(p + 1);
        break;
      case 0xcf:
        number = be64(p + 1);
        break;
      case 0xd0:
        signed = load<i8>(p + 1);
        break;
      case 0xd1:
        signed = <i64>(<i16>be16(p + 1));
        break;
      case 0xd2:
        signed = <i64>(<i32>be32(p + 1));
        break;
      default:
        signed = <i64>be64(p + 1);
    }
    next = p + 1 + numberBytes(t);
    if (t >= 0xd0) {
      number = <u64>signed;
      negative = signed < 0;
    }
  }
  return true;
}

/** Reads an int of 0…`most`. */
export function readUint(p: usize, most: u64): bool {
  return readInt(p) && !negative && number <= most;
}

let blobs: usize = BLOBS;
/** Forgets the copies made by `readBlob`. Once per message: they are never more bytes than it has. */
export function resetBlobs(): void {
  blobs = BLOBS;
}

/** Where the bytes of the blob read last begin. */
export let blob: usize = 0;
/** Reads bin, str, or an array of ints 0…255 (copied): bytes at `blob`, `length` of them. */
export function readBlob(p: usize): bool {
  if (readBin(p) || readStr(p)) {
    blob = next;
    return true;
  }
  if (!readArray(p)) return false;
  const count = length, start = blobs;
  for (let i: u32 = 0; i < count; i++) {
    if (!readUint(next, 255)) return false;
    store<u8>(start + i, <u8>number);
  }
  blobs = start + count;
  blob = start;
  length = count;
  return true;
}

/** A str of at most 6 bytes as a number, its length in the top byte; 0 for any other object. The object ends at `next`. */
export function readKey(p: usize): u64 {
  if (!readStr(p)) {
    next = skip(p);
    return 0;
  }
  const n = length, at = next;
  next = at + n;
  if (n > 6) return 0;
  let code: u64 = <u64>n << 56;
  for (let i: u32 = 0; i < n; i++) code |= <u64>load<u8>(at + i) << (i << 3);
  return code;
}

// --- writers: all append at `o`

export let o: usize = 0;
export function writeAt(p: usize): void {
  o = p;
}
// @ts-ignore: decorator
@inline
export function w8(value: u32): void {
  store<u8>(o, <u8>value);
  o++;
}
/** Up to eight bytes given little-endian; the bytes behind them are free. */
// @ts-ignore: decorator
@inline
export function wRaw(bytes: u64, count: usize): void {
  store<u64>(o, bytes);
  o += count;
}
export function wBytes(from: usize, count: usize): void {
  memory.copy(o, from, count);
  o += count;
}
export function wUint(value: u64): void {
  if (value < 0x80) w8(<u32>value);
  else if (value < 0x100) {
    w8(0xcc);
    w8(<u32>value);
  } else if (value < 0x10000) {
    w8(0xcd);
    store<u16>(o, bswap<u16>(<u16>value));
    o += 2;
  } else if (value <= 0xffffffff) {
    w8(0xce);
    store<u32>(o, bswap<u32>(<u32>value));
    o += 4;
  } else {
    w8(0xcf);
    store<u64>(o, bswap<u64>(value));
    o += 8;
  }
}
export function wArray(count: u32): void {
  if (count < 16) w8(0x90 | count);
  else if (count < 0x10000) {
    w8(0xdc);
    store<u16>(o, bswap<u16>(<u16>count));
    o += 2;
  } else {
    w8(0xdd);
    store<u32>(o, bswap<u32>(count));
    o += 4;
  }
}
export function wBin(from: usize, count: u32): void {
  if (count < 0x100) {
    w8(0xc4);
    w8(count);
  } else wLong(0xc5, count);
  wBytes(from, count);
}
export function wStr(from: usize, count: u32): void {
  if (count < 32) w8(0xa0 | count);
  else if (count < 0x100) {
    w8(0xd9);
    w8(count);
  } else wLong(0xda, count);
  wBytes(from, count);
}
/** `type` with a 16-bit length, `type` + 1 with a 32-bit one. */
function wLong(type: u32, count: u32): void {
  if (count < 0x10000) {
    w8(type);
    store<u16>(o, bswap<u16>(<u16>count));
    o += 2;
  } else {
    w8(type + 1);
    store<u32>(o, bswap<u32>(count));
    o += 4;
  }
}
/** A str of ASCII. */
export function wText(text: string): void {
  const n = text.length;
  if (n < 32) w8(0xa0 | n);
  else {
    w8(0xd9);
    w8(n);
  }
  const from = changetype<usize>(text);
  for (let i = 0; i < n; i++) w8(load<u16>(from + (<usize>i << 1)));
}
