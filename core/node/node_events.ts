/** The one log of what happens in a node: numbered, bounded, to be asked for from any number on. */
import { LIMITS } from "./limits.ts";

/** What happened: `event` is its kind, the other fields are plain values. */
export type NodeFact = Readonly<Record<string, unknown>> & { readonly event: string };
/** With its number (1 is the first since the node started) and the time, ISO 8601. */
export type NumberedFact = NodeFact & { readonly n: number; readonly at: string };

export class NodeEvents {
  #lines: string[] = [];
  #first = 1;
  #characters = 0;
  readonly #watchers = new Set<() => void>();

  /** @param wall milliseconds since 1970. */
  constructor(readonly wall: () => number, readonly limits = LIMITS) {}

  /** Number of the newest; 0 before the first. */
  get last(): number {
    return this.#first + this.#lines.length - 1;
  }
  /** Calls `run` after each event until disposed. */
  watch(run: () => void): Disposable {
    this.#watchers.add(run);
    return { [Symbol.dispose]: () => void this.#watchers.delete(run) };
  }

  add(fact: NodeFact): NumberedFact {
    const numbered = { n: this.last + 1, at: new Date(this.wall()).toISOString(), ...fact };
    const line = JSON.stringify(numbered);
    this.#lines.push(line);
    this.#characters += line.length;
    while (
      this.#lines.length > this.limits.events ||
      (this.#characters > this.limits.eventCharacters && this.#lines.length > 1)
    ) {
      this.#characters -= this.#lines.shift()!.length;
      this.#first++;
    }
    for (const run of this.#watchers) run();
    return numbered;
  }

  /** Lines (JSON) of the events after number `since`, oldest first; `missed`: how many of them are gone. */
  read(
    since: number,
    limit: number = LIMITS.eventsPerWrite,
  ): { missed: number; lines: string[]; last: number } {
    const from = Math.max(since + 1, this.#first),
      lines = this.#lines.slice(from - this.#first).slice(0, limit);
    return { missed: Math.max(0, from - since - 1), lines, last: from + lines.length - 1 };
  }
}
