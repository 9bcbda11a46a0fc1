/** The hot parts: kernels in WebAssembly, each with a readable TypeScript twin that does exactly the same. Floor 2. */
import type { DhtKernel, KernelOptions } from "./bindings/dht_kernel.ts";
import { TwinKernel } from "./twins/dht/kernel.ts";

export * from "./bindings/dht_kernel.ts";
export { KERNEL_LIMITS } from "./limits.ts";

/** The DHT kernel in plain TypeScript. @throws {RangeError} for options out of their bounds. */
export const createTwinKernel = (options: KernelOptions): DhtKernel => new TwinKernel(options);
