import { deepStrictEqual, strictEqual } from "node:assert/strict";
import { type Clock, Driver, type Machine, type Wake } from "./machine.ts";
import { realClock, realRandom } from "./clock_io.ts";

/** A clock moved by hand. */
class HandClock implements Clock {
  time = 0;
  alarms: { time: number; run: () => void }[] = [];
  now = () => this.time;
  wall = () => 1e12 + this.time;
  at(time: number, run: () => void): Disposable {
    const alarm = { time, run };
    this.alarms.push(alarm);
    return { [Symbol.dispose]: () => void (this.alarms = this.alarms.filter((a) => a !== alarm)) };
  }
  advance(to: number): void {
    for (;;) {
      const next = this.alarms.filter((a) => a.time <= to).sort((a, b) => a.time - b.time)[0];
      if (!next) break;
      this.alarms = this.alarms.filter((a) => a !== next);
      this.time = Math.max(this.time, next.time);
      next.run();
    }
    this.time = to;
  }
}

/** Says what it was fed; a number input sets the alarm. */
class Echo implements Machine<number | Wake, string> {
  wakeAt = Infinity;
  step(now: number, input: number | Wake): string[] {
    this.wakeAt = typeof input === "number" ? input : Infinity;
    return [`${now}:${typeof input === "number" ? input : "wake"}`];
  }
}

Deno.test("Driver wakes the machine when it asked for it, once", () => {
  const clock = new HandClock(), seen: string[] = [];
  using driver = new Driver(new Echo(), clock, (out) => seen.push(out));
  driver.feed(50);
  clock.advance(49);
  deepStrictEqual(seen, ["0:50"]);
  clock.advance(500);
  deepStrictEqual(seen, ["0:50", "50:wake"]);
  strictEqual(clock.alarms.length, 0);
});

Deno.test("Driver moves the alarm forward when the machine wants to wake sooner", () => {
  const clock = new HandClock(), seen: string[] = [];
  using driver = new Driver(new Echo(), clock, (out) => seen.push(out));
  driver.feed(1000);
  driver.feed(10);
  clock.advance(10);
  deepStrictEqual(seen, ["0:1000", "0:10", "10:wake"]);
});

Deno.test("Driver takes the alarm away when the machine needs none", () => {
  const clock = new HandClock();
  using driver = new Driver(new Echo(), clock, () => {});
  driver.feed(1000);
  driver.feed(Infinity);
  strictEqual(clock.alarms.length, 0);
});

Deno.test("Driver queues what is fed from inside an action", () => {
  const clock = new HandClock(), seen: string[] = [];
  const driver: Driver<number, string> = new Driver(new Echo(), clock, (out) => {
    seen.push(`begin ${out}`);
    if (out === "0:1") driver.feed(2);
    seen.push(`end ${out}`);
  });
  driver.feed(1);
  driver[Symbol.dispose]();
  deepStrictEqual(seen, ["begin 0:1", "end 0:1", "begin 0:2", "end 0:2"]);
});

Deno.test("Driver ignores everything once disposed, also from inside an action", () => {
  const clock = new HandClock(), seen: string[] = [];
  const driver: Driver<number, string> = new Driver(new Echo(), clock, (out) => {
    seen.push(out);
    driver.feed(7);
    driver[Symbol.dispose]();
  });
  driver.feed(5);
  driver.feed(6);
  clock.advance(100);
  deepStrictEqual(seen, ["0:5"]);
  strictEqual(clock.alarms.length, 0);
});

Deno.test("realClock runs an alarm of the past soon, but not at once", async () => {
  const order: string[] = [];
  await new Promise<void>((done) => {
    realClock.at(realClock.now() - 1000, () => (order.push("alarm"), done()));
    order.push("after");
  });
  deepStrictEqual(order, ["after", "alarm"]);
});

Deno.test("realRandom gives numbers in their ranges and different bytes each time", () => {
  for (let i = 0; i < 3000; i++) {
    const f = realRandom.float(), u = realRandom.uint32();
    strictEqual(f >= 0 && f < 1 && Number.isInteger(u) && u >= 0 && u < 2 ** 32, true);
  }
  strictEqual(realRandom.bytes(70000).length, 70000);
  strictEqual(realRandom.bytes(16).toHex() === realRandom.bytes(16).toHex(), false);
});
