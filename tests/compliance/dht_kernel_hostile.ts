/** Hostile datagrams: the rows of dht §9 that a kernel meets. */
import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { concat, type Endpoint, hex, unhex } from "../../core/base/mod.ts";
import { decode, type Encodable, encode } from "../../core/codec/mod.ts";
import { KERNEL_LIMITS as L } from "../../wasm/mod.ts";
import {
  codeOf,
  inline,
  KEY,
  type Kit,
  LOCAL,
  noise,
  NONE,
  only,
  PEER,
  piece,
  pieces,
  query,
  reasons,
  type Reply,
  sent,
  SIX,
  valueOf,
} from "./dht_kernel_tools.ts";

export function hostileSuite({ make, test, drops, put }: Kit): void {
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

  test("[dht H9] messages of thousands of tiny values are bounded as well", () => {
    const kernel = make(), sizes = Array(L.valuesPerMessage).fill(1);
    for (let i = 0; i < 30; i++) {
      const from = { ip: `10.0.0.${i}`, port: 1 };
      kernel.expect(0, 99, from);
      kernel.packet(0, piece(99, 0, 0, noise(1200, 1)), from);
      for (let tid = 0; tid < L.partialsPerAddress; tid++) {
        kernel.packet(0, put(kernel, sizes, {}, from, tid), from);
      }
    }
    const { partial, partialBytes } = kernel.stats();
    ok(
      partial <= L.partials && partialBytes <= L.partialBytes && partialBytes > L.partialBytes / 2,
      `${partial} ${partialBytes}`,
    );
    ok(partialBytes > partial * L.valuesPerMessage, "the room each value takes is counted");
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
}
