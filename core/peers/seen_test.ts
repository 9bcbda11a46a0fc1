import { deepStrictEqual, strictEqual } from "node:assert/strict";
import { LIMITS } from "./limits.ts";
import { SeenIds, type SeenStore } from "./seen.ts";

function mapStore(): SeenStore {
  const kept = new Map<bigint, number>();
  return {
    load: () => [...kept],
    add: (id, wall) => void kept.set(id, wall),
    prune: (before) => {
      for (const [id, at] of kept) if (at < before) kept.delete(id);
    },
  };
}

Deno.test("[connection H5] SeenIds lets an id through once, also after a restart, until a day has passed", () => {
  const store = mapStore();
  const before = new SeenIds(0, store);
  deepStrictEqual([before.first(1n, 0), before.first(1n, 5), before.first(2n, 1000)], [true, false, true]);
  const after = new SeenIds(2000, store);
  deepStrictEqual([after.first(1n, 2000), after.first(3n, 2000)], [false, true]);
  const tomorrow = new SeenIds(LIMITS.seenMs + 500, store);
  const noon = LIMITS.seenMs + 500;
  deepStrictEqual([tomorrow.first(1n, noon), tomorrow.first(2n, noon)], [true, false]);
  tomorrow.first(2n ** 53n, noon);
  strictEqual(new SeenIds(noon, store).first(2n ** 53n, noon), false);
  deepStrictEqual([...store.load()].map(([id]) => id), [2n, 3n, 1n, 2n ** 53n]);
});

Deno.test("[connection H5] SeenIds remembers a bounded number", () => {
  const seen = new SeenIds(0);
  for (let id = 1n; id <= BigInt(LIMITS.seenIds + 10); id++) seen.first(id, 0);
  strictEqual(seen.size, LIMITS.seenIds);
  strictEqual(seen.first(BigInt(LIMITS.seenIds), 0), false);
});
