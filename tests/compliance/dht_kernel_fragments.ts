/** Values bigger than a datagram. */
import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { concat, hex } from "../../core/base/mod.ts";
import { decode, encode } from "../../core/codec/mod.ts";
import { type KernelValue } from "../../wasm/mod.ts";
import {
  inline,
  KEY,
  type Kit,
  LOCAL,
  noise,
  only,
  packed,
  PEER,
  piece,
  pieces,
  query,
  reasons,
  type Reply,
  SIX,
  types,
  valueOf,
} from "./dht_kernel_tools.ts";

export function fragmentsSuite({ make, test, drops, put }: Kit): void {
  test("[dht 19] [dht 22] fewer than 50 values under 600 bytes travel inside, others as sizes and fragments of at most 1280 bytes", () => {
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
}
