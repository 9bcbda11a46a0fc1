/** The WebAssembly DHT kernel as an object: owns the memory and its views, turns action records into actions. */
import { type Endpoint, formatIp, parseIp } from "../../core/base/mod.ts";
import { Reader } from "../../core/codec/mod.ts";
import { KERNEL_LIMITS as L } from "../limits.ts";
import { readFilter, readRows, WHOLE } from "../twins/dht/filter.ts";
import { checkBytes, checkOptions, checkValue } from "./checks.ts";
import {
  type DhtKernel,
  DROP_REASONS,
  type DropReason,
  type KernelAction,
  type KernelOptions,
  type KernelStats,
  type KernelValue,
  QUERY_NAMES,
  type QueryName,
} from "./dht_kernel.ts";
import { type DhtExports, instantiateDht } from "./dht_module.ts";

/** Kinds of action records. */
const SEND = 1, HEARD = 2, DROP = 3, PUT = 4, REFRESH = 5, LISTEN = 6, UPDATE = 7, REPLY = 8;
/** Texts of addresses whose bytes are kept. */
const ADDRESSES_KEPT = 4096;
/** Words of the fields of the one big action. */
const F = {
  ...{ id: 0, tid: 1, key: 2, token: 3, tokenLength: 4, nodes4: 5, nodes6: 7, seenAs: 9, seenAsLength: 10 },
  ...{
    hasCreated: 11,
    hasValue: 12,
    socket: 13,
    version: 14,
    expired: 15,
    refreshed: 16,
    rows: 17,
    query: 18,
    client: 19,
  },
  ...{ created: 128, value: 136 }, // bytes
} as const;

export class WasmKernel implements DhtKernel {
  #wasm: DhtExports;
  #bytes: Uint8Array;
  #words: Uint32Array;
  #view: DataView;
  #at: {
    stage: number;
    ip: number;
    out: number;
    actions: number;
    fields: number;
    values: number;
    stats: number;
  };
  #lastIp = "";
  #lastIpBytes = 0;
  #addresses = new Map<string, Uint8Array>();

  /** @throws {RangeError} for options out of their bounds. */
  constructor(readonly options: KernelOptions) {
    checkOptions(options);
    const wasm = this.#wasm = instantiateDht(), buffer = wasm.memory.buffer;
    if (wasm.place(7) > buffer.byteLength) {
      throw new RangeError("the module's memory is too small for its map");
    }
    this.#bytes = new Uint8Array(buffer);
    this.#words = new Uint32Array(buffer);
    this.#view = new DataView(buffer);
    const [stage, ip, out, actions, fields, values, stats] = Array.from(
      { length: 7 },
      (_, i) => wasm.place(i),
    );
    this.#at = {
      stage: stage!,
      ip: ip!,
      out: out!,
      actions: actions!,
      fields: fields!,
      values: values!,
      stats: stats!,
    };
    this.#bytes.set(options.id, stage);
    for (let i = 0; i < options.agent.length; i++) this.#bytes[stage! + 20 + i] = options.agent.charCodeAt(i);
    this.#bytes.set(options.seed, stage! + 36);
    const { network, client, agent, globalRate = L.globalRate, addressRate = L.addressRate } = options;
    wasm.init(network, client, agent.length, globalRate, addressRate);
  }

  get wakeAt(): number {
    return this.#wasm.wakeAt();
  }

  packet(now: number, bytes: Uint8Array, from: Endpoint): readonly KernelAction[] {
    const ipBytes = this.#ip(from.ip);
    if (bytes.length <= L.datagramBytes) this.#bytes.set(bytes, this.#at.stage);
    return this.#actions(this.#wasm.packet(now, bytes.length, ipBytes, from.port), from);
  }
  wake(now: number): readonly KernelAction[] {
    return this.#actions(this.#wasm.wake(now), undefined);
  }

  rotate(secret: Uint8Array): void {
    this.#stage(checkBytes("secret", secret, 8));
    this.#wasm.rotate();
  }
  token(address: Endpoint): Uint8Array {
    const at = this.#wasm.token(this.#ip(address.ip), address.port);
    return this.#bytes.subarray(at, at + 32);
  }
  tokenOk(token: Uint8Array, address: Endpoint): boolean {
    if (token.length !== 32) return false;
    this.#stage(token);
    return this.#wasm.tokenOk(32, this.#ip(address.ip), address.port) !== 0;
  }

  listNode(id: Uint8Array, address: Endpoint, goodUntil: number): boolean {
    this.#stage(checkBytes("id", id, 20));
    return this.#wasm.listNode(this.#ip(address.ip), address.port, goodUntil) !== 0;
  }
  unlistNode(id: Uint8Array, family: 4 | 6): void {
    this.#stage(checkBytes("id", id, 20));
    this.#wasm.unlistNode(family);
  }
  closest(now: number, target: Uint8Array, family: 4 | 6, count: number): Uint8Array {
    this.#stage(checkBytes("target", target, 20));
    const { out } = this.#at, found = this.#wasm.closest(now, family, count);
    return this.#bytes.subarray(out, out + found * (family === 4 ? 26 : 38));
  }

  expect(_now: number, tid: number, from: Endpoint): void {
    this.#wasm.expect(tid, this.#ip(from.ip), from.port);
  }
  forget(tid: number, from: Endpoint): void {
    this.#wasm.forget(tid, this.#ip(from.ip), from.port);
  }

  setValue(key: Uint8Array, value: KernelValue): boolean {
    this.#stage(checkBytes("key", key, 20));
    const { id, packed, owner, ownerId, userType, valueType, seq } = checkValue(value), { stage } = this.#at;
    if (Math.max(packed.length, owner.length, userType.length) > L.packedBytes) return false;
    this.#bytes.set(ownerId, stage + 24);
    this.#bytes.set(packed, stage + 64);
    this.#bytes.set(owner, stage + 64 + packed.length);
    this.#bytes.set(userType, stage + 64 + packed.length + owner.length);
    return this.#wasm.setValue(id, packed.length, owner.length, userType.length, valueType, seq) !== 0;
  }
  removeValue(key: Uint8Array, id: bigint): boolean {
    this.#stage(checkBytes("key", key, 20));
    return this.#wasm.removeValue(id) !== 0;
  }
  value(key: Uint8Array, id: bigint): Uint8Array | undefined {
    this.#stage(checkBytes("key", key, 20));
    const found = BigInt.asUintN(64, this.#wasm.value(id));
    if (!found) return undefined;
    const at = Number(found >> 32n);
    return this.#bytes.subarray(at, at + Number(found & 0xffffffffn));
  }

  stats(): KernelStats {
    const wasm = this.#wasm, count = (i: number) => this.#view.getFloat64(this.#at.stats + 8 * i, true);
    const first = 2 + QUERY_NAMES.length;
    return {
      packets: count(0),
      bytes: count(1),
      answered: Object.fromEntries(QUERY_NAMES.map((name, i) => [name, count(2 + i)])) as Record<
        QueryName,
        number
      >,
      drops: Object.fromEntries(DROP_REASONS.map((reason, i) => [reason, count(first + i)])) as Record<
        DropReason,
        number
      >,
      values: wasm.held(0),
      valueBytes: wasm.held(1),
      nodes4: wasm.held(2),
      nodes6: wasm.held(3),
      partial: wasm.held(4),
      partialBytes: wasm.held(5),
    };
  }

  #stage(bytes: Uint8Array): void {
    this.#bytes.set(bytes, this.#at.stage);
  }

  /** Puts the bytes of an address in their place; 4 or 16. */
  #ip(ip: string): number {
    if (ip === this.#lastIp) return this.#lastIpBytes;
    let bytes = this.#addresses.get(ip);
    if (!bytes) {
      if (this.#addresses.size >= ADDRESSES_KEPT) this.#addresses.clear();
      this.#addresses.set(ip, bytes = parseIp(ip));
    }
    this.#bytes.set(bytes, this.#at.ip);
    this.#lastIp = ip;
    return this.#lastIpBytes = bytes.length;
  }

  #actions(count: number, from: Endpoint | undefined): readonly KernelAction[] {
    const list: KernelAction[] = new Array(count), words = this.#words;
    for (let i = 0, at = this.#at.actions >> 2; i < count; i++, at += 4) {
      const kind = words[at], a = words[at + 1]!, b = words[at + 2]!, c = words[at + 3]!;
      if (kind === SEND) list[i] = { type: "send", bytes: this.#bytes.subarray(a, a + b), to: from! };
      else if (kind === HEARD) {
        list[i] = { type: "heard", query: QUERY_NAMES[a]!, id: this.#id(b), client: c !== 0, from: from! };
      } else if (kind === DROP) {
        list[i] = { type: "drop", reason: DROP_REASONS[a]!, from: b ? this.#lost(b) : from! };
      } else list[i] = this.#big(kind!, a, b, c, from!);
    }
    return list;
  }

  /** An action whose fields lie in memory; `a`: it has a list of values, `b`: how many. */
  #big(kind: number, a: number, b: number, c: number, from: Endpoint): KernelAction {
    if (kind > REPLY) return { type: "error", id: b ? this.#id(b) : undefined, from, tid: c, code: a };
    const f = (index: number) => this.#words[(this.#at.fields >> 2) + index]!,
      view = this.#view,
      { fields } = this.#at;
    const id = this.#id(f(F.id)), tid = f(F.tid), key = () => this.#id(f(F.key));
    const values = () => a ? this.#values(b) : undefined,
      value = () => view.getBigUint64(fields + F.value, true);
    if (kind === REFRESH) return { type: "refresh", id, from, tid, key: key(), value: value() };
    if (kind === LISTEN) {
      const query = f(F.query) ? readFilter(this.#bytes, f(F.query)) : WHOLE;
      return { type: "listen", id, from, tid, key: key(), socket: f(F.socket), version: f(F.version), query };
    }
    if (kind === PUT) {
      const created = f(F.hasCreated) ? view.getFloat64(fields + F.created, true) : undefined;
      return { type: "put", id, from, tid, key: key(), created, values: values()! };
    }
    const token = f(F.token) ? this.#span(f(F.token), f(F.tokenLength)) : undefined;
    const expired = this.#ids(f(F.expired)), refreshed = this.#ids(f(F.refreshed));
    if (kind === UPDATE) {
      return {
        type: "update",
        id,
        from,
        tid,
        socket: f(F.socket),
        token,
        values: values() ?? [],
        expired,
        refreshed,
      };
    }
    return {
      ...{ type: "reply", id, from, tid, client: f(F.client) !== 0 },
      seenAs: f(F.seenAs) ? this.#span(f(F.seenAs), f(F.seenAsLength)) : undefined,
      nodes4: this.#span(f(F.nodes4), f(F.nodes4 + 1)),
      nodes6: this.#span(f(F.nodes6), f(F.nodes6 + 1)),
      token,
      value: f(F.hasValue) ? value() : undefined,
      values: values(),
      rows: f(F.rows) ? readRows(this.#bytes, f(F.rows)) : undefined,
      expired,
      refreshed,
    };
  }

  #span(at: number, length: number): Uint8Array {
    return this.#bytes.subarray(at, at + length);
  }
  #id(at: number): Uint8Array {
    return this.#bytes.subarray(at, at + 20);
  }
  #values(count: number): Uint8Array[] {
    const list: Uint8Array[] = new Array(count);
    for (let i = 0, at = this.#at.values >> 2; i < count; i++, at += 2) {
      list[i] = this.#span(this.#words[at]!, this.#words[at + 1]!);
    }
    return list;
  }
  /** Ids the kernel has checked. */
  #ids(at: number): bigint[] {
    if (!at) return [];
    const r = new Reader(this.#bytes, at);
    return Array.from({ length: r.array() }, () => r.uint64());
  }
  /** Address of a message given up. */
  #lost(at: number): Endpoint {
    const ip = formatIp(this.#bytes.slice(at, at + (this.#bytes[at + 18] === 4 ? 4 : 16)));
    return { ip, port: this.#view.getUint16(at + 16, true) };
  }
}
