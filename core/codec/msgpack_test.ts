/** MessagePack against two other libraries, its laws, and hostile bytes. */
import { deepStrictEqual, ok, strictEqual, throws } from "node:assert/strict";
import * as official from "@msgpack/msgpack";
import fc from "fast-check";
import { DecodeError, hex, isError, unhex, utf8 } from "../base/mod.ts";
import {
  bytesLike,
  decode,
  decodeFirst,
  type Encodable,
  encode,
  Ext,
  type MsgpackValue,
  RawStr,
  Reader,
  skim,
  timestamp,
  timestampNanos,
  Writer,
} from "./mod.ts";

const int = fc.oneof(
  fc.maxSafeInteger(),
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 64n - 1n }),
  fc.integer({ min: -40, max: 300 }),
);
/** The value `decode` gives for an integer: a bigint only where a number would lose bits. */
const canonical = (v: number | bigint) => Number.isSafeInteger(Number(v)) ? Number(v) + 0 : v;
const { tree } = fc.letrec<{ tree: MsgpackValue }>((tie) => ({
  tree: fc.oneof(
    { depthSize: "small", maxDepth: 6 },
    fc.constantFrom<MsgpackValue>(null, true, false),
    int.map(canonical),
    fc.double().map((v) => Number.isInteger(v) ? canonical(v) : v),
    fc.string({ unit: "grapheme" }),
    fc.uint8Array({ maxLength: 40 }),
    fc.array(tie("tree"), { maxLength: 20 }),
    fc.array(fc.tuple(fc.oneof(fc.string(), int.map(canonical)), tie("tree")), { maxLength: 20 })
      .map((pairs) => new Map(pairs) as MsgpackValue),
  ),
}));

Deno.test("decode() undoes encode(), and skim() knows the length", () => {
  fc.assert(
    fc.property(tree, fc.uint8Array({ maxLength: 3 }), (value, tail) => {
      const bytes = encode(value), longer = new Uint8Array([...bytes, ...tail]);
      deepStrictEqual(decode(bytes), value);
      strictEqual(skim(longer), bytes.length);
      strictEqual(decodeFirst(longer).length, bytes.length);
      deepStrictEqual(encode(decode(bytes)), bytes);
    }),
    { numRuns: 1000 },
  );
});

Deno.test("encode() agrees with the official library byte for byte", () => {
  const plain = fc.oneof(
    fc.constantFrom(null, true, false),
    fc.integer(),
    fc.integer({ min: -40, max: 70000 }),
    fc.string({ unit: "grapheme", maxLength: 300 }),
    fc.uint8Array({ maxLength: 300 }),
    fc.double().filter((v) => !Number.isInteger(v)),
  );
  const nested = fc.oneof(
    plain,
    fc.array(plain, { maxLength: 20 }),
    fc.dictionary(fc.string(), plain, { noNullPrototype: true }),
  );
  fc.assert(
    fc.property(nested, (value) => {
      strictEqual(hex(encode(value as Encodable)), hex(official.encode(value)));
    }),
    { numRuns: 1000 },
  );
});

Deno.test("decode() agrees with the official library on everything that library writes", () => {
  const plain = fc.oneof(
    fc.integer(),
    fc.string({ unit: "grapheme", maxLength: 300 }),
    fc.uint8Array(),
    fc.double().map((value) => value + 0), // that library writes −0 as 0
    fc.boolean(),
  );
  fc.assert(fc.property(fc.array(plain, { maxLength: 40 }), (list) => {
    deepStrictEqual(decode(official.encode(list)), list);
  }));
});

const widths: [wire: string, value: MsgpackValue][] = [
  ["00", 0],
  ["cc00", 0],
  ["cd0001", 1],
  ["ce00000001", 1],
  ["cf0000000000000001", 1],
  ["cf0020000000000000", 2n ** 53n],
  ["cf001fffffffffffff", Number.MAX_SAFE_INTEGER],
  ["cfffffffffffffffff", 2n ** 64n - 1n],
  ["d0ff", -1],
  ["d1ffff", -1],
  ["d2ffffffff", -1],
  ["d3ffffffffffffffff", -1],
  ["d38000000000000000", -(2n ** 63n)],
  ["e0", -32],
  ["ca3fc00000", 1.5],
  ["cb3ff8000000000000", 1.5],
  ["d90161", "a"],
  ["da000161", "a"],
  ["db0000000161", "a"],
  ["c50100" + "00".repeat(256), new Uint8Array(256)],
  ["c60000000107", new Uint8Array([7])],
  ["dc0001c0", [null]],
  ["dd00000001c0", [null]],
  ["de0001a161c3", new Map([["a", true]])],
  ["df00000001a161c2", new Map([["a", false]])],
];
for (const [wire, value] of widths) {
  Deno.test(`decode() reads ${wire.slice(0, 24)}`, () => deepStrictEqual(decode(unhex(wire)), value));
}

const shortest: [value: Encodable, wire: string][] = [
  [127, "7f"],
  [128, "cc80"],
  [255, "ccff"],
  [256, "cd0100"],
  [65535, "cdffff"],
  [65536, "ce00010000"],
  [0xffffffff, "ceffffffff"],
  [0x100000000, "cf0000000100000000"],
  [5n, "05"],
  [2n ** 64n - 1n, "cfffffffffffffffff"],
  [-1, "ff"],
  [-32, "e0"],
  [-33, "d0df"],
  [-128, "d080"],
  [-129, "d1ff7f"],
  [-32768, "d18000"],
  [-32769, "d2ffff7fff"],
  [-0x80000000, "d280000000"],
  [-0x80000001, "d3ffffffff7fffffff"],
  [0, "00"],
  [-0, "cb8000000000000000"],
  ["", "a0"],
  ["a".repeat(31), "bf" + "61".repeat(31)],
  ["a".repeat(32), "d920" + "61".repeat(32)],
  [new Uint8Array(0), "c400"],
  [{ id: undefined, a: 1 }, "81a16101"],
  [new RawStr(unhex("c328")), "a2c328"],
];
for (const [value, wire] of shortest) {
  Deno.test(`encode() writes ${wire.slice(0, 24)} and nothing longer`, () =>
    strictEqual(hex(encode(value)), wire));
}

Deno.test("encode() writes the packed value of dht §2.1 (captured from V23)", () => {
  const value = new Map<string, Encodable>([
    ["id", 0x1122334455667788n],
    ["dat", { body: { type: 0, data: utf8("hello"), utype: "text/plain" } }],
  ]);
  strictEqual(
    hex(encode(value)),
    "82a26964cf1122334455667788a364617481a4626f647983a47479706500a464617461c40568656c6c6fa57574797065aa746578742f706c61696e",
  );
});

Deno.test("a Writer grows anywhere without losing a byte", () => {
  fc.assert(fc.property(fc.integer({ min: 240, max: 260 }), tree, (fill, value) => {
    const bytes = encode([new Uint8Array(fill), value, 1e-3, 2n ** 60n, -70000, 70000, "x".repeat(40)]);
    deepStrictEqual(decode(bytes), [
      new Uint8Array(fill),
      value,
      1e-3,
      2n ** 60n,
      -70000,
      70000,
      "x".repeat(40),
    ]);
  }));
});

Deno.test("decode() keeps a str that is not UTF-8 as it is", () => {
  const value = decode(unhex("92a2c328a161")) as MsgpackValue[];
  ok(value[0] instanceof RawStr);
  strictEqual(hex(value[0].bytes), "c328");
  strictEqual(value[1], "a");
  strictEqual(hex(encode(value)), "92a2c328a161");
  strictEqual(decode(unhex("a4efbbbf41")), "\ufeffA");
});

Deno.test("decode() skips keys that are no keys, keeps order, and lets the last duplicate win", () => {
  const map = decode(unhex("86" + "c001" + "a16201" + "910102" + "a16102" + "a16203" + "c304")) as Map<
    string,
    unknown
  >;
  deepStrictEqual([...map], [["b", 3], ["a", 2]]);
  const bins = decode(unhex("84" + "c4010101" + "c4010102" + "a2c32803" + "a2c32804")) as Map<
    unknown,
    unknown
  >;
  deepStrictEqual([...bins.values()], [2, 4]);
  deepStrictEqual([...decode(unhex("820101cc0102")) as Map<unknown, unknown>], [[1, 2]]);
});

const refused: [wire: string, code: string][] = [
  ["", "truncated"],
  ["dfffffffff", "length"],
  ["c6ffffffff", "length"],
  ["ddffffffff", "length"],
  ["dd00ffffff", "truncated"],
  ["c4", "truncated"],
  ["c402ff", "truncated"],
  ["92c0", "truncated"],
  ["cf00", "truncated"],
  ["91".repeat(17) + "c0", "depth"],
  ["dd00ffffff".repeat(200), "depth"],
  ["d4ff00", "ext"],
  ["c70000", "ext"],
  ["c1", "reserved"],
  ["c0c0", "trailing"],
];
for (const [wire, what] of refused) {
  Deno.test(`[dht H2] decode() refuses ${wire.slice(0, 20) || "nothing"}: ${what}`, () => {
    throws(() => decode(unhex(wire)), { code: `codec/msgpack-${what}` });
  });
}

Deno.test("depth 16 is the deepest, and can be chosen", () => {
  decode(unhex("91".repeat(16) + "c0"));
  decode(unhex("91".repeat(15) + "90"));
  throws(() => skim(unhex("9191c0"), { depth: 1 }), { code: "codec/msgpack-depth" });
  strictEqual(skim(unhex("91".repeat(40) + "c0"), { depth: 40 }), 41);
  let deep: Encodable = null;
  for (let i = 0; i < 40; i++) deep = [deep];
  throws(() => encode(deep), RangeError);
});

Deno.test("skim() asks for more at every prefix of a value", () => {
  fc.assert(fc.property(tree, (value) => {
    const bytes = encode(value);
    for (let n = 0; n < bytes.length; n++) strictEqual(skim(bytes.subarray(0, n)), -1);
    strictEqual(skim(new Uint8Array([0xc0, ...bytes]), { from: 1 }), bytes.length);
  }));
});

Deno.test("[dht H1] decode() reads any bytes or refuses them with a codec error, and never writes to them", () => {
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 60 }),
    fc.tuple(tree, fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 3 })).map(([value, edits]) => {
      const made = encode(value);
      for (const [at, byte] of edits) if (made.length) made[at % made.length] = byte;
      return made;
    }),
  );
  fc.assert(
    fc.property(bytes, (given) => {
      const before = hex(given);
      try {
        decode(given, { trailing: true, ext: true });
      } catch (error) {
        ok(error instanceof DecodeError && isError(error, "codec/"), String(error));
      }
      strictEqual(hex(given), before);
    }),
    { numRuns: 5000 },
  );
});

Deno.test("a Reader takes the same objects apart", () => {
  const r = new Reader(
    unhex("86a16101c4016202930102031fc2c0cb3ff8000000000000d3fffffffffffffffed6ff00000001a17a91a17a"),
  );
  strictEqual(r.map(), 6);
  strictEqual(r.str(), "a");
  strictEqual(r.uint(), 1);
  strictEqual(hex(r.bin()), "62");
  strictEqual(r.uint64(), 2n);
  strictEqual(hex(r.blob()), "010203");
  strictEqual(r.int(), 31);
  strictEqual(r.bool(), false);
  strictEqual(r.nil(), null);
  strictEqual(r.float(), 1.5);
  strictEqual(r.int(), -2);
  strictEqual(r.kind(), "ext");
  deepStrictEqual(r.ext(), { type: -1, data: unhex("00000001") });
  strictEqual(hex(r.blob()), "7a");
  strictEqual(hex(r.raw()), "91a17a");
  strictEqual(r.left, 0);
  throws(() => r.kind(), { code: "codec/msgpack-truncated" });
});

Deno.test("a Reader refuses the wrong type and counts that cannot be true", () => {
  for (const read of ["nil", "bool", "int", "float", "str", "bin", "blob", "array", "map", "ext"] as const) {
    throws(() => new Reader(unhex("c1"))[read](), { code: "codec/msgpack-type" }, read);
  }
  throws(() => new Reader(unhex("ff")).uint(), { code: "codec/msgpack-type" });
  throws(() => new Reader(unhex("ff")).uint64(), { code: "codec/msgpack-type" });
  throws(() => new Reader(unhex("cd0100")).uint(255), { code: "codec/msgpack-type" });
  throws(() => new Reader(unhex("92cc80cd0100")).blob(), { code: "codec/msgpack-type" });
  throws(() => new Reader(unhex("a2c328")).str(), { code: "codec/msgpack-type" });
  for (const wire of ["ddffffffff", "dfffffffff", "8100", "c6ffffffff00", "dbffffffff"]) {
    throws(
      () =>
        new Reader(unhex(wire))[
          wire.startsWith("dd")
            ? "array"
            : wire.startsWith("c6")
            ? "bin"
            : wire.startsWith("db")
            ? "strBytes"
            : "map"
        ](),
      {
        code: "codec/msgpack-truncated",
      },
      wire,
    );
  }
});

Deno.test("bytesLike() takes every form of a DHT blob and nothing else", () => {
  for (const wire of ["c4026869", "a26869", "926869", "92cc68cd0069"]) {
    strictEqual(hex(bytesLike(decode(unhex(wire)))!), "6869", wire);
  }
  strictEqual(hex(bytesLike(decode(unhex("a2c328")))!), "c328");
  for (
    const wire of [
      "c0",
      "05",
      "92ff01",
      "91cd0100",
      "91a161",
      "81a16101",
      "91ca3f800000".replace("3f80", "3fc0"),
    ]
  ) {
    strictEqual(bytesLike(decode(unhex(wire))), undefined, wire);
  }
});

Deno.test("timestamp() and timestampNanos() undo each other in all three forms", () => {
  for (
    const nanos of [0n, 1n, 1_000_000_000n, 2n ** 32n * 1_000_000_000n, 2n ** 34n * 1_000_000_000n + 5n, -1n]
  ) {
    const ext = timestamp(nanos);
    strictEqual(timestampNanos(ext), nanos);
    deepStrictEqual(decode(encode(ext), { ext: true }), ext);
  }
  strictEqual(hex(encode(timestamp(1_000_000_000n))), "d6ff00000001");
  const library = official.decode(encode(timestamp(1_700_000_000_123_000_000n))) as Date;
  strictEqual(library.getTime(), 1_700_000_000_123);
  throws(() => timestampNanos(new Ext(-1, new Uint8Array(5))), { code: "codec/msgpack-timestamp" });
  throws(() => timestampNanos(new Ext(-1, unhex("ffffffff00000000"))), { code: "codec/msgpack-timestamp" });
  throws(() => timestampNanos(5), { code: "codec/msgpack-timestamp" });
});

Deno.test("a Writer refuses what no form can hold", () => {
  const w = new Writer();
  for (const bad of [2n ** 64n, -(2n ** 63n) - 1n, 1.5, 2 ** 53, NaN]) {
    throws(() => w.int(bad), RangeError, String(bad));
  }
  throws(() => w.uint(-1), RangeError);
  throws(() => encode([() => 1] as unknown as Encodable), TypeError);
});
