/**
 * X.509 certificates as Jami uses them: strict DER in, every signed part kept as the bytes that came. Serials are
 * raw content octets, because half of the certificates in the field carry negative ones. Spec: account §1.1.
 */
import { AsnConvert } from "@peculiar/asn1-schema";
import * as x509 from "@peculiar/asn1-x509";
import { concat, DecodeError, type DeviceId, type InfoHash, utf8 } from "../base/mod.ts";
import { derChildren, expectTag, formatPem, parsePem, readBits, readDer, TAG } from "../codec/mod.ts";
import { importPublicKey, type PublicKey } from "../crypto/mod.ts";
import { LIMITS } from "./limits.ts";

export type SignatureHash = "SHA-256" | "SHA-384" | "SHA-512";

/** The parts of a distinguished name that Jami looks at. */
export interface Name {
  readonly commonName?: string;
  /** 40 hex digits in every certificate of Jami's making; no proof of anything. */
  readonly userId?: string;
}

/** All byte arrays are copies of the input or views into that copy: they stay valid. */
export interface Certificate {
  readonly der: Uint8Array;
  /** The signed part. */
  readonly tbs: Uint8Array;
  /** Content octets of the serial INTEGER, sign and all. */
  readonly serial: Uint8Array;
  /** DER of the names, compared as bytes. */
  readonly issuerDer: Uint8Array;
  readonly subjectDer: Uint8Array;
  readonly subject: Name;
  readonly issuer: Name;
  /** Milliseconds since 1970. */
  readonly notBefore: number;
  readonly notAfter: number;
  readonly publicKey: PublicKey;
  /** Short and long id of the subject's key. */
  readonly id: InfoHash;
  readonly longId: DeviceId;
  /** May sign certificates. */
  readonly isAuthority: boolean;
  /** How many authorities may stand between this one and a device; `undefined`: any number. */
  readonly pathLength: number | undefined;
  readonly algorithm: { readonly kind: "rsa" | "ec"; readonly hash: SignatureHash } | undefined;
  readonly signature: Uint8Array;
}

const RSA = "1.2.840.113549.1.1.", ECDSA = "1.2.840.10045.4.3.";
const ALGORITHMS: Readonly<Record<string, Certificate["algorithm"]>> = {
  [`${RSA}11`]: { kind: "rsa", hash: "SHA-256" },
  [`${RSA}12`]: { kind: "rsa", hash: "SHA-384" },
  [`${RSA}13`]: { kind: "rsa", hash: "SHA-512" },
  [`${ECDSA}2`]: { kind: "ec", hash: "SHA-256" },
  [`${ECDSA}3`]: { kind: "ec", hash: "SHA-384" },
  [`${ECDSA}4`]: { kind: "ec", hash: "SHA-512" },
};
export const COMMON_NAME = "2.5.4.3", USER_ID = "0.9.2342.19200300.100.1.1";
const KNOWN_EXTENSIONS = new Set<string>([
  x509.id_ce_basicConstraints,
  x509.id_ce_keyUsage,
  x509.id_ce_subjectKeyIdentifier,
  x509.id_ce_authorityKeyIdentifier,
  x509.id_ce_extKeyUsage,
  x509.id_ce_subjectAltName,
]);

/** @throws {DecodeError} `identity/certificate`. Nothing is verified here: see {@linkcode verifyChain}. */
export function decodeCertificate(bytes: Uint8Array): Certificate {
  if (bytes.length > LIMITS.certificateBytes) throw bad("size");
  const der = bytes.slice();
  try {
    return decode(der);
  } catch (error) {
    if (error instanceof DecodeError && error.code === "identity/certificate") throw error;
    throw bad("syntax", error);
  }
}

function decode(der: Uint8Array): Certificate {
  const [tbs, outer, signature] = derChildren(readDer(der, TAG.sequence));
  const fields = derChildren(expectTag(tbs, TAG.sequence));
  if (fields[0]?.tag !== TAG.context(0)) fields.unshift(tbs!); // version 1 has no version field
  const [, serial, inner, issuer, , subject, spki] = fields;
  if (outer!.raw.toHex() !== inner!.raw.toHex()) throw bad("algorithms differ");
  const parsed = AsnConvert.parse(der, x509.Certificate).tbsCertificate;
  const publicKey = importPublicKey(spki!.raw), { notBefore, notAfter } = parsed.validity;
  const [from, until] = [notBefore.getTime().getTime(), notAfter.getTime().getTime()];
  if (!Number.isFinite(from) || !Number.isFinite(until)) throw bad("validity");
  return {
    der,
    tbs: tbs!.raw,
    serial: expectTag(serial, TAG.integer).content,
    issuerDer: issuer!.raw,
    subjectDer: subject!.raw,
    issuer: nameOf(parsed.issuer),
    subject: nameOf(parsed.subject),
    notBefore: from,
    notAfter: until,
    publicKey,
    id: publicKey.shortId,
    longId: publicKey.longId,
    ...readExtensions(parsed.extensions ?? []),
    algorithm: ALGORITHMS[parsed.signature.algorithm],
    signature: readBits(signature),
  };
}

/** Whether the holder may sign certificates: CA flag, and certSign where key usage is critical. Spec: dht §3.3. */
function readExtensions(extensions: x509.Extension[]): Pick<Certificate, "isAuthority" | "pathLength"> {
  const seen = new Map<string, x509.Extension>();
  for (const extension of extensions) {
    if (seen.has(extension.extnID)) throw bad("extension twice");
    if (extension.critical && !KNOWN_EXTENSIONS.has(extension.extnID)) {
      throw bad("unknown critical extension");
    }
    seen.set(extension.extnID, extension);
  }
  const constraints = seen.get(x509.id_ce_basicConstraints), usage = seen.get(x509.id_ce_keyUsage);
  const { cA = false, pathLenConstraint: pathLength } = constraints
    ? AsnConvert.parse(constraints.extnValue.buffer, x509.BasicConstraints)
    : {};
  const flags = usage?.critical
    ? AsnConvert.parse(usage.extnValue.buffer, x509.KeyUsage).toNumber()
    : x509.KeyUsageFlags.keyCertSign;
  return { isAuthority: cA && (flags & x509.KeyUsageFlags.keyCertSign) !== 0, pathLength };
}

function nameOf(name: x509.Name): Name {
  const found: { commonName?: string; userId?: string } = {};
  for (const rdn of name) {
    for (const { type, value } of rdn) {
      if (type === COMMON_NAME) found.commonName ??= value.toString();
      else if (type === USER_ID) found.userId ??= value.toString();
    }
  }
  return found;
}

/** `CERTIFICATE` block of one certificate. */
export const certificatePem = (certificate: Certificate): string => formatPem("CERTIFICATE", certificate.der);
/** PEM text of a chain, leaf first: what Jami stores and publishes. */
export const chainPem = (chain: readonly Certificate[]): string => chain.map(certificatePem).join("");

/**
 * The certificates of a PEM text, in its order, or the one of a bare DER. Only shape and order are checked: each
 * names the next as its issuer. Spec: account §1.1 (serialization).
 * @throws {DecodeError} `identity/certificate`, `identity/chain-length`, `identity/chain-order`.
 */
export function decodeChain(source: Uint8Array | string): Certificate[] {
  const bytes = typeof source === "string" ? utf8(source) : source;
  if (bytes.length > 2 * LIMITS.chainLength * LIMITS.certificateBytes) throw bad("size");
  let ders: Uint8Array[];
  if (bytes[0] === TAG.sequence) ders = [bytes];
  else ders = parsePem(bytes).filter(({ label }) => label === "CERTIFICATE").map((block) => block.bytes);
  if (ders.length < 1 || ders.length > LIMITS.chainLength) {
    throw new DecodeError("identity/chain-length", { length: ders.length, limit: LIMITS.chainLength });
  }
  const chain = ders.map(decodeCertificate);
  for (let i = 1; i < chain.length; i++) {
    if (chain[i - 1]!.issuerDer.toHex() !== chain[i]!.subjectDer.toHex()) {
      throw new DecodeError("identity/chain-order", { at: i });
    }
  }
  return chain;
}

/** The DER bytes of a chain one after the other, as TLS libraries like them. */
export const chainDer = (chain: readonly Certificate[]): Uint8Array => concat(...chain.map((c) => c.der));

const bad = (what: string, cause?: unknown) => new DecodeError("identity/certificate", { what }, { cause });
