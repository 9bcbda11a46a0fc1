/** Write tokens: SHA-256 of a secret and the address. Spec: dht §1.9. */
import { createHash, timingSafeEqual } from "node:crypto";
import { concat } from "../../../core/base/mod.ts";

export const TOKEN_BYTES = 32, SECRET_BYTES = 8;

export class Tokens {
  #newest: Uint8Array;
  #previous: Uint8Array;
  /** `seed`: the newest secret, then the one before. */
  constructor(seed: Uint8Array) {
    this.#newest = seed.slice(0, SECRET_BYTES);
    this.#previous = seed.slice(SECRET_BYTES, 2 * SECRET_BYTES);
  }
  rotate(secret: Uint8Array): void {
    this.#previous = this.#newest;
    this.#newest = secret.slice(0, SECRET_BYTES);
  }
  of(ip: Uint8Array, port: number): Uint8Array {
    return digest(this.#newest, ip, port);
  }
  ok(token: Uint8Array, ip: Uint8Array, port: number): boolean {
    if (token.length !== TOKEN_BYTES) return false;
    return [this.#newest, this.#previous].some((secret) => timingSafeEqual(digest(secret, ip, port), token));
  }
}

function digest(secret: Uint8Array, ip: Uint8Array, port: number): Uint8Array {
  const hash = createHash("sha256").update(concat(secret, ip, Uint8Array.of(port >> 8, port & 255)));
  return new Uint8Array(hash.digest());
}
