/** A DHT of one storing node in memory: the same policies, no network. For tests of what stands on a DHT. */
import { CoreError, type Endpoint } from "../core/base/mod.ts";
import { verifySignature } from "../core/crypto/mod.ts";
import type { DhtAccess, GetOptions, Heard, Put, PutOptions } from "../core/dht/access.ts";
import { ANY, matches } from "../core/dht/query.ts";
import { decodeValue, encodeValue, sameValue, type Value } from "../core/dht/value.ts";
import { judgeEdit, judgeStore } from "../core/dht/value_types.ts";

const from: Endpoint = { ip: "192.0.2.1", port: 4222 };

/** Share one between several {@linkcode MemoryDht} accesses. */
export class MemoryDht implements DhtAccess {
  readonly #keys = new Map<string, Map<bigint, Value>>();
  readonly #listeners = new Set<{ key: string; hear(heard: Heard): void }>();

  /** Everything under `key`, as stored. */
  stored(key: string): Value[] {
    return [...this.#keys.get(key)?.values() ?? []];
  }

  /** Puts without any policy, as a lying node would show it. */
  plant(key: string, value: Value): void {
    const kept = decodeValue(encodeValue(value)), values = this.#keys.get(key) ?? new Map();
    this.#keys.set(key, values.set(kept.id, kept));
    this.#tell(key, { type: "value", value: kept });
  }

  /** A value's time is over. */
  expire(key: string, id: bigint): void {
    const value = this.#keys.get(key)?.get(id);
    if (value) this.#keys.get(key)!.delete(id), this.#tell(key, { type: "expired", value });
  }

  async *get(key: string, { query = ANY, signal }: GetOptions = {}): AsyncGenerator<Value> {
    for (const value of this.stored(key)) {
      await Promise.resolve();
      signal?.throwIfAborted();
      if (matches(query, value)) yield value;
    }
  }

  async put(key: string, value: Value, { signal }: PutOptions = {}): Promise<Put> {
    signal?.throwIfAborted();
    if (value.id === 0n) throw new CoreError("dht/put-failed");
    const old = this.#keys.get(key)?.get(value.id), fresh = decodeValue(encodeValue(value));
    if (old && sameValue(old, fresh)) return { id: value.id, nodes: 1 };
    const verdict = old ? judgeEdit(old, fresh) : judgeStore(fresh, Uint8Array.fromHex(key), from);
    if (verdict.type === "refuse") return { id: value.id, nodes: 1 }; // acknowledged all the same
    if (verdict.type === "verify") {
      const { owner, data, signature } = verdict.question;
      if (!(await verifySignature(owner, data, signature))) return { id: value.id, nodes: 1 };
    }
    this.plant(key, verdict.value);
    return { id: value.id, nodes: 1 };
  }

  async *listen(key: string, { query = ANY, signal }: GetOptions = {}): AsyncGenerator<Heard> {
    signal?.throwIfAborted();
    const queue: Heard[] = this.stored(key).map((value) => ({ type: "value", value }));
    let wake = () => {};
    const listener = { key, hear: (heard: Heard) => (queue.push(heard), wake()) }, abort = () => wake();
    this.#listeners.add(listener);
    signal?.addEventListener("abort", abort);
    try {
      for (;;) {
        signal?.throwIfAborted();
        const heard = queue.shift();
        if (!heard) await new Promise<void>((resolve) => wake = resolve);
        else if (matches(query, heard.value)) yield heard;
      }
    } finally {
      this.#listeners.delete(listener);
      signal?.removeEventListener("abort", abort);
    }
  }

  #tell(key: string, heard: Heard): void {
    for (const listener of this.#listeners) if (listener.key === key) listener.hear(heard);
  }
}
