/** The one heap of events: a binary heap by time, ties in order of arrival. */

/** Something that will happen. `run` is cleared when it has happened or is called off. */
export interface SimEvent {
  run: (() => void) | undefined;
}

/** Called-off events stay until they surface, or until they are most of a large heap. */
const SWEEP_FROM = 1024;

export class EventQueue {
  // three columns instead of one: comparing times must not touch the events, which are all over memory
  #times = new Float64Array(1024);
  #orders = new Float64Array(1024);
  #events: SimEvent[] = [];
  #count = 0;
  #dead = 0;

  /** Events held, called-off ones included. */
  get size(): number {
    return this.#events.length;
  }

  push(time: number, run: () => void): SimEvent {
    if (!(time >= 0)) throw new RangeError(`event at ${time}`);
    const at = this.#events.length, event: SimEvent = { run };
    if (at === this.#times.length) this.#times = doubled(this.#times), this.#orders = doubled(this.#orders);
    this.#events.push(event);
    this.#up(at, time, this.#count++, event);
    return event;
  }

  /** Calls `event` off; twice is fine, and so is after it ran. */
  cancel(event: SimEvent): void {
    if (!event.run) return;
    event.run = undefined;
    if (++this.#dead > SWEEP_FROM && this.#dead * 2 > this.#events.length) this.#sweep();
  }

  /** Time of the next event, `Infinity` if there is none. */
  get next(): number {
    while (this.#events.length) {
      if (this.#events[0]!.run) return this.#times[0]!;
      this.#take();
      this.#dead--;
    }
    return Infinity;
  }

  /** Takes the next event out. Only after `next` said there is one. */
  pop(): () => void {
    const event = this.#take(), run = event.run!;
    event.run = undefined; // a late cancel must not count
    return run;
  }

  #take(): SimEvent {
    const events = this.#events, first = events[0]!, last = events.pop()!, length = events.length;
    if (length) this.#down(0, this.#times[length]!, this.#orders[length]!, last);
    return first;
  }

  #up(at: number, time: number, order: number, event: SimEvent): void {
    const times = this.#times, orders = this.#orders, events = this.#events;
    while (at > 0) {
      const above = (at - 1) >> 1, t = times[above]!;
      if (t < time || (t === time && orders[above]! < order)) break;
      times[at] = t, orders[at] = orders[above]!, events[at] = events[above]!;
      at = above;
    }
    times[at] = time, orders[at] = order, events[at] = event;
  }

  #down(at: number, time: number, order: number, event: SimEvent): void {
    const times = this.#times, orders = this.#orders, events = this.#events, length = events.length;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= length) break;
      let t = times[child]!;
      if (child + 1 < length) {
        const other = times[child + 1]!;
        if (other < t || (other === t && orders[child + 1]! < orders[child]!)) child++, t = other;
      }
      if (time < t || (time === t && order < orders[child]!)) break;
      times[at] = t, orders[at] = orders[child]!, events[at] = events[child]!;
      at = child;
    }
    times[at] = time, orders[at] = order, events[at] = event;
  }

  #sweep(): void {
    const times = this.#times, orders = this.#orders, events = this.#events;
    let kept = 0;
    for (let i = 0; i < events.length; i++) {
      if (!events[i]!.run) continue;
      times[kept] = times[i]!, orders[kept] = orders[i]!, events[kept] = events[i]!;
      kept++;
    }
    events.length = kept, this.#dead = 0;
    for (let i = (kept >> 1) - 1; i >= 0; i--) this.#down(i, times[i]!, orders[i]!, events[i]!);
  }
}

function doubled(column: Float64Array): Float64Array<ArrayBuffer> {
  const longer = new Float64Array(column.length * 2);
  longer.set(column);
  return longer;
}
