/** The secp256k1 key every account carries: its address stands in the receipt and in name registrations. Spec: account §1.4. */
import { keccak_256 } from "@noble/hashes/sha3.js";
import { secp256k1 } from "@noble/curves/secp256k1.js";
import type { Random } from "../base/mod.ts";

/** A fresh 32-byte secret. */
export function makeEthKey(random: Random): Uint8Array {
  for (;;) {
    const secret = random.bytes(32);
    if (secp256k1.utils.isValidSecretKey(secret)) return secret;
  }
}

/** 40 hex digits without `0x`: the last 20 bytes of Keccak-256 over the uncompressed point. `undefined` for a bad secret. */
export function ethAddress(secret: Uint8Array): string | undefined {
  if (!secp256k1.utils.isValidSecretKey(secret)) return undefined;
  const point = secp256k1.getPublicKey(secret, false).subarray(1);
  return keccak_256(point).subarray(12).toHex();
}
