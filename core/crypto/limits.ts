/** Bounds of the crypto room. */

export const CRYPTO_LIMITS = {
  /** Bytes of a SubjectPublicKeyInfo: RSA-4096 has 550. */
  publicKeyBytes: 2048,
  /** Bytes of a private key file, PEM and password wrapping included: RSA-4096 has about 3,400. */
  privateKeyBytes: 16384,
  /** Modulus of an RSA key. Below, nothing is proven; above, the runtime cannot verify. */
  rsaBits: { min: 1024, max: 4096 },
  /** Modulus of a key we make. */
  rsaOwnBits: { min: 2048, max: 4096 },
  /** Longest signature looked at: RSA-4096 has 512. */
  signatureBytes: 1024,
  /** Imported public keys kept ready for verifying. */
  cachedKeys: 256,
  /** Signatures made or checked at the same moment; the others wait in turn. */
  parallel: 4,
  /** Plain text of one encryption: an account archive with its pictures. */
  plainBytes: 64 * 1024 * 1024,
  /** PBKDF2 rounds a key file may ask for. */
  pbkdf2Rounds: 10_000_000,
  /** UTF-8 bytes of a password. */
  passwordBytes: 4096,
  /** Salt of Argon2i. */
  saltBytes: { min: 8, max: 64 },
} as const;
