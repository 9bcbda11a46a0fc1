import { deepStrictEqual, strictEqual, throws } from "node:assert/strict";
import fc from "fast-check";
import { formatJsoncpp, type Json, jsonText, parseJsoncpp } from "./jsoncpp.ts";

const written: [Json, string][] = [
  [{ type: "text/plain", body: "" }, '{"body":"","type":"text/plain"}'],
  [{ body: 'a"b\\c\td\ne' }, String.raw`{"body":"a\"b\\c\td\ne"}`],
  [{ body: "\u00e9" }, String.raw`{"body":"\u00e9"}`],
  [{ body: "\u{1F44D}" }, String.raw`{"body":"\ud83d\udc4d"}`],
  [{ body: "\u0001\u007f/" }, '{"body":"\\u0001\u007f/"}'],
  [{ mode: 2, type: "initial" }, '{"mode":2,"type":"initial"}'],
  [
    { "\u{10000}": 1, "\uffff": 2, b: [true, null, -5] },
    String.raw`{"b":[true,null,-5],"\uffff":2,"\ud800\udc00":1}`,
  ],
];
for (const [value, text] of written) {
  Deno.test(`[swarm 10] formatJsoncpp() writes ${text}`, () => strictEqual(formatJsoncpp(value), text));
}

Deno.test("[swarm 10] formatJsoncpp() writes what any JSON reader reads back", () => {
  fc.assert(fc.property(fc.jsonValue(), (value) => {
    const wanted = JSON.parse(JSON.stringify(value));
    deepStrictEqual(JSON.parse(formatJsoncpp(wanted)), wanted);
    deepStrictEqual(parseJsoncpp(formatJsoncpp(wanted)), wanted);
  }));
});

Deno.test("[swarm 11] parseJsoncpp() takes the last of equal keys, a mark, comments, trailing commas and text behind", () => {
  for (
    const text of [
      '{"a":1,"a":2}',
      '\ufeff{"a":2}',
      '{"a":2,}',
      '{/* x */"a":2 // y\n}',
      '{"a":2} and more',
      '{"a":2}}}',
      '{"a":1,"a":2,}',
    ]
  ) deepStrictEqual({ ...parseJsoncpp(text) as object }, { a: 2 }, text);
  deepStrictEqual(parseJsoncpp("[1,2,]"), [1, 2]);
  const evil = parseJsoncpp('{"__proto__":{"x":1},}') as Record<string, unknown>;
  strictEqual((evil as { x?: number }).x, undefined);
});

Deno.test("[swarm 11] parseJsoncpp() refuses what jsoncpp refuses", () => {
  for (const text of ["", "{'a':1}", '{"a":NaN}', "{", '{"a" 1}', "nonsense", '{"a":tru}']) {
    throws(() => parseJsoncpp(text), { code: "codec/json" }, text);
  }
});

Deno.test("[swarm 12] parseJsoncpp() refuses deep nesting without parsing it", () => {
  throws(() => parseJsoncpp("[".repeat(5000)), { code: "codec/json" });
  throws(() => parseJsoncpp('/*"*/' + "[".repeat(200_000)), { code: "codec/json" });
  strictEqual(JSON.stringify(parseJsoncpp('{"a":"[[[[\\"[["}', 1)), '{"a":"[[[[\\"[["}');
});

Deno.test("[swarm 11] jsonText() turns scalars into text and nothing else", () => {
  deepStrictEqual([581, true, null, "x"].map((value) => jsonText(value)), ["581", "true", "", "x"]);
  deepStrictEqual([[], {}, undefined].map((value) => jsonText(value)), [undefined, undefined, undefined]);
});
