/** What we ask of keys and hashes. Whatever takes milliseconds is answered later, from another thread. Floor 2. */
export { decryptGcm, encryptGcm } from "./aes_io.ts";
export {
  type HashName,
  hashTo,
  hmac,
  sha1,
  sha256,
  sha384,
  sha3_512,
  sha512,
  timingSafeEqual,
  wipe,
} from "./hash_io.ts";
export { decryptWith, encryptTo } from "./hybrid_io.ts";
export { CRYPTO_LIMITS } from "./limits.ts";
export {
  argon2i,
  decryptWithPassword,
  encryptWithPassword,
  PASSWORD_SALT_BYTES,
  stretchPassword,
} from "./password_io.ts";
export { setCryptoWorker } from "./pool_io.ts";
export { generateEcKey, generateRsaKey, importPrivateKey, PrivateKey } from "./private_key_io.ts";
export { importPublicKey, PublicKey } from "./public_key.ts";
export { type Curve, ecSpki, type KeyInfo, readSpki, rsaSpki } from "./spki.ts";
export { verifySignature } from "./verify_io.ts";
