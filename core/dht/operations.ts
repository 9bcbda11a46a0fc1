/** Gets, puts and listens of ours, over both families and our own storage. Pure. Spec: dht §4.5, §4.6, §1.11. */
import { utf8 } from "../base/mod.ts";
import type { Cell, Query, Rows } from "./kernel.ts";
import { FIELD } from "./kernel.ts";
import type { GetTask } from "./get.ts";
import { readValue } from "./incoming.ts";
import { LIMITS, TIMES } from "./limits.ts";
import type { DhtIn } from "./messages.ts";
import { matches, queryKey, satisfiedBy } from "./query.ts";
import type { Search } from "./search.ts";
import type { Storage } from "./storage.ts";
import { type Listener, Subscription } from "./subscription.ts";
import type { Timer } from "./timers.ts";
import { encodeValue, makeValue, ownerId, sameValue, type Value } from "./value.ts";
import { lifetimeOf } from "./value_types.ts";
import type { World } from "./world.ts";

type Command<Type extends DhtIn["type"]> = Extract<DhtIn, { type: Type }>;
type Followed = { subscription: Subscription; keep: Timer };

export class Operations {
  #cancels = new Map<number, () => void>();
  #subscriptions = new Map<string, Map<string, Followed>>();
  /** What begins once it is clear whether there is a network. */
  #waiting = new Map<number, () => void>();

  /** `joining`: better wait before searching. `rouse`: somebody waits for it. */
  constructor(
    readonly world: World,
    readonly storage: Storage,
    readonly joining: () => boolean,
    readonly rouse: () => void,
  ) {}

  get count(): number {
    return this.#cancels.size;
  }
  /** Starts what has waited. */
  settle(): void {
    if (!this.#waiting.size || this.joining()) return;
    const begin = [...this.#waiting.values()];
    this.#waiting.clear();
    for (const run of begin) run();
  }
  cancel(op: number): void {
    this.#waiting.delete(op);
    this.#cancels.get(op)?.();
    this.#cancels.delete(op);
  }
  gained(key: string, value: Value): void {
    for (const { subscription } of this.#subscriptions.get(key)?.values() ?? []) {
      if (matches(subscription.query, value)) subscription.gain(this.storage, value);
    }
  }
  lost(key: string, id: bigint): void {
    for (const { subscription } of this.#subscriptions.get(key)?.values() ?? []) {
      subscription.lose(this.storage, id);
    }
  }

  get({ op, key, query, type }: Command<"get" | "query">): void {
    const { world } = this, name = key.toHex(), asked = type === "get" ? { ...query, select: [] } : query;
    const reading = new Reading(world, op, asked, () => this.#cancels.delete(op));
    this.#cancels.set(op, () => reading.cancel());
    for (const { value } of this.storage.read(name)) reading.value(value);
    for (const { subscription } of this.#subscriptions.get(name)?.values() ?? []) {
      if (!satisfiedBy({ ...asked, select: [] }, subscription.query)) continue;
      for (const value of subscription.values()) reading.value(value);
      if (this.#isSynced(subscription)) return reading.end(true);
    }
    this.#begin(op, () => reading.start(this.#searches(key)));
  }
  put({ op, key, value: given, permanent, created }: Command<"put">): void {
    const { world } = this, wall = Math.min(created ?? world.wall, world.wall);
    const value = given.id ? given : makeValue({ ...given, id: this.#newId() });
    const since = world.now - (world.wall - wall), packed = encodeValue(value), { id, seq } = value;
    this.storage.own(key, value, since, permanent);
    const announcing = {
      id,
      packed,
      seq,
      lifetime: lifetimeOf(value.type),
      permanent,
      created: Math.floor(wall / 1000),
    };
    let open = 0, any = false, nodes = 0;
    const finish = () => {
      if (!permanent) this.#cancels.delete(op);
      world.emit({ type: "done", op, ok: any, nodes });
    };
    const task = {
      announced: (_: Search, ok: boolean, count: number) => {
        any ||= ok, nodes += count;
        if (--open === 0) finish();
      },
    };
    this.#cancels.set(op, () => {
      for (const family of world.families) world.searches[family].get(key.toHex())?.announces.remove(id);
      if (permanent) this.storage.disown(key.toHex(), id);
    });
    this.#begin(op, () => {
      const searches = this.#searches(key);
      if (!(open = searches.length)) return finish();
      for (const search of searches) search.announces.add(announcing, task);
    });
  }
  listen({ op, key, query }: Command<"listen">): void {
    const { world } = this, followed = this.#follow(key, { select: [], where: query.where });
    const { subscription, keep } = followed;
    const listener: Listener = {
      query: { select: [], where: query.where },
      heard: (value, expired) => world.emit({ type: "heard", op, value, expired }),
    };
    world.timers.cancel(keep);
    this.#cancels.set(op, () => {
      subscription.listeners.delete(listener);
      if (!subscription.listeners.size) world.timers.move(keep, world.now + TIMES.listenKeep);
    });
    subscription.add(listener);
  }

  /** The subscription that serves `query`; a new one starts to listen. */
  #follow(key: Uint8Array, query: Query): Followed {
    const name = key.toHex(), all = this.#subscriptions.get(name) ?? new Map<string, Followed>();
    const known = all.get(queryKey(query)) ??
      [...all.values()].find(({ subscription }) => satisfiedBy(query, subscription.query));
    if (known) return known;
    const subscription = new Subscription(key.slice(), query);
    const keep = this.world.timers.at(Infinity, () => this.#unfollow(name, subscription));
    const followed = { subscription, keep };
    this.#subscriptions.set(name, all.set(subscription.id, followed));
    for (const { value } of this.storage.read(name)) {
      if (matches(query, value)) subscription.gain(this.storage, value);
    }
    for (const search of this.#searches(subscription.key)) search.listens.add(subscription);
    return followed;
  }
  #unfollow(name: string, subscription: Subscription): void {
    const all = this.#subscriptions.get(name);
    all?.delete(subscription.id);
    if (!all?.size) this.#subscriptions.delete(name);
    for (const family of this.world.families) {
      this.world.searches[family].get(name)?.listens.remove(subscription);
    }
  }
  /** Does every family that has somebody near the key push to us? */
  #isSynced(subscription: Subscription): boolean {
    const { world } = this, name = subscription.key.toHex();
    const searches = world.families.map((family) => world.searches[family].get(name))
      .filter((search) => search?.nodes.length);
    return searches.length > 0 &&
      searches.every((search) => search!.listens.isSynced(subscription, world.now));
  }
  #searches(key: Uint8Array): Search[] {
    return this.world.families.flatMap((family) => this.world.search(key, family) ?? []);
  }
  #begin(op: number, run: () => void): void {
    if (!this.joining() || this.#waiting.size >= LIMITS.waiting) return run();
    this.#waiting.set(op, run);
    this.rouse();
  }
  #newId(): bigint {
    for (;;) {
      const { random } = this.world, id = (BigInt(random.uint32()) << 32n) | BigInt(random.uint32());
      if (id) return id;
    }
  }
}

/** One get: every value once, whoever has it. */
class Reading implements GetTask {
  #seen = new Map<bigint, Value[]>();
  #rows = new Set<string>();
  #count = 0;
  #bytes = 0;
  #open = new Set<Search>();
  #ok = false;
  #over = false;
  #nodes = 0;

  constructor(
    readonly world: World,
    readonly op: number,
    readonly query: Query,
    readonly ended: () => void,
  ) {}

  start(searches: readonly Search[]): void {
    if (!searches.length) return this.end(false);
    for (const search of searches) this.#open.add(search);
    for (const search of searches) search.gets.add(this);
  }
  cancel(): void {
    this.#over = true;
    for (const search of this.#open) search.gets.remove(this);
  }
  end(ok: boolean): void {
    if (this.#over) return;
    this.#over = true;
    this.ended();
    this.world.emit({ type: "done", op: this.op, ok, nodes: this.#nodes });
  }
  finished(search: Search, ok: boolean): void {
    this.#ok ||= ok;
    if (ok) this.#nodes += search.leading().length;
    if (this.#open.delete(search) && !this.#open.size) this.end(this.#ok);
  }
  values(packed: readonly Uint8Array[]): void {
    for (const bytes of packed) {
      const value = readValue(bytes);
      value ? this.value(value) : this.world.dropped("value");
    }
  }
  value(value: Value): void {
    if (this.#over || !matches(this.query, value)) return;
    if (this.query.select.length) return this.#row(this.query.select, cellsOf(value, this.query.select));
    const same = this.#seen.get(value.id) ?? [];
    if (same.some((v) => sameValue(v, value))) return;
    const size = value.data.length + (value.encrypted?.length ?? 0) + (value.signature?.length ?? 0);
    if (this.#count >= LIMITS.getValues || this.#bytes + size > LIMITS.getBytes) {
      return this.world.dropped("get-full");
    }
    this.#count++, this.#bytes += size;
    this.#seen.set(value.id, [...same, value]);
    this.world.emit({ type: "value", op: this.op, value });
  }
  rows({ fields, rows }: Rows): void {
    for (const cells of rows) this.#row(fields, cells);
  }
  #row(fields: readonly number[], cells: readonly Cell[]): void {
    const text = fields.map((field, i) => {
      const cell = cells[i]!;
      return `${field}=${typeof cell === "object" ? cell.toHex() : cell}`;
    }).sort().join();
    if (this.#over || this.#rows.has(text)) return;
    if (this.#rows.size >= LIMITS.getValues) return this.world.dropped("get-full");
    this.#rows.add(text);
    const own = cells.map((cell) => typeof cell === "object" ? cell.slice() : cell);
    this.world.emit({ type: "row", op: this.op, fields: [...fields], cells: own });
  }
}

function cellsOf(value: Value, select: readonly number[]): Cell[] {
  return select.map((field) => {
    if (field === FIELD.id) return value.id;
    if (field === FIELD.type) return value.type;
    if (field === FIELD.seq) return value.seq;
    if (field === FIELD.userType) return utf8(value.userType);
    return value.owner ?? ownerId(value);
  });
}
