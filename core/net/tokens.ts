/** A bucket of tokens: a burst at once, then so many a second. */
export class Tokens {
  #left: number;
  #then: number | undefined;

  /** Holds `most`, full at first, and gains `perSecond`. */
  constructor(readonly most: number, readonly perSecond: number) {
    this.#left = most;
  }

  /** Takes one if there is one. `now` in milliseconds. */
  take(now: number): boolean {
    this.#left = Math.min(this.most, this.#left + ((now - (this.#then ?? now)) / 1000) * this.perSecond);
    this.#then = now;
    if (this.#left < 1) return false;
    this.#left--;
    return true;
  }

  /** When there will be one. */
  get at(): number {
    return (this.#then ?? 0) + Math.max(0, Math.ceil(((1 - this.#left) / this.perSecond) * 1000));
  }
}
