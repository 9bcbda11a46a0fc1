/** What callers of a kernel must respect; a wrong call is theirs to mend, hence RangeError. */
import { KERNEL_LIMITS as L } from "../limits.ts";
import type { KernelOptions, KernelValue } from "./dht_kernel.ts";

const isUint = (value: number, most: number) => Number.isInteger(value) && value >= 0 && value <= most;

/** `bytes`, which must be `length` of them. */
export function checkBytes(name: string, bytes: Uint8Array, length: number): Uint8Array {
  if (bytes.length !== length) throw new RangeError(`${name} must be ${length} bytes, not ${bytes.length}`);
  return bytes;
}

export function checkOptions(options: KernelOptions): void {
  checkBytes("id", options.id, 20);
  checkBytes("seed", options.seed, 16);
  if (!isUint(options.network, 0xffffffff)) throw new RangeError("network must be a 32-bit number");
  if (!/^[\x20-\x7e]*$/.test(options.agent) || options.agent.length > L.agentBytes) {
    throw new RangeError("agent must be at most 16 characters of ASCII");
  }
  for (const rate of [options.globalRate ?? 0, options.addressRate ?? 0]) {
    if (!isUint(rate, 0xffffffff)) throw new RangeError("a rate must be a 32-bit number");
  }
}

export function checkValue(value: KernelValue): KernelValue {
  checkBytes("ownerId", value.ownerId, 20);
  if (value.id <= 0n || value.id >= 1n << 64n) throw new RangeError("id must be a 64-bit number, not zero");
  if (!isUint(value.valueType, 0xffff) || !isUint(value.seq, 0xffff)) {
    throw new RangeError("type and seq are 16-bit numbers");
  }
  return value;
}
