/** Any bytes as a key file, a public key or PEM: refused with a core error, or read. */
import { deepStrictEqual, ok } from "node:assert/strict";
import { CoreError, unhex, utf8 } from "../base/mod.ts";
import { derSequence, formatPem, parsePem } from "../codec/mod.ts";
import { readPrivateKey } from "./pkcs8.ts";
import { importPublicKey } from "./public_key.ts";
import { ecdsaFromDer } from "./ecdsa.ts";
import { ecSpki, rsaSpki } from "./spki.ts";

const rsa = rsaSpki(new Uint8Array(256).fill(0xa5), Uint8Array.of(1, 0, 1)),
  ec = ecSpki("P-384", Uint8Array.of(4, ...new Uint8Array(96)));
const small = "3041020100301306072a8648ce3d020106082a8648ce3d030107042730250201010420" + "11".repeat(32);
const locked =
  "30820100304a06092a864886f70d01050d303d301c06092a864886f70d01050c300f040811223344556677880202080002" +
  "0120301d060960864801650304012a0410000102030405060708090a0b0c0d0e0f0481b1" + "22".repeat(177);

export const name = "key_files";
export const guide = ["/core/crypto/", "/core/codec/der", "/core/codec/pem"];
export const seeds: readonly Uint8Array[] = [
  rsa,
  ec,
  utf8(formatPem("PUBLIC KEY", rsa)),
  unhex(small),
  unhex(locked),
  derSequence(unhex("020100"), unhex("0203010001")),
];

let read = 0, refused = 0;
const attempt = <T>(work: () => T): T | undefined => {
  try {
    const result = work();
    read++;
    return result;
  } catch (error) {
    ok(error instanceof CoreError, `not a core error: ${error}`);
    refused++;
    return undefined;
  }
};

export function run(bytes: Uint8Array): void {
  const key = attempt(() => importPublicKey(bytes));
  if (key) deepStrictEqual(importPublicKey(key.pem).der, key.der);
  attempt(() => readPrivateKey(bytes));
  attempt(() => ecdsaFromDer(bytes, 48));
  const blocks = attempt(() => parsePem(bytes)) ?? [];
  deepStrictEqual(parsePem(blocks.map(({ label, bytes }) => formatPem(label, bytes)).join("")), blocks);
}

export const summary = (): string => `${read} read, ${refused} refused`;
