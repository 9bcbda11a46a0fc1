import { deepStrictEqual, rejects, strictEqual } from "node:assert/strict";
import { EventQueue } from "./queue.ts";

async function all<T>(queue: AsyncIterable<T>): Promise<T[]> {
  const items: T[] = [];
  for await (const item of queue) items.push(item);
  return items;
}

Deno.test("EventQueue gives everything in order, what came before the reader and what comes after", async () => {
  let closed = 0;
  const queue = new EventQueue<number>(5000, () => closed++);
  for (let i = 0; i < 2000; i++) queue.push(i);
  const read = all(queue);
  await Promise.resolve();
  for (let i = 2000; i < 4000; i++) queue.push(i);
  queue.finish();
  queue.push(-1);
  deepStrictEqual(await read, Array.from({ length: 4000 }, (_, i) => i));
  strictEqual(closed, 1);
});
Deno.test("EventQueue tells a reader that fell too far behind, after what it kept", async () => {
  const queue = new EventQueue<number>(2, () => {}), seen: number[] = [];
  for (let i = 0; i < 5; i++) queue.push(i);
  await rejects(async () => {
    for await (const item of queue) seen.push(item);
  }, { code: "dht/reader-too-slow" });
  deepStrictEqual(seen, [0, 1]);
});
Deno.test("EventQueue is closed once when its reader leaves, and takes nothing after that", async () => {
  let closed = 0;
  const queue = new EventQueue<number>(10, () => closed++);
  queue.push(1);
  for await (const _ of queue) break;
  queue.push(2);
  strictEqual(closed, 1);
  deepStrictEqual(await all(queue), []);
});
