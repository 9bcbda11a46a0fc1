/** Subscriptions of one search: whom we listen at, and what each of them holds. Pure. Spec: dht §1.11. */
import type { Query } from "./kernel.ts";
import { LIMITS, TIMES } from "./limits.ts";
import type { Request } from "./requests.ts";
import type { Search, SearchNode } from "./search.ts";
import type { Subscription } from "./subscription.ts";
import type { Value } from "./value.ts";
import { lifetimeOf } from "./value_types.ts";

interface Held {
  value: Value;
  heardAt: number;
  expiresAt: number;
}

/** Our standing at one node for one query. It holds values as a party of the subscription. */
export class NodeListen {
  /** Id under which the node pushes; 0: none open. */
  socket = 0;
  request: Request | undefined;
  repliedAt = -Infinity;
  readonly values = new Map<bigint, Held>();
  nextExpiry = Infinity;

  constructor(readonly subscription: Subscription, readonly period: number) {}
  /** When to listen again; -Infinity: at once. */
  get renewAt(): number {
    return this.repliedAt + this.period - TIMES.renewMargin;
  }
  isAlive(now: number): boolean {
    return now < this.repliedAt + this.period;
  }
}

export class Listens {
  #subscriptions = new Map<string, Subscription>();
  constructor(readonly search: Search) {}

  get idle(): boolean {
    return this.#subscriptions.size === 0;
  }
  add(subscription: Subscription): void {
    this.#subscriptions.set(subscription.id, subscription);
    this.search.start();
  }
  remove(subscription: Subscription): void {
    this.#subscriptions.delete(subscription.id);
    for (const entry of this.search.nodes) this.#close(entry, subscription.id);
    this.search.wake();
  }
  /** Do the first four living nodes push to us? */
  isSynced(subscription: Subscription, now: number): boolean {
    const leading = this.search.leading(LIMITS.listenNodes);
    return leading.length > 0 && leading.every((entry) => entry.listens.get(subscription.id)?.isAlive(now));
  }
  /** Subscribes at the first `count` synced nodes; `over`: past nodes that are not. */
  send(now: number, count: number, over: boolean): void {
    if (this.idle) return;
    for (const entry of this.search.nodes) {
      if (!entry.isSynced(now)) {
        if (over || entry.bad) continue;
        break;
      }
      for (const subscription of this.#subscriptions.values()) this.#serve(entry, subscription, now);
      if (!entry.candidate && --count === 0) break;
    }
  }
  /** A push, or a version-0 answer, arrived on the socket of `entry` for `id`. */
  pushed(
    entry: SearchNode,
    id: string,
    values: readonly Value[],
    refreshed: readonly bigint[],
    expired: readonly bigint[],
  ): void {
    const listen = entry.listens.get(id), { now } = this.search.host;
    if (!listen) return;
    for (const value of values) this.#hold(listen, value, now);
    for (const vid of refreshed) {
      const held = listen.values.get(vid);
      if (held) held.heardAt = now, held.expiresAt = now + lifetimeOf(held.value.type);
    }
    for (const vid of expired) this.#drop(listen, vid);
    while (listen.values.size > LIMITS.listenValues) this.#drop(listen, oldest(listen));
    this.#expire(listen, now);
    this.search.wake();
  }
  expireValues(now: number): void {
    if (this.idle) return;
    for (const entry of this.search.nodes) {
      for (const listen of entry.listens.values()) if (listen.nextExpiry <= now) this.#expire(listen, now);
    }
  }
  /** Its token was refused: what it told us stays, the subscription begins anew. */
  unauthorized(entry: SearchNode): void {
    for (const listen of entry.listens.values()) {
      this.search.host.requests.cancel(listen.request);
      this.search.host.closeSocket(listen.socket);
      listen.request = undefined, listen.socket = 0, listen.repliedAt = -Infinity;
    }
  }
  /** `entry` is left: what only it held is gone. */
  release(entry: SearchNode): void {
    for (const id of [...entry.listens.keys()]) this.#close(entry, id);
  }

  #serve(entry: SearchNode, subscription: Subscription, now: number): void {
    const { search } = this, { host } = search, { id } = subscription;
    let listen = entry.listens.get(id);
    if (listen?.request || (listen && now < listen.renewAt)) return;
    if (!listen) entry.listens.set(id, listen = new NodeListen(subscription, host.listenPeriod));
    const current = listen;
    current.socket ||= host.openSocket(entry.node, this, id);
    current.request = search.ask({
      query: "listen",
      node: entry.node,
      to: entry.node.address,
      write: (tid) =>
        host.packets.listen(tid, search.key, entry.token!, current.socket, wire(subscription.query)),
      reply: (reply) => {
        current.request = undefined;
        current.repliedAt = host.now;
        entry.node.authErrors = 0;
        if (reply.token?.length && reply.token.length <= LIMITS.tokenBytes) entry.token = reply.token;
        search.wake();
      },
      error: (code) => {
        if (code !== 401) return false;
        current.request = undefined;
        host.unauthorized(entry.node);
        return true;
      },
      slow: () => search.wake(),
      expired: () => {
        current.request = undefined;
        this.#close(entry, id);
        search.wake();
      },
    });
  }
  #hold(listen: NodeListen, value: Value, now: number): void {
    listen.values.set(value.id, { value, heardAt: now, expiresAt: now + lifetimeOf(value.type) });
    listen.subscription.gain(listen, value);
  }
  #drop(listen: NodeListen, id: bigint): void {
    if (listen.values.delete(id)) listen.subscription.lose(listen, id);
  }
  #expire(listen: NodeListen, now: number): void {
    listen.nextExpiry = Infinity;
    for (const [id, { expiresAt }] of listen.values) {
      if (expiresAt <= now) this.#drop(listen, id);
      else if (expiresAt < listen.nextExpiry) listen.nextExpiry = expiresAt;
    }
  }
  #close(entry: SearchNode, id: string): void {
    const listen = entry.listens.get(id), { host } = this.search;
    if (!listen) return;
    entry.listens.delete(id);
    host.requests.cancel(listen.request);
    host.closeSocket(listen.socket);
    for (const vid of [...listen.values.keys()]) this.#drop(listen, vid);
  }
}

/** A subscription asks for whole values: its filter travels, a selection does not. */
const wire = (query: Query): Query => ({ select: [], where: query.where });

function oldest(listen: NodeListen): bigint {
  let id = 0n, at = Infinity;
  for (const [vid, held] of listen.values) if (held.heardAt < at) id = vid, at = held.heardAt;
  return id;
}
