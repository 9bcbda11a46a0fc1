/** Everything the parts of one node share, and how they reach each other. Inside `DhtNode` only. Pure. */
import { type Endpoint, type Family, familyOf, type Random, sameEndpoint } from "../base/mod.ts";
import { readCompact } from "./compact.ts";
import type { DhtKernel } from "./kernel.ts";
import { LIMITS, TIMES } from "./limits.ts";
import type { Listens } from "./listen.ts";
import type { DhtOut } from "./messages.ts";
import { Nodes, type RemoteNode } from "./nodes.ts";
import type { Packets } from "./packets.ts";
import { type Asking, type Reply, type Request, Requests, type RequestsHost } from "./requests.ts";
import { Search, type SearchHost } from "./search.ts";
import { type Confidence, Table, type TableHost } from "./table.ts";
import { Timers } from "./timers.ts";

interface Socket {
  readonly node: RemoteNode;
  readonly listens: Listens;
  readonly id: string;
}

export interface WorldOptions {
  readonly id: Uint8Array;
  readonly random: Random;
  readonly kernel: DhtKernel;
  readonly packets: Packets;
  readonly families: readonly Family[];
  readonly publicStable: boolean;
  /** Keep a wider routing table. */
  readonly wide: boolean;
}

export class World implements SearchHost, RequestsHost, TableHost {
  now = 0;
  /** Wall clock minus monotonic clock. */
  wallOffset = 0;
  out: DhtOut[] = [];
  packetsOut = 0;
  bytesOut = 0;
  /** The status may be another one than before. */
  stale = true;
  readonly id: Uint8Array;
  readonly random: Random;
  readonly kernel: DhtKernel;
  readonly packets: Packets;
  readonly families: readonly Family[];
  readonly publicStable: boolean;
  readonly timers = new Timers();
  readonly nodes: Nodes;
  readonly requests: Requests;
  readonly tables: Readonly<Partial<Record<Family, Table>>>;
  readonly searches: Readonly<Record<Family, Map<string, Search>>> = { 4: new Map(), 6: new Map() };
  /** Those of them that have something to do. */
  readonly #working: Readonly<Record<Family, Set<Search>>> = { 4: new Set(), 6: new Set() };
  readonly drops = new Map<string, number>();
  /** The table was empty and somebody came: have a look soon. */
  onFirstNode: () => void = () => {};
  /** All nodes of a search are gone although there are good ones. */
  onDied: (family: Family) => void = () => {};
  #sockets = new Map<number, Socket>();

  constructor(options: WorldOptions) {
    ({
      id: this.id,
      random: this.random,
      kernel: this.kernel,
      packets: this.packets,
      families: this.families,
      publicStable: this.publicStable,
    } = options);
    this.nodes = new Nodes(this.id);
    this.requests = new Requests(this);
    const table = (family: Family) => new Table(family, this.id, this, options.wide);
    this.tables = Object.fromEntries(this.families.map((family) => [family, table(family)]));
  }

  get wall(): number {
    return this.now + this.wallOffset;
  }
  /** Seconds since 1970. */
  get created(): number {
    return Math.floor(this.wall / 1000);
  }
  get listenPeriod(): number {
    return this.publicStable ? TIMES.listenStable : TIMES.listen;
  }
  emit(out: DhtOut): void {
    this.out.push(out);
  }
  dropped(why: string): void {
    this.drops.set(why, (this.drops.get(why) ?? 0) + 1);
  }
  /** Uniform in a range of `TIMES`. */
  between([least, most]: readonly [number, number]): number {
    return least + (most - least) * this.random.float();
  }

  // Requests.
  send(bytes: Uint8Array, to: Endpoint): void {
    this.packetsOut++;
    this.bytesOut += bytes.length;
    this.out.push({ type: "send", bytes, to });
  }
  ask(asking: Asking): Request | undefined {
    const request = this.requests.ask(asking, (tid) => this.#sockets.has(tid));
    if (!request) this.dropped("requests-full");
    return request;
  }
  expect(tid: number, from: Endpoint, coming: boolean): void {
    coming ? this.kernel.expect(this.now, tid, from) : this.kernel.forget(tid, from);
  }
  ping(node: RemoteNode): void {
    const { packets } = this;
    this.ask({ query: "ping", node, to: node.address, write: (tid) => packets.ping(tid), reply: () => {} });
  }

  // Nodes.
  list(node: RemoteNode, until: number): void {
    if (until <= this.now) {
      if (node.listedUntil > -Infinity) this.kernel.unlistNode(node.id, node.family);
      node.listedUntil = -Infinity;
    } else if (this.kernel.listNode(node.id, node.address, until)) node.listedUntil = until;
  }
  /** We learnt of `node`; tables and searches take it in where it is useful. */
  learn(node: RemoteNode, confidence: Confidence): void {
    const table = this.tables[node.family];
    if (!table || node.client) return;
    const quiet = confidence < 2 && table.grownAt < this.now - TIMES.nodeOld / 2;
    if (confidence === 2 || node.repliedAt === -Infinity) this.stale = true;
    if (table.learn(this.now, node, confidence)) {
      this.#offerToSearches(node, 0);
      if (quiet) this.onFirstNode();
    }
  }
  offer(reply: Reply, hops: number): void {
    for (const family of [4, 6] as const) {
      if (!this.tables[family]) continue;
      for (
        const { id, address } of readCompact(family === 4 ? reply.nodes4 : reply.nodes6, family, reply.from)
      ) {
        const node = this.nodes.mention(this.now, id, address);
        if (!node || node.client) continue;
        this.tables[family].learn(this.now, node, 0);
        this.#offerToSearches(node, hops);
      }
    }
  }
  /** Somebody else speaks in the name of `node`: does it still answer where we know it? */
  challenge(node: RemoteNode): void {
    if (node.open.length || !node.refs || this.now < node.challengedAt + TIMES.challenge) return;
    node.challengedAt = this.now;
    this.dropped("address-claim");
    this.ping(node);
  }
  expire(node: RemoteNode): void {
    node.expired = true;
    this.requests.drop(node);
    this.lost(node);
  }
  lost(node: RemoteNode): void {
    this.stale = true;
    this.list(node, -Infinity);
    if (!node.refs) return;
    for (const search of this.#working[node.family]) if (search.find(node)) search.wake();
  }
  refuse(node: RemoteNode): void {
    this.dropped("no-token");
    this.nodes.blacklist(node.address);
    this.expire(node);
  }
  unauthorized(node: RemoteNode): void {
    if (++node.authErrors > LIMITS.authErrors) this.expire(node);
    for (const search of this.searches[node.family].values()) search.unauthorized(node);
  }

  // Searches.
  /** The search for `key`; `undefined` when too many are under way. */
  search(key: Uint8Array, family: Family): Search | undefined {
    const searches = this.searches[family], name = key.toHex(), known = searches.get(name);
    if (known) return known;
    if (searches.size >= LIMITS.searches) this.forgetSearches(-Infinity);
    if (searches.size >= LIMITS.searches) return void this.dropped("searches-full");
    const search = new Search(this, key.slice(), family);
    searches.set(name, search);
    return search;
  }
  /** Forgets searches without work that last stepped before `before`; all such if that is -Infinity. */
  forgetSearches(before: number): void {
    for (const family of this.families) {
      for (const [name, search] of this.searches[family]) {
        if (!search.idle || (before > -Infinity && search.stepAt >= before)) continue;
        search.close();
        this.searches[family].delete(name);
      }
    }
  }
  working(search: Search, works: boolean): void {
    works ? this.#working[search.family].add(search) : this.#working[search.family].delete(search);
  }
  looked(search: Search): void {
    const { key, family, messages } = search, hops = Math.max(...search.leading().map((entry) => entry.hops));
    this.emit({ type: "lookup", key, family, hops, messages, ms: this.now - search.startedAt });
  }
  died(search: Search): void {
    const table = this.tables[search.family];
    if (!this.publicStable && table && table.counts(this.now).good > 0) this.onDied(search.family);
  }
  openSocket(node: RemoteNode, listens: Listens, id: string): number {
    const socket = this.requests.newTid((tid) => this.#sockets.has(tid));
    this.#sockets.set(socket, { node, listens, id });
    return socket;
  }
  closeSocket(socket: number): void {
    this.#sockets.delete(socket);
  }
  /** The subscription behind `socket`, if a push from there may be believed. */
  socket(socket: number, id: Uint8Array, from: Endpoint): Socket | undefined {
    const open = this.#sockets.get(socket);
    const known = open && open.node.key === id.toHex() && familyOf(from.ip) === open.node.family;
    return known && sameEndpoint(open.node.address, from) ? open : undefined;
  }

  #offerToSearches(node: RemoteNode, hops: number): void {
    for (const search of this.#working[node.family]) {
      const before = search.nodes.length, last = search.nodes.at(-1);
      search.insert(node, hops);
      if (search.nodes.length !== before || search.nodes.at(-1) !== last) search.wake();
    }
  }
}
