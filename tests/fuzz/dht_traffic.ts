/** Traffic for DHT kernels from dice: whole stories of calls, mostly well-formed, never quite. */
import { type Endpoint, equal } from "../../core/base/mod.ts";
import { type Encodable, encode, Writer } from "../../core/codec/mod.ts";
import type { DhtKernel, KernelAction, KernelOptions, KernelValue } from "../../wasm/mod.ts";
import { Dice, mutate } from "./random.ts";

export const OPTIONS: KernelOptions = {
  id: Uint8Array.fromHex("091e54f1467fa471ebf5ca21f265499e6061ff0e"),
  network: 0,
  client: false,
  agent: "o2",
  seed: Uint8Array.from({ length: 16 }, (_, i) => i * 7),
};

/** One call on a kernel. */
export type Call = (kernel: DhtKernel) => unknown;

const FAMILIES = [2, 10, 23, 28, 30, 0, 7, -1];
const FIELDS = [1, 2, 3, 4, 5, 6, 0, 1, 2, 5];

/** Makes calls; knows what it has said before, so that tokens fit, fragments follow headers and keys are met again. */
export class Traffic {
  now = 1000;
  #ids: Uint8Array[];
  #keys: Uint8Array[];
  #from: Endpoint[];
  #last = new Uint8Array([0x80]);
  #queue: [Uint8Array, Endpoint][] = [];
  #soon: { what: string; call: Call }[] = [];
  #expected: [number, Endpoint][] = [];
  /** Transaction of a reply that had better be announced first. */
  #awaited = 0;

  constructor(readonly dice: Dice, readonly options: KernelOptions, readonly tokens: DhtKernel) {
    this.#ids = Array.from({ length: 60 }, () => dice.bytes(20));
    this.#keys = Array.from({ length: 5 }, () => dice.bytes(20));
    this.#from = [
      ...Array.from({ length: 8 }, (_, i) => ({ ip: `192.0.2.${1 + i % 5}`, port: 4000 + i })),
      { ip: "2001:db8::1", port: 4222 },
      { ip: "2001:db8::1:2", port: 4222 },
      { ip: "2001:db8:0:1::5", port: 4225 },
      { ip: "0.1.2.3", port: 1 },
      { ip: "239.1.1.1", port: 5 },
      { ip: "ff02::1", port: 5 },
      { ip: "192.0.2.9", port: 0 },
    ];
  }

  /** The next call and a word for it. */
  next(): { what: string; call: Call } {
    const { dice } = this, roll = dice.below(100);
    this.now += dice.oneIn(40) ? dice.below(4000) : dice.below(20);
    const now = this.now,
      key = dice.pick(this.#keys),
      id = dice.pick(this.#ids),
      from = this.#from[dice.below(dice.oneIn(30) ? this.#from.length : 11)]!;
    if (this.#queue.length && !dice.oneIn(3)) {
      const [bytes, source] = dice.oneIn(3)
        ? this.#queue.splice(dice.below(this.#queue.length), 1)[0]!
        : this.#queue.shift()!;
      return this.#packet(bytes, dice.oneIn(40) ? from : source);
    }
    if (roll < 4) {
      const until = now + dice.below(30000);
      return { what: "listNode", call: (k) => k.listNode(id, from, until) };
    }
    if (roll < 5) return { what: "unlistNode", call: (k) => k.unlistNode(id, from.ip.includes(":") ? 6 : 4) };
    if (roll < 12) {
      const value = this.#value();
      return { what: "setValue", call: (k) => k.setValue(key, value) };
    }
    if (roll < 15) {
      const value = BigInt(1 + dice.below(40));
      return { what: "removeValue", call: (k) => k.removeValue(key, value) };
    }
    if (roll < 17) {
      const value = BigInt(1 + dice.below(40));
      return { what: "value", call: (k) => k.value(key, value) };
    }
    if (roll < 18) {
      const secret = dice.bytes(8);
      return { what: "rotate", call: (k) => k.rotate(secret) };
    }
    if (roll < 22) {
      const tid = dice.below(50);
      this.#expected.push([tid, from]);
      if (this.#expected.length > 20) this.#expected.shift();
      return { what: "expect", call: (k) => k.expect(now, tid, from) };
    }
    if (roll < 24 && this.#expected.length) {
      const [tid, source] = dice.pick(this.#expected);
      return { what: "forget", call: (k) => k.forget(tid, source) };
    }
    if (roll < 26) return { what: "wake", call: (k) => k.wake(now) };
    if (roll < 28) {
      const family = dice.pick([4, 6] as const), count = dice.below(80);
      return { what: "closest", call: (k) => k.closest(now, id, family, count) };
    }
    if (roll < 29) {
      return { what: "token", call: (k) => [k.token(from), k.tokenOk(k.token(from).slice(), from)] };
    }
    const made = this.datagram(from), whole = dice.oneIn(12) ? mutate(dice, made, this.#last, 70000) : made;
    this.#last = Uint8Array.from(whole);
    const packet = this.#packet(whole, from);
    if (!this.#awaited) return packet;
    const tid = this.#awaited;
    this.#awaited = 0;
    this.#soon.push(packet);
    return { what: `expect ${tid}`, call: (k) => k.expect(now, tid, from) };
  }

  #packet(bytes: Uint8Array, from: Endpoint) {
    const now = this.now;
    return {
      what: `packet ${bytes.toHex()} from ${from.ip} ${from.port}`,
      call: (k: DhtKernel) => k.packet(now, bytes, from),
    };
  }

  #value(): KernelValue {
    const { dice } = this, owned = dice.oneIn(3);
    const size = dice.oneIn(20)
      ? dice.below(65700)
      : dice.oneIn(3)
      ? 600 + dice.below(3000)
      : 20 + dice.below(60);
    return {
      id: BigInt(1 + dice.below(40)),
      packed: dice.bytes(size),
      valueType: dice.below(9),
      owner: owned ? dice.bytes(dice.below(300)) : new Uint8Array(0),
      ownerId: owned ? dice.pick(this.#ids) : new Uint8Array(20),
      seq: dice.below(300),
      userType: dice.pick([new Uint8Array(0), new Uint8Array([0x74]), dice.bytes(40)]),
    };
  }

  #odd(): Encodable {
    const { dice } = this;
    return dice.pick<Encodable>([
      null,
      true,
      0,
      -1,
      2 ** 33,
      2n ** 64n - 1n,
      "x",
      new Uint8Array(3),
      [],
      [1, 2],
      {},
      1.5,
      [[[1]]],
    ]);
  }
  #maybe(value: Encodable): Encodable | undefined {
    return this.dice.oneIn(60) ? (this.dice.oneIn(2) ? undefined : this.#odd()) : value;
  }
  /** A byte string in one of its three forms. */
  #blob(bytes: Uint8Array): Encodable {
    return this.dice.oneIn(10) ? [...bytes] : bytes;
  }

  #filter(): Encodable {
    const { dice } = this;
    const where = Array.from({ length: dice.below(3) }, () => {
      const f = dice.pick(FIELDS);
      const v = f === 1
        ? 1 + dice.below(40)
        : f === 2
        ? dice.below(9)
        : f === 3
        ? dice.pick([new Uint8Array(20), dice.pick(this.#ids)])
        : this.#blob(new Uint8Array([0x74]));
      return { f, v: this.#maybe(v) };
    });
    return {
      s: this.#maybe(Array.from({ length: dice.below(4) }, () => dice.pick(FIELDS))),
      w: this.#maybe(where),
    };
  }

  /** Nearly a datagram somebody might send; what belongs behind it is queued. */
  datagram(from: Endpoint): Uint8Array {
    const { dice } = this, id = this.#maybe(dice.oneIn(40) ? this.options.id : dice.pick(this.#ids));
    const key = this.#maybe(dice.oneIn(20) ? new Uint8Array(20) : dice.pick(this.#keys));
    const token = this.#maybe(
      dice.oneIn(5)
        ? dice.bytes(dice.below(80))
        : this.#blob(this.tokens.token(from.port ? from : this.#from[0]!).slice()),
    );
    const tid = dice.oneIn(30)
      ? dice.pick<Encodable>(["ab", new Uint8Array([1, 2, 3, 4]), "abcde", new Uint8Array(2)])
      : dice.below(50);
    const kind = dice.below(12),
      values = this.#values(kind < 9 && !dice.oneIn(3), typeof tid === "number" ? tid : 0, from);
    const ids = () => this.#maybe(Array.from({ length: dice.below(5) }, () => dice.below(300)));
    const top: Record<string, Encodable | undefined> = {};
    if (kind < 7) {
      const q = dice.pick(["ping", "find", "get", "put", "listen", "refresh", "update", "get", "put"]);
      const a: Record<string, Encodable | undefined> = { id };
      if (q === "find") a.target = this.#maybe(dice.pick(this.#ids));
      if (q !== "ping" && q !== "find") a.h = key;
      if ((q === "find" || q === "get") && dice.oneIn(2)) {
        a.w = this.#maybe(Array.from({ length: dice.below(3) }, () => dice.pick(FAMILIES)));
      }
      if ((q === "get" || q === "listen") && dice.oneIn(2)) a.q = this.#maybe(this.#filter());
      if (q === "put" || q === "update") a.values = this.#maybe(values);
      if (q === "put" && dice.oneIn(2)) a.c = this.#maybe(dice.pick([1795344959, -5, 2n ** 63n, 2n ** 60n]));
      if (q !== "ping" && q !== "find" && q !== "get") a.token = token;
      if (q === "refresh") a.vid = this.#maybe(dice.below(40));
      if (q === "listen" || q === "update") a.sid = this.#maybe(dice.below(50)), a.ve = this.#maybe(1);
      if (q === "update" && dice.oneIn(2)) a.exp = ids(), a.re = ids();
      top.a = this.#maybe(a), top.q = dice.oneIn(40) ? this.#odd() : q;
    } else if (kind < 9) {
      if (typeof tid === "number" && !dice.oneIn(4)) this.#awaited = tid;
      const rows = { f: [1, 4], v: Array.from({ length: 2 * dice.below(4) }, () => dice.below(300)) };
      top.r = this.#maybe({
        ...{
          id,
          sa: this.#maybe(dice.bytes(dice.pick([4, 16, 5]))),
          n4: this.#maybe(this.#blob(dice.bytes(26 * dice.below(40)))),
        },
        ...{
          n6: this.#maybe(dice.bytes(38 * dice.below(3))),
          token: this.#maybe(dice.bytes(dice.pick([0, 32, 64, 65]))),
        },
        values: dice.oneIn(2) ? this.#maybe(values) : undefined,
        fileds: dice.oneIn(3)
          ? this.#maybe(dice.oneIn(4) ? { f: [dice.below(7)], v: [this.#odd()] } : rows)
          : undefined,
        ...{ vid: dice.oneIn(3) ? this.#maybe(7) : undefined, exp: dice.oneIn(5) ? ids() : undefined },
      });
    } else if (kind < 10) {
      top.e = this.#maybe([this.#maybe(dice.pick([401, 404, 70000])) ?? 0, "text"]);
      top.r = dice.oneIn(3) ? undefined : this.#maybe({ id });
    } else if (kind < 11) {
      top.p = this.#maybe(
        new Map<number, Encodable>(
          Array.from({ length: dice.below(3) }, () => [
            dice.below(3),
            {
              o: this.#maybe(dice.below(3000)),
              d: this.#maybe(this.#blob(dice.bytes(dice.below(20)))),
            } as Encodable,
          ]),
        ),
      );
    } else top.u = this.#maybe({ id, token, exp: ids(), re: ids() });
    if (!dice.oneIn(20)) top.t = dice.oneIn(40) ? this.#odd() : tid;
    if (!dice.oneIn(10)) top.y = dice.oneIn(30) ? this.#odd() : kind < 7 ? "q" : "r";
    if (!dice.oneIn(10)) top.v = dice.oneIn(40) ? this.#odd() : "o2";
    if (this.options.network || dice.oneIn(40)) top.n = dice.oneIn(10) ? this.#odd() : this.options.network;
    if (dice.oneIn(10)) top.s = dice.oneIn(10) ? this.#odd() : dice.oneIn(2);
    if (dice.oneIn(20)) top[dice.pick(["zz", "a2", "longer key"])] = this.#odd();
    return encode(top);
  }

  /** A list of values; where it lists sizes, their fragments are queued, in order or not, now and then spoilt. */
  #values(pieces: boolean, tid: number, from: Endpoint): Encodable[] {
    const { dice } = this;
    const small = () => ({
      id: 1 + dice.below(40),
      dat: { body: { type: 0, data: dice.bytes(dice.below(40)) } },
    });
    if (!pieces || dice.oneIn(2)) {
      return Array.from({ length: dice.below(4) }, () => dice.oneIn(15) ? this.#odd() : small());
    }
    const sizes = Array.from(
      { length: 1 + dice.below(3) },
      () => dice.oneIn(20) ? 65000 + dice.below(700) : 1 + dice.below(4000),
    );
    const packets: [Uint8Array, Endpoint][] = [];
    for (const [index, size] of sizes.entries()) {
      if (size > 65568) continue;
      const packed = dice.bytes(size), step = dice.oneIn(12) ? 40 + dice.below(1500) : 1280;
      for (let at = 0; at < size && packets.length < 60; at += step) {
        const shift = dice.oneIn(60) ? dice.below(5) : 0;
        const { network } = this.options, w = new Writer().map(network ? 4 : 3);
        if (network) w.str("n").uint(network);
        w.str("y").str("p").str("t").uint(tid).str("p").map(1).uint(index);
        w.map(2).str("o").uint(at + shift).str("d").bin(packed.subarray(at, at + step));
        packets.push([w.finish(), from]);
      }
    }
    if (dice.oneIn(15)) packets.splice(dice.below(packets.length + 1), 1);
    if (dice.oneIn(15) && packets.length) packets.push(dice.pick(packets));
    if (dice.oneIn(4)) packets.sort(() => dice.below(3) - 1);
    if (this.#queue.length < 200) this.#queue.push(...packets);
    return dice.oneIn(10) ? [...sizes, small()] : sizes;
  }
}

/** Text of anything a kernel gives back, with the bytes written out: equal texts, equal results. */
export function describe(result: unknown): string {
  if (result === undefined) return "-";
  return JSON.stringify(
    result,
    (_key, value) =>
      value instanceof Uint8Array
        ? value.toHex()
        : typeof value === "bigint"
        ? `${value}n`
        : value === undefined
        ? "-"
        : value,
  );
}

/** The first difference between two kernels after the same call, or `undefined`. Also what both gave. */
export function compare(
  a: DhtKernel,
  b: DhtKernel,
  call: Call,
): { result: unknown; difference: string | undefined } {
  const result = call(a), mine = describe(result), theirs = describe(call(b));
  if (mine !== theirs) return { result, difference: `${mine}\n${theirs}` };
  if (a.wakeAt !== b.wakeAt) return { result, difference: `wakeAt ${a.wakeAt} ${b.wakeAt}` };
  return { result, difference: undefined };
}

/** What holds after every call whatever came. */
export function broken(actions: readonly KernelAction[], self: Uint8Array): string | undefined {
  for (const action of actions) {
    if ("id" in action && action.id && (action.id.length !== 20 || equal(action.id, self))) {
      return "a foreign id that is ours";
    }
    if (action.type === "send" && action.bytes.length > 65507) return "a datagram no socket sends";
  }
  return undefined;
}
