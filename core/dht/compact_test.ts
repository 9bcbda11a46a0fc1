import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import fc from "fast-check";
import { isMartian, readCompact } from "./compact.ts";
import { LIMITS } from "./limits.ts";

const FROM = { ip: "192.0.2.7", port: 9 };
const hex = (text: string) => Uint8Array.fromHex(text);

Deno.test("readCompact() reads entries of both families (dht §1.6)", () => {
  const id = "11".repeat(20);
  deepStrictEqual(readCompact(hex(id + "c0000201107e"), 4, FROM)[0]!.address, {
    ip: "192.0.2.1",
    port: 4222,
  });
  const six = id + "20010db8000000000000000000000001" + "107e";
  deepStrictEqual(readCompact(hex(six), 6, FROM)[0]!.address, { ip: "2001:db8::1", port: 4222 });
});
Deno.test("readCompact() takes loopback for the machine that told us, within one family", () => {
  const loop4 = hex("11".repeat(20) + "7f0000011000"),
    loop6 = hex("11".repeat(20) + "00".repeat(15) + "01" + "1000");
  deepStrictEqual(readCompact(loop4, 4, FROM)[0]!.address, { ip: "192.0.2.7", port: 4096 });
  deepStrictEqual(readCompact(loop6, 6, FROM), []);
  deepStrictEqual(readCompact(loop6, 6, { ip: "fd00::7", port: 1 })[0]!.address, {
    ip: "fd00::7",
    port: 4096,
  });
});
for (
  const [bytes, martian] of [
    ["00010203", true],
    ["e0000001", true],
    ["ffffffff", true],
    ["0a000001", false],
    ["7f000001", false],
    ["ff020000000000000000000000000001", true],
    ["00000000000000000000000000000000", true],
    ["00000000000000000000ffff0a000001", true],
    ["fe800000000000000000000000000001", false],
    ["00000000000000000000000000000001", false],
  ] as const
) {
  Deno.test(`isMartian(${bytes}) is ${martian}`, () => strictEqual(isMartian(hex(bytes)), martian));
}
Deno.test("[dht H14] readCompact() never throws and never gives more than its limit", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 4000 }), fc.constantFrom<4 | 6>(4, 6), (bytes, family) => {
    const nodes = readCompact(bytes, family, FROM);
    ok(nodes.length <= LIMITS.compactNodes);
    ok(nodes.every(({ id, address }) => id.length === 20 && address.port > 0));
  }));
});
