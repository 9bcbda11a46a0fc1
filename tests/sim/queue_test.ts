import { deepStrictEqual, strictEqual, throws } from "node:assert/strict";
import fc from "fast-check";
import { EventQueue } from "./queue.ts";
import { Seeded } from "./random.ts";

function drain(queue: EventQueue): number[] {
  const times: number[] = [];
  while (queue.next < Infinity) times.push(queue.next), queue.pop()();
  return times;
}

Deno.test("EventQueue gives events by time, ties in order of arrival", () => {
  fc.assert(fc.property(fc.array(fc.integer({ min: 0, max: 20 }), { maxLength: 200 }), (times) => {
    const queue = new EventQueue(), seen: [number, number][] = [];
    times.forEach((time, i) => queue.push(time, () => seen.push([time, i])));
    drain(queue);
    const wanted = times.map((time, i): [number, number] => [time, i]).sort((a, b) =>
      a[0] - b[0] || a[1] - b[1]
    );
    deepStrictEqual(seen, wanted);
  }));
});

Deno.test("EventQueue forgets called-off events, also when they are most of it", () => {
  const queue = new EventQueue(), luck = new Seeded(1), kept: number[] = [];
  const events = Array.from({ length: 20_000 }, () => {
    const time = luck.below(1e6);
    return { time, event: queue.push(time, () => kept.push(time)) };
  });
  const rest = events.filter(({ event }, i) =>
    i % 10 === 0 || (queue.cancel(event), queue.cancel(event), false)
  );
  strictEqual(queue.size < 10_000, true, `still ${queue.size}`);
  drain(queue);
  deepStrictEqual(kept, rest.map((e) => e.time).sort((a, b) => a - b));
});

Deno.test("EventQueue.cancel() after the event ran changes nothing", () => {
  const queue = new EventQueue(), event = queue.push(1, () => undefined);
  queue.push(2, () => undefined);
  strictEqual(queue.next, 1);
  queue.pop()();
  queue.cancel(event);
  strictEqual(queue.next, 2);
  throws(() => queue.push(NaN, () => undefined), RangeError);
});
