/** The nodes we know: one object per id and family, and the cache that seeds searches. Pure. Spec: dht §4.2. */
import {
  compare,
  compareXor,
  type Endpoint,
  type Family,
  familyOf,
  formatEndpoint,
  sameEndpoint,
} from "../base/mod.ts";
import { LIMITS, TIMES } from "./limits.ts";
import type { Request } from "./requests.ts";

/** Another node of the network. */
export class RemoteNode {
  readonly family: Family;
  /** It answered a request of ours at `address`. Only then may nobody else move it. */
  verified = false;
  /** Last packet from `address`; last answer to a request of ours. */
  heardAt = -Infinity;
  repliedAt = -Infinity;
  expired = false;
  authErrors = 0;
  /** Our unanswered requests. */
  readonly open: Request[] = [];
  /** Tables, searches and subscriptions that hold it. */
  refs = 0;
  /** Until when the kernel lists it. */
  listedUntil = -Infinity;
  challengedAt = -Infinity;

  constructor(
    /** 20 bytes of its own, and the same as hex. */
    readonly id: Uint8Array,
    readonly key: string,
    public address: Endpoint,
    /** It told us not to route to it. Fixed at first sight. */
    readonly client: boolean,
  ) {
    this.family = familyOf(address.ip);
  }

  /** Until when it is good, if nothing more is heard. */
  get goodUntil(): number {
    return this.expired ? -Infinity : Math.min(this.repliedAt + TIMES.nodeGood, this.heardAt + TIMES.nodeOld);
  }
  isGood(now: number): boolean {
    return !this.expired && now <= this.goodUntil;
  }
  isOld(now: number): boolean {
    return now > this.heardAt + TIMES.nodeOld;
  }
  /** Any packet from its address. */
  heard(now: number): void {
    this.heardAt = now;
    this.expired = false;
  }
  /** The answer to a request sent to `from`. */
  replied(now: number, from: Endpoint): void {
    if (!sameEndpoint(this.address, from)) this.address = from;
    this.verified = true;
    this.heardAt = this.repliedAt = now;
    this.expired = false;
  }
}

export class Nodes {
  #families: Readonly<Record<Family, Map<string, RemoteNode>>> = { 4: new Map(), 6: new Map() };
  #blacklist = new Set<string>();
  /** Who spoke last from where; by the object, which a socket keeps for each address. */
  #speakers = new Map<Endpoint, RemoteNode>();
  readonly #own: string;

  constructor(own: Uint8Array) {
    this.#own = own.toHex();
  }

  count(family: Family): number {
    return this.#families[family].size;
  }
  get(family: Family, key: string): RemoteNode | undefined {
    return this.#families[family].get(key);
  }
  all(family: Family): Iterable<RemoteNode> {
    return this.#families[family].values();
  }

  /**
   * The sender of a packet. It is found under its id; its address is believed at once only while nothing better is
   * known: a node that answered at one address keeps it until it falls silent there. Whether the packet counts as
   * a sign of life is seen from `address`.
   */
  sender(now: number, id: Uint8Array, from: Endpoint, client: boolean): RemoteNode {
    const family = familyOf(from.ip), key = id.toHex(), known = this.#families[family].get(key);
    if (!known) return this.#add(id.slice(), key, from, client);
    if (known.address !== from && !sameEndpoint(known.address, from)) {
      if (known.verified && !known.expired && !known.isOld(now)) return known;
      known.address = from, known.verified = false;
    }
    return known;
  }

  /** The node of this id if it is known to speak from there, without changing anything. */
  speaker(id: Uint8Array, from: Endpoint): RemoteNode | undefined {
    const last = this.#speakers.get(from);
    if (last && compare(last.id, id) === 0 && sameEndpoint(last.address, from)) return last;
    const node = this.#families[familyOf(from.ip)].get(id.toHex());
    if (!node || !sameEndpoint(node.address, from)) return undefined;
    if (this.#speakers.size >= LIMITS.speakers) this.#speakers.clear();
    this.#speakers.set(from, node);
    return node;
  }

  /** A node somebody told us of; `undefined` if it cannot be used. A mention moves only nodes that are old. */
  mention(now: number, id: Uint8Array, address: Endpoint): RemoteNode | undefined {
    const family = familyOf(address.ip), key = id.toHex(), known = this.#families[family].get(key);
    if (key === this.#own || this.blacklisted(address)) return undefined;
    if (!known) return this.#add(id.slice(), key, address, false);
    if (known.isOld(now) && !sameEndpoint(known.address, address)) {
      known.address = address, known.verified = false;
    }
    return known;
  }

  /** The `count` usable nodes of the cache nearest to `target`. */
  closest(target: Uint8Array, family: Family, count: number): RemoteNode[] {
    const best: RemoteNode[] = [];
    for (const node of this.#families[family].values()) {
      if (!node.expired && !node.client) insertSorted(best, node, target, count);
    }
    return best;
  }

  /** No packet from this address is believed any more, as long as there is room to remember that. */
  blacklist(address: Endpoint): void {
    if (this.#blacklist.size >= LIMITS.blacklist) {
      for (const oldest of this.#blacklist) {
        this.#blacklist.delete(oldest);
        break;
      }
    }
    this.#blacklist.add(formatEndpoint(address));
  }
  blacklisted(address: Endpoint): boolean {
    return this.#blacklist.size > 0 && this.#blacklist.has(formatEndpoint(address));
  }

  /** After a change of network: nothing is old news, nobody is given up. Spec: dht §4.4. */
  connectivityChanged(family: Family): void {
    for (const node of this.#families[family].values()) {
      node.heardAt = node.repliedAt = node.listedUntil = -Infinity;
      node.expired = node.verified = false;
    }
  }

  #add(id: Uint8Array, key: string, address: Endpoint, client: boolean): RemoteNode {
    const map = this.#families[familyOf(address.ip)];
    if (map.size >= LIMITS.idleNodes && map.size % 64 === 0) this.#sweep(map);
    const node = new RemoteNode(id, key, address, client);
    map.set(key, node);
    return node;
  }
  /** Forgets the unused nodes that have been silent longest, until half the room for them is free. */
  #sweep(map: Map<string, RemoteNode>): void {
    const idle = [...map.values()].filter((node) => node.refs === 0 && node.open.length === 0);
    if (idle.length < LIMITS.idleNodes) return;
    idle.sort((a, b) => a.goodUntil - b.goodUntil || a.heardAt - b.heardAt);
    this.#speakers.clear();
    for (const node of idle) {
      if (map.size <= LIMITS.idleNodes / 2) break;
      map.delete(node.key);
    }
  }
}

/** Puts `node` into `list`, kept sorted by distance to `target` and no longer than `count`. */
export function insertSorted(list: RemoteNode[], node: RemoteNode, target: Uint8Array, count: number): void {
  let at = list.length;
  while (at > 0 && compareXor(target, node.id, list[at - 1]!.id) < 0) at--;
  if (at >= count) return;
  list.splice(at, 0, node);
  if (list.length > count) list.pop();
}
