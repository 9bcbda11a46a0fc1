/** Carries events from a machine to one reader. Bounded: a reader that falls too far behind is told so. */
import { CoreError } from "../base/mod.ts";

/** What is pushed comes out in order; then the end, or the reason for it. */
export class EventQueue<T> implements AsyncIterable<T> {
  #items: T[] = [];
  #head = 0;
  #end: { error?: unknown } | undefined;
  #waiting: PromiseWithResolvers<void> | undefined;

  /** `closed` is called once, when the reader has gone or has read all. */
  constructor(readonly limit: number, readonly closed: () => void) {}

  push(item: T): void {
    if (this.#end) return;
    if (this.#items.length - this.#head >= this.limit) return this.fail(new CoreError("dht/reader-too-slow"));
    this.#items.push(item);
    this.#waiting?.resolve();
  }
  finish(): void {
    this.#end ??= {};
    this.#waiting?.resolve();
  }
  /** What is waiting still comes; then `error` is thrown. */
  fail(error: unknown): void {
    this.#end ??= { error };
    this.#waiting?.resolve();
  }
  async *[Symbol.asyncIterator](): AsyncGenerator<T, void, void> {
    try {
      for (;;) {
        while (this.#head < this.#items.length) {
          const item = this.#items[this.#head++]!;
          if (this.#head > 1024) this.#items.splice(0, this.#head), this.#head = 0;
          yield item;
        }
        if (this.#end) {
          if ("error" in this.#end) throw this.#end.error;
          return;
        }
        this.#items.length = this.#head = 0;
        this.#waiting = Promise.withResolvers();
        await this.#waiting.promise;
      }
    } finally {
      this.#end ??= {};
      this.closed();
    }
  }
}
