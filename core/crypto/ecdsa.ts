/** ECDSA signatures: certificates hold a DER pair, WebCrypto speaks two numbers side by side. Spec: RFC 3279 §2.2.3. */
import { concat } from "../base/mod.ts";
import { derChildren, derSequence, derUnsigned, readDer, readUnsigned, TAG } from "../codec/mod.ts";

/** DER of a signature of two `size`-byte numbers. */
export function ecdsaToDer(pair: Uint8Array): Uint8Array<ArrayBuffer> {
  const half = pair.length / 2;
  return Uint8Array.from(derSequence(derUnsigned(pair.subarray(0, half)), derUnsigned(pair.subarray(half))));
}

/** Two numbers of `size` bytes each. @throws {DecodeError} `codec/der`; the result is empty if a number does not fit. */
export function ecdsaFromDer(signature: Uint8Array, size: number): Uint8Array<ArrayBuffer> {
  const numbers = derChildren(readDer(signature, TAG.sequence)).map(readUnsigned);
  if (numbers.length !== 2 || numbers.some((n) => n.length > size || !n.length)) return new Uint8Array(0);
  return Uint8Array.from(concat(...numbers.flatMap((n) => [new Uint8Array(size - n.length), n])));
}
