/** Certificates as values: type 8, id 1, a chain of PEM. Nothing is verified here. Spec: dht §5.2. */
import { concat, DecodeError, unhex, utf8 } from "../base/mod.ts";
import {
  derChildren,
  expectTag,
  formatPem,
  looksLikePem,
  parsePem,
  readDer,
  TAG,
  Writer,
} from "../codec/mod.ts";
import { importPublicKey, type PublicKey, sha1 } from "../crypto/mod.ts";
import { CERTIFICATE_LIMITS } from "./value_limits.ts";
import { makeValue, type Value } from "./value.ts";

/** The type number, and the id under which everybody publishes. */
export const CERTIFICATE_TYPE = 8, CERTIFICATE_ID = 1n;

/** What was published: the chain as it came, and the key of its first certificate. */
export interface PublishedCertificate {
  /** DER, leaf first. The chain is a claim: only the identity room can say what it proves. */
  readonly chain: readonly Uint8Array[];
  readonly publicKey: PublicKey;
}

/**
 * Reads the data of a type 8 value: PEM wherever it begins (so also inside a msgpack bin), else the DER of one certificate.
 * @throws {DecodeError} `dht/certificate-size`, `dht/certificate`, `codec/der`, `codec/pem`;
 * {@linkcode CoreError} `crypto/key-size`, `crypto/key-unsupported`.
 */
export function decodeCertificate(data: Uint8Array): PublishedCertificate {
  const { bytes, chain: most } = CERTIFICATE_LIMITS;
  if (data.length > bytes) throw new DecodeError("dht/certificate-size", { size: data.length, limit: bytes });
  const chain: Uint8Array[] = looksLikePem(data)
    ? parsePem(data).filter(({ label }) => label === "CERTIFICATE").map((block) => block.bytes)
    : [new Uint8Array(data)];
  if (!chain.length || chain.length > most) throw new DecodeError("dht/certificate", { chain: chain.length });
  const spki = chain.map(subjectKey)[0]!;
  return { chain, publicKey: importPublicKey(spki) };
}

/** The data everybody writes: a msgpack bin around the PEM of the chain, leaf first. */
export function encodeCertificate(chain: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const pem = chain.map((der) => formatPem("CERTIFICATE", der)).join("");
  return new Writer().bin(utf8(pem)).finish();
}

/** The value to put, for good, under each of {@linkcode certificateKeys}. */
export function certificateValue(chain: readonly Uint8Array[]): Value {
  return makeValue({ id: CERTIFICATE_ID, type: CERTIFICATE_TYPE, data: encodeCertificate(chain) });
}

/** Where the certificate of `key` is looked for: by nodes of 2026, and by nodes of 2023. Spec: account §1.2. */
export function certificateKeys(key: { longId: string; shortId: string }): [long: string, short: string] {
  return [sha1(unhex(key.longId)).toHex(), key.shortId];
}

/** Raw SubjectPublicKeyInfo of a certificate. @throws {DecodeError} `codec/der`. */
export function subjectKey(certificate: Uint8Array): Uint8Array {
  const [tbs] = derChildren(readDer(certificate, TAG.sequence));
  const fields = derChildren(expectTag(tbs, TAG.sequence));
  if (fields[0]?.tag === TAG.context(0)) fields.shift(); // version
  const [serial, algorithm, issuer, validity, subject, key] = fields;
  expectTag(serial, TAG.integer);
  for (const part of [algorithm, issuer, validity, subject]) expectTag(part, TAG.sequence);
  return expectTag(key, TAG.sequence).raw;
}

/** Both ids of a certificate's key, 20 raw bytes each, in the order of {@linkcode certificateKeys}. */
export function certificatePlaces(key: PublicKey): [Uint8Array, Uint8Array] {
  const [long, short] = certificateKeys(key);
  return [unhex(long), unhex(short)];
}

/** The chain as one text, e.g. for a file. */
export const chainPem = (chain: readonly Uint8Array[]): Uint8Array =>
  concat(...chain.map((der) => utf8(formatPem("CERTIFICATE", der))));
