import { deepStrictEqual } from "node:assert/strict";
import { type Book, claims, ranges, score } from "./conformance.ts";

// put together at run time, so that the scan of this very file finds no claims
const tag = (inside: string) => "[" + inside + "]";

Deno.test("claims() reads numbers, lists, ranges and hostile rows in front of names", () => {
  const source = [
    `Deno.test("${tag("dht 24")} Requests gives a silent node up", ...)`,
    `Deno.test(\`${tag("dht 1, 3")} ${tag("swarm H2")} something\`)`,
    `t.step('${tag("dht 43–45")} x'); // ${tag("dht 9")} in a comment is no claim`,
    `"later ${tag("dht 8")}" "${tag("dht §9 n4/n6")} a section" "${tag("Dht 5")}"`,
  ].join("\n");
  deepStrictEqual(claims(source), ["dht 24", "dht 1", "dht 3", "swarm H2", "dht 43", "dht 44", "dht 45"]);
});

Deno.test("score() counts each statement once and reports claims nobody knows", () => {
  const book: Book = { floor: {}, dht: { statements: { 1: "one", 2: "two" }, hostile: { 1: "row" } } };
  const { scores, strange } = score(book, new Set(["dht 2", "dht H1", "dht 9", "calls 1"]));
  deepStrictEqual(scores, [{ room: "dht", have: 2, all: 3, missing: ["dht 1"] }]);
  deepStrictEqual(strange, ["dht 9"]);
});

Deno.test("ranges() joins neighbours and keeps hostile rows apart", () => {
  deepStrictEqual(ranges(["1", "2", "3", "5", "H5", "H6", "H9"]), ["1–3", "5", "H5–H6", "H9"]);
});
