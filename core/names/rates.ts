/** Counts what each address asked in the running window; the number of addresses is bounded. Pure. */
import { LIMITS } from "./limits.ts";

export class Rates {
  #counts = new Map<string, number>();
  #until = -Infinity;

  /** @param limit admitted per address and window of `windowMs`. */
  constructor(readonly limit: number, readonly windowMs: number) {}

  /** @param now monotonic milliseconds. */
  admit(address: string, now: number): boolean {
    if (now >= this.#until) {
      this.#counts.clear();
      this.#until = now + this.windowMs;
    }
    const count = this.#counts.get(address) ?? 0;
    if (count >= this.limit || (count === 0 && this.#counts.size >= LIMITS.counted)) return false;
    this.#counts.set(address, count + 1);
    return true;
  }
}
