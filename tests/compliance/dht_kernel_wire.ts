/** The wire: what is read, what is answered, byte for byte. */
import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { createHash } from "node:crypto";
import { compareXor, concat, hex, unhex } from "../../core/base/mod.ts";
import { type Encodable, encode, Writer } from "../../core/codec/mod.ts";
import { KERNEL_LIMITS as L } from "../../wasm/mod.ts";
import {
  KEY,
  type Kit,
  LOCAL,
  NONE,
  only,
  PEER,
  query,
  SELF,
  sent,
  SIX,
  types,
  valueOf,
  ZERO,
} from "./dht_kernel_tools.ts";

export function wireSuite({ make, test, drops }: Kit): void {
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
}
