import { deepStrictEqual, strictEqual } from "node:assert/strict";
import fc from "fast-check";
import { Timers } from "./timers.ts";

Deno.test("Timers runs what is due, soonest first, however alarms were set, moved and cancelled", () => {
  const step = fc.record({ timer: fc.nat(20), time: fc.oneof(fc.nat(100), fc.constant(Infinity)) });
  fc.assert(fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
    const timers = new Timers(), ran: number[] = [], model = new Map<number, number>();
    const all = Array.from({ length: 21 }, (_, i) => timers.at(Infinity, (now) => ran.push(now * 0 + i)));
    for (const { timer, time } of steps) {
      timers.move(all[timer]!, time);
      time === Infinity ? model.delete(timer) : model.set(timer, time);
      strictEqual(timers.next, Math.min(Infinity, ...model.values()));
      strictEqual(timers.size, model.size);
    }
    timers.run(50);
    const due = [...model].filter(([, time]) => time <= 50);
    deepStrictEqual(ran.map((i) => model.get(i)!), due.map(([, time]) => time).sort((a, b) => a - b));
    strictEqual(timers.size, model.size - due.length);
  }));
});
Deno.test("Timers runs what is set for now while it runs", () => {
  const timers = new Timers(), ran: string[] = [];
  timers.at(5, () => {
    ran.push("first");
    timers.at(5, () => ran.push("second"));
    timers.at(6, () => ran.push("later"));
  });
  timers.run(5);
  deepStrictEqual(ran, ["first", "second"]);
  strictEqual(timers.next, 6);
});
