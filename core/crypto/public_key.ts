/** Public keys as the network knows them: SubjectPublicKeyInfo DER and the two ids made of it. Spec: dht §3.1. */
import {
  type AccountId,
  CoreError,
  type DeviceId,
  deviceId,
  hex,
  type InfoHash,
  infoHash,
  utf8,
} from "../base/mod.ts";
import { formatPem, looksLikePem, parsePem } from "../codec/mod.ts";
import { sha1, sha256 } from "./hash_io.ts";
import { CRYPTO_LIMITS } from "./limits.ts";
import { type Curve, type KeyInfo, readSpki } from "./spki.ts";

/** An RSA or EC public key whose DER was read in full. Immutable. */
export class PublicKey {
  readonly kind: "rsa" | "ec";
  /** Modulus or field size. */
  readonly bits: number;
  /** Only for `kind` `ec`. */
  readonly curve: Curve | undefined;
  /** SHA-1 of the DER: account ids, legacy device ids, UIDs, type 8 key of 2023. */
  readonly shortId: InfoHash & AccountId;
  /** SHA-256 of the DER: device ids. */
  readonly longId: DeviceId;

  /** Use {@linkcode importPublicKey}. `der` is the key's own copy. */
  constructor(readonly der: Uint8Array<ArrayBuffer>, info: KeyInfo) {
    this.kind = info.kind;
    this.bits = info.bits;
    this.curve = info.kind === "ec" ? info.curve : undefined;
    this.shortId = infoHash(hex(sha1(der))) as InfoHash & AccountId;
    this.longId = deviceId(hex(sha256(der)));
  }

  /** `PUBLIC KEY` PEM. */
  get pem(): string {
    return formatPem("PUBLIC KEY", this.der);
  }
  /** SHA-1 over the 32 raw bytes of the long id: where a certificate of 2026 lies. Spec: account §1.2. */
  get longKey(): InfoHash {
    return infoHash(hex(sha1(Uint8Array.fromHex(this.longId))));
  }
}

/**
 * Reads SubjectPublicKeyInfo DER, or PEM with one `PUBLIC KEY` block (a NUL at its end is tolerated).
 * @throws {DecodeError} `codec/der`, `codec/pem`. @throws {CoreError} `crypto/key-size`, `crypto/key-unsupported`.
 */
export function importPublicKey(derOrPem: Uint8Array | string): PublicKey {
  if (derOrPem.length > 2 * CRYPTO_LIMITS.publicKeyBytes) {
    throw new CoreError("crypto/key-unsupported", { what: "size", length: derOrPem.length });
  }
  const bytes = typeof derOrPem === "string" ? utf8(derOrPem) : derOrPem;
  if (!looksLikePem(bytes)) return new PublicKey(Uint8Array.from(bytes), readSpki(bytes));
  const block = parsePem(bytes).find(({ label }) => label === "PUBLIC KEY");
  if (!block) throw new CoreError("crypto/key-unsupported", { what: "pem" });
  return new PublicKey(block.bytes, readSpki(block.bytes));
}
