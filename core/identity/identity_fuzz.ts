/** Any bytes as a certificate, a chain, a revocation list, an announcement or a receipt: refused in our own words, or read. */
import { deepStrictEqual, ok } from "node:assert/strict";
import { captured } from "../../tests/vectors/account/captured.ts";
import { CoreError, text, utf8 } from "../base/mod.ts";
import { encode } from "../codec/mod.ts";
import { decodeAnnouncement } from "./announcement.ts";
import { certificatePem, chainPem, decodeCertificate, decodeChain } from "./certificate.ts";
import { decodeCrl } from "./crl.ts";
import { LIMITS } from "./limits.ts";
import { formatReceipt, parseReceipt } from "./receipt.ts";

const [v23, v26] = captured, chain = decodeChain(v23.alice.chain);

export const name = "identity_papers";
export const guide = ["/core/identity/", "/core/codec/der", "asn1-x509", "asn1-schema"];
export const longest = 8192;
export const seeds: readonly Uint8Array[] = [
  ...chain.map(({ der }) => der),
  utf8(v26.bob.chain),
  Uint8Array.fromBase64(v23.bob.crl),
  Uint8Array.fromBase64(v26.bob.crl),
  utf8(v26.alice.receipt),
  encode({ dev: Uint8Array.fromHex(chain[0]!.id), pk: chain[0]!.publicKey.der }),
  encode({ dev: Uint8Array.fromHex(chain[0]!.id) }),
];

let read = 0, refused = 0;
/** What `work` gives, unless it refuses with one of `codes`. */
function attempt<T>(codes: RegExp, work: () => T): T | undefined {
  try {
    const result = work();
    read++;
    return result;
  } catch (error) {
    ok(error instanceof CoreError && codes.test(error.code), `not a refusal of ours: ${error}`);
    refused++;
    return undefined;
  }
}

export function run(bytes: Uint8Array): void {
  const certificate = attempt(/^identity\/certificate$/, () => decodeCertificate(bytes));
  if (certificate) {
    deepStrictEqual(certificate.der, bytes);
    deepStrictEqual(decodeChain(certificatePem(certificate))[0]!.longId, certificate.longId);
  }
  const chain = attempt(/^identity\/(certificate|chain-)|^codec\//, () => decodeChain(bytes));
  if (chain) ok(chain.length <= LIMITS.chainLength && decodeChain(chainPem(chain)).length === chain.length);
  const list = attempt(/^identity\/crl$/, () => decodeCrl(bytes));
  if (list) ok(list.revoked.length <= LIMITS.crlEntries && list.issuerKey === "");
  const announcement = attempt(/^identity\/announcement$/, () => decodeAnnouncement(bytes));
  if (announcement?.deviceKey) ok(announcement.deviceKey.shortId as string === announcement.legacyDevice);
  const line = text(bytes),
    receipt = line === undefined ? undefined : attempt(/^identity\/receipt$/, () => parseReceipt(line));
  if (receipt) deepStrictEqual(parseReceipt(formatReceipt(receipt)), receipt);
}

export const summary = (): string => `${read} read, ${refused} refused`;
