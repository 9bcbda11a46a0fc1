/** Private key files: PKCS#8 and what is turned into it, with or without password. Spec: dht §3.2, RFC 5208, RFC 8018. */
import { CoreError } from "../base/mod.ts";
import {
  type Der,
  derChildren,
  derNull,
  derOctets,
  derOid,
  derSequence,
  derUnsigned,
  expectTag,
  readDer,
  readOid,
  readSmall,
  TAG,
} from "../codec/mod.ts";
import type { HashName } from "./hash_io.ts";
import { CRYPTO_LIMITS } from "./limits.ts";
import { OID } from "./spki.ts";

/** A key file locked with a password: PBKDF2, then AES-CBC. */
export interface Locked {
  readonly salt: Uint8Array;
  readonly rounds: number;
  readonly prf: HashName;
  readonly keyBytes: 16 | 24 | 32;
  readonly iv: Uint8Array;
  readonly data: Uint8Array;
}

const PBES2 = "1.2.840.113549.1.5.13", PBKDF2 = "1.2.840.113549.1.5.12", HMAC_SHA256 = "1.2.840.113549.2.9";
const PRF: Record<string, HashName> = {
  "1.2.840.113549.2.7": "SHA-1",
  [HMAC_SHA256]: "SHA-256",
  "1.2.840.113549.2.10": "SHA-384",
  "1.2.840.113549.2.11": "SHA-512",
};
const AES_256_CBC = "2.16.840.1.101.3.4.1.42";
const CIPHERS: Record<string, 16 | 24 | 32> = {
  "2.16.840.1.101.3.4.1.2": 16,
  "2.16.840.1.101.3.4.1.22": 24,
  [AES_256_CBC]: 32,
};

/**
 * PKCS#8 DER of a PKCS#8, PKCS#1 or SEC 1 key, or the parts of a locked one.
 * @throws {DecodeError} `codec/der`. @throws {CoreError} `crypto/key-unsupported`.
 */
export function readPrivateKey(bytes: Uint8Array): Uint8Array | Locked {
  if (bytes.length > CRYPTO_LIMITS.privateKeyBytes) throw unsupported("size");
  const parts = derChildren(readDer(bytes, TAG.sequence)), [first, second] = parts;
  if (first?.tag === TAG.sequence) return readLocked(parts);
  expectTag(first, TAG.integer);
  if (second?.tag === TAG.sequence) return bytes;
  const version = readSmall(first);
  if (second?.tag === TAG.integer && version === 0) {
    return wrap(derSequence(derOid(OID.rsa), derNull()), bytes);
  }
  if (second?.tag === TAG.octets && version === 1) {
    const curve = parts.find(({ tag }) => tag === TAG.context(0));
    if (!curve) throw unsupported("curve");
    return wrap(derSequence(derOid(OID.ec), curve.content), bytes);
  }
  throw unsupported("format");
}

const wrap = (algorithm: Uint8Array, key: Uint8Array): Uint8Array =>
  derSequence(derUnsigned(0), algorithm, derOctets(key));

function readLocked([algorithm, data]: Der[]): Locked {
  const [scheme, parameters] = derChildren(algorithm!);
  if (readOid(scheme) !== PBES2) throw unsupported("password scheme");
  const [kdf, cipher] = derChildren(expectTag(parameters, TAG.sequence));
  const [kdfOid, kdfParameters] = derChildren(expectTag(kdf, TAG.sequence));
  const [cipherOid, iv] = derChildren(expectTag(cipher, TAG.sequence));
  if (readOid(kdfOid) !== PBKDF2) throw unsupported("password scheme");
  const [salt, count, ...rest] = derChildren(expectTag(kdfParameters, TAG.sequence));
  const prfPart = rest.find(({ tag }) => tag === TAG.sequence);
  const prf = prfPart ? PRF[readOid(derChildren(prfPart)[0])] : "SHA-1";
  const keyBytes = CIPHERS[readOid(cipherOid)], rounds = readSmall(count);
  if (!prf || !keyBytes || expectTag(iv, TAG.octets).content.length !== 16) {
    throw unsupported("password scheme");
  }
  if (rounds < 1 || rounds > CRYPTO_LIMITS.pbkdf2Rounds) throw unsupported("rounds");
  return {
    salt: expectTag(salt, TAG.octets).content,
    rounds,
    prf,
    keyBytes,
    iv: iv!.content,
    data: expectTag(data, TAG.octets).content,
  };
}

/** The `ENCRYPTED PRIVATE KEY` of PBKDF2-HMAC-SHA256 and AES-256-CBC parts. */
export function formatLocked({ salt, rounds, iv, data }: Omit<Locked, "prf" | "keyBytes">): Uint8Array {
  const prf = derSequence(derOid(HMAC_SHA256), derNull());
  const kdf = derSequence(derOid(PBKDF2), derSequence(derOctets(salt), derUnsigned(rounds), prf));
  const cipher = derSequence(derOid(AES_256_CBC), derOctets(iv));
  return derSequence(derSequence(derOid(PBES2), derSequence(kdf, cipher)), derOctets(data));
}

const unsupported = (what: string) => new CoreError("crypto/key-unsupported", { what });
