/** Private keys: opaque, used off the event loop, made by WebCrypto. Spec: dht §3.2. */
import { Buffer } from "node:buffer";
import { createPrivateKey, createPublicKey } from "node:crypto";
import { CoreError, Secret, utf8 } from "../base/mod.ts";
import { formatPem, looksLikePem, parsePem } from "../codec/mod.ts";
import { ecdsaToDer } from "./ecdsa.ts";
import type { HashName } from "./hash_io.ts";
import { wipe } from "./hash_io.ts";
import { CRYPTO_LIMITS } from "./limits.ts";
import { formatLocked, type Locked, readPrivateKey } from "./pkcs8.ts";
import { WorkerPort } from "./pool_io.ts";
import { importPublicKey, type PublicKey } from "./public_key.ts";
import type { Curve } from "./spki.ts";
import type { Job } from "./worker_io.ts";
import { gate } from "./verify_io.ts";

/** Answers everything about RSA encryption blocks. */
export const rsaWorker = new WorkerPort(true);
const OWN_ROUNDS = 600_000, SALT = 16, IV = 16;

/** An RSA or EC private key. Nothing prints it; `dispose` wipes it. */
export class PrivateKey {
  readonly #pkcs8: Uint8Array<ArrayBuffer>;
  readonly #ready = new Map<HashName, Promise<CryptoKey>>();

  /** Use {@linkcode importPrivateKey} or a `generate…` function. Takes `pkcs8` over. */
  constructor(pkcs8: Uint8Array<ArrayBuffer>, readonly publicKey: PublicKey) {
    this.#pkcs8 = pkcs8;
  }

  /** RSASSA-PKCS1-v1_5, as long as the modulus; for EC keys an ECDSA signature as a DER pair. */
  async sign(data: Uint8Array, hash: HashName = "SHA-512"): Promise<Uint8Array<ArrayBuffer>> {
    const bytes = Uint8Array.from(data), ec = this.publicKey.kind === "ec";
    const key = await this.#key(hash), algorithm = ec ? { name: "ECDSA", hash } : "RSASSA-PKCS1-v1_5";
    const signature = new Uint8Array(await gate.run(() => crypto.subtle.sign(algorithm, key, bytes)));
    return ec ? ecdsaToDer(signature) : signature;
  }

  /** The message of one RSAES-PKCS1-v1_5 block. @throws {CoreError} `crypto/decrypt`, whatever the cause. */
  async decrypt(block: Uint8Array): Promise<Uint8Array<ArrayBuffer>> {
    const message = await this.#ask(block, (pkcs8, own) => ({ type: "rsa-decrypt", pkcs8, block: own }));
    if (!message) throw new CoreError("crypto/decrypt");
    return message;
  }

  /**
   * The symmetric key of `size` bytes inside one block; random bytes if there is none, so that a wrong block
   * fails where a wrong ciphertext fails. @throws {CoreError} `crypto/decrypt` only if `block` has the wrong length.
   */
  async decryptKey(block: Uint8Array, size: number): Promise<Uint8Array<ArrayBuffer>> {
    const key = await this.#ask(
      block,
      (pkcs8, own) => ({ type: "rsa-decrypt-key", pkcs8, block: own, size }),
    );
    if (!key) throw new CoreError("crypto/decrypt");
    return key;
  }

  /** PKCS#8 DER, a copy the caller should wipe. */
  export(): Secret<Uint8Array<ArrayBuffer>> {
    return new Secret(this.#pkcs8.slice());
  }

  /** `PRIVATE KEY` PEM, or with a password `ENCRYPTED PRIVATE KEY` (PBKDF2-HMAC-SHA256 600,000 rounds, AES-256-CBC). */
  async exportPem(password?: string): Promise<Secret<string>> {
    if (!password) return new Secret(formatPem("PRIVATE KEY", this.#pkcs8));
    const salt = crypto.getRandomValues(new Uint8Array(SALT)),
      iv = crypto.getRandomValues(new Uint8Array(IV));
    const parts = { salt, iv, rounds: OWN_ROUNDS, prf: "SHA-256", keyBytes: 32 } as const;
    const key = await passwordKey(parts, password);
    const data = new Uint8Array(await crypto.subtle.encrypt({ name: "AES-CBC", iv }, key, this.#pkcs8));
    return new Secret(formatPem("ENCRYPTED PRIVATE KEY", formatLocked({ ...parts, data })));
  }

  /** Overwrites the key; afterwards nothing works. */
  dispose(): void {
    this.#ready.clear();
    wipe(this.#pkcs8);
  }

  async #ask(
    block: Uint8Array,
    job: (pkcs8: Uint8Array, block: Uint8Array) => Job,
  ): Promise<Uint8Array<ArrayBuffer> | undefined> {
    const { kind, bits } = this.publicKey;
    if (kind !== "rsa" || block.length !== Math.ceil(bits / 8)) throw new CoreError("crypto/decrypt");
    return await rsaWorker.ask(job(this.#pkcs8, new Uint8Array(block))); // a view would take its whole buffer along
  }

  #key(hash: HashName): Promise<CryptoKey> {
    let key = this.#ready.get(hash);
    if (!key) {
      const { curve } = this.publicKey;
      const algorithm = curve ? { name: "ECDSA", namedCurve: curve } : { name: "RSASSA-PKCS1-v1_5", hash };
      key = crypto.subtle.importKey("pkcs8", this.#pkcs8, algorithm, false, ["sign"]);
      this.#ready.set(hash, key);
    }
    return key;
  }
}

/**
 * Reads a private key: PEM or DER; PKCS#8, PKCS#1, SEC 1, or PBES2 with `password`.
 * @throws {DecodeError} `codec/der`, `codec/pem`. @throws {CoreError} `crypto/key-unsupported`, `crypto/key-size`,
 * `crypto/password-needed`, `crypto/decrypt` for a wrong password.
 */
export async function importPrivateKey(
  derOrPem: Uint8Array | string,
  password?: string,
): Promise<PrivateKey> {
  if (derOrPem.length > CRYPTO_LIMITS.privateKeyBytes) {
    throw new CoreError("crypto/key-unsupported", { what: "size" });
  }
  let bytes: Uint8Array = typeof derOrPem === "string" ? utf8(derOrPem) : derOrPem;
  if (looksLikePem(bytes)) {
    const block = parsePem(bytes).find(({ label }) => label.endsWith("PRIVATE KEY"));
    if (!block) throw new CoreError("crypto/key-unsupported", { what: "pem" });
    bytes = block.bytes;
  }
  let key = readPrivateKey(bytes);
  if (!(key instanceof Uint8Array)) {
    if (password === undefined) throw new CoreError("crypto/password-needed");
    const plain = readPrivateKey(await unlock(key, password));
    if (!(plain instanceof Uint8Array)) throw new CoreError("crypto/decrypt");
    key = plain;
  }
  return new PrivateKey(Uint8Array.from(key), publicHalf(key));
}

/**
 * A fresh RSA key with e = 65537. RSA-4096 takes one to three seconds of another thread.
 * @throws {CoreError} `crypto/key-size`; the signal's reason when aborted (the search under way ends on its own; its key is dropped).
 */
export async function generateRsaKey(
  { bits = 4096, signal }: { bits?: number; signal?: AbortSignal } = {},
): Promise<PrivateKey> {
  const { min, max } = CRYPTO_LIMITS.rsaOwnBits;
  if (!Number.isInteger(bits) || bits < min || bits > max || bits % 256) {
    throw new CoreError("crypto/key-size", { bits, min, max });
  }
  const algorithm = { name: "RSASSA-PKCS1-v1_5", hash: "SHA-512", modulusLength: bits };
  return await generate({ ...algorithm, publicExponent: Uint8Array.of(1, 0, 1) }, signal);
}

/** A fresh EC key, for certificates only. @throws the signal's reason when aborted. */
export async function generateEcKey(
  { curve = "P-384", signal }: { curve?: Curve; signal?: AbortSignal } = {},
): Promise<PrivateKey> {
  return await generate({ name: "ECDSA", namedCurve: curve }, signal);
}

async function generate(
  algorithm: RsaHashedKeyGenParams | EcKeyGenParams,
  signal: AbortSignal | undefined,
): Promise<PrivateKey> {
  signal?.throwIfAborted();
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const abort = () => reject(signal!.reason);
  signal?.addEventListener("abort", abort, { once: true });
  try {
    const made = crypto.subtle.generateKey(algorithm, true, ["sign", "verify"]) as Promise<CryptoKeyPair>;
    const { privateKey, publicKey } = await (signal ? Promise.race([made, aborted]) : made);
    const [pkcs8, spki] = await Promise.all([
      crypto.subtle.exportKey("pkcs8", privateKey),
      crypto.subtle.exportKey("spki", publicKey),
    ]);
    return new PrivateKey(new Uint8Array(pkcs8), importPublicKey(new Uint8Array(spki)));
  } finally {
    signal?.removeEventListener("abort", abort);
  }
}

function publicHalf(pkcs8: Uint8Array): PublicKey {
  let spki: Uint8Array;
  try {
    const key = createPrivateKey({ key: Buffer.from(pkcs8), format: "der", type: "pkcs8" });
    spki = createPublicKey(key as unknown as Parameters<typeof createPublicKey>[0])
      .export({ format: "der", type: "spki" });
  } catch {
    throw new CoreError("crypto/key-unsupported", { what: "content" });
  }
  return importPublicKey(spki);
}

async function unlock(locked: Locked, password: string): Promise<Uint8Array> {
  const key = await passwordKey(locked, password);
  try {
    const iv = Uint8Array.from(locked.iv), data = Uint8Array.from(locked.data);
    return new Uint8Array(await crypto.subtle.decrypt({ name: "AES-CBC", iv }, key, data));
  } catch {
    throw new CoreError("crypto/decrypt");
  }
}

async function passwordKey(
  { salt, rounds, prf, keyBytes }: Pick<Locked, "salt" | "rounds" | "prf" | "keyBytes">,
  password: string,
): Promise<CryptoKey> {
  const secret = utf8(password) as Uint8Array<ArrayBuffer>;
  if (secret.length > CRYPTO_LIMITS.passwordBytes) throw new CoreError("crypto/password-size");
  const base = await crypto.subtle.importKey("raw", secret, "PBKDF2", false, ["deriveKey"]);
  wipe(secret);
  const kdf = { name: "PBKDF2", hash: prf, salt: Uint8Array.from(salt), iterations: rounds };
  const cipher = { name: "AES-CBC", length: 8 * keyBytes };
  return await crypto.subtle.deriveKey(kdf, base, cipher, false, ["encrypt", "decrypt"]);
}
