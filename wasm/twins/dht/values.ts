/** Values kept to answer `get`, in the order they came. */
import type { KernelValue } from "../../bindings/dht_kernel.ts";
import { KERNEL_LIMITS as L } from "../../limits.ts";

const sizeOf = (v: KernelValue) => v.packed.length + v.owner.length + v.userType.length;

export class Values {
  #keys = new Map<string, Map<bigint, KernelValue>>();
  count = 0;
  bytes = 0;

  /** False: no room (or a value bigger than any message may be), nothing changed. */
  set(key: Uint8Array, value: KernelValue): boolean {
    const name = key.toHex(), known = this.#keys.get(name), old = known?.get(value.id);
    const bytes = this.bytes - (old ? sizeOf(old) : 0) + sizeOf(value);
    if (Math.max(value.packed.length, value.owner.length, value.userType.length) > L.packedBytes) {
      return false;
    }
    if (bytes > L.valueBytes) return false;
    if (!old && this.count === L.values) return false;
    if (!known && this.#keys.size === L.keys) return false;
    const kept = known ?? new Map<bigint, KernelValue>();
    if (!known) this.#keys.set(name, kept);
    kept.set(value.id, {
      ...value,
      packed: value.packed.slice(),
      owner: value.owner.slice(),
      ownerId: value.ownerId.slice(),
      userType: value.userType.slice(),
    });
    this.bytes = bytes;
    if (!old) this.count++;
    return true;
  }

  remove(key: Uint8Array, id: bigint): boolean {
    const name = key.toHex(), known = this.#keys.get(name), old = known?.get(id);
    if (!known || !old) return false;
    known.delete(id);
    if (!known.size) this.#keys.delete(name);
    this.bytes -= sizeOf(old);
    this.count--;
    return true;
  }

  get(key: Uint8Array, id: bigint): KernelValue | undefined {
    return this.#keys.get(key.toHex())?.get(id);
  }

  /** Values of `key`, oldest first. */
  at(key: Uint8Array): Iterable<KernelValue> {
    return this.#keys.get(key.toHex())?.values() ?? [];
  }
}
