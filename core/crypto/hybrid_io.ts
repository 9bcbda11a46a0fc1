/** Encryption to an RSA key, of any length. Spec: dht §2.3. */
import { concat, CoreError } from "../base/mod.ts";
import { decryptGcm, encryptGcm } from "./aes_io.ts";
import { wipe } from "./hash_io.ts";
import { CRYPTO_LIMITS } from "./limits.ts";
import { type PrivateKey, rsaWorker } from "./private_key_io.ts";
import type { PublicKey } from "./public_key.ts";

const PADDING = 11, AES_KEY = 32;

/**
 * Encrypts: up to k − 11 bytes as one RSA block of k bytes, more as an RSA block holding an AES-256 key, then
 * IV(12) ‖ ciphertext ‖ tag(16).
 * @throws {CoreError} `crypto/key-unsupported` unless `recipient` is an RSA key; `crypto/plain-size`.
 */
export async function encryptTo(
  recipient: PublicKey,
  plaintext: Uint8Array,
): Promise<Uint8Array<ArrayBuffer>> {
  if (recipient.kind !== "rsa") throw new CoreError("crypto/key-unsupported", { what: "encryption" });
  const size = plaintext.length, limit = CRYPTO_LIMITS.plainBytes;
  if (size > limit) throw new CoreError("crypto/plain-size", { size, limit });
  if (size <= blockSize(recipient) - PADDING) return await block(recipient, plaintext);
  const key = crypto.getRandomValues(new Uint8Array(AES_KEY));
  try {
    const [head, body] = await Promise.all([block(recipient, key), encryptGcm(key, plaintext)]);
    return concat(head, body) as Uint8Array<ArrayBuffer>;
  } finally {
    wipe(key);
  }
}

/** Inverse of {@linkcode encryptTo}. @throws {CoreError} `crypto/decrypt`, whatever the cause. */
export async function decryptWith(key: PrivateKey, ciphertext: Uint8Array): Promise<Uint8Array> {
  const size = blockSize(key.publicKey), own = Uint8Array.from(ciphertext);
  if (own.length < size || own.length > CRYPTO_LIMITS.plainBytes + 1024) {
    throw new CoreError("crypto/decrypt");
  }
  if (own.length === size) return await key.decrypt(own);
  const aes = await key.decryptKey(own.subarray(0, size), AES_KEY);
  try {
    return await decryptGcm(aes, own.subarray(size));
  } finally {
    wipe(aes);
  }
}

const blockSize = (key: PublicKey): number => Math.ceil(key.bits / 8);

async function block(recipient: PublicKey, message: Uint8Array): Promise<Uint8Array<ArrayBuffer>> {
  const sealed = await rsaWorker.ask({ type: "rsa-encrypt", spki: recipient.der, message });
  if (!sealed) throw new CoreError("crypto/key-unsupported", { what: "encryption" });
  return sealed;
}
