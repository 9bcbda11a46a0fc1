/** The digests STUN is built on: the only place of this room that asks the platform for them. */
import { createHash, createHmac, timingSafeEqual } from "node:crypto";

/** HMAC-SHA1, 20 bytes. */
export function hmacSha1(key: Uint8Array, ...parts: readonly Uint8Array[]): Uint8Array {
  const hmac = createHmac("sha1", key);
  for (const part of parts) hmac.update(part);
  return new Uint8Array(hmac.digest());
}

/** MD5, 16 bytes: the long-term key of RFC 8489 §9.2.2. */
export function md5(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(createHash("md5").update(bytes).digest());
}

/** Same bytes, in time that depends on the length only. */
export function sameDigest(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && timingSafeEqual(a, b);
}
