/** Which channel numbers are ours to give, and which are still warm from their last use. Spec: connection §5.4. */
import { MUX_LIMITS as L } from "./limits.ts";

const HALVES = { client: [0x0001, 0x7fff], server: [0x8000, 0xfffe] } as const;

/** A number we closed and whose end the peer has not answered; `settled`: it needs no further word from us. */
type Warm = { readonly until: number; settled: boolean };

/** Counts through our half; a number is not given again while it is used or warm. */
export class ChannelNumbers {
  #next: number;
  #warm = new Map<number, Warm>();

  constructor(readonly role: "client" | "server", readonly used: (id: number) => boolean) {
    this.#next = HALVES[role][0];
  }

  /** A free number, or undefined if all are taken. */
  take(now: number): number | undefined {
    const [first, last] = HALVES[this.role];
    for (let tries = first; tries <= last; tries++) {
      const id = this.#next;
      this.#next = id === last ? first : id + 1;
      if (!this.used(id) && !this.warm(now, id)) return id;
    }
    return undefined;
  }

  /** We are done with `id`, the peer may not know yet. With `settled` false an ACCEPT for it still has to be answered. */
  leave(now: number, id: number, settled: boolean): void {
    this.#warm.delete(id);
    if (this.#warm.size >= L.lingering) {
      const [oldest] = this.#warm.keys();
      this.#warm.delete(oldest!);
    }
    this.#warm.set(id, { until: now + L.lingerMs, settled });
  }

  /** True while something late may still arrive for `id`. */
  warm(now: number, id: number): boolean {
    const entry = this.#warm.get(id);
    if (entry && now >= entry.until) return this.#warm.delete(id), false;
    return entry !== undefined;
  }

  /** True once, if the peer accepted what we had taken back: it must be told that it is over. */
  settle(now: number, id: number): boolean {
    if (!this.warm(now, id)) return false;
    const entry = this.#warm.get(id)!, first = !entry.settled;
    entry.settled = true;
    return first;
  }

  /** The peer has seen our end. False if we were not waiting for that. */
  cool(id: number): boolean {
    return this.#warm.delete(id);
  }
}
