/** Beacons: "are you there" on a living link. Both sides count what is unanswered, and hang up after 3 s. Spec: connection §5.3. */
import { MUX_LIMITS as L } from "./limits.ts";
import { Tokens } from "./tokens.ts";

export class Beacons {
  #open = 0; // ours, unanswered
  #by = Infinity;
  #owed = 0; // theirs, unanswered
  #tokens = new Tokens(L.beaconRepliesPerSecond, L.beaconRepliesPerSecond);

  get wakeAt(): number {
    return this.#owed ? Math.min(this.#by, this.#tokens.at) : this.#by;
  }
  /** True when an answer is overdue. */
  dead(now: number): boolean {
    return now >= this.#by;
  }

  /** Counts one of ours; false if enough are on their way. */
  ask(now: number): boolean {
    if (this.#open >= L.beaconsOpen) return false;
    this.#open++;
    this.#by = now + L.beaconMs;
    return true;
  }
  /** An answer came: was it the last one awaited, one of several, or not asked for? */
  answered(): "last" | "more" | "unasked" {
    if (!this.#open) return "unasked";
    if (--this.#open) return "more";
    this.#by = Infinity;
    return "last";
  }

  /** One of theirs came; false if it is one too many. */
  owe(): boolean {
    if (this.#owed >= L.beaconReplies) return false;
    this.#owed++;
    return true;
  }
  /** How many answers may be sent now. */
  pay(now: number): number {
    let count = 0;
    while (this.#owed && this.#tokens.take(now)) this.#owed--, count++;
    return count;
  }
}
