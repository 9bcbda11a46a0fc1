/** Lets a few in at a time, the others in order of arrival. */
export class Gate {
  #inside = 0;
  #waiting: (() => void)[] = [];
  constructor(readonly places: number) {}

  /** Runs `work` as soon as there is a place. */
  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.#inside >= this.places) await new Promise<void>((enter) => this.#waiting.push(enter));
    else this.#inside++;
    try {
      return await work();
    } finally {
      const next = this.#waiting.shift();
      if (next) next(); // the place goes on to whoever waited longest
      else this.#inside--;
    }
  }
}
