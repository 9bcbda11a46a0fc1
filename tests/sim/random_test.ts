import { deepStrictEqual, notDeepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { Seeded } from "./random.ts";

const draw = (seed: number | string, name: string) =>
  Array.from({ length: 8 }, function (this: Seeded) {
    return this.uint32();
  }, new Seeded(seed, name));

Deno.test("Seeded repeats for the same seed and name, and only then", () => {
  deepStrictEqual(draw(1, "a"), draw("1", "a"));
  notDeepStrictEqual(draw(1, "a"), draw(2, "a"));
  notDeepStrictEqual(draw(1, "a"), draw(1, "b"));
});

Deno.test("Seeded is even enough: bytes, floats, chances", () => {
  const luck = new Seeded(7), counts = new Array(256).fill(0), bytes = luck.bytes(256_000);
  for (const byte of bytes) counts[byte]++;
  const chi = counts.reduce((sum, n) => sum + (n - 1000) ** 2 / 1000, 0);
  ok(chi > 170 && chi < 350, `chi² of 255 degrees is ${chi}`);
  let hits = 0;
  for (let i = 0; i < 100_000; i++) if (luck.chance(0.05)) hits++;
  ok(Math.abs(hits - 5000) < 300, `${hits} of 100000 at 5 %`);
  strictEqual(luck.bytes(3).length, 3);
});

Deno.test("Seeded.shuffle() keeps every element", () => {
  const list = Array.from({ length: 50 }, (_, i) => i);
  deepStrictEqual(new Seeded(3).shuffle(list).sort((a, b) => a - b), list);
});
