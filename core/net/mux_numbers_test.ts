import { deepStrictEqual, strictEqual } from "node:assert/strict";
import { MUX_LIMITS as L } from "./limits.ts";
import { ChannelNumbers } from "./mux_numbers.ts";

Deno.test("ChannelNumbers wraps within its half and skips what is used or warm, until the peer's end or a minute", () => {
  const used = new Set([3]), numbers = new ChannelNumbers("client", (id) => used.has(id));
  const taken = Array.from({ length: 0x7fff - 1 }, () => numbers.take(0)!);
  deepStrictEqual(taken.slice(0, 3), [1, 2, 4]);
  strictEqual(taken.at(-1), 0x7fff);
  for (const id of [1, 2, 4]) numbers.leave(0, id, true);
  strictEqual(numbers.cool(2), true);
  strictEqual(numbers.take(1000), 2);
  strictEqual(numbers.take(1000), 5);
  for (let id = 6; id <= 0x7fff; id++) numbers.take(1000);
  strictEqual(numbers.take(L.lingerMs), 1);
});

Deno.test("ChannelNumbers gives nothing when its half is used up, and remembers a bounded number of warm ones", () => {
  const full = new ChannelNumbers("server", () => true);
  strictEqual(full.take(0), undefined);
  const numbers = new ChannelNumbers("server", () => false);
  for (let id = 1; id <= L.lingering + 5; id++) numbers.leave(0, id, true);
  strictEqual(numbers.warm(0, 5), false);
  strictEqual(numbers.warm(0, 6), true);
});
