/** What a node does unasked: keeps its tables alive, its secrets fresh and its memory clean. Pure. Spec: dht §4.1, §4.3. */
import type { Family } from "../base/mod.ts";
import { LIMITS, TIMES } from "./limits.ts";
import type { RemoteNode } from "./nodes.ts";
import type { Want } from "./packets.ts";
import type { Storage } from "./storage.ts";
import type { Table } from "./table.ts";
import type { Timer } from "./timers.ts";
import type { World } from "./world.ts";

const NEIGHBOUR = 1 / 8, BOTH_FAMILIES = 1 / 38;

export class Maintenance {
  readonly #confirm: Timer;

  constructor(
    readonly world: World,
    readonly storage: Storage,
    readonly connected: (family: Family) => boolean,
  ) {
    const { timers } = world;
    this.#confirm = timers.at(Infinity, () => this.#confirmNodes());
    world.onFirstNode = () => this.soon(TIMES.confirmSoon);
  }
  start(): void {
    this.soon(this.world.between(TIMES.confirmFirst));
    this.#rotate(false);
    this.#cleanUp();
  }
  /** The next look at the tables comes in `delay` ms at the latest. */
  soon(delay: number): void {
    const at = this.world.now + delay;
    if (this.#confirm.slot < 0 || at < this.#confirm.time) this.world.timers.move(this.#confirm, at);
  }

  /** Somebody waits for the network: asks nodes we have not heard of lately, instead of letting chance do it. */
  rouse(): void {
    const { world } = this, { now } = world;
    for (const family of world.families) {
      const nodes = world.tables[family]!.buckets.flatMap((bucket) => bucket.nodes);
      const silent = nodes.filter((node) => !node.expired && !node.isGood(now) && !node.open.length);
      for (const node of silent.slice(0, LIMITS.target)) world.ping(node);
    }
  }

  #confirmNodes(): void {
    const { world } = this, { now } = world;
    for (const family of world.families) {
      if (this.connected(family) && !world.searches[family].size) world.search(world.id, family)?.start();
    }
    let busy = false;
    for (const family of world.families) busy = this.#freshenBuckets(world.tables[family]!) || busy;
    for (const family of busy ? [] : world.families) {
      const table = world.tables[family]!;
      if (table.grownAt >= now - TIMES.bucketGrown) busy = this.#meetNeighbours(table) || busy;
    }
    world.stale = true; // good nodes may have become dubious by mere silence
    world.timers.move(this.#confirm, now + world.between(busy ? TIMES.confirmBusy : TIMES.confirmIdle));
  }
  /** Looks up a random id in every range that is empty or has been silent. */
  #freshenBuckets(table: Table): boolean {
    const { world } = this, before = world.now - TIMES.bucketStale;
    let sent = false;
    for (const [index, bucket] of table.buckets.entries()) {
      if (bucket.time >= before && bucket.nodes.length) continue;
      const node = this.#someone(table, index);
      if (!node || node.open.length) continue;
      const target = table.randomId(index), other = world.tables[table.family === 4 ? 6 : 4];
      const thin = other && other.buckets[other.indexOf(target)]!.nodes.length < LIMITS.target;
      this.#find(node, target, other && (thin || world.random.float() < BOTH_FAMILIES));
      sent = true;
    }
    return sent;
  }
  /** Our own neighbourhood: ids that differ from ours in the last byte. */
  #meetNeighbours(table: Table): boolean {
    const target = this.world.id.slice();
    target[19] = this.world.random.uint32() & 255;
    const node = this.#someone(table, table.indexOf(this.world.id));
    if (node) this.#find(node, target, this.world.families.length > 1);
    return node !== undefined;
  }
  /** A random node of bucket `index`; now and then, or if there is none, of a neighbour. */
  #someone(table: Table, index: number): RemoteNode | undefined {
    const { random } = this.world, at = (i: number) => table.buckets[i]?.nodes ?? [];
    let nodes = at(index);
    if (index + 1 < table.buckets.length && (!nodes.length || random.float() < NEIGHBOUR)) {
      nodes = at(index + 1);
    }
    if (index > 0 && (!nodes.length || random.float() < NEIGHBOUR) && at(index - 1).length) {
      nodes = at(index - 1);
    }
    return nodes[random.uint32() % (nodes.length || 1)];
  }
  #find(node: RemoteNode, target: Uint8Array, both: boolean | undefined): void {
    const { world } = this, want: Want | undefined = both ? [2, 10] : undefined;
    world.ask({
      query: "find",
      node,
      to: node.address,
      write: (tid) => world.packets.find(tid, target, want),
      reply: (reply) => {
        if (!reply.token?.length) return world.dropped("no-token");
        world.offer(reply, 1);
      },
      expired: () => this.soon(TIMES.confirmSoon),
    });
  }
  #rotate(now = true): void {
    const { world } = this;
    if (now) world.kernel.rotate(world.random.bytes(8));
    world.timers.at(world.now + world.between(TIMES.secret), () => this.#rotate());
  }
  #cleanUp(): void {
    const { world } = this, { now } = world;
    for (const family of world.families) world.tables[family]!.purge();
    world.forgetSearches(now - TIMES.searchIdle);
    this.storage.listeners.expire(now);
    world.stale = true;
    world.timers.at(now + world.between(TIMES.cleanup), () => this.#cleanUp());
  }
}
