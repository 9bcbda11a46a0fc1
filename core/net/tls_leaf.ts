/**
 * That a peer has the key of its leaf is checked by the TLS engine, with the leaf as it reads it. Where the engine cannot
 * read the leaf there is nothing to check with, and the handshake succeeds all the same: so a leaf that is not plainly
 * well-formed counts as nobody's here. At least as strict as the engine's parser wherever that looks.
 * Spec: connection §4.5; docs/decisions/0005.
 */
import { CoreError } from "../base/mod.ts";
import { type Der, derChildren, expectTag, readBits, readDer, TAG } from "../codec/mod.ts";

const VERSION_3 = "a003020102";
const VERSION = TAG.context(0), ISSUER_UID = 0x81, SUBJECT_UID = 0x82, EXTENSIONS = TAG.context(3);
const DER_TRUE = 0xff;
/** subjectAltName, basicConstraints, nameConstraints, cRLDistributionPoints, extKeyUsage: each a SEQUENCE. */
const SEQUENCES = new Set(["551d11", "551d13", "551d1e", "551d1f", "551d25"]);

/** @throws {CoreError} `net/tls-leaf` unless `certificate` is one DER certificate of version 3, well-formed throughout. */
export function requireReadableLeaf(certificate: Uint8Array): void {
  try {
    const [signed, algorithm, signature, ...more] = derChildren(readDer(certificate, TAG.sequence));
    if (more.length) throw new Error("more");
    algorithmIdentifier(algorithm);
    readBits(signature);
    toBeSigned(derChildren(expectTag(signed, TAG.sequence)));
  } catch (error) {
    throw new CoreError("net/tls-leaf", {}, { cause: error });
  }
}

function toBeSigned([version, serial, algorithm, issuer, validity, subject, key, ...rest]: Der[]): void {
  if (expectTag(version, VERSION).raw.toHex() !== VERSION_3) throw new Error("version");
  if (!expectTag(serial, TAG.integer).content.length) throw new Error("serial");
  algorithmIdentifier(algorithm);
  for (const part of [issuer, subject]) walk(expectTag(part, TAG.sequence));
  const times = derChildren(expectTag(validity, TAG.sequence));
  if (times.length !== 2 || times.some(({ tag }) => tag !== TAG.utcTime && tag !== TAG.generalizedTime)) {
    throw new Error("validity");
  }
  const [keyAlgorithm, keyBits, ...moreKey] = derChildren(expectTag(key, TAG.sequence));
  if (moreKey.length) throw new Error("key");
  algorithmIdentifier(keyAlgorithm);
  readBits(keyBits);
  for (const tag of [ISSUER_UID, SUBJECT_UID]) if (rest[0]?.tag === tag) readBitsOf(rest.shift()!);
  const extensions = rest.shift();
  if (rest.length) throw new Error("trailing");
  if (extensions) extensionList(expectTag(extensions, EXTENSIONS));
}

function extensionList(wrapper: Der): void {
  const [list, ...more] = derChildren(wrapper);
  if (more.length) throw new Error("extensions");
  for (const extension of derChildren(expectTag(list, TAG.sequence))) {
    const parts = derChildren(expectTag(extension, TAG.sequence)), id = expectTag(parts.shift(), TAG.oid);
    if (parts[0]?.tag === TAG.boolean) {
      const { content } = parts.shift()!;
      if (content.length !== 1 || content[0] !== DER_TRUE) throw new Error("critical");
    }
    const value = readDer(expectTag(parts.shift(), TAG.octets).content);
    if (parts.length) throw new Error("extension");
    if (SEQUENCES.has(id.content.toHex())) expectTag(value, TAG.sequence);
    walk(value);
  }
}

function algorithmIdentifier(element: Der | undefined): void {
  const [id, , ...more] = derChildren(expectTag(element, TAG.sequence));
  expectTag(id, TAG.oid);
  if (more.length) throw new Error("algorithm");
}

function readBitsOf(element: Der): void {
  if (element.content[0] !== 0) throw new Error("bits");
}

/** Every constructed element below is whole; depth is bounded by the lengths that shrink, and by hand. */
function walk(element: Der, depth = 0): void {
  if (depth > 8) throw new Error("depth");
  if (element.tag & 0x20) { for (const child of derChildren(element)) walk(child, depth + 1); }
}
