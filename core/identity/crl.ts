/** Revocation lists: read, checked against the account that made them, and made. Spec: account §3.3, dht §3.5. */
import { AsnConvert, OctetString } from "@peculiar/asn1-schema";
import * as x509 from "@peculiar/asn1-x509";
import { DecodeError, type DeviceId, equal } from "../base/mod.ts";
import { derBits, derChildren, derSequence, expectTag, readBits, readDer, TAG } from "../codec/mod.ts";
import { type PrivateKey, verifySignature } from "../crypto/mod.ts";
import type { Certificate, SignatureHash } from "./certificate.ts";
import { buffer, extension, positiveSerial, seconds, signatureAlgorithm } from "./certificate_build.ts";
import { LIMITS } from "./limits.ts";

export interface RevocationList {
  readonly der: Uint8Array;
  readonly issuerDer: Uint8Array;
  /** Long id of the key that signed it: known once {@linkcode verifyCrl} said so, empty before. */
  readonly issuerKey: DeviceId | "";
  /** Content octets of the CRL number; empty if there is none. May be negative, as serials are. */
  readonly number: Uint8Array;
  readonly thisUpdate: number;
  /** Milliseconds since 1970; `serial` as raw content octets. */
  readonly revoked: readonly { readonly serial: Uint8Array; readonly when: number }[];
}

const HASHES: Readonly<Record<string, SignatureHash>> = {
  "1.2.840.113549.1.1.11": "SHA-256",
  "1.2.840.113549.1.1.12": "SHA-384",
  "1.2.840.113549.1.1.13": "SHA-512",
  "1.2.840.10045.4.3.2": "SHA-256",
  "1.2.840.10045.4.3.3": "SHA-384",
  "1.2.840.10045.4.3.4": "SHA-512",
};

/**
 * Reads a list and checks that `issuer` signed it; nothing else makes it count.
 * @throws {DecodeError} `identity/crl` with `what`: `size`, `entries`, `syntax`, `issuer`, `signature`.
 */
export async function verifyCrl(bytes: Uint8Array, issuer: Certificate): Promise<RevocationList> {
  const der = bytes.slice(), list = decodeCrl(der);
  if (!equal(list.issuerDer, issuer.subjectDer) || !issuer.isAuthority) throw bad("issuer");
  const [tbs, algorithm, signature] = derChildren(readDer(der, TAG.sequence));
  const hash = HASHES[AsnConvert.parse(algorithm!.raw, x509.AlgorithmIdentifier).algorithm];
  const good = hash && await verifySignature(issuer.publicKey.der, tbs!.raw, readBits(signature), hash);
  if (!good) throw bad("signature");
  return { ...list, issuerKey: issuer.longId };
}

/** Reads the shape only. @throws {DecodeError} `identity/crl`. */
export function decodeCrl(der: Uint8Array): RevocationList {
  if (der.length > LIMITS.crlBytes) throw bad("size");
  try {
    const [tbs, outer] = derChildren(readDer(der, TAG.sequence));
    const fields = derChildren(expectTag(tbs, TAG.sequence));
    if (fields[0]?.tag === TAG.integer) fields.shift(); // version
    if (!equal(fields[0]!.raw, outer!.raw)) throw bad("algorithms differ");
    const { tbsCertList: list } = AsnConvert.parse(der, x509.CertificateList);
    const entries = list.revokedCertificates ?? [];
    if (entries.length > LIMITS.crlEntries) throw bad("entries");
    const number = (list.crlExtensions ?? []).find(({ extnID }) => extnID === x509.id_ce_cRLNumber);
    return {
      der,
      issuerDer: expectTag(fields[1], TAG.sequence).raw,
      issuerKey: "",
      number: number
        ? readDer(new Uint8Array(number.extnValue.buffer), TAG.integer).content
        : new Uint8Array(),
      thisUpdate: list.thisUpdate.getTime().getTime(),
      revoked: entries.map(({ userCertificate, revocationDate }) => ({
        serial: new Uint8Array(userCertificate),
        when: revocationDate.getTime().getTime(),
      })),
    };
  } catch (error) {
    if (error instanceof DecodeError && error.code === "identity/crl") throw error;
    throw new DecodeError("identity/crl", { what: "syntax" }, { cause: error });
  }
}

export interface CrlWish {
  readonly issuer: Certificate;
  /** The list so far; its entries stay and its number counts on. */
  readonly previous?: RevocationList;
  /** Content octets of the serial to revoke. */
  readonly serial: Uint8Array;
  readonly wall: number;
  /** Eight random bytes for the first number. */
  readonly random: Uint8Array;
}

/** The next list of an account, signed with its key (RSA or EC with SHA-512). DER. */
export async function buildCrl(wish: CrlWish, signer: PrivateKey): Promise<Uint8Array> {
  const now = seconds(wish.wall), known = wish.previous?.revoked ?? [];
  const entries = [...known];
  if (!known.some(({ serial }) => equal(serial, wish.serial))) {
    entries.push({ serial: wish.serial, when: now.getTime() });
  }
  const number = wish.previous?.number.length ? plusOne(wish.previous.number) : positiveSerial(wish.random);
  const algorithm = signatureAlgorithm(signer.publicKey.kind, "SHA-512");
  const tbs = new x509.TBSCertList({
    version: x509.Version.v2,
    signature: algorithm,
    issuer: AsnConvert.parse(wish.issuer.subjectDer, x509.Name),
    thisUpdate: new x509.Time(now),
    nextUpdate: new x509.Time(new Date(wish.issuer.notAfter)),
    revokedCertificates: entries.map(({ serial, when }) =>
      new x509.RevokedCertificate({
        userCertificate: buffer(serial),
        revocationDate: new x509.Time(new Date(when)),
      })
    ),
  });
  const numberDer = new OctetString(buffer(Uint8Array.of(TAG.integer, number.length, ...number)));
  const numbered = extension(x509.id_ce_cRLNumber, false, new x509.CRLNumber(0));
  numbered.extnValue = numberDer;
  tbs.crlExtensions = new x509.Extensions([numbered]);
  const bytes = new Uint8Array(AsnConvert.serialize(tbs)), signature = await signer.sign(bytes, "SHA-512");
  return derSequence(bytes, new Uint8Array(AsnConvert.serialize(algorithm)), derBits(signature));
}

/** The next number; a negative one of old starts again at one, which only a reader of that old kind could mind. */
function plusOne(number: Uint8Array): Uint8Array {
  const value = number[0]! & 0x80 ? 0n : BigInt(`0x${number.toHex()}`), next = (value + 1n).toString(16);
  const digits = next.padStart(next.length + (next.length & 1), "0"), bytes = Uint8Array.fromHex(digits);
  return bytes[0]! & 0x80 ? Uint8Array.of(0, ...bytes) : bytes;
}

const bad = (what: string) => new DecodeError("identity/crl", { what });
