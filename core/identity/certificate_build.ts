/** The certificates we make, octet for octet as GnuTLS makes them for Jami. Spec: account §1.1, dht §3.3. */
import { AsnConvert, OctetString } from "@peculiar/asn1-schema";
import * as x509 from "@peculiar/asn1-x509";
import { derBits, derSequence } from "../codec/mod.ts";
import { type PrivateKey, type PublicKey } from "../crypto/mod.ts";
import {
  type Certificate,
  COMMON_NAME,
  decodeCertificate,
  type SignatureHash,
  USER_ID,
} from "./certificate.ts";

/** `authority`: may sign. `device`: made from a request, hence without any extension. `leaf`: the rebuilt variant. */
export type CertificateKind = "authority" | "device" | "leaf";

export interface CertificateWish {
  readonly kind: CertificateKind;
  readonly commonName: string;
  readonly publicKey: PublicKey;
  /** Who signs: another certificate, or nobody for a self-signed one. */
  readonly issuer?: Certificate;
  /** Milliseconds since 1970; fractions of a second are cut off. */
  readonly notBefore: number;
  readonly notAfter: number;
  /** Eight random bytes; the sign bit is cleared and a zero becomes one. */
  readonly serial: Uint8Array;
}

const ALGORITHM_OIDS: Record<"rsa" | "ec", Record<SignatureHash, string>> = {
  rsa: {
    "SHA-256": "1.2.840.113549.1.1.11",
    "SHA-384": "1.2.840.113549.1.1.12",
    "SHA-512": "1.2.840.113549.1.1.13",
  },
  ec: {
    "SHA-256": "1.2.840.10045.4.3.2",
    "SHA-384": "1.2.840.10045.4.3.3",
    "SHA-512": "1.2.840.10045.4.3.4",
  },
};

/** The identifier of a signature algorithm: RSA has NULL parameters, ECDSA none. */
export function signatureAlgorithm(kind: "rsa" | "ec", hash: SignatureHash): x509.AlgorithmIdentifier {
  const algorithm = ALGORITHM_OIDS[kind][hash];
  return new x509.AlgorithmIdentifier(kind === "rsa" ? { algorithm, parameters: null } : { algorithm });
}

/** The digest GnuTLS prefers for a subject key of this size. Spec: account §1.1 (measured). */
export function preferredHash(key: PublicKey): SignatureHash {
  if (key.kind === "ec") return key.bits > 384 ? "SHA-512" : key.bits > 256 ? "SHA-384" : "SHA-256";
  return key.bits > 3072 ? "SHA-384" : "SHA-256";
}

/** Signs a certificate. @param signer key of `wish.issuer`, or the subject's own key for a self-signed one. */
export async function buildCertificate(wish: CertificateWish, signer: PrivateKey): Promise<Certificate> {
  const hash = preferredHash(wish.publicKey), { kind } = signer.publicKey;
  const algorithm = signatureAlgorithm(kind, hash), tbs = certificateTbs(wish, kind);
  const signature = await signer.sign(tbs, hash);
  const outer = new Uint8Array(AsnConvert.serialize(algorithm));
  return decodeCertificate(derSequence(tbs, outer, derBits(signature)));
}

/** The part that gets signed, for a signer's key of `kind`. */
export function certificateTbs(wish: CertificateWish, kind: "rsa" | "ec"): Uint8Array {
  const signature = signatureAlgorithm(kind, preferredHash(wish.publicKey));
  const subject = distinguishedName(wish.commonName, wish.publicKey.shortId);
  const issuer = wish.issuer ? AsnConvert.parse(wish.issuer.subjectDer, x509.Name) : subject;
  const extensions = extensionsOf(wish);
  const tbs = new x509.TBSCertificate({
    version: x509.Version.v3,
    serialNumber: buffer(positiveSerial(wish.serial)),
    signature,
    issuer,
    validity: new x509.Validity({ notBefore: seconds(wish.notBefore), notAfter: seconds(wish.notAfter) }),
    subject,
    subjectPublicKeyInfo: AsnConvert.parse(wish.publicKey.der, x509.SubjectPublicKeyInfo),
  });
  if (extensions.length) tbs.extensions = new x509.Extensions(extensions); // else the field is left out
  return new Uint8Array(AsnConvert.serialize(tbs));
}

function extensionsOf({ kind, publicKey }: CertificateWish): x509.Extension[] {
  if (kind === "device") return [];
  const keyId = new OctetString(buffer(Uint8Array.fromHex(publicKey.shortId)));
  const ski = extension(x509.id_ce_subjectKeyIdentifier, false, new x509.SubjectKeyIdentifier(keyId));
  const F = x509.KeyUsageFlags;
  if (kind === "leaf") {
    return [
      ski,
      extension(x509.id_ce_keyUsage, true, new x509.KeyUsage(F.digitalSignature | F.dataEncipherment)),
    ];
  }
  return [
    ski,
    extension(x509.id_ce_basicConstraints, true, new x509.BasicConstraints({ cA: true })),
    extension(x509.id_ce_keyUsage, true, new x509.KeyUsage(F.keyCertSign | F.cRLSign)),
  ];
}

export function extension(extnID: string, critical: boolean, value: unknown): x509.Extension {
  return new x509.Extension({ extnID, critical, extnValue: new OctetString(AsnConvert.serialize(value)) });
}

/** CN, then UID, each a PrintableString in an RDN of its own. */
function distinguishedName(commonName: string, userId: string): x509.Name {
  const part = (type: string, text: string) =>
    new x509.RelativeDistinguishedName([
      new x509.AttributeTypeAndValue({ type, value: new x509.AttributeValue({ printableString: text }) }),
    ]);
  return new x509.Name([part(COMMON_NAME, commonName), part(USER_ID, userId)]);
}

/** Content octets of a positive INTEGER in [1, 2^63 − 1] from eight random bytes. Spec: account §1.1 (serial). */
export function positiveSerial(random: Uint8Array): Uint8Array {
  const bytes = random.slice(0, 8);
  bytes[0]! &= 0x7f;
  if (bytes.every((byte) => byte === 0)) bytes[7] = 1;
  let start = 0; // DER: no leading zero octet unless the next has its top bit set
  while (start < 7 && bytes[start] === 0 && !(bytes[start + 1]! & 0x80)) start++;
  return bytes.subarray(start);
}

export const seconds = (ms: number): Date => new Date(Math.floor(ms / 1000) * 1000);
export const buffer = (bytes: Uint8Array): ArrayBuffer => bytes.slice().buffer as ArrayBuffer;
