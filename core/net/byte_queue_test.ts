import { deepStrictEqual, rejects, strictEqual } from "node:assert/strict";
import fc from "fast-check";
import { concat } from "../base/mod.ts";
import { ByteQueue } from "./byte_queue.ts";

Deno.test("ByteQueue gives every byte back in order, whatever the sizes and whoever is faster", async () => {
  const sizes = fc.oneof(
    fc.integer({ min: 0, max: 40 }),
    fc.integer({ min: 1000, max: 5000 }),
    fc.constant(40000),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(fc.tuple(sizes, fc.boolean()), { maxLength: 60 }), async (steps) => {
      let counter = 0, taken = 0;
      const queue = new ByteQueue((n) => taken += n), put: Uint8Array[] = [], got: Uint8Array[] = [];
      for (const [size, read] of steps) {
        const bytes = Uint8Array.from({ length: size }, () => counter++ & 255);
        put.push(bytes), queue.push(bytes.slice());
        if (read && queue.length) got.push((await queue.read())!);
      }
      queue.end();
      for (let piece; (piece = await queue.read());) got.push(piece);
      deepStrictEqual(concat(...got), concat(...put));
      strictEqual(taken, concat(...put).length);
      strictEqual(queue.length, 0);
    }),
  );
});

Deno.test("ByteQueue keeps no large buffer alive for a small view into it", async () => {
  const queue = new ByteQueue(), big = new Uint8Array(65536);
  for (let i = 0; i < 8; i++) queue.push(big.subarray(i * 3000, i * 3000 + 3000));
  for (let left = 8 * 3000; left > 0;) {
    const piece = (await queue.read())!;
    strictEqual(piece.buffer === big.buffer, false);
    strictEqual(piece.buffer.byteLength <= 16384, true);
    left -= piece.length;
  }
});

Deno.test("ByteQueue throws its failure after what had arrived, or at once when told to drop", async () => {
  const late = new ByteQueue(), gone = new ByteQueue(), why = new Error("broken");
  for (const queue of [late, gone]) queue.push(Uint8Array.of(1));
  late.fail(why), gone.fail(why, true);
  deepStrictEqual(await late.read(), Uint8Array.of(1));
  await rejects(late.read(), why);
  await rejects(gone.read(), why);
});

Deno.test("ByteQueue refuses a second waiting read", async () => {
  const queue = new ByteQueue(), first = queue.read();
  await rejects(queue.read(), TypeError);
  queue.push(Uint8Array.of(7));
  deepStrictEqual(await first, Uint8Array.of(7));
});
