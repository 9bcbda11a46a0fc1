/** Hashes, comparison and wiping: small, synchronous, from the runtime. Spec: dht §3.1. */
import { createHash, createHmac, timingSafeEqual as sameBytes } from "node:crypto";
import { utf8 } from "../base/mod.ts";

export type HashName = "SHA-1" | "SHA-256" | "SHA-384" | "SHA-512";
type Bytes = Uint8Array<ArrayBuffer>;

const digest = (name: string) => (data: Uint8Array | string): Bytes =>
  Uint8Array.from(createHash(name).update(typeof data === "string" ? utf8(data) : data).digest());

/** 20 bytes. Text is hashed as UTF-8. */
export const sha1 = digest("sha1");
/** 32 bytes. */
export const sha256 = digest("sha256");
/** 48 bytes. */
export const sha384 = digest("sha384");
/** 64 bytes. */
export const sha512 = digest("sha512");
/** 64 bytes. */
export const sha3_512 = digest("sha3-512");

/** The hash whose size is next to `length` (SHA-1, SHA-256, SHA-512), cut to `length` bytes, 1 to 64. Spec: dht §3.1. */
export function hashTo(data: Uint8Array | string, length: number): Bytes {
  if (!Number.isInteger(length) || length < 1 || length > 64) throw new RangeError("hashTo: 1 to 64 bytes");
  return (length <= 20 ? sha1 : length <= 32 ? sha256 : sha512)(data).slice(0, length);
}

/** HMAC of `data`. */
export function hmac(hash: HashName, key: Uint8Array, data: Uint8Array): Bytes {
  return Uint8Array.from(createHmac(hash.replace("-", "").toLowerCase(), key).update(data).digest());
}

/** Same length, same bytes; for equal lengths the time does not depend on where they differ. */
export const timingSafeEqual = (a: Uint8Array, b: Uint8Array): boolean =>
  a.length === b.length && sameBytes(a, b);

/** Overwrites secrets with zeros. Copies the runtime may have made are out of reach. */
export function wipe(...secrets: readonly (Uint8Array | undefined)[]): void {
  for (const secret of secrets) secret?.fill(0);
}
