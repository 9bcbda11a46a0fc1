/** Datagrams into both bodies of the DHT kernel: alike, bounded, every drop counted, nothing thrown. */
import { ok, strictEqual } from "node:assert/strict";
import {
  createTwinKernel,
  createWasmKernel,
  type DhtKernel,
  KERNEL_LIMITS as L,
  type KernelAction,
  type KernelOptions,
} from "../../wasm/mod.ts";
import { broken, compare, describe, OPTIONS, Traffic } from "./dht_traffic.ts";
import { Dice } from "./random.ts";

export const name = "dht_packet";
export const longest = 8192;
export const guide = ["/wasm/twins/dht/", "/core/codec/msgpack"];

const KEY = Uint8Array.fromHex("0beec7b5ea3f0fdbc95d0dd47f3c5bc275da8a33"), PEER = new Uint8Array(20).fill(2);
const rates = { globalRate: 2 ** 32 - 1, addressRate: 2 ** 32 - 1 };
const FROM = [
  { ip: "192.0.2.1", port: 4222 },
  { ip: "192.0.2.1", port: 4223 },
  { ip: "2001:db8::1", port: 4222 },
  { ip: "198.51.100.7", port: 1 },
];

let twin = fresh(createTwinKernel),
  wasm = fresh(createWasmKernel),
  now = 0,
  dropped = 0,
  inputs = 0,
  datagrams = 0;
const totals = new Map<string, number>();

/** A kernel that lists nodes, holds values under one key and expects replies 0 to 62. */
function fresh(create: (options: KernelOptions) => DhtKernel): DhtKernel {
  const kernel = create({ ...OPTIONS, ...rates });
  for (let i = 0; i < 20; i++) {
    kernel.listNode(new Uint8Array(20).fill(i * 11), { ip: `10.0.0.${i}`, port: 4222 }, 1e9);
    kernel.listNode(new Uint8Array(20).fill(i * 7), { ip: `2001:db8::${i + 1}`, port: 4222 }, 1e9);
  }
  for (let i = 1; i <= 6; i++) {
    const owner = new Uint8Array(i > 3 ? 294 : 0), userType = new Uint8Array(i % 3).fill(0x74);
    const more = { valueType: i, owner, ownerId: i > 3 ? PEER : new Uint8Array(20), seq: i, userType };
    kernel.setValue(KEY, { id: BigInt(i), packed: new Uint8Array(i * 150), ...more });
  }
  for (const from of FROM) for (let tid = 0; tid < 64; tid += 2) kernel.expect(0, tid, from);
  return kernel;
}

export function restart(): void {
  twin = fresh(createTwinKernel);
  wasm = fresh(createWasmKernel);
  now = dropped = 0;
}

/** Nearly right datagrams of every kind; tokens are those of the first address. */
export const seeds: readonly Uint8Array[] = (() => {
  const dice = new Dice(7), traffic = new Traffic(dice, OPTIONS, twin), list: Uint8Array[] = [];
  for (let i = 0; i < 400; i++) list.push(traffic.datagram(FROM[0]!));
  return list.filter((bytes) => bytes.length < 3000);
})();

export function run(bytes: Uint8Array): void {
  const from = FROM[(bytes[bytes.length >> 1] ?? 0) % (bytes.length % 5 === 0 ? FROM.length : 1)]!;
  now += 3 + (bytes.length % 97 === 0 ? 3000 : 0);
  inputs++;
  const { result, difference } = compare(twin, wasm, (kernel) => kernel.packet(now, bytes, from));
  strictEqual(difference, undefined);
  const actions = result as KernelAction[];
  strictEqual(broken(actions, OPTIONS.id), undefined);
  for (const action of actions) {
    if (action.type === "drop") dropped++, totals.set(action.reason, (totals.get(action.reason) ?? 0) + 1);
    else totals.set(action.type, (totals.get(action.type) ?? 0) + 1);
    if (action.type === "send") datagrams++;
  }
  if (inputs % 256) return;
  const stats = twin.stats();
  strictEqual(describe(stats), describe(wasm.stats()));
  strictEqual(Object.values(stats.drops).reduce((a, b) => a + b), dropped);
  ok(
    stats.partial <= L.partials && stats.partialBytes <= L.partialBytes,
    "incomplete messages beyond their bounds",
  );
}

export const summary = (): string =>
  `${datagrams} datagrams sent; ${
    [...totals].sort((a, b) => b[1] - a[1]).map(([what, count]) => `${what} ${count}`).join(", ")
  }`;
