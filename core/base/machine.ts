/** Machines and the driver that runs one: rules without clock or socket, and the few lines that give them both. */

/**
 * A state machine that talks with strangers. Only `step` changes it, and it returns every action in order.
 * `now` is monotonic milliseconds; `wakeAt` is when it wants to be fed a wake input (`Infinity`: never).
 */
export interface Machine<In, Out> {
  step(now: number, input: In): readonly Out[];
  readonly wakeAt: number;
}

/** Time as it is handed in. */
export interface Clock {
  /** Monotonic milliseconds from an arbitrary start. */
  now(): number;
  /** Milliseconds since 1970; may jump. */
  wall(): number;
  /** Runs `run` once at monotonic `time` (at once, but never synchronously, when that has passed). */
  at(time: number, run: () => void): Disposable;
}

/** The input every timed machine understands. */
export type Wake = { readonly type: "wake" };

/**
 * Feeds a machine: `feed(input)` steps it, performs each action with `act`, then sets the alarm.
 * A feed from inside `act` is queued and handled after the current one. Disposed, it ignores everything.
 */
export class Driver<In, Out> implements Disposable {
  #queue: In[] = [];
  #busy = false;
  #closed = false;
  #alarm: { time: number; timer: Disposable } | undefined;

  constructor(
    readonly machine: Machine<In | Wake, Out>,
    readonly clock: Clock,
    readonly act: (out: Out) => void,
  ) {}

  feed(input: In | Wake): void {
    if (this.#closed) return;
    this.#queue.push(input as In);
    if (this.#busy) return;
    this.#busy = true;
    try {
      while (this.#queue.length && !this.#closed) {
        for (const out of this.machine.step(this.clock.now(), this.#queue.shift()!)) {
          if (this.#closed) break;
          this.act(out);
        }
      }
    } finally {
      this.#busy = false;
      this.#setAlarm();
    }
  }

  [Symbol.dispose](): void {
    this.#closed = true;
    this.#alarm?.timer[Symbol.dispose]();
    this.#alarm = undefined;
    this.#queue.length = 0;
  }

  #setAlarm(): void {
    const time = this.#closed ? Infinity : this.machine.wakeAt;
    if (this.#alarm && this.#alarm.time <= time) {
      if (this.#alarm.time === time || time !== Infinity) return; // an early alarm only wakes once too often
    }
    this.#alarm?.timer[Symbol.dispose]();
    this.#alarm = undefined;
    if (time === Infinity) return;
    const timer = this.clock.at(time, () => {
      this.#alarm = undefined;
      this.feed({ type: "wake" });
    });
    this.#alarm = { time, timer };
  }
}
