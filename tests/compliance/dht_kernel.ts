/** What any DHT kernel must do, WebAssembly or twin. Vectors: captured from real nodes on loopback (dht §1.12). */
import type { DhtKernel, KernelOptions } from "../../wasm/mod.ts";
import { fragmentsSuite } from "./dht_kernel_fragments.ts";
import { hostileSuite } from "./dht_kernel_hostile.ts";
import { queriesSuite } from "./dht_kernel_queries.ts";
import { kitOf } from "./dht_kernel_tools.ts";
import { valuesSuite } from "./dht_kernel_values.ts";
import { wireSuite } from "./dht_kernel_wire.ts";

/** Runs every promise of `DhtKernel` against kernels made by `create`. */
export function dhtKernelSuite(name: string, create: (options: KernelOptions) => DhtKernel): void {
  const kit = kitOf(name, create);
  for (const suite of [wireSuite, queriesSuite, fragmentsSuite, hostileSuite, valuesSuite]) suite(kit);
}
