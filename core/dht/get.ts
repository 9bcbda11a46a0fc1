/** Gets and finds of one search: whom to ask, page by page, and when all have answered. Pure. Spec: dht §4.5. */
import type { Query, Rows } from "./kernel.ts";
import { FIELD } from "./kernel.ts";
import { LIMITS } from "./limits.ts";
import { queryKey, satisfiedBy } from "./query.ts";
import type { Reply, Request } from "./requests.ts";
import type { Search, SearchNode } from "./search.ts";

/** One get, over both families. */
export interface GetTask {
  readonly query: Query;
  /** Packed values, not yet judged or filtered. */
  values(packed: readonly Uint8Array[]): void;
  rows(rows: Rows): void;
  /** This search has heard everybody, or (`ok` false) has nobody to ask. */
  finished(search: Search, ok: boolean): void;
}

/** What one node was asked for one query. `query` undefined: only for nodes and token (`find`). */
export interface NodeGet {
  readonly query: Query | undefined;
  /** Greater than that of every get it serves. */
  readonly serial: number;
  /** Requests not answered yet. */
  open: number;
  /** Ids still to be fetched. */
  readonly pages: bigint[];
  /** All answered. */
  done: boolean;
}

interface Op {
  readonly task: GetTask;
  readonly key: string;
  readonly serial: number;
}

export class Gets {
  #ops: Op[] = [];
  #serial = 0;
  constructor(readonly search: Search) {}

  get idle(): boolean {
    return this.#ops.length === 0;
  }
  add(task: GetTask): void {
    this.#ops.push({ task, key: queryKey(task.query), serial: ++this.#serial });
    this.search.start();
  }
  remove(task: GetTask): void {
    this.#ops = this.#ops.filter((op) => op.task !== task);
    this.search.wake();
  }
  fail(): void {
    for (const { task } of this.#ops.splice(0)) task.finished(this.search, false);
  }
  /** Ends every get that the first eight living nodes have answered. */
  finish(): void {
    if (this.idle) return;
    const leading = this.search.leading();
    const done = this.#ops.filter((op) => leading.every((entry) => standing(entry, op) === "done"));
    if (!done.length) return;
    this.#ops = this.#ops.filter((op) => !done.includes(op));
    for (const { key } of done) {
      if (this.#ops.some((op) => op.key === key)) continue;
      for (const entry of this.search.nodes) if (entry.gets.get(key)?.done) entry.gets.delete(key);
    }
    for (const { task } of done) task.finished(this.search, true);
  }
  /** Keeps up to four nodes busy. */
  send(now: number): void {
    let busy = this.search.nodes.reduce((n, entry) => n + (!entry.bad && entry.open.size > 0 ? 1 : 0), 0);
    while (busy < LIMITS.searchParallel && this.#sendOne(now)) busy++;
  }

  #sendOne(now: number): boolean {
    const leading = this.search.leading();
    if (this.idle) {
      const entry = leading.find((entry) => entry.needsToken(now));
      return entry !== undefined && this.#find(entry);
    }
    const newest = new Map<string, Op>();
    for (const op of this.#ops) newest.set(op.key, op);
    for (const op of newest.values()) {
      for (const entry of leading) {
        if (standing(entry, op) === "none" || entry.needsToken(now)) return this.#ask(entry, op);
      }
    }
    return false;
  }
  #find(entry: SearchNode): boolean {
    const { search } = this, get: NodeGet = this.#begin(entry, "find", undefined);
    return this.#request(entry, get, "find", (tid) => search.host.packets.find(tid, search.key), () => {});
  }
  #ask(entry: SearchNode, op: Op): boolean {
    const { query } = op.task, get = this.#begin(entry, op.key, query);
    if (query.select.length) return this.#page(entry, get, query, (reply) => this.#deliver(get, reply));
    const ids: Query = { select: [FIELD.id], where: query.where };
    return this.#page(entry, get, ids, (reply) => {
      if (!reply.rows) return this.#deliver(get, reply); // it does not know `select`, or has nothing
      get.pages.push(...pageIds(reply.rows));
      this.#turn(entry, get);
    });
  }
  #begin(entry: SearchNode, key: string, query: Query | undefined): NodeGet {
    const get: NodeGet = { query, serial: ++this.#serial, open: 0, pages: [], done: false };
    entry.gets.set(key, get);
    return get;
  }
  /** Fetches the next ids. */
  #turn(entry: SearchNode, get: NodeGet): void {
    while (get.pages.length && get.open < LIMITS.pageParallel) {
      const where = [{ field: FIELD.id, value: get.pages.shift()! }];
      if (!this.#page(entry, get, { select: [], where }, (reply) => this.#deliver(get, reply))) return;
    }
  }
  #page(entry: SearchNode, get: NodeGet, query: Query, then: (reply: Reply) => void): boolean {
    const { search } = this;
    return this.#request(entry, get, "get", (tid) => search.host.packets.get(tid, search.key, query), then);
  }
  #request(
    entry: SearchNode,
    get: NodeGet,
    query: "find" | "get",
    write: (tid: number) => Uint8Array,
    then: (reply: Reply) => void,
  ): boolean {
    const { search } = this;
    const over = (request: Request) => {
      entry.open.delete(request);
      get.open--;
    };
    const request = search.ask({
      query,
      node: entry.node,
      to: entry.node.address,
      write,
      reply: (reply, request) => {
        over(request);
        if (search.answered(entry, reply)) then(reply), this.#turn(entry, get);
        if (get.open === 0 && get.pages.length === 0) get.done = true;
        search.wake();
      },
      slow: () => {
        entry.candidate = true;
        search.wake();
      },
      expired: (request) => {
        over(request);
        entry.candidate = false;
        get.pages.length = 0;
        if (get.open === 0) this.#drop(entry, get);
        search.wake();
      },
    });
    if (!request) return false;
    get.open++;
    entry.open.add(request);
    return true;
  }
  #drop(entry: SearchNode, get: NodeGet): void {
    for (const [key, value] of entry.gets) if (value === get) entry.gets.delete(key);
  }
  #deliver(get: NodeGet, reply: Reply): void {
    const { rows, values } = reply;
    for (const { task } of [...this.#ops]) {
      if (get.query && !satisfiedBy(task.query, get.query)) continue;
      if (values?.length) task.values(values);
      else if (rows && task.query.select.length) task.rows(rows);
    }
  }
}

/** How far `entry` is with `op`: only what was asked after the get began counts. */
function standing(entry: SearchNode, op: Op): "none" | "open" | "done" {
  let open = false;
  for (const [key, get] of entry.gets) {
    if (!get.query || get.serial < op.serial) continue;
    if (key !== op.key && !satisfiedBy(op.task.query, get.query)) continue;
    if (get.done) return "done";
    open = true;
  }
  return open ? "open" : "none";
}

function pageIds(rows: Rows): bigint[] {
  const column = rows.fields.indexOf(FIELD.id), ids = new Set<bigint>();
  for (const row of column < 0 ? [] : rows.rows) {
    const id = row[column];
    if (typeof id !== "object" && id !== undefined && BigInt(id) !== 0n) ids.add(BigInt(id));
    if (ids.size >= LIMITS.pageIds) break;
  }
  return [...ids];
}
