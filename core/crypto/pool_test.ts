/** The worker port: what it was asked fails when the worker cannot run, and the next one may run again. */
import { deepStrictEqual, rejects, strictEqual } from "node:assert/strict";
import { setCryptoWorker, WorkerPort } from "./pool_io.ts";
import { Gate } from "./gate.ts";

const job = { type: "argon2i", password: new Uint8Array(1), salt: new Uint8Array(16) } as const;

Deno.test("WorkerPort.ask() rejects when the worker dies, and starts another one for the next question", async () => {
  const folder = await Deno.makeTempDir({ prefix: "kith-worker-" });
  try {
    const write = async (name: string, code: string) => {
      await Deno.writeTextFile(`${folder}/${name}`, code);
      setCryptoWorker(new URL(`file://${folder}/${name}`));
    };
    const port = new WorkerPort(false), head = 'import { parentPort } from "node:worker_threads";';
    await write("dies.js", `${head} parentPort.on("message", () => { throw new Error("over"); });`);
    await Promise.all([1, 2].map(() => rejects(port.ask(job), { code: "crypto/worker" })));
    await write(
      "leaves.js",
      `${head} import { exit } from "node:process"; parentPort.on("message", () => exit(0));`,
    );
    await rejects(port.ask(job), { code: "crypto/worker" });
    await write("absent.js", "");
    await Deno.remove(`${folder}/absent.js`);
    await rejects(port.ask(job), { code: "crypto/worker" });
    await write(
      "answers.js",
      `${head} parentPort.on("message", ({ id, job }) => parentPort.postMessage({ id, value: job.salt }));`,
    );
    deepStrictEqual(await port.ask(job), new Uint8Array(16));
    await write("fails.js", `${head} parentPort.on("message", ({ id }) => parentPort.postMessage({ id }));`);
    strictEqual(await port.ask(job), undefined);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("Gate lets so many in, the others in order, and goes on after a failure", async () => {
  const gate = new Gate(2), order: number[] = [];
  let inside = 0, most = 0;
  const work = (n: number) =>
    gate.run(async () => {
      most = Math.max(most, ++inside);
      await Promise.resolve();
      order.push(n), inside--;
      if (n === 1) throw new Error("one fails");
      return n;
    });
  const results = await Promise.allSettled([0, 1, 2, 3, 4].map(work));
  deepStrictEqual(results.map(({ status }) => status === "fulfilled"), [true, false, true, true, true]);
  deepStrictEqual([order, most], [[0, 1, 2, 3, 4], 2]);
});
