/** Values kept for others and for ourselves: policies, room, expiry. The kernel holds the bytes. Pure. Spec: dht §2.6, §4.7. */
import { type Endpoint, utf8 } from "../base/mod.ts";
import type { DhtKernel, KernelAction } from "./kernel.ts";
import { readValue } from "./incoming.ts";
import { LIMITS } from "./limits.ts";
import { addressBlock, Listeners, type ListenersHost } from "./listeners.ts";
import { ERRORS } from "./packets.ts";
import type { Timer, Timers } from "./timers.ts";
import { decodeValue, encodeValue, ownerId, sameValue, type Value } from "./value.ts";
import { judgeEdit, judgeStore, lifetimeOf, type Question, type Verdict } from "./value_types.ts";

type PutAction = Extract<KernelAction, { type: "put" }>;
type RefreshAction = Extract<KernelAction, { type: "refresh" }>;

/** The world of the storage. */
export interface StorageHost extends Omit<ListenersHost, "stored"> {
  readonly timers: Timers;
  readonly kernel: DhtKernel;
  /** Are we near enough to `key` to keep what `from` puts there? */
  isNear(key: Uint8Array, from: Endpoint): boolean;
  /** A signature to be checked; `answer` is called once. */
  question(question: Question, answer: (ok: boolean) => void): void;
  /** Our own subscriptions hear what is stored here. */
  gained(key: string, value: Value): void;
  lost(key: string, id: bigint): void;
  /** Something was left out; `why` is counted. */
  dropped(why: string): void;
}

/** What is remembered of a value besides its bytes. */
interface Stored {
  readonly id: bigint;
  readonly key: string;
  readonly type: number;
  readonly size: number;
  /** Who takes the room; `undefined`: ourselves. */
  readonly from: Endpoint | undefined;
  readonly created: number;
  expires: number;
  timer: Timer | undefined;
}

interface Keyed {
  readonly raw: Uint8Array;
  readonly values: Map<bigint, Stored>;
}

/** A value as it is exported. Times are monotonic. */
export interface Kept {
  readonly key: Uint8Array;
  readonly value: Value;
  readonly from: Endpoint | undefined;
  readonly created: number;
  readonly expires: number;
}

export class Storage {
  #keys = new Map<string, Keyed>();
  #blocks = new Map<string, { bytes: number; values: Set<Stored> }>();
  #questions = 0;
  #asking = new Map<string, number>();
  readonly listeners: Listeners;
  /** Values and bytes in all, and bytes of others. */
  values = 0;
  bytes = 0;
  remoteBytes = 0;

  constructor(readonly host: StorageHost) {
    const stored = (key: string) => this.read(key);
    this.listeners = new Listeners({
      kernel: host.kernel,
      packets: host.packets,
      stored,
      ask: (asking) => host.ask(asking),
      send: (bytes, to) => host.send(bytes, to),
      get now() {
        return host.now;
      },
      get created() {
        return host.created;
      },
    });
  }

  get keys(): number {
    return this.#keys.size;
  }
  /** Values under `key`. `packed` is a view: copy it before the next call. */
  *read(key: string): Iterable<{ value: Value; packed: Uint8Array }> {
    const keyed = this.#keys.get(key);
    for (const id of keyed ? [...keyed.values.keys()] : []) {
      const packed = this.host.kernel.value(keyed!.raw, id);
      if (packed) yield { value: decodeValue(packed), packed };
    }
  }
  /** Everything, local values too. */
  *export(): Iterable<Kept> {
    for (const [key, { raw, values }] of this.#keys) {
      for (const { value } of this.read(key)) {
        const { from, created, expires } = values.get(value.id)!;
        yield { key: raw, value, from, created, expires };
      }
    }
  }

  /** A `put` whose token was right. `created`: monotonic ms, not in the future. Every value is acknowledged, kept or not. */
  put(action: PutAction, created: number): void {
    const { host } = this, { from, tid } = action, raw = action.key, near = host.isNear(raw, from);
    for (const packed of action.values) {
      const value = readValue(packed);
      if (!value) {
        host.dropped("value");
        continue;
      }
      if (value.id === 0n) return host.send(host.packets.encodeError(tid, ERRORS.invalidId), from);
      const acknowledge = () => host.send(host.packets.encodeStored(tid, value.id, from), from);
      if (near) this.#admit(raw, value, from, created, acknowledge);
      else host.dropped("too-far"), acknowledge();
    }
  }
  /** A `refresh` whose token was right. */
  refresh({ key, value, tid, from }: RefreshAction): void {
    const { host } = this, name = key.toHex(), keyed = this.#keys.get(name);
    if (!keyed && !this.listeners.has(name)) {
      return host.send(host.packets.encodeError(tid, ERRORS.unknownStorage), from);
    }
    const stored = keyed?.values.get(value);
    if (stored) this.#renew(stored);
    host.send(host.packets.encodeStored(tid, value, from), from);
  }
  /** Keeps a value of ours; it takes the place of any other with its id. False: already over. */
  own(raw: Uint8Array, value: Value, created: number, permanent: boolean): boolean {
    return this.#store(
      raw,
      value,
      undefined,
      created,
      permanent ? Infinity : created + lifetimeOf(value.type),
    );
  }
  /** Takes back a value from a state file. */
  restore({ key, value, from, created, expires }: Kept): boolean {
    const until = Math.min(expires, created + lifetimeOf(value.type));
    return this.#store(key, value, from, created, until);
  }
  /** Drops a value of ours. */
  disown(key: string, id: bigint): void {
    const stored = this.#keys.get(key)?.values.get(id);
    if (stored && !stored.from) this.#remove([stored]);
  }

  /** Decides about a value of a stranger. A signature takes time; what is stored may change meanwhile, so all is looked at again. */
  #admit(
    raw: Uint8Array,
    value: Value,
    from: Endpoint,
    created: number,
    done: () => void,
    verified?: Value,
  ): void {
    const key = raw.toHex(), old = this.#current(key, value.id);
    if (old && sameValue(old, value)) {
      this.#renew(this.#keys.get(key)!.values.get(value.id)!);
      return done();
    }
    const verdict = old ? judgeEdit(old, value) : judgeStore(value, raw, from);
    if (verdict.type === "verify" && verified !== value) {
      return this.#verify(verdict, raw.slice(), from, created, done);
    }
    if (verdict.type === "refuse") this.host.dropped(verdict.why);
    else if (!this.#roomFor(key)) this.host.dropped("store-full");
    else this.#store(raw, verdict.value, from, created, created + lifetimeOf(verdict.value.type));
    done();
  }
  #verify(
    { value, question }: Extract<Verdict, { type: "verify" }>,
    raw: Uint8Array,
    from: Endpoint,
    created: number,
    done: () => void,
  ): void {
    const block = addressBlock(from), open = this.#asking.get(block) ?? 0;
    if (this.#questions >= LIMITS.questions || open >= LIMITS.questionsPerAddress) {
      return this.host.dropped("questions"); // no answer either: the sender will repeat it
    }
    this.#questions++;
    this.#asking.set(block, open + 1);
    this.host.question(question, (ok) => {
      this.#questions--;
      const left = this.#asking.get(block)! - 1;
      left ? this.#asking.set(block, left) : this.#asking.delete(block);
      if (ok) return this.#admit(raw, value, from, created, done, value);
      this.host.dropped("bad-signature");
      done();
    });
  }
  #current(key: string, id: bigint): Value | undefined {
    const keyed = this.#keys.get(key);
    const packed = keyed?.values.has(id) ? this.host.kernel.value(keyed.raw, id) : undefined;
    return packed && decodeValue(packed);
  }
  #roomFor(key: string): boolean {
    const values = this.#keys.get(key)?.values;
    return values ? values.size < LIMITS.keyValues : this.#keys.size < LIMITS.storeKeys;
  }
  #store(
    raw: Uint8Array,
    value: Value,
    from: Endpoint | undefined,
    created: number,
    expires: number,
  ): boolean {
    const { host } = this, key = raw.toHex();
    if (expires <= host.now) return host.dropped("expired"), false;
    const packed = encodeValue(value), { id } = value;
    if (!this.#keep(raw, value, packed)) return host.dropped("store-full"), false;
    let keyed = this.#keys.get(key);
    if (!keyed) this.#keys.set(key, keyed = { raw: raw.slice(), values: new Map() });
    const before = keyed.values.get(id);
    if (before) this.#discount(before);
    const stored: Stored = {
      id,
      key,
      type: value.type,
      size: packed.length,
      from,
      created,
      expires,
      timer: undefined,
    };
    stored.timer = expires === Infinity ? undefined : host.timers.at(expires, () => this.#expire(stored));
    keyed.values.set(id, stored);
    this.#count(stored);
    host.gained(key, value);
    this.listeners.tell(key, keyed.raw, value, packed);
    if (this.remoteBytes > LIMITS.storeBytes) this.#evict(LIMITS.storeBytes);
    return true;
  }
  /** Hands the bytes to the kernel; when it is full, others make room for ours. */
  #keep(raw: Uint8Array, value: Value, packed: Uint8Array): boolean {
    const { type: valueType, id, owner, seq, userType } = value;
    const kept = {
      id,
      packed,
      valueType,
      owner: owner ?? EMPTY,
      ownerId: ownerId(value),
      seq,
      userType: utf8(userType),
    };
    const { kernel } = this.host;
    if (kernel.setValue(raw, kept)) return true;
    this.#evict(Math.max(0, this.remoteBytes - 16 * packed.length));
    return kernel.setValue(raw, kept);
  }
  #renew(stored: Stored): void {
    const { host } = this;
    if (stored.expires !== Infinity) {
      stored.expires = Math.max(stored.expires, host.now + lifetimeOf(stored.type));
      if (stored.timer) host.timers.move(stored.timer, stored.expires);
    }
    this.listeners.tellIds(stored.key, "re", [stored.id]);
  }
  #expire(stored: Stored): void {
    this.#remove([stored]);
  }
  /** Makes room: the address that takes most loses what would expire first. */
  #evict(limit: number): void {
    while (this.remoteBytes > limit) {
      let fattest: { bytes: number; values: Set<Stored> } | undefined;
      for (const block of this.#blocks.values()) if (!fattest || block.bytes > fattest.bytes) fattest = block;
      if (!fattest) return;
      const share = Math.max(fattest.bytes - LIMITS.evictBytes, fattest.bytes / 2);
      const leaving: Stored[] = [], order = [...fattest.values].sort((a, b) => a.expires - b.expires);
      let { bytes } = fattest, over = this.remoteBytes - limit;
      for (const stored of order) {
        if (bytes <= share && over <= 0) break;
        leaving.push(stored), bytes -= stored.size, over -= stored.size;
      }
      this.host.dropped("evicted");
      this.#remove(leaving);
    }
  }
  /** Removes values; listeners hear it once per key. */
  #remove(gone: readonly Stored[]): void {
    const ids = new Map<string, bigint[]>();
    for (const stored of gone) {
      const { key, id } = stored, keyed = this.#keys.get(key);
      if (keyed?.values.get(id) !== stored) continue;
      keyed.values.delete(id);
      this.host.kernel.removeValue(keyed.raw, id);
      this.#discount(stored);
      if (!keyed.values.size) this.#keys.delete(key);
      ids.has(key) ? ids.get(key)!.push(id) : ids.set(key, [id]);
    }
    for (const [key, list] of ids) {
      this.listeners.tellIds(key, "exp", list);
      for (const id of list) this.host.lost(key, id);
    }
  }
  #count(stored: Stored): void {
    this.values++;
    this.bytes += stored.size;
    if (!stored.from) return;
    this.remoteBytes += stored.size;
    const name = addressBlock(stored.from);
    let block = this.#blocks.get(name);
    if (!block) this.#blocks.set(name, block = { bytes: 0, values: new Set() });
    block.values.add(stored);
    block.bytes += stored.size;
  }
  #discount(stored: Stored): void {
    this.host.timers.cancel(stored.timer);
    this.values--;
    this.bytes -= stored.size;
    if (!stored.from) return;
    this.remoteBytes -= stored.size;
    const name = addressBlock(stored.from), block = this.#blocks.get(name)!;
    block.values.delete(stored);
    block.bytes -= stored.size;
    if (!block.values.size) this.#blocks.delete(name);
  }
}

const EMPTY = new Uint8Array(0);
