/** A heap of alarms, so that a machine with thousands of deadlines has one `wakeAt`. Pure. */

/** An alarm. `time` is monotonic ms; it is set while `slot` is not negative. */
export interface Timer {
  time: number;
  slot: number;
  readonly run: (now: number) => void;
}

/** Setting, moving and cancelling cost O(log n). */
export class Timers {
  #heap: Timer[] = [];

  /** When the next alarm is due; `Infinity`: never. */
  get next(): number {
    return this.#heap.length ? this.#heap[0]!.time : Infinity;
  }
  get size(): number {
    return this.#heap.length;
  }
  /** A new alarm at `time`; `Infinity` leaves it unset. */
  at(time: number, run: (now: number) => void): Timer {
    const timer: Timer = { time, slot: -1, run };
    this.move(timer, time);
    return timer;
  }
  /** Sets `timer` to `time`, whether it is set, cancelled or has run. `Infinity` cancels. */
  move(timer: Timer, time: number): void {
    if (time === Infinity) return this.cancel(timer);
    const before = timer.time;
    timer.time = time;
    if (timer.slot < 0) this.#up(timer, this.#heap.push(timer) - 1);
    else if (time < before) this.#up(timer, timer.slot);
    else if (time > before) this.#down(timer, timer.slot);
  }
  cancel(timer: Timer | undefined): void {
    if (!timer || timer.slot < 0) return;
    const slot = timer.slot, last = this.#heap.pop()!;
    timer.slot = -1;
    if (last === timer) return;
    this.#heap[slot] = last, last.slot = slot;
    this.#up(last, slot);
    this.#down(last, last.slot);
  }
  /** Runs everything due at `now`, soonest first, including what is set meanwhile. */
  run(now: number): void {
    while (this.#heap.length && this.#heap[0]!.time <= now) {
      const timer = this.#heap[0]!;
      this.cancel(timer);
      timer.run(now);
    }
  }

  #up(timer: Timer, slot: number): void {
    while (slot > 0) {
      const above = (slot - 1) >> 1, parent = this.#heap[above]!;
      if (parent.time <= timer.time) break;
      this.#heap[slot] = parent, parent.slot = slot, slot = above;
    }
    this.#heap[slot] = timer, timer.slot = slot;
  }
  #down(timer: Timer, slot: number): void {
    for (;;) {
      let below = 2 * slot + 1;
      if (below >= this.#heap.length) break;
      if (below + 1 < this.#heap.length && this.#heap[below + 1]!.time < this.#heap[below]!.time) below++;
      const child = this.#heap[below]!;
      if (child.time >= timer.time) break;
      this.#heap[slot] = child, child.slot = slot, slot = below;
    }
    this.#heap[slot] = timer, timer.slot = slot;
  }
}
