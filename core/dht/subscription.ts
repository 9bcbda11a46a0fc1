/** What is known to exist under a key for one query, and who says so. Both families and our own storage feed it. Pure. */
import { equal } from "../base/mod.ts";
import type { Query } from "./kernel.ts";
import { LIMITS } from "./limits.ts";
import { matches, queryKey } from "./query.ts";
import { sameValue, type Value } from "./value.ts";

/** One reader. */
export interface Listener {
  readonly query: Query;
  /** `expired`: the last holder has dropped it. */
  heard(value: Value, expired: boolean): void;
}

interface Variant {
  value: Value;
  /** Nodes, and our own storage, that hold it. */
  readonly holders: Set<unknown>;
}

export class Subscription {
  readonly id: string;
  readonly listeners = new Set<Listener>();
  /** Strangers may claim any id: values of one id that exclude each other stand side by side. */
  #values = new Map<bigint, Variant[]>();
  /** Values left out because an id had too many variants. */
  crowded = 0;

  constructor(readonly key: Uint8Array, readonly query: Query) {
    this.id = queryKey(query);
  }

  /** The reader hears at once what is known already. */
  add(listener: Listener): void {
    this.listeners.add(listener);
    for (const value of this.values()) if (matches(listener.query, value)) listener.heard(value, false);
  }
  *values(): Iterable<Value> {
    for (const variants of this.#values.values()) for (const { value } of variants) yield value;
  }
  /** `holder` has `value`, and nothing else under that id. */
  gain(holder: unknown, value: Value): void {
    const variants = this.#values.get(value.id) ?? [];
    let place = variants.find((v) => sameValue(v.value, value)), fresh = false;
    const edited = place ? undefined : variants.find((v) => sameOwner(v.value, value));
    if (edited && value.seq > edited.value.seq) {
      edited.value = value, edited.holders.clear();
      place = edited, fresh = true;
    } else if (!place && !edited && variants.length < LIMITS.variants) {
      variants.push(place = { value, holders: new Set() });
      this.#values.set(value.id, variants), fresh = true;
    } else if (!place && !edited) this.crowded++; // an old edition is no news either, it is just still out there
    place?.holders.add(holder);
    if (fresh) this.#tell(value, false);
    for (const variant of [...variants]) if (variant !== place) this.#leave(variants, variant, holder);
  }
  /** `holder` has the value `id` no longer. */
  lose(holder: unknown, id: bigint): void {
    const variants = this.#values.get(id) ?? [];
    for (const variant of [...variants]) this.#leave(variants, variant, holder);
  }
  #leave(variants: Variant[], variant: Variant, holder: unknown): void {
    if (!variant.holders.delete(holder) || variant.holders.size) return;
    variants.splice(variants.indexOf(variant), 1);
    if (!variants.length) this.#values.delete(variant.value.id);
    this.#tell(variant.value, true);
  }
  #tell(value: Value, expired: boolean): void {
    for (const listener of [...this.listeners]) {
      if (matches(listener.query, value)) listener.heard(value, expired);
    }
  }
}

function sameOwner(a: Value, b: Value): boolean {
  return a.owner !== undefined && b.owner !== undefined && equal(a.owner, b.owner);
}
