/** The terminal's door: standard output and error, and the signals that end a command. */
import type { Terminal } from "./terminal.ts";

const encoder = new TextEncoder(), ERASE = "\r\x1b[K";
/** A second signal this soon is the first one once more. */
const SAME_WISH_MS = 1000;

/** The terminal of this process. Disposed, it listens to no more signals. */
export class ProcessTerminal implements Terminal, Disposable {
  readonly #end = new AbortController();
  readonly #watched = Deno.stderr.isTerminal();
  #shown = false;
  #endedBy: Deno.Signal | undefined;
  readonly #signals: [Deno.Signal, () => void][];
  #askedAt = 0;

  constructor() {
    this.#signals = (["SIGINT", "SIGTERM"] as const).map((name) => [name, () => {
      // Ctrl+C reaches us from the terminal and, passed on, from whoever started us: that is still asked once
      if (this.#endedBy && performance.now() - this.#askedAt > SAME_WISH_MS) Deno.exit(1); // asked twice: leave at once
      if (this.#endedBy) return;
      this.#askedAt = performance.now();
      this.#endedBy = name;
      this.#end.abort();
    }]);
    for (const [name, run] of this.#signals) Deno.addSignalListener(name, run);
  }
  get ending(): AbortSignal {
    return this.#end.signal;
  }
  out(line: string): void {
    this.#erase();
    this.#write(Deno.stdout, line + "\n");
  }
  note(line: string): void {
    this.#erase();
    this.#write(Deno.stderr, line + "\n");
  }
  progress(line: string): void {
    if (!this.#watched) return;
    this.#erase();
    this.#write(Deno.stderr, line);
    this.#shown = line !== "";
  }
  [Symbol.dispose](): void {
    this.#erase();
    for (const [name, run] of this.#signals) Deno.removeSignalListener(name, run);
  }
  #erase(): void {
    if (this.#shown) this.#write(Deno.stderr, ERASE);
    this.#shown = false;
  }
  #write(stream: { writeSync(bytes: Uint8Array): number }, text: string): void {
    try {
      for (let bytes = encoder.encode(text); bytes.length;) bytes = bytes.subarray(stream.writeSync(bytes));
    } catch (error) {
      if (!(error instanceof Deno.errors.BrokenPipe)) throw error;
      this.#end.abort(); // nobody reads any more
    }
  }
}
