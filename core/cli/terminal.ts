/** How a command speaks: each fact once, as a sentence for people or as a JSON object for programs. */

/** The two outputs and the wish to end. A real one is in `terminal_io.ts`. */
export interface Terminal {
  /** One line of result. */
  out(line: string): void;
  /** One line beside the result: progress that stays, advice, errors. */
  note(line: string): void;
  /** Shows what is going on until the next line; empty: nothing. Only where somebody watches. */
  progress(line: string): void;
  /** Aborts when the user (SIGINT, SIGTERM) or the reader of our output has had enough. */
  readonly ending: AbortSignal;
}

/** A fact: its kind and its fields, as documented in the README. Big numbers are decimal strings, bytes hex. */
export type Fact = Readonly<Record<string, unknown>> & { readonly event: string };

/** Tells facts in the form that was asked for. */
export class Report {
  constructor(readonly terminal: Terminal, readonly json: boolean) {}
  /** A result. `sentence` is for people; undefined: nothing to say to them. */
  tell(fact: Fact, sentence: string | undefined): void {
    if (this.json) this.terminal.out(JSON.stringify(fact, jsonValue));
    else if (sentence !== undefined) this.terminal.out(sentence);
  }
  /** Something worth knowing that is no result: beside the result for people, in line for programs. */
  remark(fact: Fact, sentence: string): void {
    if (this.json) this.terminal.out(JSON.stringify(fact, jsonValue));
    else this.terminal.note(sentence);
  }
  progress(sentence: string): void {
    if (!this.json) this.terminal.progress(sentence);
  }
  /** An error that ends the command. */
  fail(code: string, sentence: string): void {
    if (this.json) this.terminal.out(JSON.stringify({ event: "error", code, sentence }));
    else this.terminal.note(sentence);
  }
}

function jsonValue(_name: string, value: unknown): unknown {
  if (typeof value === "bigint") return String(value);
  return value instanceof Uint8Array ? value.toHex() : value;
}
