/** What was received and not yet taken: who holds how much, when the link must stop reading, who holds up all others. Spec: connection §9 H31. */
import { MUX_LIMITS as L } from "./limits.ts";

/** Bytes received and not yet taken, over all links of one account. */
export interface ByteBudget {
  used: number;
  readonly limit: number;
}

/** The receiving half of a channel, kept by the inbox. */
export interface Receiver {
  buffered: number;
  /** When its reader last took something, or found nothing to take. */
  since: number;
}

export class Inbox<R extends Receiver> {
  #full = new Set<R>(); // at their mark, until below half of it
  #buffered = 0;
  #held = false;

  constructor(readonly budget: ByteBudget) {}

  /** True while reading from the link is stopped. */
  get held(): boolean {
    return this.#held;
  }
  /** True while it is other links that keep this one from reading: nobody tells it when they make room. */
  get waitsForBudget(): boolean {
    return this.#held && !this.#full.size && this.#buffered < L.linkBuffer / 2;
  }

  add(now: number, receiver: R, bytes: number): void {
    if (!receiver.buffered) receiver.since = now;
    this.#change(receiver, bytes);
    if (receiver.buffered >= L.channelBuffer) this.#full.add(receiver);
  }
  take(now: number, receiver: R, bytes: number): void {
    receiver.since = now;
    this.#change(receiver, -bytes);
    if (receiver.buffered < L.channelBuffer / 2) this.#full.delete(receiver);
  }
  /** Its reader is gone. */
  forget(receiver: R): void {
    this.#change(receiver, -receiver.buffered);
    this.#full.delete(receiver);
  }
  /** The link is gone. */
  clear(): void {
    this.budget.used -= this.#buffered;
    this.#buffered = 0;
    this.#full.clear();
  }

  /** Whether reading must stop (true) or may go on (false), if that changes now. */
  balance(): boolean | undefined {
    const mark = this.#held ? L.linkBuffer / 2 : L.linkBuffer;
    const full = this.#full.size > 0 || this.#buffered >= mark ||
      (this.#buffered > 0 && this.budget.used >= this.budget.limit);
    if (full === this.#held) return undefined;
    return this.#held = full;
  }

  /** When the first channel will have held up the others for too long. */
  get stallAt(): number {
    if (!this.#held) return Infinity;
    let at = Infinity;
    for (const { since } of this.#full) at = Math.min(at, since + L.stallMs);
    return at;
  }
  stalled(now: number): R[] {
    return this.#held ? [...this.#full].filter(({ since }) => now >= since + L.stallMs) : [];
  }

  #change(receiver: R, bytes: number): void {
    receiver.buffered += bytes;
    this.#buffered += bytes;
    this.budget.used += bytes;
  }
}
