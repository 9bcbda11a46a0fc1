/** Argon2i v1.3 with Jami's cost (16 passes, 64 MiB, 1 lane, 32 bytes). Runs in a worker only. Spec: dht §3.4. */
import { Buffer } from "node:buffer";

const PASSES = 16, MEMORY_KIB = 65536, OUT = 32, SODIUM_SALT = 16;

/** 32 bytes. Three bodies, because none takes every input: 16-byte salts, other salts, other salts with an empty password. */
export async function argon2i(password: Uint8Array, salt: Uint8Array): Promise<Uint8Array> {
  if (salt.length === SODIUM_SALT) {
    const { default: sodium } = await import("libsodium-wrappers-sumo");
    await sodium.ready;
    const algorithm = sodium.crypto_pwhash_ALG_ARGON2I13, memory = MEMORY_KIB * 1024;
    return sodium.crypto_pwhash(OUT, password, salt, PASSES, memory, algorithm);
  }
  if (password.length) {
    const { argon2i } = await import("hash-wasm");
    const cost = { iterations: PASSES, memorySize: MEMORY_KIB, parallelism: 1, hashLength: OUT } as const;
    return await argon2i({ password: Buffer.from(password), salt, ...cost, outputType: "binary" });
  }
  const { argon2i } = await import("@noble/hashes/argon2.js");
  return argon2i(password, salt, { t: PASSES, m: MEMORY_KIB, p: 1, dkLen: OUT });
}
