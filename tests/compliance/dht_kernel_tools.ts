/** What the suites of the DHT kernel share. */
import { deepStrictEqual, strictEqual } from "node:assert/strict";
import { type Endpoint, hex, unhex } from "../../core/base/mod.ts";
import { decode, type Encodable, encode, type MsgpackValue, Writer } from "../../core/codec/mod.ts";
import {
  type DhtKernel,
  type DropReason,
  type KernelAction,
  type KernelOptions,
  type KernelValue,
} from "../../wasm/mod.ts";

export const SELF = unhex("091e54f1467fa471ebf5ca21f265499e6061ff0e"),
  PEER = unhex("e1403978ff902469f0fdc1f4755d3caf6d01afdd");
export const KEY = unhex("0beec7b5ea3f0fdbc95d0dd47f3c5bc275da8a33"), ZERO = new Uint8Array(20);
export const LOCAL: Endpoint = { ip: "127.0.0.1", port: 4223 },
  SIX: Endpoint = { ip: "2001:db8::7", port: 4222 };
export const NONE = new Uint8Array(0);

export type Body = Record<string, Encodable | undefined>;
export type Of<T extends KernelAction["type"]> = Extract<KernelAction, { type: T }>;
export type Reply = Map<string, MsgpackValue>;

export const query = (q: string, a: Body, more: Body = {}) =>
  encode({ a: { id: PEER, ...a }, q, t: 7, y: "q", v: "o2", ...more });
export const only = <T extends KernelAction["type"]>(actions: readonly KernelAction[], type: T) =>
  actions.filter((a): a is Of<T> => a.type === type);
export const reasons = (actions: readonly KernelAction[]): DropReason[] =>
  only(actions, "drop").map((a) => a.reason);
export const types = (actions: readonly KernelAction[]) => actions.map((a) => a.type).join();
/** Top level and body `r` of the one datagram sent. */
export function sent(actions: readonly KernelAction[]): { top: Reply; r: Reply } {
  const sends = only(actions, "send");
  strictEqual(sends.length, 1);
  const top = decode(sends[0]!.bytes) as Reply;
  return { top, r: top.get("r") as Reply };
}
export const codeOf = (actions: readonly KernelAction[]) => (sent(actions).top.get("e") as MsgpackValue[])[0];
export const valueOf = (id: number, size: number, more: Partial<KernelValue> = {}): KernelValue => ({
  ...{
    id: BigInt(id),
    packed: Uint8Array.from({ length: size }, (_, i) => id + i),
    valueType: 0,
    owner: NONE,
    ownerId: ZERO,
  },
  ...{ seq: 0, userType: NONE },
  ...more,
});
export const packed = (id: number) => encode({ id, dat: { body: { type: 0, data: new Uint8Array(3) } } });
export const inline = (id: number): Encodable => decode(packed(id)) as Encodable;

/** A fragment datagram as real nodes write it. */
export function piece(tid: number, index: number, offset: number, data: Uint8Array): Uint8Array {
  const w = new Writer().map(3).str("y").str("p").str("t").uint(tid).str("p").map(1).uint(index);
  return w.map(2).str("o").uint(offset).str("d").bin(data).finish();
}
export const pieces = (tid: number, index: number, value: Uint8Array, step = 1280) =>
  Array.from(
    { length: Math.ceil(value.length / step) },
    (_, i) => piece(tid, index, i * step, value.subarray(i * step, (i + 1) * step)),
  );
export const noise = (length: number, seed: number) =>
  Uint8Array.from({ length }, (_, i) => (i * 31 + seed * 17 + (i >> 8)) & 255);

/** A kernel's maker and the shorthands that need one. */
export function kitOf(name: string, create: (options: KernelOptions) => DhtKernel) {
  const make = (more: Partial<KernelOptions> = {}) =>
    create({
      id: SELF,
      network: 0,
      client: false,
      agent: "RNG1",
      seed: Uint8Array.from({ length: 16 }, (_, i) => i + 1),
      ...more,
    });
  const test = (title: string, run: () => void) => Deno.test(`${title} (${name})`, run);
  const drops = (bytes: Uint8Array, reason: DropReason, from = LOCAL, kernel = make()) => {
    const actions = kernel.packet(0, bytes, from);
    deepStrictEqual(reasons(actions), [reason], hex(bytes.subarray(0, 60)));
    deepStrictEqual([only(actions, "send").length, kernel.stats().drops[reason]], [0, 1]);
  };
  const put = (kernel: DhtKernel, values: Encodable, more: Body = {}, from = LOCAL, t = 7) =>
    query("put", { h: KEY, values, token: kernel.token(from).slice(), ...more }, { t });
  return { make, test, drops, put };
}
export type Kit = ReturnType<typeof kitOf>;
