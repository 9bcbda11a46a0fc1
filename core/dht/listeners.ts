/** Other nodes that listen here: who, for what, and what they are told. Pure. Spec: dht §1.11. */
import { type Endpoint, parseIp, sameEndpoint } from "../base/mod.ts";
import type { DhtKernel, KernelAction, Query } from "./kernel.ts";
import { LIMITS, TIMES } from "./limits.ts";
import type { RemoteNode } from "./nodes.ts";
import type { Packets } from "./packets.ts";
import { matches } from "./query.ts";
import type { Asking, Request } from "./requests.ts";
import type { Value } from "./value.ts";

type ListenAction = Extract<KernelAction, { type: "listen" }>;

/** The world of the remote listeners. */
export interface ListenersHost {
  readonly now: number;
  /** Seconds since 1970. */
  readonly created: number;
  readonly kernel: DhtKernel;
  readonly packets: Packets;
  ask(asking: Asking): Request | undefined;
  send(bytes: Uint8Array, to: Endpoint): void;
  /** Values kept under a key, with their packed bytes (a view). */
  stored(key: string): Iterable<{ value: Value; packed: Uint8Array }>;
}

interface RemoteListener {
  readonly node: RemoteNode;
  readonly socket: number;
  readonly version: number;
  readonly block: string;
  /** Where it listened from last; its token proved that it is there. */
  address: Endpoint;
  query: Query;
  heardAt: number;
}

export class Listeners {
  #keys = new Map<string, Map<string, RemoteListener>>();
  #blocks = new Map<string, number>();
  #count = 0;
  /** Refused for lack of room. */
  refused = 0;
  constructor(readonly host: ListenersHost) {}

  get count(): number {
    return this.#count;
  }
  has(key: string): boolean {
    return this.#keys.has(key);
  }
  /** A `listen` whose token was right: first what is here already, then the confirmation. */
  listen(action: ListenAction, node: RemoteNode): void {
    const { host } = this, { from, socket, query } = action, key = action.key.toHex();
    const id = `${node.key}:${socket}`, known = this.#keys.get(key)?.get(id), rawKey = action.key;
    if (known) {
      known.heardAt = host.now, known.query = query;
      if (!sameEndpoint(known.address, from)) known.address = from;
    } else {
      const listener = this.#enter(key, id, action, node);
      if (!listener) return void this.refused++;
      const values: Uint8Array[] = [];
      for (const { value, packed } of host.stored(key)) {
        if (matches({ select: [], where: query.where }, value)) values.push(packed.slice());
      }
      if (values.length) this.#push(rawKey, listener, values);
    }
    host.send(host.packets.encodeConfirmed(action.tid, from, host.kernel.token(from).slice()), from);
  }
  /** A value came or changed. */
  tell(key: string, rawKey: Uint8Array, value: Value, packed: Uint8Array): void {
    for (const listener of this.#keys.get(key)?.values() ?? []) {
      if (matches({ select: [], where: listener.query.where }, value)) this.#push(rawKey, listener, [packed]);
    }
  }
  /** Values were refreshed, or are gone. */
  tellIds(key: string, what: "re" | "exp", ids: readonly bigint[]): void {
    for (const listener of this.#keys.get(key)?.values() ?? []) this.#pushIds(listener, what, ids);
  }
  /** Forgets those who have not listened again for ten minutes. */
  expire(now: number): void {
    for (const [key, listeners] of this.#keys) {
      for (const [id, listener] of listeners) {
        if (now < listener.heardAt + TIMES.listener) continue;
        listeners.delete(id);
        listener.node.refs--;
        this.#count--;
        const left = this.#blocks.get(listener.block)! - 1;
        left ? this.#blocks.set(listener.block, left) : this.#blocks.delete(listener.block);
      }
      if (!listeners.size) this.#keys.delete(key);
    }
  }

  #enter(key: string, id: string, action: ListenAction, node: RemoteNode): RemoteListener | undefined {
    const listeners = this.#keys.get(key),
      block = addressBlock(action.from),
      used = this.#blocks.get(block) ?? 0;
    const full = this.#count >= LIMITS.listeners || used >= LIMITS.listenersPerAddress ||
      (listeners?.size ?? 0) >= LIMITS.listenersPerKey;
    if (full) return undefined;
    const { socket, version, from: address, query } = action;
    const listener = { node, socket, version, block, address, query, heardAt: this.host.now };
    listeners ? listeners.set(id, listener) : this.#keys.set(key, new Map([[id, listener]]));
    this.#blocks.set(block, used + 1);
    this.#count++;
    node.refs++;
    return listener;
  }
  #push(key: Uint8Array, listener: RemoteListener, values: readonly Uint8Array[]): void {
    for (const part of portions(values)) {
      if (listener.version < 1) this.#pushLegacy(key, listener, part);
      else {
        const { packets, created, kernel } = this.host, token = kernel.token(listener.address).slice();
        this.#ask(listener, (tid) => packets.update(tid, key, listener.socket, part, created, token));
      }
    }
  }
  #pushLegacy(key: Uint8Array, listener: RemoteListener, values: readonly Uint8Array[]): void {
    const { kernel, packets, now } = this.host, { socket, address } = listener;
    const token = kernel.token(address).slice();
    const nodes4 = kernel.closest(now, key, 4, LIMITS.target).slice();
    const nodes6 = kernel.closest(now, key, 6, LIMITS.target).slice();
    const written = packets.legacyValues(socket, address, nodes4, nodes6, values, token);
    for (const packet of written) this.host.send(packet, address);
  }
  #pushIds(listener: RemoteListener, what: "re" | "exp", ids: readonly bigint[]): void {
    const { kernel, packets } = this.host, { socket, address } = listener;
    const token = kernel.token(address).slice();
    if (listener.version < 1) this.host.send(packets.legacyIds(socket, what, ids, token), address);
    else this.#ask(listener, (tid) => packets.updateIds(tid, socket, what, ids, token));
  }
  #ask(listener: RemoteListener, write: (tid: number) => Uint8Array | Uint8Array[]): void {
    const { node, address: to } = listener;
    this.host.ask({ query: "update", node, to, write, reply: () => {} });
  }
}

/** One IPv4 address, or one IPv6 /64: who is counted as one when room is given out. */
export function addressBlock(from: Endpoint): string {
  return from.ip.includes(":") ? parseIp(from.ip).subarray(0, 8).toHex() : from.ip;
}

/** Cuts a list of values into pushes of bounded size. */
function portions(values: readonly Uint8Array[]): Uint8Array[][] {
  const parts: Uint8Array[][] = [];
  let bytes = Infinity;
  for (const value of values) {
    if (bytes + value.length > LIMITS.pushBytes) parts.push([]), bytes = 0;
    parts.at(-1)!.push(value);
    bytes += value.length;
  }
  return parts;
}
