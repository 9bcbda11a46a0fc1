/** Addresses nobody can have, kept values, wrong calls. */
import { deepStrictEqual, ok, strictEqual, throws } from "node:assert/strict";
import { hex, unhex } from "../../core/base/mod.ts";
import { KERNEL_LIMITS as L } from "../../wasm/mod.ts";
import { KEY, type Kit, LOCAL, noise, PEER, query, type Reply, sent, valueOf } from "./dht_kernel_tools.ts";

export function valuesSuite({ make, test, drops }: Kit): void {
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
