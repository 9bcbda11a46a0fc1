/** One after the other: work on a conversation never overlaps. */
export class Serial {
  #last: Promise<unknown> = Promise.resolve();

  /** Runs `work` when everything before it has ended, well or badly. */
  run<T>(work: () => Promise<T>): Promise<T> {
    const next = this.#last.then(work, work);
    this.#last = next.catch(() => {});
    return next;
  }
  /** Settles when nothing is under way. */
  get idle(): Promise<unknown> {
    return this.#last;
  }
}
