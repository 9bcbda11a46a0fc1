import { deepStrictEqual, strictEqual, throws } from "node:assert/strict";
import fc from "fast-check";
import { canonicalIp, formatEndpoint, formatIp, isIp, parseIp } from "./address.ts";

const cases: [text: string, short: string][] = [
  ["192.0.2.10", "192.0.2.10"],
  ["::", "::"],
  ["0:0:0:0:0:0:0:1", "::1"],
  ["2001:DB8:0:0:8:800:200C:417A", "2001:db8::8:800:200c:417a"],
  ["2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"], // one zero group is not shortened
  ["2001:0:0:1:0:0:0:1", "2001:0:0:1::1"], // the longest run wins
  ["::ffff:192.0.2.1", "192.0.2.1"],
  ["::ffff:c000:201", "192.0.2.1"],
  ["64:ff9b::192.0.2.33", "64:ff9b::c000:221"],
  ["fe80::1%eth0", "fe80::1"],
];

for (const [given, short] of cases) {
  Deno.test(`canonicalIp() writes ${given} as ${short}`, () => strictEqual(canonicalIp(given), short));
}

Deno.test("parseIp() undoes formatIp() for every address", () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.uint8Array({ minLength: 4, maxLength: 4 }),
        fc.uint8Array({ minLength: 16, maxLength: 16 }),
      ),
      (bytes) => {
        const back = parseIp(formatIp(bytes));
        deepStrictEqual(back.length === 4 && bytes.length === 16 ? bytes.slice(12) : bytes, back);
      },
    ),
  );
});

Deno.test("parseIp() refuses what is no address", () => {
  for (
    const bad of [
      "",
      "1.2.3",
      "1.2.3.4.5",
      "256.1.1.1",
      "01.2.3.4567",
      "1:2:3",
      ":::",
      "1::2::3",
      "12345::",
      "::1.2.3",
      "g::",
      "1:2:3:4:5:6:7:8:9",
      "::1:2:3:4:5:6:7:8",
      "1.2.3.4:80",
      "x",
    ]
  ) {
    throws(() => parseIp(bad), { code: "base/address" }, bad);
    strictEqual(isIp(bad), false, bad);
  }
  throws(() => formatIp(new Uint8Array(5)), { code: "base/address" });
});

Deno.test("formatEndpoint() brackets IPv6 only", () => {
  strictEqual(formatEndpoint({ ip: "192.0.2.1", port: 1 }), "192.0.2.1:1");
  strictEqual(formatEndpoint({ ip: "2001:db8::1", port: 4222 }), "[2001:db8::1]:4222");
});
