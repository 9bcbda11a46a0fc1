/** The hot parts: kernels in WebAssembly, each with a readable TypeScript twin that does exactly the same. Floor 2. */
import type { DhtKernel, KernelOptions } from "./bindings/dht_kernel.ts";
import { WasmKernel } from "./bindings/dht.ts";
import { hasDhtModule } from "./bindings/dht_module.ts";
import { TwinKernel } from "./twins/dht/kernel.ts";

export * from "./bindings/dht_kernel.ts";
export { hasDhtModule, useDhtModule } from "./bindings/dht_module.ts";
export { KERNEL_LIMITS } from "./limits.ts";

/** The DHT kernel in plain TypeScript. @throws {RangeError} for options out of their bounds. */
export const createTwinKernel = (options: KernelOptions): DhtKernel => new TwinKernel(options);

/**
 * The DHT kernel in WebAssembly, about 160 MiB of address space of which only what is used becomes memory.
 * @throws {RangeError} for options out of their bounds. @throws {Deno.errors.NotFound} where `deno task wasm` was not run.
 */
export const createWasmKernel = (options: KernelOptions): DhtKernel => new WasmKernel(options);

let built: boolean | undefined;
/** The quickest DHT kernel there is here: WebAssembly where it was built, the twin elsewhere. @throws {RangeError} as above. */
export function createKernel(options: KernelOptions): DhtKernel {
  built ??= hasDhtModule();
  return built ? new WasmKernel(options) : new TwinKernel(options);
}
