/** Writes every packet the node sends on its own account. Answers to ping, find and get are the kernel's. */
import { type Endpoint, parseIp } from "../base/mod.ts";
import { Writer } from "../codec/mod.ts";
import { LIMITS } from "./limits.ts";
import type { Query } from "./kernel.ts";

/** Who writes: the fields every packet carries. */
export interface Writing {
  /** 20 bytes. */
  readonly id: Uint8Array;
  /** 0 is left out. */
  readonly network: number;
  readonly client: boolean;
  /** `v`. */
  readonly agent: string;
}

/** The error replies a node gives. Spec: dht §1.10. */
export const ERRORS = {
  invalidId: { code: 203, text: "Put with invalid ID" },
  unknownStorage: { code: 404, text: "Access operation for unknown storage" },
} as const;

/** `AF_INET` and `AF_INET6` as Linux numbers them. */
export type Want = readonly (2 | 10)[];

const word = (text: string) => new Writer().str(text).finish();
const A = word("a"), R = word("r"), E = word("e"), U = word("u"), Q = word("q"), T = word("t"), Y = word("y");
const V = word("v"), N = word("n"), S = word("s"), P = word("p"), O = word("o"), D = word("d"), W = word("w");
const F = word("f"), H = word("h"), C = word("c"), ID = word("id"), SA = word("sa"), VE = word("ve");
const SID = word("sid"), VID = word("vid"), EXP = word("exp"), RE = word("re"), TOKEN = word("token");
const TARGET = word("target"), VALUES = word("values"), N4 = word("n4"), N6 = word("n6");

/** All methods give finished datagrams. A message with large values is its header followed by its fragments. Spec: dht §1.5, §1.7. */
export class Packets {
  #w = new Writer();
  readonly #agent: Uint8Array;
  readonly #extras: number;

  constructor(readonly who: Writing) {
    this.#agent = word(who.agent);
    this.#extras = (who.network ? 1 : 0) + (who.client ? 1 : 0);
  }

  ping(tid: number): Uint8Array {
    this.#query(1);
    return this.#close("ping", tid);
  }
  find(tid: number, target: Uint8Array, want?: Want): Uint8Array {
    this.#query(want ? 3 : 2).raw(TARGET).bin(target);
    if (want) this.#want(want);
    return this.#close("find", tid);
  }
  get(tid: number, key: Uint8Array, query: Query, want?: Want): Uint8Array {
    const asks = query.select.length + query.where.length > 0;
    this.#query(2 + (asks ? 1 : 0) + (want ? 1 : 0)).raw(H).bin(key);
    if (asks) this.#filter(query);
    if (want) this.#want(want);
    return this.#close("get", tid);
  }
  /** `created`: seconds since 1970; left out for permanent values. */
  put(
    tid: number,
    key: Uint8Array,
    values: readonly Uint8Array[],
    created: number | undefined,
    token: Uint8Array,
  ): Uint8Array[] {
    this.#query(created === undefined ? 4 : 5).raw(H).bin(key);
    const large = this.#values(values);
    if (created !== undefined) this.#w.raw(C).int(created);
    this.#w.raw(TOKEN).bin(token);
    return [this.#close("put", tid), ...(large ? this.fragments(tid, values) : [])];
  }
  refresh(tid: number, key: Uint8Array, value: bigint, token: Uint8Array): Uint8Array {
    this.#query(4).raw(H).bin(key).raw(VID).uint(value).raw(TOKEN).bin(token);
    return this.#close("refresh", tid);
  }
  listen(tid: number, key: Uint8Array, token: Uint8Array, socket: number, query: Query): Uint8Array {
    const asks = query.select.length + query.where.length > 0, w = this.#query(asks ? 6 : 5);
    w.raw(VE).uint(1).raw(H).bin(key).raw(TOKEN).bin(token).raw(SID).uint(socket);
    if (asks) this.#filter(query);
    return this.#close("listen", tid);
  }
  /** A push of values to a listener; the caller keeps one push below `LIMITS.pushBytes`. */
  update(
    tid: number,
    key: Uint8Array,
    socket: number,
    values: readonly Uint8Array[],
    created: number,
    token: Uint8Array,
  ): Uint8Array[] {
    this.#query(7).raw(VE).uint(1).raw(H).bin(key).raw(SID).uint(socket);
    const large = this.#values(values);
    this.#w.raw(C).int(created).raw(TOKEN).bin(token);
    return [this.#close("update", tid), ...(large ? this.fragments(tid, values) : [])];
  }
  /** A push that values were refreshed (`re`) or are gone (`exp`). */
  updateIds(
    tid: number,
    socket: number,
    what: "re" | "exp",
    ids: readonly bigint[],
    token: Uint8Array,
  ): Uint8Array {
    const w = this.#query(4).raw(SID).uint(socket).raw(TOKEN).bin(token);
    this.#ids(what, ids);
    w.raw(Y).raw(Q);
    this.#agentAndNetwork();
    return w.raw(Q).str("update").raw(T).uint(tid).finish();
  }

  /** Answer to `put` (one per value) and to `refresh`. */
  encodeStored(tid: number, value: bigint, to: Endpoint): Uint8Array {
    this.#w.map(4 + this.#extras).raw(R).map(3).raw(ID).bin(this.who.id).raw(VID).uint(value);
    return this.#seenAs(to).#closeReply(tid);
  }
  /** Answer to `update`, and to `listen` when it comes with a token. */
  encodeConfirmed(tid: number, to: Endpoint, token?: Uint8Array): Uint8Array {
    this.#w.map(4 + this.#extras).raw(R).map(token ? 3 : 2).raw(ID).bin(this.who.id);
    this.#seenAs(to);
    if (token) this.#w.raw(TOKEN).bin(token);
    return this.#closeReply(tid);
  }
  encodeError(tid: number, error: { code: number; text: string }): Uint8Array {
    const w = this.#w.map(5 + this.#extras).raw(E).array(2).uint(error.code).str(error.text);
    w.raw(R).map(1).raw(ID).bin(this.who.id).raw(T).uint(tid).raw(Y).raw(E);
    return this.#agentAndNetwork().finish();
  }
  /** A push to a listener of version 0: a reply nobody asked for. Spec: dht §1.11. */
  legacyValues(
    socket: number,
    to: Endpoint,
    nodes4: Uint8Array,
    nodes6: Uint8Array,
    values: readonly Uint8Array[],
    token: Uint8Array,
  ): Uint8Array[] {
    const lists = (nodes4.length ? 1 : 0) + (nodes6.length ? 1 : 0);
    this.#w.map(4 + this.#extras).raw(R).map(4 + lists).raw(ID).bin(this.who.id);
    this.#seenAs(to);
    if (nodes4.length) this.#w.raw(N4).bin(nodes4);
    if (nodes6.length) this.#w.raw(N6).bin(nodes6);
    this.#w.raw(TOKEN).bin(token);
    const large = this.#values(values);
    return [this.#closeReply(socket), ...(large ? this.fragments(socket, values) : [])];
  }
  legacyIds(socket: number, what: "re" | "exp", ids: readonly bigint[], token: Uint8Array): Uint8Array {
    const w = this.#w.map(4 + this.#extras).raw(U).map(3).raw(ID).bin(this.who.id).raw(TOKEN).bin(token);
    this.#ids(what, ids);
    w.raw(Y).raw(R);
    return this.#agentAndNetwork().raw(T).uint(socket).finish();
  }
  /** The values behind a header that announced their sizes, in order. */
  fragments(tid: number, values: readonly Uint8Array[]): Uint8Array[] {
    const packets: Uint8Array[] = [], w = this.#w, { network, client } = this.who;
    for (const [index, value] of values.entries()) {
      for (let at = 0; at < value.length; at += LIMITS.fragmentBytes) {
        w.map(3 + this.#extras);
        if (network) w.raw(N).uint(network);
        if (client) w.raw(S).bool(true);
        w.raw(Y).raw(P).raw(T).uint(tid).raw(P).map(1).uint(index).map(2);
        w.raw(O).uint(at).raw(D).bin(value.subarray(at, at + LIMITS.fragmentBytes));
        packets.push(w.finish());
      }
    }
    return packets;
  }

  #query(fields: number): Writer {
    return this.#w.map(5 + this.#extras).raw(A).map(fields).raw(ID).bin(this.who.id);
  }
  #close(query: string, tid: number): Uint8Array {
    this.#w.raw(Q).str(query).raw(T).uint(tid).raw(Y).raw(Q);
    return this.#agentAndNetwork().finish();
  }
  #closeReply(tid: number): Uint8Array {
    this.#w.raw(T).uint(tid).raw(Y).raw(R);
    return this.#agentAndNetwork().finish();
  }
  #agentAndNetwork(): Writer {
    const w = this.#w.raw(V).raw(this.#agent);
    if (this.who.network) w.raw(N).uint(this.who.network);
    if (this.who.client) w.raw(S).bool(true);
    return w;
  }
  #seenAs(to: Endpoint): this {
    this.#w.raw(SA).bin(parseIp(to.ip));
    return this;
  }
  #want(want: Want): void {
    this.#w.raw(W).array(want.length);
    for (const family of want) this.#w.uint(family);
  }
  #ids(what: "re" | "exp", ids: readonly bigint[]): void {
    this.#w.raw(what === "re" ? RE : EXP).array(ids.length);
    for (const id of ids) this.#w.uint(id);
  }
  /** True if the values must follow as fragments. */
  #values(values: readonly Uint8Array[]): boolean {
    const bytes = values.reduce((sum, value) => sum + value.length, 0);
    const large = values.length >= LIMITS.inlineValues || bytes >= LIMITS.inlineBytes;
    this.#w.raw(VALUES).array(values.length);
    for (const value of values) large ? this.#w.uint(value.length) : this.#w.raw(value);
    return large;
  }
  #filter(query: Query): void {
    const w = this.#w.raw(Q).map(2).raw(S).array(query.select.length);
    for (const field of query.select) w.uint(field);
    w.raw(W).array(query.where.length);
    for (const { field, value } of query.where) {
      w.map(2).raw(F).uint(field).raw(V);
      typeof value === "object" ? w.bin(value) : w.uint(value);
    }
  }
}
