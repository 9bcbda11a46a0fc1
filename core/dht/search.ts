/** A search: the nodes nearest to a key, and what we do there. One per key and family. Pure. Spec: dht §4.5. */
import { compareXor, type Family } from "../base/mod.ts";
import { Announces } from "./announce.ts";
import { Gets, type NodeGet } from "./get.ts";
import { LIMITS, TIMES } from "./limits.ts";
import { Listens, type NodeListen } from "./listen.ts";
import type { Nodes, RemoteNode } from "./nodes.ts";
import type { Packets } from "./packets.ts";
import type { Asking, Reply, Request, Requests } from "./requests.ts";
import type { Timer, Timers } from "./timers.ts";

/** What one node of the list knows of one announced value. */
export interface Ack {
  request: Request | undefined;
  done: boolean;
  refreshAt: number;
}

/** A node of a search. */
export class SearchNode {
  token: Uint8Array | undefined;
  syncedAt = -Infinity;
  /** Slow: others are asked meanwhile. */
  candidate = false;
  /** Gets and finds it has not answered yet. */
  readonly open = new Set<Request>();
  readonly gets = new Map<string, NodeGet>();
  readonly acks = new Map<bigint, Ack>();
  readonly listens = new Map<string, NodeListen>();
  probe: Request | undefined;

  constructor(
    readonly node: RemoteNode,
    /** Answers we followed to hear of it; 0: known before. */
    readonly hops: number,
  ) {}
  get bad(): boolean {
    return this.candidate || this.node.expired;
  }
  isSynced(now: number): boolean {
    return !this.node.expired && this.token !== undefined && now < this.syncedAt + TIMES.nodeOld;
  }
  needsToken(now: number): boolean {
    return this.open.size === 0 && !this.isSynced(now);
  }
}

/** The world of the searches. */
export interface SearchHost {
  readonly now: number;
  readonly timers: Timers;
  readonly nodes: Nodes;
  readonly packets: Packets;
  readonly requests: Requests;
  /** How long a subscription lives at other nodes. */
  readonly listenPeriod: number;
  ask(asking: Asking): Request | undefined;
  /** The nodes of a reply are offered to every search of their families. */
  offer(reply: Reply, hops: number): void;
  /** A get or find answer without token: that address is not believed any more. */
  refuse(node: RemoteNode): void;
  /** 401: our token is good for nothing there. */
  unauthorized(node: RemoteNode): void;
  openSocket(node: RemoteNode, heard: Listens, key: string): number;
  closeSocket(socket: number): void;
  /** It has work, or has run out of it: only searches with work are offered nodes. */
  working(search: Search, works: boolean): void;
  /** Synced for the first time since it last had nothing to do. */
  looked(search: Search): void;
  /** No living node is left in the list. */
  died(search: Search): void;
}

export class Search {
  nodes: SearchNode[] = [];
  /** No living nodes; new ones revive it. */
  expired = false;
  /** Nothing to do; kept for later. */
  done = false;
  stepAt = -Infinity;
  #refilledAt = -Infinity;
  /** How often in a row nearly all nodes of the list were found dead. */
  #refills = 0;
  /** Since work began: when, and packets sent for it. */
  startedAt: number;
  messages = 0;
  #looking = true;
  readonly gets: Gets;
  readonly announces: Announces;
  readonly listens: Listens;
  readonly #timer: Timer;

  constructor(readonly host: SearchHost, readonly key: Uint8Array, readonly family: Family) {
    this.startedAt = host.now;
    this.gets = new Gets(this);
    this.announces = new Announces(this);
    this.listens = new Listens(this);
    this.#timer = host.timers.at(Infinity, () => this.#step());
  }

  get idle(): boolean {
    return this.gets.idle && this.announces.idle && this.listens.idle;
  }
  /** New work: fills the list from what we know and steps at once. */
  start(): void {
    if (this.done || this.expired) {
      this.#looking = true, this.messages = this.#refills = 0, this.startedAt = this.host.now;
    }
    this.done = this.expired = false;
    this.host.working(this, true);
    this.#refill();
    this.wake();
  }
  /** Steps before time goes on. */
  wake(): void {
    if (!this.done && !this.expired) this.host.timers.move(this.#timer, this.host.now);
  }
  find(node: RemoteNode): SearchNode | undefined {
    return this.nodes.find((n) => n.node === node);
  }
  /** The first living nodes, slow ones left out. */
  leading(count: number = LIMITS.target): SearchNode[] {
    const leading: SearchNode[] = [];
    for (const node of this.nodes) {
      if (node.bad) continue;
      leading.push(node);
      if (leading.length === count) break;
    }
    return leading;
  }
  /** How many nodes at the head hold a fresh token, up to eight. */
  syncLevel(now: number): number {
    let level = 0;
    for (const node of this.nodes) {
      if (node.bad) continue;
      if (!node.isSynced(now) || level === LIMITS.target) break;
      level++;
    }
    return level;
  }
  isSynced(now: number): boolean {
    const leading = this.leading();
    return leading.length > 0 && leading.every((node) => node.isSynced(now));
  }
  /** Enough nodes to call something done; with fewer, slow ones get the time to answer or to be found dead. */
  get settled(): boolean {
    if (this.leading(LIMITS.searchEnough).length === LIMITS.searchEnough) return true;
    return !this.nodes.some((entry) => entry.candidate && !entry.node.expired);
  }

  /** Takes `node` in where it belongs. `undefined`: too far away. With a token it is synced. */
  insert(node: RemoteNode, hops: number, token?: Uint8Array): SearchNode | undefined {
    let entry = this.find(node);
    if (!entry) {
      let at = this.nodes.length, nearer = 0;
      while (at > 0 && compareXor(this.key, node.id, this.nodes[at - 1]!.node.id) < 0) at--;
      for (let i = 0; i < at; i++) if (!this.nodes[i]!.bad) nearer++;
      if (nearer >= LIMITS.searchNodes) return undefined;
      entry = new SearchNode(node, hops);
      node.refs++;
      this.nodes.splice(at, 0, entry);
      this.#trim();
      if (!node.expired) this.expired = false;
    }
    if (token) {
      entry.candidate = false;
      entry.syncedAt = this.host.now;
      entry.token = token;
      this.expired = false;
    }
    return entry;
  }

  /** Sends for this search and counts it. */
  ask(asking: Asking): Request | undefined {
    this.messages++;
    return this.host.ask(asking);
  }
  /** A find or get answer of `entry`. False if it cannot be used. */
  answered(entry: SearchNode, reply: Reply): boolean {
    const { token } = reply;
    if (!token?.length || token.length > LIMITS.tokenBytes) {
      this.host.refuse(entry.node);
      return this.wake(), false;
    }
    this.host.offer(reply, entry.hops + 1);
    this.insert(entry.node, entry.hops, token);
    this.wake();
    return true;
  }
  /** Its token was refused. */
  unauthorized(node: RemoteNode): void {
    const entry = this.find(node);
    if (!entry) return;
    entry.token = undefined;
    entry.syncedAt = -Infinity;
    this.listens.unauthorized(entry);
    this.wake();
  }
  /** Lets go of everything. */
  close(): void {
    this.gets.fail();
    for (const entry of this.nodes.splice(0)) this.#release(entry);
    this.host.timers.cancel(this.#timer);
    this.#finish();
  }

  #step(): void {
    if (this.done || this.expired) return;
    const { host } = this, { now } = host;
    this.stepAt = now;
    this.#forgetDead(now);
    const usable = this.nodes.reduce((n, entry) => n + (entry.bad ? 0 : 1), 0);
    if (usable < LIMITS.searchNodes && now >= this.#refilledAt + TIMES.nodeOld) this.#refill();
    this.listens.expireValues(now);
    const level = this.syncLevel(now);
    if (this.isSynced(now)) {
      if (this.settled) {
        if (this.leading(LIMITS.searchEnough).length < LIMITS.searchEnough && this.#lookFarther()) {
          return this.wake();
        }
        this.#refills = 0;
        if (this.#looking) this.#looking = false, host.looked(this);
        this.gets.finish();
        this.announces.finish();
      }
      this.listens.send(now, LIMITS.listenNodes, true);
      this.announces.send(now, LIMITS.target);
      if (this.idle) return this.#rest();
    } else if (level > 1) {
      this.listens.send(now, Math.min(level - 1, LIMITS.listenNodes), false);
      this.announces.send(now, level - 1);
    }
    this.gets.send(now);
    const dead = this.nodes.findIndex((entry) => !entry.node.expired);
    if ((dead < 0 ? this.nodes.length : dead) >= Math.min(this.nodes.length, LIMITS.searchBad)) {
      return this.#lookFarther() ? this.wake() : this.#expire();
    }
    this.#arm(now);
  }
  /** The next moment at which waiting changes something. What is due and cannot be done waits for an event. */
  #arm(now: number): void {
    let next = Infinity;
    const at = (time: number) => {
      if (time > now && time < next) next = time;
    };
    for (const entry of this.leading()) at(entry.syncedAt + TIMES.nodeOld);
    for (const entry of this.nodes) {
      for (const listen of entry.listens.values()) at(listen.nextExpiry), at(listen.renewAt);
      for (const ack of entry.acks.values()) if (ack.done) at(ack.refreshAt - TIMES.renewMargin);
    }
    this.host.timers.move(this.#timer, next);
  }
  #rest(): void {
    for (const entry of this.nodes) this.#release(entry, false);
    this.#finish();
    this.host.timers.cancel(this.#timer);
  }
  #finish(): void {
    this.done = true;
    this.host.working(this, false);
  }
  /** Nearly all are dead, but the next nearest we know of may live: half the network may have gone. True if there are some. */
  #lookFarther(): boolean {
    if (this.#refills++ >= LIMITS.searchRefills) return false;
    const dead = this.nodes.filter((entry) => entry.node.expired);
    this.nodes = this.nodes.filter((entry) => !entry.node.expired);
    for (const entry of dead) this.#release(entry);
    const before = this.nodes.length;
    this.#refill();
    return this.nodes.length > before;
  }
  #expire(): void {
    this.expired = true;
    this.host.timers.cancel(this.#timer);
    for (const entry of this.nodes.splice(0)) this.#release(entry);
    if (this.announces.idle && this.listens.idle) this.#finish();
    this.gets.fail();
    this.announces.fail();
    this.host.died(this);
  }
  #refill(): void {
    this.#refilledAt = this.host.now;
    const known = this.host.nodes.closest(this.key, this.family, LIMITS.searchNodes);
    for (const node of known) this.insert(node, 0);
  }
  /** No more than 14 usable nodes, and some bad ones. */
  #trim(): void {
    let usable = this.nodes.reduce((n, entry) => n + (entry.bad ? 0 : 1), 0);
    while (usable > LIMITS.searchNodes || this.nodes.length > LIMITS.searchNodes + LIMITS.searchBad) {
      const last = usable > LIMITS.searchNodes
        ? this.nodes.length - 1
        : this.nodes.findLastIndex((n) => n.bad);
      const [entry] = this.nodes.splice(last, 1);
      if (!entry!.bad) usable--;
      this.#release(entry!);
    }
  }
  #forgetDead(now: number): void {
    for (let i = this.nodes.length - 1; i >= 0; i--) {
      const { node } = this.nodes[i]!;
      if (node.expired && node.isOld(now)) this.#release(this.nodes.splice(i, 1)[0]!);
    }
  }
  /**
   * Lets go of a node; `leaving`: it is no longer in the list. Gets and finds run on: their silence is how a dead
   * node is found out, although nobody waits for the answer any more.
   */
  #release(entry: SearchNode, leaving = true): void {
    const { requests } = this.host;
    entry.gets.clear();
    for (const ack of entry.acks.values()) requests.cancel(ack.request);
    entry.acks.clear();
    this.listens.release(entry);
    if (leaving) entry.node.refs--;
  }
}
