/**
 * MessagePack, bounded: what a length claims is never believed before the bytes are there, and nothing is nested
 * deeper than the limit. Integers and headers are written in their shortest form. Spec: dht §1.1.
 *
 * | wire | value |
 * |---|---|
 * | nil, bool, float | `null`, `boolean`, `number` |
 * | int | `number`, `bigint` beyond ±(2⁵³ − 1) |
 * | str | `string`; {@linkcode RawStr} when it is not valid UTF-8, so that no byte is ever altered |
 * | bin | `Uint8Array`, a view into the input |
 * | array, map | `Array`, `Map` (order kept; the last duplicate wins; keys other than str, bin, int are skipped with their values) |
 * | ext | {@linkcode Ext}, only where `ext: true` asks for it |
 */
import { DecodeError, text, utf8 } from "../base/mod.ts";
import { MSGPACK_LIMITS } from "./limits.ts";
import { Reader } from "./msgpack_reader.ts";
import { skim, type SkimOptions } from "./msgpack_skim.ts";
import { Writer } from "./msgpack_writer.ts";

export { Reader } from "./msgpack_reader.ts";
export { skim, type SkimOptions } from "./msgpack_skim.ts";
export { Writer } from "./msgpack_writer.ts";

/** A `str` whose bytes are not UTF-8. */
export class RawStr {
  constructor(readonly bytes: Uint8Array) {}
}
/** An extension object: application type −128…127 and its bytes. */
export class Ext {
  constructor(readonly type: number, readonly data: Uint8Array) {}
}

export type MsgpackKey = string | number | bigint | Uint8Array | RawStr;
/** What {@linkcode decode} gives. */
export type MsgpackValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | RawStr
  | Ext
  | MsgpackValue[]
  | Map<MsgpackKey, MsgpackValue>;
/** What {@linkcode encode} takes: also plain objects, whose undefined members are left out. */
export type Encodable =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | RawStr
  | Ext
  | readonly Encodable[]
  | ReadonlyMap<MsgpackKey, Encodable>
  | { readonly [name: string]: Encodable | undefined };

export interface DecodeOptions extends SkimOptions {
  /** True: bytes after the object are ignored; otherwise they are an error. */
  readonly trailing?: boolean;
}

/**
 * The one object in `bytes`.
 * @throws {DecodeError} `codec/msgpack-truncated`, `-depth`, `-length`, `-ext`, `-reserved`, `-trailing`.
 */
export function decode(bytes: Uint8Array, options: DecodeOptions = {}): MsgpackValue {
  const { value, length } = decodeFirst(bytes, options);
  if (length !== bytes.length && !options.trailing) {
    throw new DecodeError("codec/msgpack-trailing", { length, given: bytes.length });
  }
  return value;
}

/** The first object in `bytes` and how many bytes it takes. @throws {DecodeError} as {@linkcode decode}, but trailing bytes are fine. */
export function decodeFirst(
  bytes: Uint8Array,
  options: SkimOptions = {},
): { value: MsgpackValue; length: number } {
  const length = skim(bytes, options);
  if (length < 0) throw new DecodeError("codec/msgpack-truncated", { given: bytes.length });
  return { value: read(new Reader(bytes)), length };
}

function read(r: Reader): MsgpackValue {
  switch (r.kind()) {
    case "nil":
      return r.nil();
    case "bool":
      return r.bool();
    case "int":
      return r.int();
    case "float":
      return r.float();
    case "str":
      return readable(r.strBytes());
    case "bin":
      return r.bin();
    case "array":
      return readArray(r);
    case "map":
      return readMap(r);
    default: {
      const { type, data } = r.ext();
      return new Ext(type, data);
    }
  }
}

function readArray(r: Reader): MsgpackValue[] {
  const items: MsgpackValue[] = [];
  for (let n = r.array(); n > 0; n--) items.push(read(r));
  return items;
}

function readMap(r: Reader): Map<MsgpackKey, MsgpackValue> {
  const map = new Map<MsgpackKey, MsgpackValue>();
  let byContent: Map<string, MsgpackKey> | undefined; // byte keys are equal when their bytes are
  for (let n = r.map(); n > 0; n--) {
    const kind = r.kind();
    if (kind !== "str" && kind !== "bin" && kind !== "int") {
      r.skip(), r.skip();
      continue;
    }
    let key = read(r) as MsgpackKey;
    if (typeof key === "object") {
      byContent ??= new Map();
      const content = key instanceof RawStr ? `s${key.bytes.toHex()}` : `b${key.toHex()}`,
        known = byContent.get(content);
      if (known === undefined) byContent.set(content, key);
      else key = known;
    }
    map.set(key, read(r));
  }
  return map;
}

function readable(bytes: Uint8Array): string | RawStr {
  if (bytes.length < 24) { // the decoder's start costs more than a few letters
    let ascii = "", i = 0;
    while (i < bytes.length && bytes[i]! < 0x80) ascii += String.fromCharCode(bytes[i++]!);
    if (i === bytes.length) return ascii;
  }
  return text(bytes) ?? new RawStr(bytes);
}

/**
 * Bytes of `value`. A number that is no safe integer, or −0, is written as a 64-bit float.
 * @throws {RangeError} for a bigint outside −2⁶³…2⁶⁴−1 or deeper nesting than the limit. @throws {TypeError} for anything else it cannot write.
 */
export function encode(value: Encodable): Uint8Array {
  const writer = new Writer();
  write(writer, value, 0);
  return writer.finish();
}

const isWhole = (value: number) => Number.isSafeInteger(value) && !Object.is(value, -0);

function write(w: Writer, value: Encodable | undefined, depth: number): void {
  if (depth > MSGPACK_LIMITS.depth) throw new RangeError("msgpack: nested too deep");
  if (value === null) w.nil();
  else if (typeof value === "string") w.str(value);
  else if (typeof value === "number") isWhole(value) ? w.int(value) : w.float(value);
  else if (typeof value === "bigint") w.int(value);
  else if (typeof value === "boolean") w.bool(value);
  else if (value instanceof Uint8Array) w.bin(value);
  else if (Array.isArray(value)) {
    w.array(value.length);
    for (const item of value) write(w, item, depth + 1);
  } else if (value instanceof Map) {
    w.map(value.size);
    for (const [key, item] of value) write(w, key, depth + 1), write(w, item, depth + 1);
  } else if (value instanceof RawStr) w.str(value.bytes);
  else if (value instanceof Ext) w.ext(value.type, value.data);
  else if (value !== undefined && Object.getPrototypeOf(value) === Object.prototype) {
    const entries = Object.entries(value as Record<string, Encodable | undefined>).filter(([, v]) =>
      v !== undefined
    );
    w.map(entries.length);
    for (const [key, item] of entries) w.str(key), write(w, item, depth + 1);
  } else throw new TypeError(`msgpack: cannot write ${typeof value}`);
}

/** Bytes of whatever the DHT takes for a byte string: bin, str, or an array of small ints; else `undefined`. Spec: dht §1.1. */
export function bytesLike(value: MsgpackValue | undefined): Uint8Array | undefined {
  if (value instanceof Uint8Array) return value;
  if (typeof value === "string") return utf8(value);
  if (value instanceof RawStr) return value.bytes;
  if (!Array.isArray(value)) return undefined;
  const small = (v: MsgpackValue): v is number =>
    typeof v === "number" && Number.isInteger(v) && v >= 0 && v <= 255;
  return value.every(small) ? Uint8Array.from(value) : undefined;
}

const TIMESTAMP = -1, NANOS_PER_SECOND = 1_000_000_000n;

/** Nanoseconds since 1970 of a timestamp extension. @throws {DecodeError} `codec/msgpack-timestamp`. */
export function timestampNanos(ext: MsgpackValue | undefined): bigint {
  const bad = () => new DecodeError("codec/msgpack-timestamp");
  if (!(ext instanceof Ext) || ext.type !== TIMESTAMP) throw bad();
  const { data } = ext, view = new DataView(data.buffer, data.byteOffset, data.length);
  let seconds: bigint, nanos: bigint;
  if (data.length === 4) seconds = BigInt(view.getUint32(0)), nanos = 0n;
  else if (data.length === 8) {
    const both = view.getBigUint64(0);
    seconds = both & 0x3_ffff_ffffn, nanos = both >> 34n;
  } else if (data.length === 12) nanos = BigInt(view.getUint32(0)), seconds = view.getBigInt64(4);
  else throw bad();
  if (nanos >= NANOS_PER_SECOND) throw bad();
  return seconds * NANOS_PER_SECOND + nanos;
}

/** The timestamp extension of `nanos` since 1970, in its shortest form. @throws {RangeError} if no form holds it. */
export function timestamp(nanos: bigint): Ext {
  const rest = ((nanos % NANOS_PER_SECOND) + NANOS_PER_SECOND) % NANOS_PER_SECOND;
  const seconds = (nanos - rest) / NANOS_PER_SECOND;
  if (BigInt.asIntN(64, seconds) !== seconds) throw new RangeError("msgpack: timestamp out of range");
  const size = seconds < 0n || seconds >> 34n ? 12 : rest || seconds >> 32n ? 8 : 4;
  const data = new Uint8Array(size), view = new DataView(data.buffer);
  if (size === 4) view.setUint32(0, Number(seconds));
  else if (size === 8) view.setBigUint64(0, rest << 34n | seconds);
  else view.setUint32(0, Number(rest)), view.setBigInt64(4, seconds);
  return new Ext(TIMESTAMP, data);
}
