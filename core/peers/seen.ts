/** Request ids that were handled: never twice, not even after a restart. Spec: connection §1.5, §9 H5. */
import { LIMITS } from "./limits.ts";

/** Where the ids outlive the process. Times are milliseconds since 1970. */
export interface SeenStore {
  load(): Iterable<readonly [id: bigint, wall: number]>;
  add(id: bigint, wall: number): void;
  /** Forgets everything older. */
  prune(before: number): void;
}

export class SeenIds {
  #ids = new Map<bigint, number>(); // in order of time

  constructor(wall: number, readonly store?: SeenStore) {
    if (!store) return;
    store.prune(wall - LIMITS.seenMs);
    for (const [id, at] of [...store.load()].sort((a, b) => a[1] - b[1]).slice(-LIMITS.seenIds)) {
      this.#ids.set(id, at);
    }
  }

  get size(): number {
    return this.#ids.size;
  }

  /** True the first time, and never again for a day. */
  first(id: bigint, wall: number): boolean {
    if (this.#ids.has(id)) return false;
    this.#forget(wall);
    this.#ids.set(id, wall);
    this.store?.add(id, wall);
    return true;
  }

  #forget(wall: number): void {
    let pruned = false;
    for (const [id, at] of this.#ids) {
      if (at > wall - LIMITS.seenMs && this.#ids.size < LIMITS.seenIds) break;
      this.#ids.delete(id), pruned = true;
    }
    if (pruned) this.store?.prune(wall - LIMITS.seenMs);
  }
}
