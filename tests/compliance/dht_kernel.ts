/** What any DHT kernel must do, WebAssembly or twin. Vectors: captured from real nodes on loopback (dht §1.12). */
import { deepStrictEqual, ok, strictEqual, throws } from "node:assert/strict";
import { createHash } from "node:crypto";
import { compareXor, concat, type Endpoint, hex, unhex } from "../../core/base/mod.ts";
import { decode, type Encodable, encode, type MsgpackValue, Writer } from "../../core/codec/mod.ts";
import {
  type DhtKernel,
  type DropReason,
  KERNEL_LIMITS as L,
  type KernelAction,
  type KernelOptions,
  type KernelValue,
} from "../../wasm/mod.ts";

export const SELF = unhex("091e54f1467fa471ebf5ca21f265499e6061ff0e"),
  PEER = unhex("e1403978ff902469f0fdc1f4755d3caf6d01afdd");
const KEY = unhex("0beec7b5ea3f0fdbc95d0dd47f3c5bc275da8a33"), ZERO = new Uint8Array(20);
const LOCAL: Endpoint = { ip: "127.0.0.1", port: 4223 }, SIX: Endpoint = { ip: "2001:db8::7", port: 4222 };
const NONE = new Uint8Array(0);

type Body = Record<string, Encodable | undefined>;
type Of<T extends KernelAction["type"]> = Extract<KernelAction, { type: T }>;
type Reply = Map<string, MsgpackValue>;

const query = (q: string, a: Body, more: Body = {}) =>
  encode({ a: { id: PEER, ...a }, q, t: 7, y: "q", v: "o2", ...more });
const only = <T extends KernelAction["type"]>(actions: readonly KernelAction[], type: T) =>
  actions.filter((a): a is Of<T> => a.type === type);
const reasons = (actions: readonly KernelAction[]): DropReason[] =>
  only(actions, "drop").map((a) => a.reason);
const types = (actions: readonly KernelAction[]) => actions.map((a) => a.type).join();
/** Top level and body `r` of the one datagram sent. */
function sent(actions: readonly KernelAction[]): { top: Reply; r: Reply } {
  const sends = only(actions, "send");
  strictEqual(sends.length, 1);
  const top = decode(sends[0]!.bytes) as Reply;
  return { top, r: top.get("r") as Reply };
}
const codeOf = (actions: readonly KernelAction[]) => (sent(actions).top.get("e") as MsgpackValue[])[0];
const valueOf = (id: number, size: number, more: Partial<KernelValue> = {}): KernelValue => ({
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
const packed = (id: number) => encode({ id, dat: { body: { type: 0, data: new Uint8Array(3) } } });
const inline = (id: number): Encodable => decode(packed(id)) as Encodable;

/** A fragment datagram as real nodes write it. */
function piece(tid: number, index: number, offset: number, data: Uint8Array): Uint8Array {
  const w = new Writer().map(3).str("y").str("p").str("t").uint(tid).str("p").map(1).uint(index);
  return w.map(2).str("o").uint(offset).str("d").bin(data).finish();
}
const pieces = (tid: number, index: number, value: Uint8Array, step = 1280) =>
  Array.from(
    { length: Math.ceil(value.length / step) },
    (_, i) => piece(tid, index, i * step, value.subarray(i * step, (i + 1) * step)),
  );
const noise = (length: number, seed: number) =>
  Uint8Array.from({ length }, (_, i) => (i * 31 + seed * 17 + (i >> 8)) & 255);

/** Runs every promise of `DhtKernel` against kernels made by `create`. */
export function dhtKernelSuite(name: string, create: (options: KernelOptions) => DhtKernel): void {
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
  const put = (kernel: DhtKernel, values: Encodable, more: Body = {}, from = LOCAL) =>
    query("put", { h: KEY, values, token: kernel.token(from).slice(), ...more });

  test("[dht 1] a ping is answered with the pong V23 gives", () => {
    const actions = make().packet(
      0,
      unhex(
        "85a16181a26964c414e1403978ff902469f0fdc1f4755d3caf6d01afdda171a470696e67a174ce60b8fc81a179a171a176a4524e4731",
      ),
      LOCAL,
    );
    strictEqual(types(actions), "heard,send");
    const heard = only(actions, "heard")[0]!;
    deepStrictEqual([heard.query, hex(heard.id), heard.client, heard.from], [
      "ping",
      hex(PEER),
      false,
      LOCAL,
    ]);
    strictEqual(
      hex(only(actions, "send")[0]!.bytes),
      "84a17282a26964c414091e54f1467fa471ebf5ca21f265499e6061ff0ea27361c4047f000001a174ce60b8fc81a179a172a176a4524e4731",
    );
  });

  test("[dht 1] a find is answered with the bytes V23 gives, but for the token", () => {
    const kernel = make();
    kernel.listNode(PEER, LOCAL, 1000);
    const actions = kernel.packet(
      0,
      unhex(
        "85a16183a26964c414e1403978ff902469f0fdc1f4755d3caf6d01afdda6746172676574c414e1403978ff902469f0fdc1f4755d3caf6d01af81a17792020aa171a466696e64a174ce766738cda179a171a176a4524e4731",
      ),
      LOCAL,
    );
    const answer = hex(only(actions, "send")[0]!.bytes);
    strictEqual(
      answer,
      "84a17284a26964c414091e54f1467fa471ebf5ca21f265499e6061ff0ea27361c4047f000001a26e34c41ae1403978ff902469f0fdc1f4755d3caf6d01afdd7f000001107fa5746f6b656ec420" +
        hex(kernel.token(LOCAL)) + "a174ce766738cda179a172a176a4524e4731",
    );
  });

  test("[dht 1] [dht 26] the two steps of a get are answered with the bytes V23 gives", () => {
    const kernel = make(),
      value = unhex(
        "82a26964cfb3d1e73e16660189a364617481a4626f647983a47479706500a464617461c40568656c6c6fa57574797065aa746578742f706c61696e",
      );
    kernel.setValue(KEY, { ...valueOf(1, 0), id: 0xb3d1e73e16660189n, packed: value });
    const head = "a26964c414091e54f1467fa471ebf5ca21f265499e6061ff0ea27361c4047f000001a5746f6b656ec420" +
      hex(kernel.token(LOCAL));
    const ids = kernel.packet(
      0,
      unhex(
        "85a16183a26964c414e1403978ff902469f0fdc1f4755d3caf6d01afdda168c4140beec7b5ea3f0fdbc95d0dd47f3c5bc275da8a33a17182a1739101a17790a171a3676574a174ce766738d1a179a171a176a4524e4731",
      ),
      LOCAL,
    );
    strictEqual(
      hex(only(ids, "send")[0]!.bytes),
      "84a17284" + head +
        "a666696c65647382a1669101a17691cfb3d1e73e16660189a174ce766738d1a179a172a176a4524e4731",
    );
    const whole = kernel.packet(
      0,
      unhex(
        "85a16183a26964c414e1403978ff902469f0fdc1f4755d3caf6d01afdda168c4140beec7b5ea3f0fdbc95d0dd47f3c5bc275da8a33a17182a17390a1779182a16601a176cfb3d1e73e16660189a171a3676574a174ce766738d5a179a171a176a4524e4731",
      ),
      LOCAL,
    );
    strictEqual(
      hex(only(whole, "send")[0]!.bytes),
      "84a17284" + head + "a676616c75657391" + hex(value) + "a174ce766738d5a179a172a176a4524e4731",
    );
  });

  test("[dht 1] the put V23 sends is handed on with its value as it is", () => {
    const kernel = make(),
      value =
        "82a26964cfb3d1e73e16660189a364617481a4626f647983a47479706500a464617461c40568656c6c6fa57574797065aa746578742f706c61696e";
    const bytes = unhex(
      "85a16185a26964c414ed971e59202db162460d6ea5d77fe3a703533bafa168c4140beec7b5ea3f0fdbc95d0dd47f3c5bc275da8a33a676616c75657391" +
        value + "a163ce6b02ca3fa5746f6b656ec420" + hex(kernel.token(LOCAL)) +
        "a171a3707574a174ce439d6d5aa179a171a176a4524e4731",
    );
    const actions = kernel.packet(0, bytes, LOCAL);
    strictEqual(types(actions), "heard,put");
    const [action] = only(actions, "put");
    deepStrictEqual([hex(action!.key), action!.created, action!.tid], [hex(KEY), 1795344959, 0x439d6d5a]);
    deepStrictEqual(action!.values.map(hex), [value]);
  });

  test("[dht 2] a ping without v, y and t is answered, with t 0", () => {
    const { top } = sent(make().packet(0, encode({ a: { id: PEER }, q: "ping" }), LOCAL));
    strictEqual(top.get("t"), 0);
  });

  test("[dht 3] t may be a number or up to four bytes, and comes back as a number", () => {
    const cases: [Encodable, number][] = [
      [0xffffffff, 0xffffffff],
      ["abcd", 0x61626364],
      [unhex("01020304"), 0x01020304],
      [unhex("0102"), 0x01020000],
      [NONE, 0],
    ];
    for (const [t, wanted] of cases) {
      strictEqual(sent(make().packet(0, query("ping", {}, { t }), LOCAL)).top.get("t"), wanted);
    }
    strictEqual(
      sent(
        make().packet(
          0,
          unhex("83a16181a26964c414" + hex(PEER) + "a171a470696e67a174cf0000000000000005"),
          LOCAL,
        ),
      ).top.get("t"),
      5,
    );
  });

  test("[dht 4] t of -1, 2^32, five bytes or nil drops the packet", () => {
    for (const t of [-1, 2 ** 32, "abcde", null]) drops(query("ping", {}, { t }), "malformed");
  });

  test("[dht 5] unknown keys, keys that are no str and trailing bytes change nothing", () => {
    const wanted = hex(only(make().packet(0, query("ping", {}), LOCAL), "send")[0]!.bytes);
    const body = new Map<string | number | Uint8Array, Encodable>([[7, 1], ["id", PEER], [unhex("6964"), 5], [
      "unknown key",
      [1],
    ]]);
    const top = new Map<string | number, Encodable>([[0, [[]]], ["a", body], ["q", "ping"], ["t", 7], [
      "zz",
      {},
    ], ["y", "q"]]);
    const odd = concat(encode(top as ReadonlyMap<string, Encodable>), unhex("c1ff"));
    strictEqual(hex(only(make().packet(0, odd, LOCAL), "send")[0]!.bytes), wanted);
    const doubled = new Writer().map(4).str("a").int(5).str("a").raw(encode({ id: PEER })).str("q").str(
      "ping",
    ).str("t").uint(7);
    strictEqual(hex(only(make().packet(0, doubled.finish(), LOCAL), "send")[0]!.bytes), wanted);
  });

  test("[dht 6] an id that is missing, zero, ours, a str or not 20 bytes drops the packet", () => {
    for (
      const id of [
        undefined,
        ZERO,
        "x".repeat(20),
        new Uint8Array(19).fill(1),
        new Uint8Array(21).fill(1),
        null,
      ]
    ) {
      drops(query("ping", { id }), "no-id");
      drops(encode({ r: { id }, t: 1, y: "r" }), "no-id");
    }
    drops(query("ping", { id: SELF }), "own-id");
    drops(encode({ r: { id: SELF } }), "own-id");
  });

  test("[dht 7] n absent is 0, and another network hears nothing", () => {
    sent(make().packet(0, query("ping", {}, { n: 0 }), LOCAL));
    drops(query("ping", {}, { n: 7 }), "network");
    const seven = make({ network: 7, agent: "o2" });
    drops(query("ping", {}), "network", LOCAL, seven);
    const answer = only(seven.packet(0, query("ping", {}, { n: 7 }), LOCAL), "send")[0]!.bytes;
    ok(hex(answer).endsWith("a176a26f32a16e07"));
    for (const n of [-1, 2 ** 32, "0"]) drops(query("ping", {}, { n }), "malformed");
  });

  test("a client says so in every answer, and the flag of others is heard", () => {
    const kernel = make({ client: true, agent: "o2", network: 7 });
    const actions = kernel.packet(0, query("ping", {}, { n: 7, s: true }), LOCAL);
    ok(hex(only(actions, "send")[0]!.bytes).endsWith("a176a26f32a16e07a173c3"));
    strictEqual(only(actions, "heard")[0]!.client, true);
    drops(query("ping", {}, { s: 1 }), "malformed");
    drops(query("ping", {}, { v: 1 }), "malformed");
  });

  test("[dht 8] a query whose y is not q is dropped", () => {
    for (const y of ["r", "p", "", 1, null]) drops(query("ping", {}, { y }), "malformed");
  });

  test("[dht 9] a query nobody knows is dropped, and so is a packet without a kind", () => {
    for (const q of ["pong", "", "pin", "refreshh", undefined]) {
      drops(encode({ a: { id: PEER }, q, t: 1 }), "unknown-query");
    }
    drops(encode({ q: "ping", t: 1, y: "q" }), "not-a-packet");
    drops(encode({}), "not-a-packet");
  });

  test("[dht 10] find and get always bring a token of 32 bytes, also without target", () => {
    for (const bytes of [query("find", {}), query("find", { target: KEY }), query("get", { h: KEY })]) {
      strictEqual((sent(make().packet(0, bytes, LOCAL)).r.get("token") as Uint8Array).length, 32);
    }
  });

  test("[dht 11] w says which families are listed", () => {
    const kernel = make(),
      lists = (w: Encodable | undefined, from = LOCAL) => {
        const { r } = sent(kernel.packet(0, query("find", { target: KEY, w }), from));
        return ["n4", "n6"].filter((list) => r.has(list)).join();
      };
    kernel.listNode(PEER, LOCAL, 10);
    kernel.listNode(PEER, SIX, 10);
    deepStrictEqual([
      lists(undefined),
      lists(undefined, SIX),
      lists([2]),
      lists([10]),
      lists([2, 10]),
      lists([]),
    ], [
      ...["n4", "n6", "n4", "n6", "n4,n6", ""],
    ]);
    deepStrictEqual([lists([23]), lists([28]), lists([30]), lists([99, -1]), lists([99, 30, 2])], [
      "n6",
      "n6",
      "n6",
      "",
      "n4,n6",
    ]);
    drops(query("find", { w: 2 }), "malformed");
    drops(query("find", { w: ["2"] }), "malformed");
  });

  test("[dht 12] at most eight good nodes are listed, nearest first", () => {
    const kernel = make(),
      ids = Array.from({ length: 300 }, (_, i) => new Uint8Array(createHash("sha1").update(`${i}`).digest()));
    for (const [i, id] of ids.entries()) {
      ok(kernel.listNode(id, { ip: `10.0.${i >> 8}.${i & 255}`, port: 1000 + i }, i % 3 ? 500 : 100));
    }
    kernel.unlistNode(ids[1]!, 4);
    kernel.unlistNode(ids[2]!, 6); // not there: nothing happens
    kernel.listNode(ids[4]!, { ip: "10.9.9.9", port: 9 }, 500); // again: moved
    for (const target of [KEY, PEER, ids[7]!]) {
      const good = ids.filter((_, i) => i % 3 !== 0 && i !== 1).sort((a, b) => compareXor(target, a, b))
        .slice(0, 8);
      const n4 = sent(kernel.packet(100, query("find", { target }), LOCAL)).r.get("n4") as Uint8Array;
      strictEqual(n4.length, 8 * 26);
      deepStrictEqual(
        Array.from({ length: 8 }, (_, i) => hex(n4.subarray(i * 26, i * 26 + 20))),
        good.map(hex),
      );
      const shown = hex(n4);
      strictEqual(hex(kernel.closest(100, target, 4, 8)), shown);
      strictEqual(kernel.closest(100, target, 4, 1000).length, L.nodesPerQuestion * 26);
    }
    strictEqual(hex(kernel.closest(100, ids[4]!, 4, 1)), hex(ids[4]!) + "0a0909090009");
    strictEqual(sent(kernel.packet(500, query("find", { target: KEY }), LOCAL)).r.has("n4"), false);
    strictEqual(kernel.stats().nodes4, 299);
  });

  test("a full list takes no new node, but prolongs a known one", () => {
    const kernel = make(), id = (i: number) => Uint8Array.of(...new Uint8Array(16), 1, i >> 8, i & 255, i);
    for (let i = 0; i < L.nodesListed; i++) ok(kernel.listNode(id(i), SIX, 10));
    strictEqual(kernel.listNode(PEER, SIX, 10), false);
    strictEqual(kernel.listNode(id(9), SIX, 99), true);
    strictEqual(kernel.closest(50, id(77), 6, 8).length, 38);
    kernel.unlistNode(id(5), 6);
    strictEqual(kernel.listNode(PEER, SIX, 10), true);
    strictEqual(kernel.stats().nodes6, L.nodesListed);
  });

  test("[dht 13] an IPv6 peer sees its address in 16 bytes and nodes in 38", () => {
    const kernel = make();
    kernel.listNode(PEER, SIX, 10);
    const { r } = sent(kernel.packet(0, query("find", { target: KEY }), SIX));
    strictEqual(hex(r.get("sa") as Uint8Array), "20010db8000000000000000000000007");
    strictEqual(hex(r.get("n6") as Uint8Array), hex(PEER) + "20010db8000000000000000000000007107e");
  });

  test("[dht 14] a token is SHA-256 of secret, address and port, and serves these alone", () => {
    const kernel = make(), secret = unhex("0102030405060708");
    const wanted = createHash("sha256").update(concat(secret, unhex("7f000001107f"))).digest("hex");
    strictEqual(hex(kernel.token(LOCAL)), wanted);
    const six = createHash("sha256").update(concat(secret, unhex("20010db8000000000000000000000007107e")))
      .digest("hex");
    strictEqual(hex(kernel.token(SIX)), six);
    const token = kernel.token(LOCAL).slice();
    const code = (token: Encodable | undefined, from = LOCAL) => {
      const actions = kernel.packet(0, query("put", { h: KEY, values: [inline(1)], token }), from);
      return only(actions, "put").length ? 0 : codeOf(actions);
    };
    deepStrictEqual([code(token), code([...token]), code(token, { ...LOCAL, port: 4224 })], [0, 0, 401]);
    deepStrictEqual([code(token.subarray(1)), code(undefined), code(concat(token, token)), code(NONE)], [
      401,
      401,
      401,
      401,
    ]);
    deepStrictEqual([
      kernel.tokenOk(token, LOCAL),
      kernel.tokenOk(token, SIX),
      kernel.tokenOk(token.subarray(1), LOCAL),
    ], [true, false, false]);
  });

  test("[dht 15] the token before the newest still serves, an older one does not", () => {
    const kernel = make(), token = kernel.token(LOCAL).slice();
    kernel.rotate(unhex("1111111111111111"));
    strictEqual(kernel.tokenOk(token, LOCAL), true);
    ok(hex(kernel.token(LOCAL)) !== hex(token));
    kernel.rotate(unhex("2222222222222222"));
    strictEqual(kernel.tokenOk(token, LOCAL), false);
  });

  test("[dht 16] get, put and listen without a key are answered with 203", () => {
    for (const q of ["get", "put", "listen"]) {
      for (const h of [undefined, ZERO]) strictEqual(codeOf(make().packet(0, query(q, { h }), LOCAL)), 203);
    }
  });

  test("[dht 17] refresh is handed on when its token is right", () => {
    const kernel = make(), token = kernel.token(LOCAL).slice();
    const [action] = only(
      kernel.packet(0, query("refresh", { h: KEY, vid: 2n ** 63n, token }), LOCAL),
      "refresh",
    );
    deepStrictEqual([hex(action!.key), action!.value, action!.tid], [hex(KEY), 2n ** 63n, 7]);
    strictEqual(codeOf(kernel.packet(0, query("refresh", { h: KEY, vid: 1 }), LOCAL)), 401);
    strictEqual(codeOf(kernel.packet(0, query("refresh", { vid: 1, token }), LOCAL)), 404);
  });

  test("[dht 18] a put without a readable value is not answered, one with two brings both", () => {
    for (const values of [[], [null, "x", [1]], undefined]) {
      const kernel = make();
      drops(query("put", { h: KEY, token: kernel.token(LOCAL).slice(), values }), "no-values", LOCAL, kernel);
    }
    const kernel = make(),
      [action] = only(kernel.packet(0, put(kernel, [inline(1), "junk", inline(2)]), LOCAL), "put");
    deepStrictEqual(action!.values.map(hex), [packed(1), packed(2)].map(hex));
    const other = make();
    drops(put(other, 5), "malformed", LOCAL, other);
  });

  test("[dht 19] fewer than 50 values under 600 bytes travel inside, others as sizes and fragments of at most 1280 bytes", () => {
    const ask = (values: readonly KernelValue[]) => {
      const kernel = make();
      for (const value of values) ok(kernel.setValue(KEY, value));
      return only(kernel.packet(0, query("get", { h: KEY }), LOCAL), "send").map((a) => a.bytes.slice());
    };
    const many = (count: number, size: number) =>
      Array.from(
        { length: count },
        (_, i) => ({ ...valueOf(i + 1, 0), packed: encode(new Uint8Array(size - 2)) }),
      );
    strictEqual(ask(many(49, 12)).length, 1);
    strictEqual(ask(many(50, 11)).length, 51);
    strictEqual(ask(many(5, 120)).length, 6);
    const big = noise(3055, 1), datagrams = ask([{ ...valueOf(1, 0), packed: big }]);
    deepStrictEqual((decode(datagrams[0]!) as Map<string, Reply>).get("r")!.get("values"), [3055]);
    deepStrictEqual(datagrams.slice(1).map((d) => d.length), [1301, 1303, 518]);
    const parts = datagrams.slice(1).map((d) =>
      (decode(d) as Map<string, Map<number, Reply>>).get("p")!.get(0)!
    );
    deepStrictEqual(parts.map((p) => p.get("o")), [0, 1280, 2560]);
    strictEqual(hex(concat(...parts.map((p) => p.get("d") as Uint8Array))), hex(big));
  });

  test("[dht 20] fragments carry neither id nor v, but the network where there is one", () => {
    for (
      const [network, head] of [[0, "83a179a170a17407a170810082a16f00a164c5"], [
        7,
        "84a16e07a179a170a17407a170810082a16f00a164c5",
      ]] as const
    ) {
      const kernel = make({ network });
      kernel.setValue(KEY, valueOf(1, 700));
      const fragment = only(kernel.packet(0, query("get", { h: KEY }, { n: network }), LOCAL), "send")[1]!;
      ok(hex(fragment.bytes).startsWith(head), hex(fragment.bytes.subarray(0, 30)));
    }
  });

  test("[dht 21] fragments make a put whole in order, backwards, in odd sizes, and only once", () => {
    const values = [noise(3055, 1), noise(700, 2), noise(1280, 3)];
    for (const order of [1, -1]) {
      for (const step of [1280, 333, 65536]) {
        const kernel = make(), list = values.flatMap((v, i) => pieces(7, i, v, step));
        if (order < 0) list.reverse();
        strictEqual(types(kernel.packet(0, put(kernel, values.map((v) => v.length)), LOCAL)), "heard");
        strictEqual(kernel.stats().partial, 1);
        const seen = list.map((bytes) =>
          kernel.packet(1, bytes, LOCAL).map((a) => a.type === "put" ? a.values.map(hex) : a)
        );
        deepStrictEqual(seen.flat(), [values.map(hex)]);
        deepStrictEqual([kernel.stats().partial, kernel.stats().partialBytes, kernel.wakeAt], [
          0,
          0,
          Infinity,
        ]);
      }
    }
  });

  test("[dht 21] fragments of an expected reply may come before it, others may not", () => {
    const kernel = make(),
      value = noise(3000, 4),
      head = encode({ r: { id: PEER, values: [value.length] }, t: 7, y: "r" });
    kernel.expect(0, 7, LOCAL);
    const early = pieces(7, 0, value).map((bytes) => kernel.packet(1, bytes, LOCAL).length);
    deepStrictEqual(early, [0, 0, 0]);
    const [reply] = only(kernel.packet(2, head, LOCAL), "reply");
    deepStrictEqual(reply!.values?.map(hex), [hex(value)]);
    drops(piece(8, 0, 0, value), "fragment-orphan", LOCAL, make());
    drops(head, "fragment-orphan", LOCAL, make());
    const forgetful = make();
    forgetful.expect(0, 7, LOCAL);
    forgetful.packet(0, pieces(7, 0, value)[0]!, LOCAL);
    forgetful.forget(7, LOCAL);
    deepStrictEqual([forgetful.stats().partial, reasons(forgetful.packet(2, head, LOCAL))], [0, [
      "fragment-orphan",
    ]]);
  });

  test("a list may mix sizes and values, and their order stays", () => {
    const kernel = make(), long = noise(900, 5);
    kernel.packet(0, put(kernel, [inline(1), 900, null, inline(2)]), LOCAL);
    const [action] = only(kernel.packet(0, piece(7, 1, 0, long), LOCAL), "put");
    deepStrictEqual(action!.values.map(hex), [packed(1), long, packed(2)].map(hex));
  });

  test("[dht 23] an incomplete message is given up after 3 s without a fragment, or 10 s", () => {
    const kernel = make(), value = noise(20000, 6), list = pieces(7, 0, value);
    kernel.packet(0, put(kernel, [value.length]), LOCAL);
    strictEqual(kernel.wakeAt, 3000);
    deepStrictEqual(kernel.wake(2999), []);
    kernel.packet(2000, list[0]!, LOCAL);
    strictEqual(kernel.wakeAt, 5000);
    deepStrictEqual(kernel.wake(5000), [{ type: "drop", reason: "fragment-timeout", from: LOCAL }]);
    deepStrictEqual([kernel.stats().partial, kernel.wakeAt], [0, Infinity]);
    kernel.packet(10_000, put(kernel, [value.length]), SIX); // wrong token for that address: not begun
    strictEqual(kernel.stats().partial, 0);
    kernel.packet(10_000, put(kernel, [value.length], {}, SIX), SIX);
    for (let t = 1; t <= 4; t++) kernel.packet(10_000 + t * 2000, list[t]!, SIX);
    strictEqual(kernel.wakeAt, 20_000);
    deepStrictEqual(kernel.packet(20_000, list[6]!, SIX).map((a) => a.type === "drop" ? a.reason : a.type), [
      "fragment-timeout",
      "fragment-orphan",
    ]);
  });

  test("the same header again changes nothing, another one begins anew", () => {
    const kernel = make(),
      value = noise(2000, 7),
      [one, two] = pieces(7, 0, value),
      head = put(kernel, [value.length]);
    kernel.packet(0, head, LOCAL);
    kernel.packet(1, one!, LOCAL);
    strictEqual(types(kernel.packet(2, head, LOCAL)), "heard");
    strictEqual(types(kernel.packet(3, two!, LOCAL)), "put");
    kernel.packet(4, head, LOCAL);
    deepStrictEqual(reasons(kernel.packet(5, put(kernel, [1999]), LOCAL)), ["fragment-bad"]);
    deepStrictEqual([kernel.stats().partial, reasons(kernel.packet(6, two!, LOCAL))], [1, ["fragment-bad"]]);
  });

  test("[dht 25] errors carry our id, in the bytes V26 gives", () => {
    const kernel = make({ id: unhex("497b2f62fbc175412965911fa55d8ea140271f6e"), agent: "o2" });
    const actions = kernel.packet(0, query("put", { h: KEY, values: [] }, { t: 2 }), LOCAL);
    strictEqual(
      hex(only(actions, "send")[0]!.bytes),
      "85a16592cd0191b8507574207769746820696e636f727265637420746f6b656ea17281a26964c414497b2f62fbc175412965911fa55d8ea140271f6ea17402a179a165a176a26f32",
    );
  });

  test("[dht 26] selected fields come as flat rows", () => {
    const kernel = make(), owner = noise(294, 8), text = new TextEncoder().encode("text/plain");
    kernel.setValue(KEY, valueOf(5, 10, { valueType: 3, owner, ownerId: PEER, seq: 9, userType: text }));
    kernel.setValue(KEY, valueOf(6, 10));
    const rows = (s: number[], w: Encodable = []) =>
      sent(kernel.packet(0, query("get", { h: KEY, q: { s, w } }), LOCAL)).r;
    deepStrictEqual(
      rows([5, 1, 4, 3, 2, 1]).get("fileds"),
      new Map<string, MsgpackValue>([["f", [1, 2, 3, 4, 5]], ["v", [
        5,
        3,
        owner,
        9,
        "text/plain",
        6,
        0,
        ZERO,
        0,
        "",
      ]]]),
    );
    deepStrictEqual(rows([1], [{ f: 5, v: text }]).get("fileds"), new Map([["f", [1]], ["v", [5]]]));
    deepStrictEqual(
      rows([1], [{ f: 3, v: PEER }, { f: 2, v: 3 }]).get("fileds"),
      new Map([["f", [1]], ["v", [5]]]),
    );
    strictEqual(rows([1], [{ f: 3, v: PEER }, { f: 2, v: 4 }]).has("fileds"), false);
    const [reply] = only(
      kernel.packet(
        0,
        encode({ r: { id: PEER, fileds: { f: [1, 3, 5], v: [2n ** 60n, owner, "x"] } } }),
        LOCAL,
      ),
      "reply",
    );
    deepStrictEqual([
      reply!.rows!.fields,
      reply!.rows!.rows[0]![0],
      hex(reply!.rows!.rows[0]![1] as Uint8Array),
    ], [[1, 3, 5], 2n ** 60n, hex(owner)]);
  });

  test("[dht 27] a filter without s or w, or with a field it cannot have, drops the packet", () => {
    const odd: Encodable[] = [{ s: [1] }, { w: [] }, [], 5, { s: 1, w: [] }, { s: [], w: {} }];
    for (const f of [0, 4, 6, 300]) odd.push({ s: [], w: [{ f, v: 1 }] });
    odd.push({ s: [], w: [{ f: 1 }] }, { s: [], w: [{ f: 3, v: KEY.subarray(1) }] }, {
      s: [],
      w: [{ f: 1, v: "1" }],
    }, { s: [-1], w: [] });
    for (const q of odd) drops(query("get", { h: KEY, q }), "malformed");
  });

  test("[dht 28] a field nobody knows is left out of the answer", () => {
    const kernel = make();
    kernel.setValue(KEY, valueOf(5, 10));
    const { r } = sent(kernel.packet(0, query("get", { h: KEY, q: { s: [9, 1, 77], w: [] } }), LOCAL));
    deepStrictEqual(r.get("fileds"), new Map([["f", [1]], ["v", [5]]]));
    drops(query("get", { h: KEY, q: { s: [9], w: [] } }), "malformed");
  });

  test("[dht 31] updates are handed on whatever their socket, with what they bring", () => {
    const bytes = query("update", {
      sid: 77,
      ve: 1,
      h: KEY,
      token: noise(32, 1),
      exp: [8, 2n ** 63n],
      re: [],
      values: [inline(3)],
    });
    const [action] = only(make().packet(0, bytes, LOCAL), "update");
    deepStrictEqual([action!.socket, action!.expired, action!.refreshed, action!.values.length], [
      77,
      [8n, 2n ** 63n],
      [],
      1,
    ]);
  });

  test("[dht 34] replies bring their token, listens are handed on with their filter", () => {
    const [reply] = only(
      make().packet(
        0,
        encode({ r: { id: PEER, sa: unhex("7f000001"), token: noise(32, 2), vid: 9 }, t: 5, y: "r" }),
        LOCAL,
      ),
      "reply",
    );
    deepStrictEqual([hex(reply!.token!), hex(reply!.seenAs!), reply!.value, reply!.tid, reply!.values], [
      hex(noise(32, 2)),
      "7f000001",
      9n,
      5,
      undefined,
    ]);
    const kernel = make(), token = kernel.token(LOCAL).slice(), q = { s: [4, 1], w: [{ f: 2, v: 8 }] };
    const [listen] = only(
      kernel.packet(0, query("listen", { h: KEY, token, sid: 6, ve: 1, q }), LOCAL),
      "listen",
    );
    deepStrictEqual([listen!.socket, listen!.version, listen!.query], [6, 1, {
      select: [1, 4],
      where: [{ field: 2, value: 8 }],
    }]);
    strictEqual(codeOf(kernel.packet(0, query("listen", { h: KEY, sid: 6 }), LOCAL)), 401);
    for (const size of [0, 65]) {
      const [other] = only(
        make().packet(0, encode({ r: { id: PEER, token: noise(size, 1) } }), LOCAL),
        "reply",
      );
      strictEqual(other!.token, undefined);
    }
  });

  test("[dht 35] pushes of version 0 arrive as replies under the socket's number", () => {
    const kernel = make(),
      bytes = encode({ u: { id: PEER, token: noise(32, 1), exp: [1, 2] }, t: 99, y: "r" });
    const [action] = only(kernel.packet(0, bytes, LOCAL), "reply");
    deepStrictEqual([action!.tid, action!.expired, action!.values], [99, [1n, 2n], undefined]);
  });

  test("[dht 51] 1024 requests a second of one address are served, others are unaffected", () => {
    const kernel = make(), ping = query("ping", {}), from = (ip: string) => ({ ip, port: 5000 });
    const served = (count: number, source: Endpoint, now: number) =>
      Array.from({ length: count }, () => only(kernel.packet(now, ping, source), "send").length).reduce((
        a,
        b,
      ) => a + b);
    strictEqual(served(3000, from("192.0.2.1"), 1000), 1024);
    strictEqual(served(10, { ip: "192.0.2.1", port: 9 }, 1500), 0);
    strictEqual(served(100, from("192.0.2.2"), 1000), 100);
    strictEqual(served(2000, from("2001:db8::1"), 1000), 1024);
    deepStrictEqual([served(1, from("2001:db8::2"), 1000), served(1, from("2001:db8:0:1::2"), 1000)], [0, 1]);
    strictEqual(served(3000, from("192.0.2.1"), 2100), 1024);
    strictEqual(kernel.stats().drops["rate-address"], 3000 - 1024 + 10 + 2000 - 1024 + 1 + 3000 - 1024);
    const all = Array.from({ length: 20 }, (_, i) => served(1000, from(`198.51.100.${i}`), 5000)).reduce((
      a,
      b,
    ) => a + b);
    strictEqual(all, 8192);
    ok(only(kernel.packet(5000, encode({ r: { id: PEER } }), from("198.51.100.1")), "reply").length === 1); // replies are not counted
  });

  test("[dht H1] what is not one whole map is dropped", () => {
    const ping = query("ping", {});
    for (let n = 0; n < ping.length; n++) drops(ping.subarray(0, n), "malformed");
    for (const bytes of ["", "00", "90", "a3616263", "c0", "c1", "92a16180", "6431323a"]) {
      drops(unhex(bytes), "malformed");
    }
    drops(concat(ping, new Uint8Array(L.datagramBytes)), "malformed");
  });

  test("[dht H2] huge lengths are dropped", () => {
    for (
      const bytes of [
        "dfffffffff",
        "c6ffffffff",
        "ddffffffff",
        "81a161ddffffffff",
        "81a161dbffffffff",
        "de ffff".replace(" ", ""),
      ]
    ) {
      drops(unhex(bytes), "malformed");
    }
  });

  test("[dht H3] deep nesting is dropped", () => {
    drops(unhex("81a178" + "91".repeat(60000)), "malformed");
    drops(unhex("81a178" + "81a178".repeat(20000) + "c0"), "malformed");
    drops(unhex("81a178" + "91".repeat(16) + "c0"), "malformed");
    drops(unhex("81a178" + "91".repeat(15) + "c0"), "not-a-packet");
  });

  test("[dht H4] [dht H5] [dht H6] [dht H8] maps, lists and numbers in each other's places are dropped", () => {
    const r = { id: PEER };
    for (const e of [[], {}, 5, ["x"], [-1], [70000]]) drops(encode({ e, r }), "malformed");
    for (const a of [5, [], "x", null]) drops(encode({ a, q: "ping" }), "malformed");
    for (const odd of [5, [], "x"]) {
      drops(encode({ r: odd }), "malformed"),
        drops(encode({ u: odd }), "malformed"),
        drops(encode({ p: odd }), "malformed");
    }
    for (const f of [[], [9], 5]) drops(encode({ r: { ...r, fileds: { f, v: [] } } }), "malformed");
    for (const v of [[1, 2, 3], ["x", 2], 5]) {
      drops(encode({ r: { ...r, fileds: { f: [1, 4], v } } }), "malformed");
    }
    for (const element of [5, [], { o: 1 }, { d: NONE }, { o: -1, d: NONE }, { o: 0, d: 5 }]) {
      drops(encode({ p: new Map([[0, element as Encodable]]), t: 1 }), "malformed");
    }
  });

  test("[dht H9] fragments that overlap, overflow, are empty or not announced are dropped, and the rest still fits", () => {
    const kernel = make(),
      value = noise(100, 9),
      bad = (index: number, offset: number, length: number) =>
        deepStrictEqual(reasons(kernel.packet(1, piece(7, index, offset, noise(length, 99)), LOCAL)), [
          "fragment-bad",
        ]);
    kernel.packet(0, put(kernel, [100]), LOCAL);
    kernel.packet(1, piece(7, 0, 10, value.subarray(10, 20)), LOCAL);
    bad(0, 15, 10),
      bad(0, 0, 11),
      bad(0, 19, 1),
      bad(0, 10, 10),
      bad(0, 95, 6),
      bad(0, 100, 1),
      bad(0, 0xffffffff, 2),
      bad(1, 0, 1),
      bad(0, 30, 0);
    kernel.packet(2, piece(7, 0, 20, value.subarray(20)), LOCAL);
    const [action] = only(kernel.packet(3, piece(7, 0, 0, value.subarray(0, 10)), LOCAL), "put");
    strictEqual(hex(action!.values[0]!), hex(value));
    strictEqual(kernel.stats().drops["fragment-bad"], 9);
  });

  test("[dht H9] incomplete messages are bounded in number and bytes, per address and in all", () => {
    const kernel = make({ addressRate: 100000, globalRate: 100000 });
    const flood = (from: Endpoint, count: number, sizes: number[], first = 0) => {
      for (let tid = first; tid < first + count; tid++) {
        kernel.packet(0, query("update", { sid: 1, values: sizes }, { t: tid }), from);
      }
    };
    flood(LOCAL, 1000, [100]);
    strictEqual(kernel.stats().partial, L.partialsPerAddress);
    flood({ ...LOCAL, port: 1 }, 10, [100]); // the same address
    strictEqual(kernel.stats().partial, L.partialsPerAddress);
    for (let i = 0; i < 100; i++) flood({ ip: `10.0.0.${i}`, port: 1 }, 40, Array(31).fill(65568));
    ok(kernel.stats().partialBytes <= L.partialStrangerBytes);
    const token = kernel.token(LOCAL).slice();
    ok(token);
    const from = { ip: "203.0.113.5", port: 1 }; // a put with its token still finds room
    kernel.packet(0, put(kernel, [65568], {}, from), from);
    const [done] = pieces(7, 0, noise(65568, 1), 60000).map((bytes) =>
      only(kernel.packet(1, bytes, from), "put")
    ).flat();
    strictEqual(done?.values[0]?.length, 65568);
    for (let i = 0; i < 2000; i++) {
      const peer = { ip: `10.1.${i >> 8}.${i & 255}`, port: 1 };
      kernel.packet(1, put(kernel, [50000, 50000], {}, peer), peer);
    }
    const { partial, partialBytes, drops } = kernel.stats();
    ok(
      partial <= L.partials && partialBytes <= L.partialBytes && drops["fragment-limit"] > 1000,
      `${partial} ${partialBytes}`,
    );
    kernel.wake(20000);
    deepStrictEqual([kernel.stats().partial, kernel.stats().partialBytes], [0, 0]);
  });

  test("[dht H9] early fragments are bounded per message and in number", () => {
    const kernel = make({ addressRate: 100000, globalRate: 100000 });
    kernel.expect(0, 7, LOCAL);
    for (let i = 0; i < 300; i++) kernel.packet(0, piece(7, 0, i * 1280, noise(1280, 1)), LOCAL);
    ok(kernel.stats().partialBytes <= L.earlyBytes && kernel.stats().partialBytes > 100 * 1024);
    for (let i = 0; i < 500; i++) {
      const from = { ip: `10.0.${i >> 8}.${i & 255}`, port: 1 };
      kernel.expect(0, 1, from);
      kernel.packet(0, piece(1, 0, 0, noise(10, 1)), from);
    }
    strictEqual(kernel.stats().partial, L.earlyPartials);
  });

  test("[dht H10] lists too long and values too large are refused", () => {
    const kernel = make();
    drops(put(kernel, Array(L.valuesPerMessage + 1).fill(1)), "too-many-values", LOCAL, kernel);
    strictEqual(kernel.stats().partial, 0);
    const other = make();
    deepStrictEqual(reasons(other.packet(0, put(other, [65569, 2n ** 40n, 3]), LOCAL)), [
      "too-large",
      "too-large",
    ]);
    const [action] = only(other.packet(0, piece(7, 2, 0, noise(3, 1)), LOCAL), "put");
    strictEqual(action!.values.length, 1);
    const third = make();
    deepStrictEqual(reasons(third.packet(0, put(third, Array(40).fill(65568)), LOCAL)), ["fragment-limit"]);
    drops(encode({ r: { id: PEER, exp: Array(L.idsPerMessage + 1).fill(1) } }), "malformed");
  });

  test("[dht H11] a fragment for another peer's transaction goes nowhere", () => {
    const kernel = make(), value = noise(700, 1);
    kernel.packet(0, put(kernel, [700]), LOCAL);
    deepStrictEqual(reasons(kernel.packet(0, piece(7, 0, 0, noise(700, 2)), { ...LOCAL, port: 5 })), [
      "fragment-orphan",
    ]);
    deepStrictEqual(
      reasons(kernel.packet(0, piece(7, 0, 0, noise(700, 2)), { ip: "127.0.0.2", port: 4223 })),
      ["fragment-orphan"],
    );
    strictEqual(hex(only(kernel.packet(0, piece(7, 0, 0, value), LOCAL), "put")[0]!.values[0]!), hex(value));
  });

  test("[dht H14] node lists that fill no entries are dropped, endless ones are cut", () => {
    for (const size of [1, 25, 27, 51]) drops(encode({ r: { id: PEER, n4: noise(size, 1) } }), "malformed");
    drops(encode({ r: { id: PEER, n6: noise(26, 1) } }), "malformed");
    const [action] = only(
      make().packet(0, encode({ r: { id: PEER, n4: noise(26 * 2000, 1), n6: noise(38, 2) } }), LOCAL),
      "reply",
    );
    deepStrictEqual([action!.nodes4.length, action!.nodes6.length], [26 * L.nodesPerReply, 38]);
  });

  test("[dht H16] one address is not flooded with answers it did not pay for", () => {
    const kernel = make(),
      ask = (from: Endpoint, now: number) =>
        only(kernel.packet(now, query("get", { h: KEY }), from), "send").reduce(
          (sum, a) => sum + a.bytes.length,
          0,
        );
    for (let i = 1; i <= 100; i++) kernel.setValue(KEY, valueOf(i, 5000));
    let bytes = 0;
    for (let i = 0; i < 500; i++) bytes += ask(LOCAL, 10);
    ok(bytes <= L.answerDebtBytes + 600_000, `${bytes}`);
    ok(kernel.stats().drops["bytes-address"] > 400);
    ok(ask({ ip: "127.0.0.2", port: 1 }, 10) > 500_000);
    ok(sent(kernel.packet(10, query("find", { target: KEY }), LOCAL))); // small answers go on
    ok(ask(LOCAL, 10 + 4000) > 500_000);
  });

  test("[dht H16] one answer is bounded, and what it holds is whole", () => {
    const kernel = make();
    for (let i = 1; i <= 1500; i++) ok(kernel.setValue(KEY, valueOf(i, i === 3 ? 60000 : 900)));
    const sends = only(kernel.packet(0, query("get", { h: KEY }), LOCAL), "send");
    const sizes = (decode(sends[0]!.bytes) as Map<string, Reply>).get("r")!.get("values") as number[];
    strictEqual(sizes.length, L.answerValues);
    ok(sizes.reduce((a, b) => a + b) <= L.answerBytes);
    strictEqual(sends.length, 1 + 1023 + Math.ceil(60000 / 1280));
    const ids = only(kernel.packet(0, query("get", { h: KEY, q: { s: [1, 3], w: [] } }), SIX), "send");
    ok(ids.length === 1 && ids[0]!.bytes.length > 20000 && ids[0]!.bytes.length < 65507);
  });

  test("[dht H18] a token of one address is worth nothing at another", () => {
    const kernel = make();
    strictEqual(codeOf(kernel.packet(0, put(kernel, [inline(1)]), SIX)), 401);
  });

  test("martians are dropped before anything is read", () => {
    for (const from of ["0.0.0.1", "224.0.0.1", "255.255.255.255", "ff02::1", "::"]) {
      drops(unhex("c1"), "martian", { ip: from, port: 4222 });
    }
    drops(query("ping", {}), "martian", { ip: "192.0.2.1", port: 0 });
    for (const ip of ["fe80::1", "::1", "127.0.0.1", "223.255.255.255"]) {
      sent(make().packet(0, query("ping", {}), { ip, port: 1 }));
    }
  });

  test("values are kept, replaced in their place, counted and taken away", () => {
    const kernel = make();
    for (const id of [3, 1, 2]) {
      ok(kernel.setValue(KEY, valueOf(id, 10, { owner: noise(5, 1), userType: noise(3, 1) })));
    }
    ok(kernel.setValue(KEY, valueOf(1, 20)));
    deepStrictEqual([kernel.stats().values, kernel.stats().valueBytes], [3, 18 + 20 + 18]);
    const rows = () =>
      (sent(kernel.packet(0, query("get", { h: KEY, q: { s: [1], w: [] } }), LOCAL)).r.get("fileds") as Reply)
        ?.get("v");
    deepStrictEqual(rows(), [3, 1, 2]);
    strictEqual(hex(kernel.value(KEY, 1n)!), hex(valueOf(1, 20).packed));
    deepStrictEqual(
      [kernel.removeValue(KEY, 3n), kernel.removeValue(KEY, 3n), kernel.removeValue(PEER, 1n)],
      [true, false, false],
    );
    deepStrictEqual([rows(), kernel.value(KEY, 3n), kernel.value(PEER, 1n)], [[1, 2], undefined, undefined]);
    kernel.removeValue(KEY, 1n), kernel.removeValue(KEY, 2n);
    deepStrictEqual([kernel.stats().values, kernel.stats().valueBytes], [0, 0]);
  });

  test("values of many keys come and go without losing one or growing beyond the bounds", () => {
    const kernel = make(), key = (i: number) => Uint8Array.of(...new Uint8Array(17), i >> 16, i >> 8, i);
    const size = (i: number) => 200 + (i * 7919) % 3000, held = new Map<number, Uint8Array>();
    for (let i = 0; i < 20000; i++) {
      const value = noise(size(i), i);
      ok(kernel.setValue(key(i), valueOf(1, 0, { packed: value })));
      held.set(i, value);
      if (i >= 3000) strictEqual(kernel.removeValue(key(i - 3000), 1n), true), held.delete(i - 3000);
    }
    for (const [i, value] of held) strictEqual(hex(kernel.value(key(i), 1n)!), hex(value));
    strictEqual(kernel.stats().valueBytes, [...held.values()].reduce((sum, v) => sum + v.length, 0));
    let full = 0;
    const big = noise(65568, 1);
    while (kernel.setValue(key(100000 + full), valueOf(1, 0, { packed: big }))) full++;
    const { valueBytes } = kernel.stats();
    ok(valueBytes <= L.valueBytes && valueBytes > L.valueBytes - 65568);
    strictEqual(kernel.setValue(KEY, valueOf(1, 65569)), false);
    for (let i = 0; i < full; i += 2) kernel.removeValue(key(100000 + i), 1n);
    for (let i = 0; i < full / 2 - 1; i++) ok(kernel.setValue(key(200000 + i), valueOf(1, 65000)));
    strictEqual(hex(kernel.value(key(100001), 1n)!), hex(big));
    for (const [i, value] of held) strictEqual(hex(kernel.value(key(i), 1n)!), hex(value));
  });

  test("wrong calls are refused loudly", () => {
    const kernel = make();
    throws(() => make({ id: KEY.subarray(1) }), RangeError);
    throws(() => make({ agent: "x".repeat(17) }), RangeError);
    throws(() => make({ agent: "ü" }), RangeError);
    throws(() => make({ network: -1 }), RangeError);
    throws(() => kernel.rotate(KEY), RangeError);
    throws(() => kernel.setValue(KEY, valueOf(0, 5)), RangeError);
    throws(() => kernel.setValue(KEY, valueOf(1, 5, { seq: 65536 })), RangeError);
    throws(() => kernel.closest(0, KEY.subarray(1), 4, 8), RangeError);
  });
}
