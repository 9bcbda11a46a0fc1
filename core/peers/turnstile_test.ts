import { deepStrictEqual, rejects, strictEqual } from "node:assert/strict";
import { Turnstile } from "./turnstile.ts";

Deno.test("Turnstile lets so many in at once, the others in order, and drops who gives up", async () => {
  const gate = new Turnstile(2), doors = Array.from({ length: 5 }, () => Promise.withResolvers<void>());
  const inside: number[] = [], control = new AbortController(), never = new AbortController().signal;
  const passing = doors.map(({ promise }, i) =>
    gate.pass(() => (inside.push(i), promise), i === 3 ? control.signal : never)
  );
  await Promise.resolve();
  deepStrictEqual(inside, [0, 1]);
  const given = rejects(passing[3]!);
  control.abort(new Error("gave up"));
  await given;
  doors[1]!.resolve();
  await passing[1];
  await Promise.resolve();
  deepStrictEqual(inside, [0, 1, 2]);
  doors[0]!.reject(new Error("failed"));
  await rejects(passing[0]!);
  await Promise.resolve();
  deepStrictEqual(inside, [0, 1, 2, 4]);
  doors[2]!.resolve(), doors[4]!.resolve();
  await Promise.all([passing[2], passing[4]]);
  strictEqual(await gate.pass(() => Promise.resolve("free"), never), "free");
});
