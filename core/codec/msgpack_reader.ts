/** Pulls MessagePack apart piece by piece. Byte strings come out as views; every step checks that the bytes are there. */
import { DecodeError, text } from "../base/mod.ts";
import { MSGPACK_LIMITS } from "./limits.ts";
import { skim } from "./msgpack_skim.ts";

export type MsgpackKind =
  | "nil"
  | "bool"
  | "int"
  | "float"
  | "str"
  | "bin"
  | "array"
  | "map"
  | "ext"
  | "reserved";

const KINDS: readonly MsgpackKind[] = Array.from({ length: 256 }, (_, t) => {
  if (t < 0x80 || t >= 0xe0 || (t >= 0xcc && t <= 0xd3)) return "int";
  if (t < 0x90 || t >= 0xde) return "map";
  if (t < 0xa0 || t >= 0xdc) return "array";
  if (t < 0xc0 || t >= 0xd9) return "str";
  if (t === 0xc0) return "nil";
  if (t === 0xc1) return "reserved";
  if (t <= 0xc3) return "bool";
  if (t <= 0xc6) return "bin";
  return t === 0xca || t === 0xcb ? "float" : "ext";
});

/**
 * Each method reads one object, or one header, and moves on. A wrong type throws `codec/msgpack-type`, missing bytes
 * `codec/msgpack-truncated`; after a throw the position is undefined.
 */
export class Reader {
  #made: DataView | undefined; // most readers never need one
  constructor(readonly bytes: Uint8Array, public at = 0) {}

  /** Bytes not read yet. */
  get left(): number {
    return this.bytes.length - this.at;
  }
  /** Kind of the next object. */
  kind(): MsgpackKind {
    return KINDS[this.#peek()]!;
  }

  nil(): null {
    if (this.#next() !== 0xc0) throw wrong("nil");
    return null;
  }
  bool(): boolean {
    const type = this.#next();
    if (type !== 0xc2 && type !== 0xc3) throw wrong("bool");
    return type === 0xc3;
  }
  /** Any integer; `bigint` only where `number` would lose bits. */
  int(): number | bigint {
    const type = this.#next();
    if (type < 0x80) return type;
    if (type >= 0xe0) return type - 256;
    switch (type) {
      case 0xcc:
        return this.bytes[this.#take(1)]!;
      case 0xcd:
        return this.#view.getUint16(this.#take(2));
      case 0xce:
        return this.#view.getUint32(this.#take(4));
      case 0xcf:
        return narrow(this.#view.getBigUint64(this.#take(8)));
      case 0xd0:
        return this.#view.getInt8(this.#take(1));
      case 0xd1:
        return this.#view.getInt16(this.#take(2));
      case 0xd2:
        return this.#view.getInt32(this.#take(4));
      case 0xd3:
        return narrow(this.#view.getBigInt64(this.#take(8)));
    }
    throw wrong("int");
  }
  /** An integer in 0…`most` (default 2⁵³ − 1). */
  uint(most = Number.MAX_SAFE_INTEGER): number {
    const value = this.int();
    if (typeof value !== "number" || value < 0 || value > most) throw wrong("uint");
    return value;
  }
  /** An integer in 0…2⁶⁴ − 1. */
  uint64(): bigint {
    const value = BigInt(this.int());
    if (value < 0n) throw wrong("uint64");
    return value;
  }
  float(): number {
    const type = this.#next();
    if (type === 0xca) return this.#view.getFloat32(this.#take(4));
    if (type === 0xcb) return this.#view.getFloat64(this.#take(8));
    throw wrong("float");
  }
  /** Bytes of a str, valid UTF-8 or not. */
  strBytes(): Uint8Array {
    const type = this.#next();
    if (type >= 0xa0 && type < 0xc0) return this.#slice(type & 31);
    if (type >= 0xd9 && type <= 0xdb) return this.#slice(this.#length(type - 0xd9));
    throw wrong("str");
  }
  /** Text of a str that must be valid UTF-8. */
  str(): string {
    const value = text(this.strBytes());
    if (value === undefined) throw wrong("utf8");
    return value;
  }
  bin(): Uint8Array {
    const type = this.#next();
    if (type < 0xc4 || type > 0xc6) throw wrong("bin");
    return this.#slice(this.#length(type - 0xc4));
  }
  /** Bytes of bin, str, or an array of ints 0…255 (then a copy). Spec: dht §1.1. */
  blob(): Uint8Array {
    const kind = this.kind();
    if (kind === "bin") return this.bin();
    if (kind === "str") return this.strBytes();
    const bytes = new Uint8Array(this.array());
    for (let i = 0; i < bytes.length; i++) bytes[i] = this.uint(255);
    return bytes;
  }
  /** Number of items that follow; never more than there are bytes left. */
  array(): number {
    const type = this.#next();
    let count: number;
    if (type >= 0x90 && type < 0xa0) count = type & 15;
    else if (type === 0xdc || type === 0xdd) count = this.#length(type - 0xdb);
    else throw wrong("array");
    if (count > this.left) throw truncated();
    return count;
  }
  /** Number of pairs that follow; never more than half the bytes left. */
  map(): number {
    const type = this.#next();
    let count: number;
    if (type >= 0x80 && type < 0x90) count = type & 15;
    else if (type === 0xde || type === 0xdf) count = this.#length(type - 0xdd);
    else throw wrong("map");
    if (2 * count > this.left) throw truncated();
    return count;
  }
  ext(): { type: number; data: Uint8Array } {
    const type = this.#next();
    let length: number;
    if (type >= 0xd4 && type <= 0xd8) length = 1 << (type - 0xd4);
    else if (type >= 0xc7 && type <= 0xc9) length = this.#length(type - 0xc7);
    else throw wrong("ext");
    return { type: this.#view.getInt8(this.#take(1)), data: this.#slice(length) };
  }
  /** Passes over one whole object. */
  skip(depth: number = MSGPACK_LIMITS.depth): void {
    this.raw(depth);
  }
  /** The bytes of one whole object. */
  raw(depth: number = MSGPACK_LIMITS.depth): Uint8Array {
    const length = skim(this.bytes, { from: this.at, depth, ext: true, length: this.bytes.length });
    if (length < 0) throw truncated();
    return this.#slice(length);
  }

  get #view(): DataView {
    return this.#made ??= new DataView(this.bytes.buffer, this.bytes.byteOffset, this.bytes.length);
  }
  #peek(): number {
    const type = this.bytes[this.at];
    if (type === undefined) throw truncated();
    return type;
  }
  #next(): number {
    const type = this.#peek();
    this.at++;
    return type;
  }
  #take(length: number): number {
    const at = this.at;
    if (length > this.left) throw truncated();
    this.at = at + length;
    return at;
  }
  #slice(length: number): Uint8Array {
    const at = this.#take(length);
    return this.bytes.subarray(at, at + length);
  }
  /** `width` 0, 1, 2: a length of 8, 16, 32 bits. */
  #length(width: number): number {
    const at = this.#take(1 << width);
    return width === 0
      ? this.#view.getUint8(at)
      : width === 1
      ? this.#view.getUint16(at)
      : this.#view.getUint32(at);
  }
}

function narrow(value: bigint): number | bigint {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}
const wrong = (wanted: string) => new DecodeError("codec/msgpack-type", { wanted });
const truncated = () => new DecodeError("codec/msgpack-truncated");
