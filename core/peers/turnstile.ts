/** So many at once; the others wait in line. */
export class Turnstile {
  #inside = 0;
  #line: (() => void)[] = [];

  constructor(readonly most: number) {}

  /** Waits for its turn, does `work`, and lets the next one in. While it waits, `signal` takes it out of the line. */
  async pass<T>(work: () => Promise<T>, signal: AbortSignal): Promise<T> {
    signal.throwIfAborted();
    if (this.#inside >= this.most) await this.#wait(signal);
    else this.#inside++;
    try {
      return await work();
    } finally {
      const next = this.#line.shift();
      if (next) next();
      else this.#inside--;
    }
  }

  async #wait(signal: AbortSignal): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const leave = () => {
      this.#line = this.#line.filter((other) => other !== resolve);
      reject(signal.reason);
    };
    this.#line.push(resolve);
    signal.addEventListener("abort", leave);
    try {
      await promise;
    } finally {
      signal.removeEventListener("abort", leave);
    }
  }
}
