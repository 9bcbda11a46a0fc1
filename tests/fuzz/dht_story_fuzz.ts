/** Bytes read as a story of calls on both bodies of the DHT kernel: values, nodes, tokens, time, datagrams and fragments. */
import { strictEqual } from "node:assert/strict";
import { createTwinKernel, createWasmKernel, type DhtKernel } from "../../wasm/mod.ts";
import { compare, describe, OPTIONS, Traffic } from "./dht_traffic.ts";
import { Dice } from "./random.ts";

export const name = "dht_story";
export const longest = 512;
export const guide = ["/wasm/twins/dht/"];

const CALLS = 60, NARROW = { addressRate: 300, globalRate: 900 };

/** Dice that fall as the bytes say, four at a time; after the last they go on by themselves. */
class ByteDice extends Dice {
  at = 0;
  given: Uint8Array | undefined;
  constructor(given: Uint8Array) {
    super(given.length);
    this.given = given;
  }
  override uint32(): number {
    const { given, at } = this;
    if (!given || at + 2 > given.length) return super.uint32();
    this.at += 2;
    return Math.imul((given[at]! << 8 | given[at + 1]!) + 1, 0x9e3779b1) >>> 0;
  }
}

let twin: DhtKernel = createTwinKernel({ ...OPTIONS, ...NARROW }),
  wasm: DhtKernel = createWasmKernel({ ...OPTIONS, ...NARROW });
let now = 0, calls = 0;

export function restart(): void {
  twin = createTwinKernel({ ...OPTIONS, ...NARROW });
  wasm = createWasmKernel({ ...OPTIONS, ...NARROW });
  now = 0;
}

export const seeds: readonly Uint8Array[] = Array.from(
  { length: 20 },
  (_, i) => new Dice(i + 1).bytes(16 * i),
);

export function run(bytes: Uint8Array): void {
  const traffic = new Traffic(new ByteDice(bytes), OPTIONS, twin);
  traffic.now = now;
  for (let i = 0; i < CALLS; i++, calls++) {
    const { what, call } = traffic.next();
    strictEqual(compare(twin, wasm, call).difference, undefined, what.slice(0, 400));
  }
  now = traffic.now;
  strictEqual(describe(twin.stats()), describe(wasm.stats()));
}

export const summary = (): string => `${calls} calls`;
