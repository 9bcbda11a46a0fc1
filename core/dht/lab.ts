/** A small world for tests: nodes that pass datagrams on a clock made of numbers, and hand-made peers among them. */
import { type Endpoint, formatEndpoint, parseIp } from "../base/mod.ts";
import type { Random } from "../base/mod.ts";
import { decode, type Encodable, encode, type MsgpackValue } from "../codec/mod.ts";
import type { DhtIn, DhtOut } from "./messages.ts";
import { DhtNode } from "./node.ts";
import type { DhtNodeOptions } from "./node_options.ts";
import { Packets } from "./packets.ts";

/** Repeatable luck. */
export function seeded(seed: number): Random {
  let state = seed >>> 0;
  const uint32 = () => {
    state = (state + 0x9e3779b9) >>> 0;
    let z = state;
    z = Math.imul(z ^ (z >>> 16), 0x85ebca6b), z = Math.imul(z ^ (z >>> 13), 0xc2b2ae35);
    return (z ^ (z >>> 16)) >>> 0;
  };
  return {
    uint32,
    float: () => uint32() / 2 ** 32,
    bytes: (length) => Uint8Array.from({ length }, () => uint32() & 255),
  };
}

/** A decoded packet on its way. */
export interface Seen {
  readonly at: number;
  readonly from: string;
  readonly to: string;
  readonly bytes: Uint8Array;
  readonly packet: Map<string, MsgpackValue>;
}

type Fields = Record<string, Encodable | undefined>;
type Handler = (bytes: Uint8Array, from: Endpoint) => void;

export class Lab {
  now = 0;
  /** Milliseconds since 1970 at time 0. */
  epoch = 1_800_000_000_000;
  readonly latency = 1;
  readonly seen: Seen[] = [];
  /** True: the packet is lost. */
  loses: (from: string, to: string, bytes: Uint8Array) => boolean = () => false;
  #places = new Map<string, Handler>();
  #members: Member[] = [];
  #flying: { at: number; from: Endpoint; to: Endpoint; bytes: Uint8Array }[] = [];

  add(options: Partial<DhtNodeOptions> & { ip?: string; port?: number } = {}): Member {
    const { ip = `10.0.0.${this.#members.length + 1}`, port = 4222, ...rest } = options;
    const random = rest.random ?? seeded(1000 + this.#members.length);
    const member = new Member(this, new DhtNode({ families: [4], ...rest, random }), { ip, port });
    this.#members.push(member);
    this.place(
      member.address,
      (bytes, from) => member.feed({ type: "packet", bytes, from, wall: this.wall }),
    );
    member.feed({ type: "start", wall: this.wall });
    return member;
  }
  get wall(): number {
    return this.epoch + this.now;
  }
  /** Somebody who is no node of ours. */
  place(address: Endpoint, handler: Handler): void {
    this.#places.set(formatEndpoint(address), handler);
  }
  remove(address: Endpoint): void {
    this.#places.delete(formatEndpoint(address));
    this.#members = this.#members.filter((m) => m.address !== address);
  }
  send(bytes: Uint8Array, from: Endpoint, to: Endpoint): void {
    this.#flying.push({ at: this.now + this.latency, from, to, bytes: bytes.slice() });
  }
  /** Lets `ms` pass. */
  run(ms: number): void {
    const end = this.now + ms;
    for (;;) {
      const packet = this.#flying.reduce((a, b) => b.at < (a?.at ?? Infinity) ? b : a, this.#flying[0]);
      const sleeper = this.#members.reduce(
        (a, b) => b.node.wakeAt < (a?.node.wakeAt ?? Infinity) ? b : a,
        this.#members[0],
      );
      const at = Math.min(packet?.at ?? Infinity, sleeper?.node.wakeAt ?? Infinity);
      if (at > end) break;
      this.now = Math.max(this.now, at);
      if (packet && packet.at <= at) this.#deliver(packet);
      else sleeper!.feed({ type: "wake" });
    }
    this.now = end;
  }
  /** Packets seen that fulfil all given conditions; `q` a query name, `y` the kind. */
  find(what: { from?: Endpoint; to?: Endpoint; q?: string; y?: string; since?: number }): Seen[] {
    const { from, to, q, y, since = 0 } = what;
    return this.seen.filter((s) =>
      s.at >= since && (!from || s.from === formatEndpoint(from)) && (!to || s.to === formatEndpoint(to)) &&
      (q === undefined || s.packet.get("q") === q) && (y === undefined || s.packet.get("y") === y)
    );
  }

  #deliver(packet: { from: Endpoint; to: Endpoint; bytes: Uint8Array }): void {
    this.#flying.splice(this.#flying.indexOf(packet as never), 1);
    const from = formatEndpoint(packet.from), to = formatEndpoint(packet.to);
    if (this.loses(from, to, packet.bytes)) return;
    this.seen.push({ at: this.now, from, to, bytes: packet.bytes, packet: read(packet.bytes) });
    this.#places.get(to)?.(packet.bytes, packet.from);
  }
}

export class Member {
  readonly events: { at: number; out: DhtOut }[] = [];
  /** Answers questions about signatures; `undefined`: never. */
  verifies: (signature: Uint8Array) => boolean | undefined = () => true;
  names: (host: string) => readonly string[] = () => [];
  constructor(readonly lab: Lab, readonly node: DhtNode, readonly address: Endpoint) {}

  feed(input: DhtIn): void {
    for (const out of this.node.step(this.lab.now, input)) {
      if (out.type === "send") this.lab.send(out.bytes, this.address, out.to);
      else this.#act(out);
    }
  }
  /** Joins the network of `other`. */
  join(other: Member): this {
    this.feed({ type: "bootstrap", hosts: [{ host: other.address.ip, port: other.address.port }] });
    return this;
  }
  outs<Type extends DhtOut["type"]>(type: Type, op?: number): Extract<DhtOut, { type: Type }>[] {
    const all = this.events.map(({ out }) => out).filter((out) => out.type === type);
    return all.filter((out) => op === undefined || ("op" in out && out.op === op)) as never;
  }
  /** A packet from `from`, as if it came over the wire. */
  receive(bytes: Uint8Array, from: Endpoint): void {
    this.feed({ type: "packet", bytes, from, wall: this.lab.wall });
  }
  #act(out: DhtOut): void {
    this.events.push({ at: this.lab.now, out });
    if (out.type === "verify") {
      const ok = this.verifies(out.signature);
      if (ok !== undefined) this.feed({ type: "verified", question: out.question, ok });
    } else if (out.type === "resolve") {
      this.feed({ type: "resolved", host: out.host, port: out.port, ips: this.names(out.host) });
    }
  }
}

/** The outer map of a packet. */
export function read(bytes: Uint8Array): Map<string, MsgpackValue> {
  const value = decode(bytes, { trailing: true });
  return value instanceof Map ? value as Map<string, MsgpackValue> : new Map();
}

/** What hangs at `path` below a packet's outer map. */
export function at(packet: MsgpackValue | undefined, ...path: (string | number)[]): MsgpackValue | undefined {
  let found = packet;
  for (const step of path) {
    found = found instanceof Map
      ? found.get(step as string)
      : Array.isArray(found)
      ? found[step as number]
      : undefined;
  }
  return found;
}

/** A peer made by hand: says what the test wants, and answers like a node that knows nobody. */
export class Stranger {
  readonly packets: Packets;
  /** What reached it. */
  readonly inbox: Seen[] = [];
  token: Uint8Array | undefined = new Uint8Array(32).fill(7);
  /** Extra entries of its `r` to get and find. */
  more: (query: Map<string, MsgpackValue>) => Fields = () => ({});
  /** Which queries it answers. */
  answers: ReadonlySet<string> = new Set(["ping", "find", "get", "put", "listen", "refresh", "update"]);
  constructor(readonly lab: Lab, readonly id: Uint8Array, readonly address: Endpoint, network = 0) {
    this.packets = new Packets({ id, network, client: false, agent: "RNG1" });
    lab.place(address, (bytes, from) => this.#receive(bytes, from));
  }
  say(bytes: Uint8Array | Uint8Array[], to: Member): void {
    for (const part of Array.isArray(bytes) ? bytes : [bytes]) this.lab.send(part, this.address, to.address);
  }
  /** Its write token at `member`, asked for by a find. */
  tokenOf(member: Member): Uint8Array {
    const before = this.inbox.length;
    this.say(this.packets.find(0x1234, this.id), member);
    this.lab.run(3);
    return this.inbox.slice(before).map((s) => at(s.packet, "r", "token")).find((t) =>
      t instanceof Uint8Array
    ) as Uint8Array;
  }
  /** The packets of kind `y` that came, the newest last. */
  got(y: string, q?: string): Map<string, MsgpackValue>[] {
    return this.inbox.map((s) => s.packet).filter((p) => p.get("y") === y && (!q || p.get("q") === q));
  }
  reply(tid: number, body: Fields): Uint8Array {
    return encode(
      new Map<string, Encodable>([["r", toMap({ id: this.id, ...body })], ["t", tid], ["y", "r"], [
        "v",
        "RNG1",
      ]]),
    );
  }

  #receive(bytes: Uint8Array, from: Endpoint): void {
    const packet = read(bytes), query = String(packet.get("q"));
    this.inbox.push({ at: this.lab.now, from: formatEndpoint(from), to: "", bytes, packet });
    if (packet.get("y") !== "q" || !this.answers.has(query)) return;
    const lists = query === "get" || query === "find";
    const body: Fields = {
      sa: parseIp(from.ip),
      ...(lists && this.token && { token: this.token }),
    };
    if (query === "put") body["vid"] = at(packet, "a", "values", 0, "id") as Encodable ?? 1;
    if (query === "refresh") body["vid"] = at(packet, "a", "vid") as Encodable;
    this.lab.send(
      this.reply(packet.get("t") as number, { ...body, ...(lists ? this.more(packet) : {}) }),
      this.address,
      from,
    );
  }
}

const toMap = (fields: Fields) =>
  new Map(Object.entries(fields).filter((field): field is [string, Encodable] => field[1] !== undefined));
