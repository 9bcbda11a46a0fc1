/** Both bodies of the DHT kernel keep the same promises, and answer everything alike. */
import { strictEqual } from "node:assert/strict";
import { createTwinKernel, createWasmKernel } from "../../wasm/mod.ts";
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
