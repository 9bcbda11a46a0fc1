/** AES-GCM as every blob here uses it: IV(12) ‖ ciphertext ‖ tag(16), no additional data. Spec: dht §2.3, §3.4. */
import { concat, CoreError } from "../base/mod.ts";

const IV = 12, TAG_BYTES = 16;

/** Encrypts under a key of 16, 24 or 32 bytes with a fresh random IV. */
export async function encryptGcm(key: Uint8Array, plaintext: Uint8Array): Promise<Uint8Array<ArrayBuffer>> {
  const iv = crypto.getRandomValues(new Uint8Array(IV));
  const ready = await crypto.subtle.importKey("raw", Uint8Array.from(key), "AES-GCM", false, ["encrypt"]);
  const sealed = await crypto.subtle.encrypt({ name: "AES-GCM", iv }, ready, Uint8Array.from(plaintext));
  return concat(iv, new Uint8Array(sealed)) as Uint8Array<ArrayBuffer>;
}

/** Inverse of {@linkcode encryptGcm}; empty plain text is no valid content. @throws {CoreError} `crypto/decrypt`. */
export async function decryptGcm(key: Uint8Array, blob: Uint8Array): Promise<Uint8Array<ArrayBuffer>> {
  if (blob.length <= IV + TAG_BYTES) throw new CoreError("crypto/decrypt");
  const iv = Uint8Array.from(blob.subarray(0, IV)), sealed = Uint8Array.from(blob.subarray(IV));
  try {
    const ready = await crypto.subtle.importKey("raw", Uint8Array.from(key), "AES-GCM", false, ["decrypt"]);
    return new Uint8Array(await crypto.subtle.decrypt({ name: "AES-GCM", iv }, ready, sealed));
  } catch {
    throw new CoreError("crypto/decrypt"); // one answer for every cause
  }
}
