/** Signature checks by WebCrypto, off the event loop. Spec: dht §2.2. */
import { sha256 } from "./hash_io.ts";
import type { HashName } from "./hash_io.ts";
import { ecdsaFromDer } from "./ecdsa.ts";
import { Gate } from "./gate.ts";
import { CRYPTO_LIMITS } from "./limits.ts";
import { CURVES, type KeyInfo, readSpki } from "./spki.ts";

type Ready = { readonly info: KeyInfo; readonly key: CryptoKey };
const cache = new Map<string, Promise<Ready>>(); // oldest use first
/** Shared by everything that signs or verifies. */
export const gate = new Gate(CRYPTO_LIMITS.parallel);

/**
 * True if `signature` over `data` was made with the private half of `publicDer` (SubjectPublicKeyInfo):
 * RSASSA-PKCS1-v1_5, or ECDSA as a DER pair. Whatever is wrong with key or signature, the answer is false; it never throws.
 */
export async function verifySignature(
  publicDer: Uint8Array,
  data: Uint8Array,
  signature: Uint8Array,
  hash: HashName = "SHA-512",
): Promise<boolean> {
  if (signature.length > CRYPTO_LIMITS.signatureBytes) return false;
  const bytes = own(data), given = own(signature); // the caller's buffers may change while we wait
  try {
    const { info, key } = await ready(publicDer, hash);
    if (info.kind === "ec") {
      const pair = ecdsaFromDer(given, CURVES[info.curve].bytes);
      return await gate.run(() => crypto.subtle.verify({ name: "ECDSA", hash }, key, pair, bytes));
    }
    if (given.length !== Math.ceil(info.bits / 8)) return false;
    return await gate.run(() => crypto.subtle.verify("RSASSA-PKCS1-v1_5", key, given, bytes));
  } catch {
    return false; // not a key, not a signature: the same answer as for a wrong one
  }
}

function ready(publicDer: Uint8Array, hash: HashName): Promise<Ready> {
  if (publicDer.length > CRYPTO_LIMITS.publicKeyBytes) throw new RangeError("public key too long");
  const name = `${hash} ${sha256(publicDer).toHex()}`;
  let entry = cache.get(name);
  if (entry) cache.delete(name);
  else {
    entry = load(own(publicDer), hash);
    entry.catch(() => cache.delete(name));
    if (cache.size >= CRYPTO_LIMITS.cachedKeys) cache.delete(cache.keys().next().value!);
  }
  cache.set(name, entry);
  return entry;
}

async function load(spki: Uint8Array<ArrayBuffer>, hash: HashName): Promise<Ready> {
  const info = readSpki(spki);
  const algorithm = info.kind === "rsa"
    ? { name: "RSASSA-PKCS1-v1_5", hash }
    : { name: "ECDSA", namedCurve: info.curve };
  return { info, key: await crypto.subtle.importKey("spki", spki, algorithm, false, ["verify"]) };
}

const own = (bytes: Uint8Array): Uint8Array<ArrayBuffer> => Uint8Array.from(bytes);
