import { deepStrictEqual, strictEqual, throws } from "node:assert/strict";
import fc from "fast-check";
import { compare, compareXor, concat, equal, hex, text, unhex, utf8 } from "./bytes.ts";
import { accountId, commitId, deviceId, infoHash } from "./ids.ts";
import { CoreError, DecodeError, isError } from "./errors.ts";
import { Secret } from "./log.ts";

Deno.test("text() gives back what utf8() made, and refuses broken UTF-8", () => {
  fc.assert(fc.property(fc.string({ unit: "grapheme" }), (s) => strictEqual(text(utf8(s)), s)));
  strictEqual(text(new Uint8Array([0xc3, 0x28])), undefined);
  strictEqual(text(new Uint8Array([0xef, 0xbb, 0xbf, 0x41])), "\ufeffA");
});

Deno.test("compare() and equal() order byte strings as one", () => {
  fc.assert(fc.property(fc.uint8Array(), fc.uint8Array(), (a, b) => {
    strictEqual(equal(a, b), compare(a, b) === 0);
    strictEqual(Math.sign(compare(a, b)), -Math.sign(compare(b, a)) + 0);
    strictEqual(hex(concat(a, b)), hex(a) + hex(b));
    deepStrictEqual(unhex(hex(a)), a);
  }));
});

Deno.test("compareXor() agrees with the big-number distance", () => {
  const id = fc.uint8Array({ minLength: 20, maxLength: 20 }), big = (b: Uint8Array) => BigInt("0x" + hex(b));
  fc.assert(fc.property(id, id, id, (t, a, b) => {
    const wanted = (big(a) ^ big(t)) - (big(b) ^ big(t));
    strictEqual(Math.sign(compareXor(t, a, b)), wanted > 0n ? 1 : wanted < 0n ? -1 : 0);
  }));
});

Deno.test("ids are checked and lower-cased", () => {
  strictEqual(infoHash("AB".repeat(20)), "ab".repeat(20));
  for (const make of [infoHash, accountId, commitId]) {
    throws(() => make("ab".repeat(32)), { code: "base/id" });
  }
  throws(() => deviceId("zz".repeat(32)), { code: "base/id" });
});

Deno.test("isError() knows a code and a whole room", () => {
  const error: unknown = new DecodeError("dht/compact-length", { got: 3 });
  strictEqual(
    isError(error, "dht/compact-length") && isError(error, "dht/") && error instanceof CoreError,
    true,
  );
  strictEqual(isError(error, "dht/compact") || isError(new Error("dht/x"), "dht/"), false);
});

Deno.test("Secret shows dots wherever it is printed", () => {
  const secret = new Secret("hunter2");
  strictEqual(
    `${secret}${JSON.stringify({ secret })}${Deno.inspect(secret)}${Deno.inspect({ a: [secret] })}`.includes(
      "hunter2",
    ),
    false,
  );
  strictEqual(secret.reveal(), "hunter2");
});
