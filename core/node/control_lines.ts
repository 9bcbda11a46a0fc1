/** Cuts a stream of bytes into lines of bounded length. */
import { CoreError } from "../base/mod.ts";

export class Lines {
  #parts: Uint8Array[] = [];
  #size = 0;

  /** @param limit bytes of the longest line. */
  constructor(readonly limit: number) {}

  /** Lines that `bytes` complete, without their ends. @throws {CoreError} `control/line-size`. */
  *push(bytes: Uint8Array): Generator<Uint8Array> {
    for (let from = 0;;) {
      const end = bytes.indexOf(10, from), part = bytes.slice(from, end < 0 ? bytes.length : end);
      this.#size += part.length;
      if (this.#size > this.limit) throw new CoreError("control/line-size", { limit: this.limit });
      this.#parts.push(part);
      if (end < 0) return;
      yield this.#whole();
      from = end + 1;
    }
  }

  #whole(): Uint8Array {
    const line = new Uint8Array(this.#size);
    let at = 0;
    for (const part of this.#parts) line.set(part, at), at += part.length;
    this.#parts = [];
    this.#size = 0;
    return line;
  }
}
