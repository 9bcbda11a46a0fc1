/** STUN messages: header, attributes, integrity and fingerprint. Spec: connection §2.6, RFC 8489 §5, §14. */
import { concat, DecodeError, type Endpoint, formatIp, parseIp, text, utf8 } from "../base/mod.ts";
import { STUN } from "./limits.ts";
import { hmacSha1, md5, sameDigest } from "./stun_digest_io.ts";

export type StunClass = "request" | "indication" | "success" | "error";

export const METHOD = {
  binding: 0x001,
  allocate: 0x003,
  refresh: 0x004,
  send: 0x006,
  data: 0x007,
  createPermission: 0x008,
  channelBind: 0x009,
  connect: 0x00a,
  connectionBind: 0x00b,
  connectionAttempt: 0x00c,
} as const;

export const ATTR = {
  mappedAddress: 0x0001,
  username: 0x0006,
  integrity: 0x0008,
  errorCode: 0x0009,
  unknownAttributes: 0x000a,
  channelNumber: 0x000c,
  lifetime: 0x000d,
  xorPeerAddress: 0x0012,
  data: 0x0013,
  realm: 0x0014,
  nonce: 0x0015,
  xorRelayedAddress: 0x0016,
  requestedFamily: 0x0017,
  requestedTransport: 0x0019,
  dontFragment: 0x001a,
  integritySha256: 0x001c,
  xorMappedAddress: 0x0020,
  priority: 0x0024,
  useCandidate: 0x0025,
  connectionId: 0x002a,
  software: 0x8022,
  alternateServer: 0x8023,
  fingerprint: 0x8028,
  iceControlled: 0x8029,
  iceControlling: 0x802a,
} as const;

const COOKIE = 0x2112a442, HEADER = 20, FINGERPRINT_XOR = 0x5354554e;
const CLASSES: readonly StunClass[] = ["request", "indication", "success", "error"];

export interface StunAttribute {
  readonly type: number;
  /** A view into the packet. */
  readonly value: Uint8Array;
}

/** A decoded message. Views into `bytes`: copy before keeping. */
export interface StunMessage {
  readonly class: StunClass;
  readonly method: number;
  /** 12 bytes. */
  readonly id: Uint8Array;
  /** Those in front of MESSAGE-INTEGRITY (all, if there is none): what follows it is not covered, so it does not count. */
  readonly attributes: readonly StunAttribute[];
  /** Offset of MESSAGE-INTEGRITY in `bytes`. */
  readonly integrityAt: number | undefined;
  readonly fingerprint: boolean;
  readonly bytes: Uint8Array;
}

/** True if these bytes can only be STUN on a UDP path: type, cookie and length agree. Spec: RFC 8489 §5. */
export function looksLikeStun(bytes: Uint8Array): boolean {
  return bytes.length >= HEADER && bytes[0]! < 0x40 && u32(bytes, 4) === COOKIE &&
    u16(bytes, 2) + HEADER === bytes.length && bytes.length % 4 === 0;
}

/**
 * @param limit Largest message accepted, bytes.
 * @throws {DecodeError} `net/stun-short`, `net/stun-size`, `net/stun-type`, `net/stun-cookie`, `net/stun-length`,
 * `net/stun-attribute`, `net/stun-order`, `net/stun-fingerprint`.
 */
export function decodeStun(bytes: Uint8Array, limit: number = STUN.message): StunMessage {
  if (bytes.length < HEADER) throw new DecodeError("net/stun-short", { length: bytes.length });
  if (bytes.length > limit) throw new DecodeError("net/stun-size", { length: bytes.length, limit });
  const type = u16(bytes, 0);
  if (type & 0xc000) throw new DecodeError("net/stun-type", { type });
  if (u32(bytes, 4) !== COOKIE) throw new DecodeError("net/stun-cookie");
  if (u16(bytes, 2) + HEADER !== bytes.length || bytes.length % 4) {
    throw new DecodeError("net/stun-length", { said: u16(bytes, 2), length: bytes.length });
  }
  const attributes: StunAttribute[] = [];
  let integrityAt: number | undefined, fingerprint = false, count = 0;
  for (let at = HEADER; at < bytes.length;) {
    if (fingerprint) throw new DecodeError("net/stun-order"); // FINGERPRINT is the last attribute
    if (++count > STUN.attributes) throw new DecodeError("net/stun-attribute", { count });
    const kind = u16(bytes, at), length = u16(bytes, at + 2), next = at + 4 + ((length + 3) & ~3);
    if (next > bytes.length) throw new DecodeError("net/stun-attribute", { kind, length });
    if (kind === ATTR.fingerprint) {
      const sum = crc32(bytes.subarray(0, at)) ^ FINGERPRINT_XOR;
      if (length !== 4 || u32(bytes, at + 4) !== sum >>> 0) throw new DecodeError("net/stun-fingerprint");
      fingerprint = true;
    } else if (integrityAt === undefined) {
      if (kind === ATTR.integrity) {
        if (length !== 20) throw new DecodeError("net/stun-attribute", { kind, length });
        integrityAt = at;
      } else attributes.push({ type: kind, value: bytes.subarray(at + 4, at + 4 + length) });
    }
    at = next;
  }
  return {
    class: CLASSES[((type >> 7) & 2) | ((type >> 4) & 1)]!,
    method: (type & 0xf) | ((type >> 1) & 0x70) | ((type >> 2) & 0xf80),
    id: bytes.subarray(8, HEADER),
    attributes,
    integrityAt,
    fingerprint,
    bytes,
  };
}

export interface StunParts {
  class: StunClass;
  method: number;
  /** 12 bytes. */
  id: Uint8Array;
  /** In wire order. */
  attributes?: readonly StunAttribute[];
  /** Adds MESSAGE-INTEGRITY under this key. */
  key?: Uint8Array;
  /** Adds FINGERPRINT. */
  fingerprint?: boolean;
}

/** The bytes of a message; attribute values are padded with zeros. */
export function encodeStun(parts: StunParts): Uint8Array {
  if (parts.id.length !== 12) throw new RangeError(`transaction id of ${parts.id.length} bytes`);
  const given = parts.attributes ?? [];
  const body = given.reduce((sum, a) => sum + 4 + ((a.value.length + 3) & ~3), 0);
  const size = HEADER + body + (parts.key ? 24 : 0) + (parts.fingerprint ? 8 : 0);
  const out = new Uint8Array(size), view = new DataView(out.buffer), m = parts.method;
  const kind = CLASSES.indexOf(parts.class);
  view.setUint16(
    0,
    (m & 0xf) | ((m & 0x70) << 1) | ((m & 0xf80) << 2) | ((kind & 2) << 7) | ((kind & 1) << 4),
  );
  view.setUint32(4, COOKIE);
  out.set(parts.id, 8);
  let at = HEADER;
  for (const { type, value } of given) {
    view.setUint16(at, type), view.setUint16(at + 2, value.length);
    out.set(value, at + 4);
    at += 4 + ((value.length + 3) & ~3);
  }
  if (parts.key) {
    view.setUint16(2, at + 24 - HEADER); // the length counts up to the end of MESSAGE-INTEGRITY (RFC 8489 §14.5)
    view.setUint16(at, ATTR.integrity), view.setUint16(at + 2, 20);
    out.set(hmacSha1(parts.key, out.subarray(0, at)), at + 4);
    at += 24;
  }
  view.setUint16(2, size - HEADER);
  if (parts.fingerprint) {
    view.setUint16(at, ATTR.fingerprint), view.setUint16(at + 2, 4);
    view.setUint32(at + 4, crc32(out.subarray(0, at)) ^ FINGERPRINT_XOR);
  }
  return out;
}

/** True if the message carries MESSAGE-INTEGRITY and it is right under `key`. */
export function verifyIntegrity(message: StunMessage, key: Uint8Array): boolean {
  const at = message.integrityAt;
  if (at === undefined) return false;
  const head = message.bytes.slice(0, HEADER), length = at + 24 - HEADER;
  head[2] = length >> 8, head[3] = length & 255;
  const wanted = hmacSha1(key, head, message.bytes.subarray(HEADER, at));
  return sameDigest(wanted, message.bytes.subarray(at + 4, at + 24));
}

/** Short-term key: the password's bytes. */
export const shortTermKey = (password: string): Uint8Array => utf8(password);
/** Long-term key: MD5 of `user:realm:password`. Spec: RFC 8489 §9.2.2. */
export const longTermKey = (user: string, realm: string, password: string): Uint8Array =>
  md5(utf8(`${user}:${realm}:${password}`));

/** First attribute of that type, or undefined: later ones of the same type are ignored (RFC 8489 §14). */
export function attribute(message: StunMessage, type: number): Uint8Array | undefined {
  return message.attributes.find((a) => a.type === type)?.value;
}
/** Attribute as unsigned 32 bits; undefined if absent or of another length. */
export function attributeU32(message: StunMessage, type: number): number | undefined {
  const value = attribute(message, type);
  return value?.length === 4 ? u32(value, 0) : undefined;
}
/** Attribute as text of at most `limit` bytes, NUL padding inside the value cut off; undefined if absent or not UTF-8. */
export function attributeText(
  message: StunMessage,
  type: number,
  limit: number = STUN.text,
): string | undefined {
  const value = attribute(message, type);
  if (!value || value.length > limit) return undefined;
  let end = value.length;
  while (end > 0 && value[end - 1] === 0) end--;
  return text(value.subarray(0, end));
}
/** Address of an XOR attribute; undefined if absent or malformed. Spec: RFC 8489 §14.2. */
export function attributeAddress(message: StunMessage, type: number): Endpoint | undefined {
  const value = attribute(message, type);
  return value && decodeXorAddress(value, message.id);
}
/** Code 300–699 and reason of ERROR-CODE; undefined if absent or malformed. */
export function attributeError(message: StunMessage): { code: number; reason: string } | undefined {
  const value = attribute(message, ATTR.errorCode);
  if (!value || value.length < 4 || value.length > 4 + STUN.text) return undefined;
  const hundreds = value[2]! & 7, units = value[3]!;
  if (hundreds < 3 || hundreds > 6 || units > 99) return undefined;
  return { code: hundreds * 100 + units, reason: text(value.subarray(4)) ?? "" };
}
/** Types below 0x8000 that are not in `known`. */
export function unknownMandatory(message: StunMessage, known: ReadonlySet<number>): number[] {
  return message.attributes.map((a) => a.type).filter((type) => type < 0x8000 && !known.has(type));
}

/** One attribute of a 32-bit number. */
export function u32Attribute(type: number, value: number): StunAttribute {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value);
  return { type, value: bytes };
}
export const textAttribute = (type: number, value: string): StunAttribute => ({ type, value: utf8(value) });
export const flagAttribute = (type: number): StunAttribute => ({ type, value: new Uint8Array(0) });
export function xorAddressAttribute(type: number, address: Endpoint, id: Uint8Array): StunAttribute {
  const ip = parseIp(address.ip), mask = addressMask(id);
  const port = address.port ^ (COOKIE >>> 16);
  const head = new Uint8Array([0, ip.length === 4 ? 1 : 2, port >> 8, port & 255]);
  return { type, value: concat(head, ip.map((byte, i) => byte ^ mask[i]!)) };
}
export function errorAttribute(code: number, reason: string): StunAttribute {
  return {
    type: ATTR.errorCode,
    value: concat(new Uint8Array([0, 0, Math.floor(code / 100), code % 100]), utf8(reason)),
  };
}
export function unknownAttribute(types: readonly number[]): StunAttribute {
  return { type: ATTR.unknownAttributes, value: new Uint8Array(types.flatMap((t) => [t >> 8, t & 255])) };
}

function decodeXorAddress(value: Uint8Array, id: Uint8Array): Endpoint | undefined {
  const size = value[1] === 1 ? 4 : value[1] === 2 ? 16 : 0;
  if (!size || value.length !== 4 + size) return undefined;
  const mask = addressMask(id);
  const ip = formatIp(value.subarray(4).map((byte, i) => byte ^ mask[i]!));
  return { ip, port: u16(value, 2) ^ (COOKIE >>> 16) };
}
const addressMask = (id: Uint8Array) => concat(new Uint8Array([0x21, 0x12, 0xa4, 0x42]), id);

const u16 = (b: Uint8Array, at: number) => (b[at]! << 8) | b[at + 1]!;
const u32 = (b: Uint8Array, at: number) => (u16(b, at) << 16 | u16(b, at + 2)) >>> 0;

const CRC = Uint32Array.from({ length: 256 }, (_, n) => {
  for (let k = 0; k < 8; k++) n = n & 1 ? 0xedb88320 ^ (n >>> 1) : n >>> 1;
  return n;
});
/** CRC-32 of ISO/IEC 3309, unsigned. */
export function crc32(bytes: Uint8Array): number {
  let sum = ~0;
  for (let i = 0; i < bytes.length; i++) sum = CRC[(sum ^ bytes[i]!) & 255]! ^ (sum >>> 8);
  return ~sum >>> 0;
}
