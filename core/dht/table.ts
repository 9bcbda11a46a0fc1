/** The routing table of one family: ranges of the id space, eight nodes each. Pure. Spec: dht §4.3. */
import { compare, type Family, type Random } from "../base/mod.ts";
import { LIMITS, TIMES } from "./limits.ts";
import { insertSorted, type RemoteNode } from "./nodes.ts";

/** From `first` up to the `first` of the next bucket. */
export interface Bucket {
  readonly first: Uint8Array;
  /** Last confirmed answer in this range. */
  time: number;
  nodes: RemoteNode[];
  /** Who would like to come in. */
  waiting: RemoteNode | undefined;
}

/** What the table does to the world. */
export interface TableHost {
  readonly random: Random;
  /** `node` may be named to others until `until`; `-Infinity`: no longer. */
  list(node: RemoteNode, until: number): void;
  ping(node: RemoteNode): void;
}

/** How sure we are of a node: told, heard, answered. */
export type Confidence = 0 | 1 | 2;

export class Table {
  readonly buckets: Bucket[] = [{
    first: new Uint8Array(20),
    time: -Infinity,
    nodes: [],
    waiting: undefined,
  }];
  /** When our own bucket last gained a node. */
  grownAt = -Infinity;

  /** `wide`: keep more of the whole space, as bootstrap nodes do. */
  constructor(
    readonly family: Family,
    readonly own: Uint8Array,
    readonly host: TableHost,
    readonly wide = false,
  ) {}

  indexOf(id: Uint8Array): number {
    let low = 0, high = this.buckets.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (compare(id, this.buckets[middle]!.first) < 0) high = middle - 1;
      else low = middle;
    }
    return low;
  }

  /** We learnt of a node, maybe not for the first time. True if it is new here (or waits to get in). */
  learn(now: number, node: RemoteNode, confidence: Confidence): boolean {
    for (;;) {
      const index = this.indexOf(node.id), bucket = this.buckets[index]!;
      if (confidence === 2) bucket.time = now;
      if (bucket.nodes.includes(node)) {
        if (confidence > 0) this.#list(now, node);
        return false;
      }
      const mine = index === this.indexOf(this.own);
      if (mine) this.grownAt = now;
      if (bucket.nodes.length < LIMITS.target) return this.#enter(now, bucket, node), true;
      const dead = bucket.nodes.findIndex((n) => n.expired);
      if (dead >= 0) {
        this.#leave(bucket, dead);
        return this.#enter(now, bucket, node), true;
      }
      const dubious = bucket.nodes.filter((n) => !n.isGood(now));
      const quiet = dubious.find((n) => n.open.length === 0);
      if (quiet) this.host.ping(quiet);
      const splittable = mine || (this.wide && this.depth(index) < 6);
      if (splittable && (!dubious.length || this.buckets.length === 1) && this.#split(index)) continue;
      if (confidence > 0 || !bucket.waiting) bucket.waiting = node;
      return true;
    }
  }

  /** Good nodes nearest to `target`, nearest first. */
  closest(now: number, target: Uint8Array, count: number): RemoteNode[] {
    const best: RemoteNode[] = [], start = this.indexOf(target);
    let up = start, down = start - 1;
    while (best.length < count && (up < this.buckets.length || down >= 0)) {
      for (const bucket of [this.buckets[up++], this.buckets[down--]]) {
        for (const node of bucket?.nodes ?? []) {
          if (node.isGood(now)) insertSorted(best, node, target, LIMITS.searchNodes * 8);
        }
      }
    }
    return best.length > count ? best.slice(0, count) : best;
  }

  /** Removes expired nodes and asks those who wait for their places. */
  purge(): void {
    for (const bucket of this.buckets) {
      const before = bucket.nodes.length;
      for (let i = before - 1; i >= 0; i--) if (bucket.nodes[i]!.expired) this.#leave(bucket, i);
      if (bucket.nodes.length < before) this.#pingWaiting(bucket);
    }
  }
  /** After a change of network every range is due for a look. */
  connectivityChanged(now: number): void {
    this.grownAt = now;
    for (const bucket of this.buckets) {
      bucket.time = -Infinity;
      for (const node of bucket.nodes) this.host.list(node, -Infinity);
    }
  }

  /** Bits that all ids of bucket `index` share. */
  depth(index: number): number {
    const bit = (id: Uint8Array | undefined) => {
      for (let i = 19; id && i >= 0; i--) {
        for (let b = 7; id[i] && b >= 0; b--) if (id[i]! & (0x80 >> b)) return 8 * i + b;
      }
      return -1;
    };
    return Math.max(bit(this.buckets[index]!.first), bit(this.buckets[index + 1]?.first)) + 1;
  }
  /** Depth of our own bucket: the network holds about 8 · 2^depth nodes. */
  get ownDepth(): number {
    return this.depth(this.indexOf(this.own));
  }
  /** A random id in the range of bucket `index`. */
  randomId(index: number): Uint8Array {
    const id = this.host.random.bytes(20), first = this.buckets[index]!.first, bits = this.depth(index);
    for (let i = 0; i < bits >> 3; i++) id[i] = first[i]!;
    const rest = bits & 7, at = bits >> 3, mask = 0xff >> rest;
    if (rest) id[at] = (first[at]! & ~mask) | (id[at]! & mask);
    return id;
  }
  /** Is anybody here good, or at least not given up? Stops at the first good one. */
  best(now: number): "good" | "dubious" | "none" {
    let best: "dubious" | "none" = "none";
    for (const { nodes } of this.buckets) {
      for (const node of nodes) {
        if (node.isGood(now)) return "good";
        if (!node.expired) best = "dubious";
      }
    }
    return best;
  }
  /** `incoming`: good nodes that asked us after they last answered us. */
  counts(now: number): { good: number; dubious: number; incoming: number } {
    let good = 0, dubious = 0, incoming = 0;
    for (const { nodes } of this.buckets) {
      for (const node of nodes) {
        if (node.isGood(now)) good++, incoming += node.heardAt > node.repliedAt ? 1 : 0;
        else if (!node.expired) dubious++;
      }
    }
    return { good, dubious, incoming };
  }
  /** Our own bucket's good nodes first, then all others. */
  goodNodes(now: number): RemoteNode[] {
    const own = this.buckets[this.indexOf(this.own)]!, others = this.buckets.filter((b) => b !== own);
    return [own, ...others].flatMap((bucket) => bucket.nodes.filter((node) => node.isGood(now)));
  }

  #enter(now: number, bucket: Bucket, node: RemoteNode): void {
    bucket.nodes.unshift(node);
    node.refs++;
    this.#list(now, node);
  }
  #leave(bucket: Bucket, at: number): void {
    const [node] = bucket.nodes.splice(at, 1);
    node!.refs--;
    this.host.list(node!, -Infinity);
  }
  #list(now: number, node: RemoteNode): void {
    const until = node.goodUntil;
    if (until > now && until - node.listedUntil > TIMES.listSlack) this.host.list(node, until);
  }
  #pingWaiting(bucket: Bucket): void {
    const { waiting } = bucket;
    bucket.waiting = undefined;
    if (waiting && !waiting.expired) this.host.ping(waiting);
  }
  /** Halves a range; false when it is one id wide. */
  #split(index: number): boolean {
    const bucket = this.buckets[index]!, bit = this.depth(index);
    if (bit >= 160) return false;
    this.#pingWaiting(bucket);
    const first = bucket.first.slice();
    first[bit >> 3]! |= 0x80 >> (bit & 7);
    const upper: Bucket = { first, time: bucket.time, nodes: [], waiting: undefined };
    const inUpper = (node: RemoteNode) => compare(node.id, first) >= 0;
    upper.nodes = bucket.nodes.filter(inUpper);
    bucket.nodes = bucket.nodes.filter((node) => !inUpper(node));
    this.buckets.splice(index + 1, 0, upper);
    return true;
  }
}
