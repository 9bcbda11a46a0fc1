/** What a SubjectPublicKeyInfo says: the kind of key and its size. Spec: dht §3.1, RFC 3279, RFC 5480. */
import {
  der,
  derBits,
  derChildren,
  derNull,
  derOid,
  derSequence,
  derUnsigned,
  expectTag,
  readBits,
  readDer,
  readOid,
  readUnsigned,
  TAG,
} from "../codec/mod.ts";
import { CoreError } from "../base/mod.ts";
import { CRYPTO_LIMITS } from "./limits.ts";

export const OID = {
  rsa: "1.2.840.113549.1.1.1",
  ec: "1.2.840.10045.2.1",
} as const;
export type Curve = "P-256" | "P-384" | "P-521";
/** Named curves: identifier, bits, bytes of one coordinate. */
export const CURVES: Readonly<Record<Curve, { oid: string; bits: number; bytes: number }>> = {
  "P-256": { oid: "1.2.840.10045.3.1.7", bits: 256, bytes: 32 },
  "P-384": { oid: "1.3.132.0.34", bits: 384, bytes: 48 },
  "P-521": { oid: "1.3.132.0.35", bits: 521, bytes: 66 },
};

export type KeyInfo =
  | { readonly kind: "rsa"; readonly bits: number }
  | { readonly kind: "ec"; readonly bits: number; readonly curve: Curve };

/** The curve with this identifier, if we know it. */
export const curveOf = (oid: string): Curve | undefined =>
  (Object.keys(CURVES) as Curve[]).find((name) => CURVES[name].oid === oid);

/**
 * Reads a SubjectPublicKeyInfo.
 * @throws {DecodeError} `codec/der`. @throws {CoreError} `crypto/key-size`, `crypto/key-unsupported`.
 */
export function readSpki(spki: Uint8Array): KeyInfo {
  if (spki.length > CRYPTO_LIMITS.publicKeyBytes) throw unsupported("size", { bytes: spki.length });
  const [algorithm, key] = derChildren(readDer(spki, TAG.sequence));
  const [oid, parameters] = derChildren(expectTag(algorithm, TAG.sequence)), bytes = readBits(key);
  switch (readOid(oid)) {
    case OID.rsa: {
      if (parameters) expectTag(parameters, TAG.null);
      const [modulus, exponent] = derChildren(readDer(bytes, TAG.sequence)).map(readUnsigned);
      if (!modulus || !exponent) throw unsupported("rsa");
      const bits = bitLength(modulus), { min, max } = CRYPTO_LIMITS.rsaBits;
      if (bits < min || bits > max) throw new CoreError("crypto/key-size", { bits, min, max });
      const odd = modulus.at(-1)! & exponent.at(-1)! & 1;
      if (!odd || exponent.length > 4 || bitLength(exponent) < 2) throw unsupported("rsa");
      return { kind: "rsa", bits };
    }
    case OID.ec: {
      const curve = curveOf(readOid(parameters));
      if (!curve || bytes.length !== 1 + 2 * CURVES[curve].bytes || bytes[0] !== 4) {
        throw unsupported("curve");
      }
      return { kind: "ec", bits: CURVES[curve].bits, curve };
    }
    default:
      throw unsupported("algorithm");
  }
}

/** The SubjectPublicKeyInfo of an RSA key from its modulus and exponent, big-endian. */
export function rsaSpki(modulus: Uint8Array, exponent: Uint8Array): Uint8Array {
  const key = derSequence(derUnsigned(modulus), derUnsigned(exponent));
  return derSequence(derSequence(derOid(OID.rsa), derNull()), derBits(key));
}

/** The SubjectPublicKeyInfo of an uncompressed point. */
export function ecSpki(curve: Curve, point: Uint8Array): Uint8Array {
  return derSequence(
    derSequence(derOid(OID.ec), derOid(CURVES[curve].oid)),
    der(TAG.bits, Uint8Array.of(0), point),
  );
}

/** Bits of a big-endian magnitude without leading zero bytes. */
export const bitLength = (magnitude: Uint8Array): number =>
  magnitude.length ? 8 * (magnitude.length - 1) + 32 - Math.clz32(magnitude[0]!) : 0;

const unsupported = (what: string, data = {}) => new CoreError("crypto/key-unsupported", { what, ...data });
