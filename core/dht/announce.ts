/** Values we put: which nodes have them, which must be asked, refreshed or given them. Pure. Spec: dht §4.6. */
import { FIELD, type Query, type Rows } from "./kernel.ts";
import { TIMES } from "./limits.ts";
import type { Ack, Search, SearchNode } from "./search.ts";

/** One put, over both families. */
export interface PutTask {
  /** The first eight living nodes have it (`ok`), or nobody was there. */
  announced(search: Search, ok: boolean, nodes: number): void;
}

/** A value as it is announced. */
export interface Announcing {
  readonly id: bigint;
  readonly packed: Uint8Array;
  readonly seq: number;
  /** How long other nodes keep it, ms. */
  readonly lifetime: number;
  readonly permanent: boolean;
  /** Seconds since 1970. */
  readonly created: number;
}

type Announce = Announcing & { tasks: PutTask[] };

const UNACKED: Ack = { request: undefined, done: false, refreshAt: -Infinity };

export class Announces {
  #announces = new Map<bigint, Announce>();
  constructor(readonly search: Search) {}

  get idle(): boolean {
    return this.#announces.size === 0;
  }
  /** Announces `value`; another one of the same id is replaced, and its puts have failed. */
  add(value: Announcing, task: PutTask): void {
    const before = this.#announces.get(value.id);
    this.#announces.set(value.id, { ...value, tasks: [task] });
    for (const old of before?.tasks ?? []) old.announced(this.search, false, 0);
    this.#forget(value.id);
    this.search.start();
  }
  /** True if it was announced. */
  remove(id: bigint): boolean {
    const found = this.#announces.delete(id);
    if (found) this.#forget(id), this.search.wake();
    return found;
  }
  /** Nobody is left: puts end; permanent ones stay and go on when nodes come. */
  fail(): void {
    for (const announce of [...this.#announces.values()]) {
      if (!announce.permanent) this.#announces.delete(announce.id);
      for (const task of announce.tasks.splice(0)) task.announced(this.search, false, 0);
    }
  }
  /** Ends what the first eight living nodes have acknowledged. */
  finish(): void {
    if (this.idle) return;
    const leading = this.search.leading();
    if (!leading.length) return;
    for (const announce of [...this.#announces.values()]) {
      if (!leading.every((entry) => entry.acks.get(announce.id)?.done)) continue;
      if (!announce.permanent) this.#announces.delete(announce.id), this.#forget(announce.id);
      for (const task of announce.tasks.splice(0)) task.announced(this.search, true, leading.length);
    }
  }
  /** Puts or probes at the first `count` synced nodes. */
  send(now: number, count: number): void {
    if (this.idle) return;
    for (const entry of this.search.nodes) {
      if (!entry.isSynced(now)) continue;
      if (entry.probe?.state !== "pending") this.#serve(entry, now);
      if (!entry.candidate && --count === 0) break;
    }
  }

  #serve(entry: SearchNode, now: number): void {
    const probes: Announce[] = [];
    for (const announce of this.#announces.values()) {
      if (!due(entry.acks.get(announce.id) ?? UNACKED, now)) continue;
      if (announce.permanent) probes.push(announce);
      else this.#put(entry, announce);
    }
    if (probes.length) this.#probe(entry, probes);
  }
  /** Asks which of our permanent values the node has. */
  #probe(entry: SearchNode, announces: Announce[]): void {
    const { search } = this, only = announces.length === 1 ? announces[0]! : undefined;
    const where = only ? [{ field: FIELD.id, value: only.id }] : [];
    const query: Query = { select: [FIELD.id, FIELD.seq], where };
    const wake = () => search.wake();
    entry.probe = search.ask({
      query: "get",
      node: entry.node,
      to: entry.node.address,
      write: (tid) => search.host.packets.get(tid, search.key, query),
      reply: (reply) => {
        entry.probe = undefined;
        if (!search.answered(entry, reply)) return;
        const has = sequences(reply.rows), { now } = search.host;
        for (const { id } of announces) {
          const announce = this.#announces.get(id);
          if (!announce || !due(entry.acks.get(id) ?? UNACKED, now)) continue;
          const seq = has.get(id);
          if (seq === undefined || seq < announce.seq) this.#put(entry, announce);
          else this.#refresh(entry, announce);
        }
      },
      slow: () => {
        entry.candidate = true;
        wake();
      },
      expired: () => {
        entry.probe = undefined;
        entry.candidate = false;
        wake();
      },
    });
  }
  #put(entry: SearchNode, announce: Announce): void {
    const { packets } = this.search.host, created = announce.permanent ? undefined : announce.created;
    this.#store(
      entry,
      announce,
      "put",
      (tid) => packets.put(tid, this.search.key, [announce.packed], created, entry.token!),
    );
  }
  #refresh(entry: SearchNode, announce: Announce): void {
    const { packets } = this.search.host;
    this.#store(
      entry,
      announce,
      "refresh",
      (tid) => packets.refresh(tid, this.search.key, announce.id, entry.token!),
    );
  }
  #store(
    entry: SearchNode,
    announce: Announce,
    query: "put" | "refresh",
    write: (tid: number) => Uint8Array | Uint8Array[],
  ): void {
    const { search } = this, { now } = search.host;
    const ack: Ack = { request: undefined, done: false, refreshAt: now + announce.lifetime };
    entry.acks.set(announce.id, ack);
    ack.request = search.ask({
      query,
      node: entry.node,
      to: entry.node.address,
      write,
      reply: () => {
        ack.request = undefined, ack.done = true;
        entry.node.authErrors = 0;
        search.wake();
      },
      error: (code) => {
        ack.request = undefined;
        if (code === 404 && query === "refresh" && entry.token) this.#put(entry, announce);
        else if (code === 401) search.host.unauthorized(entry.node);
        else return ack.request = undefined, false;
        return true;
      },
      expired: () => {
        ack.request = undefined;
        search.wake();
      },
    });
  }
  #forget(id: bigint): void {
    for (const entry of this.search.nodes) {
      this.search.host.requests.cancel(entry.acks.get(id)?.request);
      entry.acks.delete(id);
    }
  }
}

function due(ack: Ack, now: number): boolean {
  return ack.done ? now >= ack.refreshAt - TIMES.renewMargin : ack.request?.state !== "pending";
}

/** Sequence number by value id. */
function sequences(rows: Rows | undefined): Map<bigint, number> {
  const found = new Map<bigint, number>();
  const id = rows?.fields.indexOf(FIELD.id) ?? -1, seq = rows?.fields.indexOf(FIELD.seq) ?? -1;
  if (id < 0 || seq < 0) return found;
  for (const row of rows!.rows) {
    const [value, number] = [row[id], row[seq]];
    if (typeof value !== "object" && typeof number !== "object" && value !== undefined) {
      found.set(BigInt(value), Number(number));
    }
  }
  return found;
}
