/** Keys from passwords, and blobs locked with them. Spec: dht §3.4. */
import { concat, CoreError, utf8 } from "../base/mod.ts";
import { decryptGcm, encryptGcm } from "./aes_io.ts";
import { Gate } from "./gate.ts";
import { sha256, sha512, wipe } from "./hash_io.ts";
import { CRYPTO_LIMITS } from "./limits.ts";
import { WorkerPort } from "./pool_io.ts";

const stretcher = new WorkerPort(false), one = new Gate(1);
/** Bytes of the salt in front of a locked blob. */
export const PASSWORD_SALT_BYTES = 16;

/**
 * Argon2i v1.3 (16 passes, 64 MiB, 1 lane, 32 bytes) in a worker, one at a time: about a second; with an empty
 * password and a salt that is not 16 bytes about seven.
 * @throws {CoreError} `crypto/salt-size`, `crypto/password-size`, `crypto/worker`.
 */
export async function argon2i(password: string | Uint8Array, salt: Uint8Array): Promise<Uint8Array> {
  const { min, max } = CRYPTO_LIMITS.saltBytes,
    secret = typeof password === "string" ? utf8(password) : new Uint8Array(password);
  if (salt.length < min || salt.length > max) {
    throw new CoreError("crypto/salt-size", { size: salt.length, min, max });
  }
  if (secret.length > CRYPTO_LIMITS.passwordBytes) throw new CoreError("crypto/password-size");
  const job = { type: "argon2i", password: secret, salt: new Uint8Array(salt) } as const;
  try {
    const key = await one.run(() => stretcher.ask(job));
    if (!key) throw new CoreError("crypto/worker");
    return key;
  } finally {
    wipe(secret);
  }
}

/** The key a password and a salt give: Argon2i, then SHA-256 for 32 bytes or SHA-512 for 64. @throws as {@linkcode argon2i}. */
export async function stretchPassword(
  password: string | Uint8Array,
  salt: Uint8Array,
  length: 32 | 64 = 32,
): Promise<Uint8Array<ArrayBuffer>> {
  const stretched = await argon2i(password, salt);
  try {
    return (length === 32 ? sha256 : sha512)(stretched);
  } finally {
    wipe(stretched);
  }
}

/** salt(16) ‖ IV(12) ‖ ciphertext ‖ tag(16). `salt`: kept from an earlier blob, else fresh. @throws as {@linkcode argon2i}. */
export async function encryptWithPassword(
  password: string | Uint8Array,
  plaintext: Uint8Array,
  salt: Uint8Array = crypto.getRandomValues(new Uint8Array(PASSWORD_SALT_BYTES)),
): Promise<Uint8Array<ArrayBuffer>> {
  if (salt.length !== PASSWORD_SALT_BYTES) throw new CoreError("crypto/salt-size", { size: salt.length });
  const key = await stretchPassword(password, salt);
  try {
    return concat(salt, await encryptGcm(key, plaintext)) as Uint8Array<ArrayBuffer>;
  } finally {
    wipe(key);
  }
}

/** Inverse of {@linkcode encryptWithPassword}. @throws {CoreError} `crypto/decrypt`, and as {@linkcode argon2i}. */
export async function decryptWithPassword(
  password: string | Uint8Array,
  blob: Uint8Array,
): Promise<Uint8Array<ArrayBuffer>> {
  if (blob.length <= PASSWORD_SALT_BYTES) throw new CoreError("crypto/decrypt");
  const key = await stretchPassword(password, blob.subarray(0, PASSWORD_SALT_BYTES));
  try {
    return await decryptGcm(key, blob.subarray(PASSWORD_SALT_BYTES));
  } finally {
    wipe(key);
  }
}
