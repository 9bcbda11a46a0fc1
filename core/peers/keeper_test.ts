import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { Keeper, type KeeperIn } from "./keeper.ts";
import { LIMITS } from "./limits.ts";

const middle = { bytes: (n: number) => new Uint8Array(n), float: () => 0.5, uint32: () => 0 };

function bench(keeper = new Keeper(middle)) {
  const dials: [number, string][] = [];
  const feed = (now: number, input: KeeperIn) => {
    for (const { device } of keeper.step(now, input)) dials.push([now, device]);
  };
  return { keeper, dials, feed };
}

Deno.test("Keeper dials a device that is wanted and present, and nobody else", () => {
  const { dials, feed } = bench();
  feed(0, { type: "present", device: "stranger" });
  feed(0, { type: "keep", device: "d" });
  strictEqual(dials.length, 0);
  feed(5, { type: "present", device: "d" });
  feed(6, { type: "present", device: "d" });
  deepStrictEqual(dials, [[5, "d"]]);
  feed(7, { type: "up", device: "d" });
  feed(8, { type: "leave", device: "d" });
  feed(9, { type: "down", device: "d" });
  feed(1e9, { type: "wake" });
  strictEqual(dials.length, 1);
});

Deno.test("Keeper waits 5 s, doubling to 10 min, and begins anew when the device appears or our network changes", () => {
  const { keeper, dials, feed } = bench();
  feed(0, { type: "keep", device: "d" });
  feed(0, { type: "present", device: "d" });
  const gaps: number[] = [];
  for (let i = 0; i < 10; i++) {
    const failed = dials.at(-1)![0];
    feed(failed, { type: "failed", device: "d" });
    gaps.push(keeper.wakeAt - failed);
    feed(keeper.wakeAt, { type: "wake" });
  }
  deepStrictEqual(gaps, [5000, 10_000, 20_000, 40_000, 80_000, 160_000, 320_000, 600_000, 600_000, 600_000]);
  for (
    const again of [[{ type: "network" }], [{ type: "absent", device: "d" }, {
      type: "present",
      device: "d",
    }]] as KeeperIn[][]
  ) {
    const now = dials.at(-1)![0] + 1, before = dials.length;
    feed(now, { type: "failed", device: "d" });
    for (const input of again) feed(now, input);
    deepStrictEqual(dials.slice(before), [[now, "d"]]);
  }
});

Deno.test("Keeper spreads its attempts by a quarter", () => {
  for (const [float, gap] of [[0, 3750], [0.999999, 6250]] as const) {
    const { keeper, feed } = bench(new Keeper({ ...middle, float: () => float }));
    feed(0, { type: "keep", device: "d" }), feed(0, { type: "present", device: "d" });
    feed(0, { type: "failed", device: "d" });
    ok(Math.abs(keeper.wakeAt - gap) < 1);
  }
});

Deno.test("Keeper dials few at once; the next one goes when one is done", () => {
  const { dials, feed } = bench();
  for (let i = 0; i < 20; i++) {
    feed(0, { type: "keep", device: `d${i}` }), feed(0, { type: "present", device: `d${i}` });
  }
  strictEqual(dials.length, LIMITS.keptAtOnce);
  feed(1, { type: "up", device: "d0" });
  feed(2, { type: "failed", device: "d1" });
  feed(3, { type: "leave", device: "d2" });
  strictEqual(dials.length, LIMITS.keptAtOnce + 3);
});
