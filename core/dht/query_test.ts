/** Query filters: text form, matching, when one answer serves another question. */
import { deepStrictEqual, ok, strictEqual, throws } from "node:assert/strict";
import fc from "fast-check";
import { unhex, utf8 } from "../base/mod.ts";
import { sha1 } from "../crypto/mod.ts";
import type { Query, Where } from "./kernel.ts";
import { ANY, formatQuery, matches, parseQuery, queryKey, satisfiedBy } from "./query.ts";
import { makeValue } from "./value.ts";

const owner = "0beec7b5ea3f0fdbc95d0dd47f3c5bc275da8a33";

Deno.test("parseQuery() reads the text form of §1.8", () => {
  deepStrictEqual(parseQuery(""), ANY);
  deepStrictEqual(parseQuery("SELECT *"), ANY);
  deepStrictEqual(parseQuery("select seq,id"), { select: [1, 4], where: [] });
  deepStrictEqual(parseQuery("WHERE id=5"), { select: [], where: [{ field: 1, value: 5n }] });
  deepStrictEqual(
    parseQuery(
      `SELECT id,value_type,owner_pk,seq,user_type WHERE id=18446744073709551615,value_type=3,owner_pk=${owner},user_type="a,b =c"`,
    ),
    {
      select: [1, 2, 3, 4, 5],
      where: [
        { field: 1, value: 2n ** 64n - 1n },
        { field: 2, value: 3 },
        { field: 3, value: unhex(owner) },
        { field: 5, value: utf8("a,b =c") },
      ],
    },
  );
  const wrong = [
    "SELECT nothing",
    "WHERE id=x",
    "WHERE id=18446744073709551616",
    "WHERE value_type=70000",
    "WHERE owner_pk=12",
    "WHERE seq=5",
    "WHERE id",
    "FROM here",
    "x".repeat(5000),
  ];
  for (const text of wrong) throws(() => parseQuery(text), { code: "dht/query" }, text);
});

const plain = { noNullPrototype: true } as const;
const condition: fc.Arbitrary<Where> = fc.oneof(
  fc.record({ field: fc.constant(1 as const), value: fc.bigInt(0n, 2n ** 64n - 1n) }, plain),
  fc.record({ field: fc.constant(2 as const), value: fc.nat(0xffff) }, plain),
  fc.record(
    { field: fc.constant(3 as const), value: fc.uint8Array({ minLength: 20, maxLength: 20 }) },
    plain,
  ),
  fc.record({
    field: fc.constant(5 as const),
    value: fc.string({ minLength: 1 }).filter((s) => !/["\n\r]/.test(s)).map(utf8),
  }, plain),
);
const query: fc.Arbitrary<Query> = fc.record({
  select: fc.subarray([1, 2, 3, 4, 5]),
  where: fc.array(condition, { maxLength: 4 }),
}, plain);

Deno.test("parseQuery() undoes formatQuery(); queryKey() does not depend on order", () => {
  fc.assert(fc.property(query, (q) => {
    deepStrictEqual(parseQuery(formatQuery(q)), q);
    strictEqual(queryKey(q), queryKey({ select: q.select.toReversed(), where: q.where.toReversed() }));
  }));
});

Deno.test("matches() demands every condition", () => {
  const value = makeValue({
    id: 5n,
    type: 3,
    userType: "text/plain",
    owner: utf8("foo"),
    signature: Uint8Array.of(1),
  });
  const all = `WHERE id=5,value_type=3,user_type="text/plain",owner_pk=${sha1("foo").toHex()}`;
  ok(matches(parseQuery(all), value));
  ok(matches(ANY, value));
  for (const wrong of ["id=6", "value_type=4", 'user_type="x"', `owner_pk=${"00".repeat(20)}`]) {
    ok(!matches(parseQuery(`${all},${wrong}`), value), wrong);
  }
  ok(matches(parseQuery(`WHERE owner_pk=${"00".repeat(20)}`), makeValue({ encrypted: utf8("x") })));
});

Deno.test("satisfiedBy() holds when the other answer contains the asked one", () => {
  const holds = (asked: string, other: string) => satisfiedBy(parseQuery(asked), parseQuery(other));
  ok(holds("", ""));
  ok(holds("WHERE id=5", ""));
  ok(holds("WHERE id=5,value_type=0", "WHERE value_type=0"));
  ok(holds("SELECT id", "SELECT id,seq"));
  ok(!holds("", "WHERE id=5"));
  ok(!holds("WHERE id=5", "WHERE id=6"));
  ok(!holds("SELECT id,seq", "SELECT id"));
  ok(!holds("", "SELECT id"));
  ok(!holds("SELECT id", ""));
  fc.assert(fc.property(query, (q) => ok(satisfiedBy(q, q))));
});
