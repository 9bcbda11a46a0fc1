/** Both bodies of the DHT kernel keep the same promises, and answer everything alike. */
import { strictEqual } from "node:assert/strict";
import { encode } from "../../core/codec/mod.ts";
import { createKernel, createTwinKernel, createWasmKernel } from "../../wasm/mod.ts";
import { compare, describe, OPTIONS, Traffic } from "../fuzz/dht_traffic.ts";
import { Dice } from "../fuzz/random.ts";
import { dhtKernelSuite } from "./dht_kernel.ts";

dhtKernelSuite("twin", createTwinKernel);
dhtKernelSuite("wasm", createWasmKernel);

for (let seed = 1; seed <= 12; seed++) {
  Deno.test(`both bodies of the DHT kernel answer 3,000 calls alike (seed ${seed})`, () => {
    const narrow = seed % 4 === 0 && { addressRate: 20, globalRate: 60 };
    const options = { ...OPTIONS, network: seed % 3 ? 0 : 7, client: seed % 5 === 0, ...narrow };
    const twin = createTwinKernel(options), wasm = createWasmKernel(options);
    const traffic = new Traffic(new Dice(seed), options, twin);
    for (let i = 0; i < 3000; i++) {
      const { what, call } = traffic.next();
      strictEqual(compare(twin, wasm, call).difference, undefined, `call ${i}: ${what.slice(0, 2000)}`);
    }
    strictEqual(describe(twin.stats()), describe(wasm.stats()));
  });
}

Deno.test("both bodies of the DHT kernel forget the same addresses and the same expected replies", () => {
  const options = { ...OPTIONS, addressRate: 3, globalRate: 2 ** 32 - 1 }, dice = new Dice(99);
  const twin = createTwinKernel(options), wasm = createWasmKernel(options);
  const ping = encode({ a: { id: dice.bytes(20) }, q: "ping" });
  const reply = encode({ r: { id: dice.bytes(20), values: [3] }, t: 1 });
  let now = 0, limited = 0, orphans = 0;
  for (let i = 0; i < 40000; i++) {
    const host = dice.oneIn(3) ? dice.below(30) : dice.below(20000);
    const from = {
      ip: host % 5 ? `10.0.${host >> 8}.${host & 255}` : `2001:db8:${host.toString(16)}::1`,
      port: 1,
    };
    now += dice.below(2) / 8;
    const roll = dice.below(4);
    const call: Parameters<typeof compare>[2] = roll === 0
      ? (kernel) => kernel.expect(now, 1, from)
      : (kernel) => kernel.packet(now, roll === 1 ? reply : ping, from);
    const { result, difference } = compare(twin, wasm, call);
    strictEqual(difference, undefined);
    if (describe(result).includes("rate-address")) limited++;
    if (describe(result).includes("fragment-orphan")) orphans++;
  }
  strictEqual(describe(twin.stats()), describe(wasm.stats()));
  strictEqual(limited > 100 && orphans > 100, true, `${limited} ${orphans}`);
});

Deno.test("both bodies of the DHT kernel list the same nodes while thousands come and go", () => {
  const dice = new Dice(5), twin = createTwinKernel(OPTIONS), wasm = createWasmKernel(OPTIONS);
  // Ids share long beginnings, so that every depth of the walk is met.
  const ids = Array.from({ length: 6000 }, () => {
    const id = new Uint8Array(20).fill(0xaa);
    return id.set(dice.bytes(3), dice.below(18)), id;
  });
  for (let i = 0; i < 20000; i++) {
    const id = dice.pick(ids),
      target = dice.oneIn(2) ? dice.pick(ids) : dice.bytes(20),
      roll = dice.below(10);
    const from = { ip: dice.oneIn(9) ? "2001:db8::1" : "192.0.2.1", port: dice.below(65536) },
      until = dice.below(200);
    const call: Parameters<typeof compare>[2] = roll < 7
      ? (kernel) => kernel.listNode(id, from, until)
      : roll < 8
      ? (kernel) => kernel.unlistNode(id, 4)
      : (kernel) => i % 10 ? true : kernel.closest(100, target, 4, 1 + until % 20);
    strictEqual(compare(twin, wasm, call).difference, undefined);
  }
  strictEqual(describe(twin.stats()), describe(wasm.stats()));
});

Deno.test("createKernel() takes the WebAssembly body where it was built", () => {
  strictEqual(createKernel(OPTIONS).constructor, createWasmKernel(OPTIONS).constructor);
});
