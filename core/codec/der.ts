/**
 * DER, as far as keys and certificates need it: a reader that never recurses and never copies, and a writer.
 * Only low tag numbers and definite, shortest lengths exist here. Spec: X.690 §10.
 */
import { concat, DecodeError } from "../base/mod.ts";
import { DER_LIMITS } from "./limits.ts";

/** Identifier octets. `context(n)` is `[n]`, constructed. */
export const TAG = {
  boolean: 0x01,
  integer: 0x02,
  bits: 0x03,
  octets: 0x04,
  null: 0x05,
  oid: 0x06,
  utf8: 0x0c,
  printable: 0x13,
  utcTime: 0x17,
  generalizedTime: 0x18,
  sequence: 0x30,
  set: 0x31,
  context: (n: number): number => 0xa0 | n,
} as const;

/** One element: `raw` is all of it, `content` what its length covers; both are views. */
export interface Der {
  readonly tag: number;
  readonly raw: Uint8Array;
  readonly content: Uint8Array;
}

/** The element at the start of `bytes`; what follows it is the caller's business. @throws {DecodeError} `codec/der`. */
export function readDerFirst(bytes: Uint8Array): Der {
  const tag = bytes[0], short = bytes[1];
  if (tag === undefined || short === undefined || (tag & 0x1f) === 0x1f) throw bad("header");
  let length = short, start = 2;
  if (short >= 0x80) {
    const width = short & 0x7f;
    if (width < 1 || width > 4 || bytes.length < 2 + width || bytes[2] === 0) throw bad("length");
    length = 0;
    for (let i = 0; i < width; i++) length = length * 256 + bytes[2 + i]!;
    if (length < 0x80) throw bad("length");
    start += width;
  }
  if (length > bytes.length - start) throw bad("truncated");
  const end = start + length;
  return { tag, raw: bytes.subarray(0, end), content: bytes.subarray(start, end) };
}

/** The one element that `bytes` are. @throws {DecodeError} `codec/der`, also for bytes after it or another tag than `tag`. */
export function readDer(bytes: Uint8Array, tag?: number): Der {
  const element = readDerFirst(bytes);
  if (element.raw.length !== bytes.length) throw bad("trailing");
  return expectTag(element, tag);
}

/** The elements inside a constructed one, in order, at most `DER_LIMITS.children`. @throws {DecodeError} `codec/der`. */
export function derChildren(parent: Der): Der[] {
  if (!(parent.tag & 0x20)) throw bad("primitive");
  const children: Der[] = [];
  for (let rest = parent.content; rest.length;) {
    if (children.length === DER_LIMITS.children) throw bad("children");
    const child = readDerFirst(rest);
    children.push(child);
    rest = rest.subarray(child.raw.length);
  }
  return children;
}

/** `element` if it is there and has `tag`. @throws {DecodeError} `codec/der`. */
export function expectTag(element: Der | undefined, tag?: number): Der {
  if (!element || (tag !== undefined && element.tag !== tag)) throw bad("tag", { tag, got: element?.tag });
  return element;
}

/** Dotted text of an OID element. @throws {DecodeError} `codec/der`. */
export function readOid(element: Der | undefined): string {
  const { content } = expectTag(element, TAG.oid), arcs: number[] = [];
  if (!content.length || content.length > DER_LIMITS.oidBytes || content.at(-1)! & 0x80) throw bad("oid");
  let arc = 0, fresh = true;
  for (const byte of content) {
    if ((fresh && byte === 0x80) || arc > 0x1fffffff) throw bad("oid");
    arc = arc * 128 + (byte & 0x7f);
    fresh = !(byte & 0x80);
    if (!fresh) continue;
    if (!arcs.length) {
      const first = Math.min(2, Math.floor(arc / 40));
      arcs.push(first, arc - 40 * first);
    } else arcs.push(arc);
    arc = 0;
  }
  return arcs.join(".");
}

/** Big-endian magnitude, without leading zeros, of a non-negative INTEGER element. @throws {DecodeError} `codec/der`. */
export function readUnsigned(element: Der | undefined): Uint8Array {
  const { content } = expectTag(element, TAG.integer);
  if (!content.length || content[0]! & 0x80) throw bad("integer");
  if (content[0] === 0 && content.length > 1 && !(content[1]! & 0x80)) throw bad("integer");
  return content[0] === 0 ? content.subarray(1) : content;
}

/** A small non-negative INTEGER. @throws {DecodeError} `codec/der` for one above 2³¹ − 1. */
export function readSmall(element: Der | undefined): number {
  const bytes = readUnsigned(element), value = bytes.reduce((sum, byte) => sum * 256 + byte, 0);
  if (bytes.length > 4 || value > 0x7fffffff) throw bad("integer");
  return value;
}

/** Bytes of a BIT STRING without unused bits. @throws {DecodeError} `codec/der`. */
export function readBits(element: Der | undefined): Uint8Array {
  const { content } = expectTag(element, TAG.bits);
  if (content[0] !== 0) throw bad("bits");
  return content.subarray(1);
}

/** An element of `tag` around `parts`. */
export function der(tag: number, ...parts: readonly Uint8Array[]): Uint8Array {
  const length = parts.reduce((sum, part) => sum + part.length, 0), digits: number[] = [];
  for (let rest = length; rest > 0; rest = Math.floor(rest / 256)) digits.unshift(rest & 255);
  const header = length < 0x80 ? [tag, length] : [tag, 0x80 | digits.length, ...digits];
  return concat(Uint8Array.from(header), ...parts);
}
export const derSequence = (...parts: readonly Uint8Array[]): Uint8Array => der(TAG.sequence, ...parts);
export const derOctets = (content: Uint8Array): Uint8Array => der(TAG.octets, content);
export const derNull = (): Uint8Array => der(TAG.null);
/** BIT STRING of whole bytes. */
export const derBits = (content: Uint8Array): Uint8Array => der(TAG.bits, Uint8Array.of(0), content);
/** INTEGER of a big-endian magnitude or a small number. */
export function derUnsigned(value: Uint8Array | number): Uint8Array {
  let bytes = typeof value === "number" ? bigEndian(value) : value;
  let zeros = 0;
  while (zeros < bytes.length && bytes[zeros] === 0) zeros++;
  bytes = bytes.subarray(zeros);
  return !bytes.length || bytes[0]! & 0x80
    ? der(TAG.integer, Uint8Array.of(0), bytes)
    : der(TAG.integer, bytes);
}
/** OBJECT IDENTIFIER of dotted text. @throws {RangeError} for text that is none. */
export function derOid(dotted: string): Uint8Array {
  const [first, second, ...rest] = dotted.split(".").map(Number);
  if (!/^[012](\.\d{1,9})+$/.test(dotted) || second === undefined) throw new RangeError("der: oid");
  const bytes = [40 * first! + second, ...rest].flatMap((arc) => {
    const digits = [arc & 0x7f];
    while ((arc >>>= 7) > 0) digits.unshift(0x80 | (arc & 0x7f));
    return digits;
  });
  return der(TAG.oid, Uint8Array.from(bytes));
}

function bigEndian(value: number): Uint8Array {
  if (!Number.isInteger(value) || value < 0 || value > 0x7fffffff) throw new RangeError("der: integer");
  return Uint8Array.of(value >>> 24, (value >>> 16) & 255, (value >>> 8) & 255, value & 255);
}

const bad = (what: string, data: Record<string, unknown> = {}) =>
  new DecodeError("codec/der", { what, ...data });
