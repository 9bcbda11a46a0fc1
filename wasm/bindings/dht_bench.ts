/** Both bodies of the DHT kernel side by side, datagram in to actions out: `deno bench --allow-read wasm/bindings/dht_bench.ts`. */
import { encode } from "../../core/codec/mod.ts";
import { createTwinKernel, createWasmKernel, type DhtKernel, type KernelOptions } from "../mod.ts";

const options: KernelOptions = {
  ...{
    id: new Uint8Array(20).fill(1),
    network: 0,
    client: false,
    agent: "RNG1",
    seed: new Uint8Array(16).fill(3),
  },
  ...{ globalRate: 2 ** 32 - 1, addressRate: 2 ** 32 - 1 },
};
const bodies: [string, (options: KernelOptions) => DhtKernel][] = [["twin", createTwinKernel], [
  "wasm",
  createWasmKernel,
]];
const PEER = new Uint8Array(20).fill(2),
  KEY = new Uint8Array(20).fill(5),
  from = { ip: "192.0.2.1", port: 4222 };
const NONE = new Uint8Array(0), ZERO = new Uint8Array(20);

const query = (q: string, a: Record<string, Uint8Array | number | number[] | Uint8Array[]>) =>
  encode({ a: { id: PEER, ...a }, q, t: 0xce60b8fc, y: "q", v: "RNG1" });
const pseudo = (i: number) =>
  Uint8Array.from({ length: 20 }, (_, k) => Math.imul(i + 1, 0x9e3779b1 + k * 0x85ebca6b) >>> 13);

function listed(make: (options: KernelOptions) => DhtKernel, nodes: number): DhtKernel {
  const kernel = make(options);
  for (let i = 0; i < nodes; i++) {
    kernel.listNode(pseudo(i), { ip: `10.1.${i >> 8}.${i & 255}`, port: 4222 }, 1e12);
  }
  return kernel;
}

function compare(
  group: string,
  prepare: (make: (options: KernelOptions) => DhtKernel) => [DhtKernel, Uint8Array],
): void {
  for (const [name, make] of bodies) {
    let kernel: DhtKernel | undefined, bytes: Uint8Array = NONE, now = 0;
    Deno.bench({
      name: `${name}: ${group}`,
      group,
      baseline: name === "twin",
      fn() {
        if (!kernel) [kernel, bytes] = prepare(make);
        kernel.packet(now += 0.01, bytes, from);
      },
    });
  }
}

compare("ping", (make) => [make(options), query("ping", {})]);
for (const nodes of [8, 100, 1000, 4000]) {
  compare(`find, ${nodes} nodes listed`, (make) => [listed(make, nodes), query("find", { target: KEY })]);
}
compare("get, no values, 1000 nodes listed", (make) => [listed(make, 1000), query("get", { h: KEY })]);
compare("get, one value inside, 1000 nodes listed", (make) => {
  const kernel = listed(make, 1000),
    packed = encode({ id: 1, dat: { body: { type: 0, data: new Uint8Array(60) } } });
  kernel.setValue(KEY, { id: 1n, packed, valueType: 0, owner: NONE, ownerId: ZERO, seq: 0, userType: NONE });
  return [kernel, query("get", { h: KEY })];
});
compare("get, two values of 1200 bytes in fragments, 1000 nodes listed", (make) => {
  const kernel = listed(make, 1000),
    rest = { valueType: 0, owner: NONE, ownerId: ZERO, seq: 0, userType: NONE };
  for (const id of [1n, 2n]) kernel.setValue(KEY, { id, packed: new Uint8Array(1200), ...rest });
  return [kernel, new Uint8Array([...query("get", { h: KEY }), ...new Uint8Array(3000)])]; // it pays for its answer
});
compare("put, one value", (make) => {
  const kernel = make(options), value = { id: 1, dat: { body: { type: 0, data: new Uint8Array(60) } } };
  const a = { id: PEER, h: KEY, values: [value], token: kernel.token(from).slice() };
  return [kernel, encode({ a, q: "put", t: 5, y: "q", v: "o2" })];
});
compare("reply with 8 nodes", (make) => {
  const r = { id: PEER, sa: new Uint8Array(4), n4: new Uint8Array(208), token: new Uint8Array(32) };
  return [make(options), encode({ r, t: 5, y: "r", v: "o2" })];
});
