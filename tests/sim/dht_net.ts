/** A DHT of many nodes in one world: growing, churning, asked and measured. */
import { type Endpoint, utf8 } from "../../core/base/mod.ts";
import { DhtNode, type DhtNodeOptions, DhtPort, makeValue, type Value } from "../../core/dht/mod.ts";
import { type Access, type Host, Seeded, type Segment, World } from "./mod.ts";

export interface DhtNetOptions {
  readonly seed: number;
  /** Link of every node. */
  readonly link?: Access;
  /** Share of nodes that have an IPv6 address too. Default 0. */
  readonly dual?: number;
  /** Where node number `index` is plugged in; default the internet. */
  readonly place?: (world: World, index: number) => { segment: Segment; ip: string } | undefined;
  readonly kernel?: DhtNodeOptions["kernel"];
  readonly skewMs?: (luck: Seeded) => number;
}

/** What one search took until it knew the nodes around its key. */
export interface Lookup {
  readonly hops: number;
  readonly messages: number;
  readonly ms: number;
}

const PORT = 4222;

interface Op {
  values: Value[];
  heard: { value: Value; expired: boolean }[];
  done: { ok: boolean; nodes: number } | undefined;
  onDone: (() => void) | undefined;
}

/** One node and its life. */
export class Member {
  node: DhtNode | undefined;
  status = "disconnected";
  bornAt = 0;
  connectedAt = -1;
  lookups: Lookup[] = [];
  #port: DhtPort | undefined;
  #ops = new Map<number, Op>();
  #nextOp = 1;

  constructor(readonly net: DhtNet, readonly host: Host, readonly index: number) {}

  get alive(): boolean {
    return this.node !== undefined;
  }
  /** Can others begin to talk to it? */
  get isPublic(): boolean {
    return this.host.plugs[0]!.segment === this.net.world.internet;
  }
  get address(): Endpoint {
    return { ip: this.host.plugs[0]!.ips[0]!, port: PORT };
  }

  /** A new node with a new id. */
  async start(bootstrap: readonly Endpoint[]): Promise<void> {
    const { world } = this.net, env = this.host.boot(), { clock, random } = env;
    const families = this.host.has(6) ? [4, 6] as const : [4] as const;
    const port = await DhtPort.open(env, { port: PORT });
    const node = new DhtNode({ random, families, kernel: this.net.options.kernel });
    this.node = node, this.#port = port, this.#ops.clear();
    this.bornAt = world.now, this.connectedAt = -1, this.status = "disconnected";
    void port.run(node, (out) => {
      switch (out.type) {
        case "verify": // a stand-in for the key operation: it takes a moment, and zeros are no signature
          return void clock.at(clock.now() + 1, () => {
            port.feed({ type: "verified", question: out.question, ok: out.signature.some((byte) => byte) });
          });
        case "lookup":
          return void this.lookups.push({ hops: out.hops, messages: out.messages, ms: out.ms });
        case "status":
          this.status = out.status;
          if (out.status === "connected" && this.connectedAt < 0) this.connectedAt = world.now;
          return;
        case "value":
          return void this.#ops.get(out.op)?.values.push(out.value);
        case "heard":
          return void this.#ops.get(out.op)?.heard.push(out);
        case "done": {
          const op = this.#ops.get(out.op);
          if (op) op.done = out, op.onDone?.();
        }
      }
    });
    const hosts = bootstrap.map(({ ip, port }) => ({ host: ip, port }));
    if (hosts.length) port.feed({ type: "bootstrap", hosts });
  }

  crash(): void {
    this.host.crash();
    this.node = undefined, this.#port = undefined, this.status = "disconnected";
  }

  put(key: Uint8Array, text: string, permanent = true): Op {
    const { op, entry } = this.#op(), id = BigInt(this.net.luck.uint32()) + 1n;
    const value = makeValue({ data: utf8(text), id });
    this.#port!.feed({
      type: "put",
      op,
      key,
      value,
      permanent,
      created: undefined,
      wall: this.host.env.clock.wall(),
    });
    return entry;
  }
  /** Every value under `key`; `onDone` is called when the search has ended. */
  get(key: Uint8Array, onDone?: (op: Op) => void): Op {
    const { op, entry } = this.#op();
    entry.onDone = () => {
      this.#ops.delete(op);
      onDone?.(entry);
    };
    this.#port!.feed({ type: "get", op, key, query: { select: [], where: [] } });
    return entry;
  }
  listen(key: Uint8Array): Op & { cancel(): void } {
    const { op, entry } = this.#op();
    this.#port!.feed({ type: "listen", op, key, query: { select: [], where: [] } });
    return Object.assign(entry, { cancel: () => this.#port!.feed({ type: "cancel", op }) });
  }
  connectivityChanged(): void {
    this.#port!.feed({ type: "connectivity" });
  }

  #op(): { op: number; entry: Op } {
    const op = this.#nextOp++, entry: Op = { values: [], heard: [], done: undefined, onDone: undefined };
    this.#ops.set(op, entry);
    return { op, entry };
  }
}

export class DhtNet {
  readonly world: World;
  readonly luck: Seeded;
  readonly members: Member[] = [];
  readonly alive: Member[] = [];
  crashed = 0;

  constructor(readonly options: DhtNetOptions) {
    this.world = new World({ seed: options.seed });
    this.luck = this.world.stream("dht net");
  }

  /** Starts nodes at `perSecond` until `count` have been started; each knows a few that were there before. */
  async grow(count: number, perSecond = 20): Promise<void> {
    while (this.members.length < count) {
      this.join();
      await this.world.run(1000 / perSecond);
    }
  }

  /** One more node on a host of its own. */
  join(): Member {
    const { options, luck, world } = this, index = this.members.length;
    const { segment, ip } = options.place?.(world, index) ?? { segment: world.internet, ip: address4(index) };
    const ips = luck.chance(options.dual ?? 0) ? [ip, address6(index)] : [ip];
    const skewMs = options.skewMs?.(luck) ?? 0;
    const member = new Member(
      this,
      world.host(`node ${index}`, { ips, segment, link: options.link, skewMs }),
      index,
    );
    this.members.push(member);
    this.#start(member);
    return member;
  }

  /** Living nodes that have been connected for `ms`. */
  settled(ms: number): Member[] {
    return this.alive.filter((m) => m.connectedAt >= 0 && this.world.now - m.connectedAt >= ms);
  }

  /** From now on, nodes crash and come back as new ones: `share` of them in ten minutes. */
  churn(share: number, keep: ReadonlySet<Member> = new Set()): Disposable {
    const every = 600_000 / (share * this.alive.length);
    let stopped = false;
    const next = () => {
      if (stopped) return;
      const victims = this.alive.filter((m) => !keep.has(m));
      const victim = this.luck.pick(victims);
      victim.crash();
      this.alive.splice(this.alive.indexOf(victim), 1);
      this.crashed++;
      // it is away for up to a minute and knows nothing when it returns
      this.world.schedule(this.world.now + 60_000 * this.luck.float(), () => this.#start(victim));
      this.world.schedule(this.world.now + every * -Math.log(1 - this.luck.float()), next);
    };
    this.world.schedule(this.world.now + every, next);
    return { [Symbol.dispose]: () => void (stopped = true) };
  }

  #start(member: Member): void {
    const open = this.alive.filter((m) => m.isPublic), known = this.settled(10_000).filter((m) => m.isPublic);
    const from = known.length ? known : open;
    const bootstrap = from.length ? Array.from({ length: 3 }, () => this.luck.pick(from).address) : [];
    this.alive.push(member);
    void member.start(bootstrap);
  }
}

const address4 = (index: number): string =>
  `60.${(index >> 14) & 255}.${(index >> 6) & 255}.${(index & 63) + 1}`;
const address6 = (index: number): string => `2a00:${(index + 1).toString(16)}::1`;
