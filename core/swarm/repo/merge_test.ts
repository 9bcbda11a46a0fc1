import { deepStrictEqual, strictEqual } from "node:assert/strict";
import fc from "fast-check";
import { mergeFiles, type Side } from "./merge.ts";
import { changes } from "./tree.ts";

const U = "a".repeat(40), V = "b".repeat(40), D = "d".repeat(64);
const files = (...paths: (string | [string, string])[]) =>
  new Map(
    paths.map((
      path,
    ) => (typeof path === "string" ? [path, "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"] as const : path)),
  );
const later = (x: string, y: string) => (x > y ? x : y);
const merge = (base: Map<string, string>, a: Map<string, string>, b: Map<string, string>) => {
  const left: Side = { tip: "1".repeat(40), files: a }, right: Side = { tip: "2".repeat(40), files: b };
  const one = mergeFiles(base, left, right, later), other = mergeFiles(base, right, left, later);
  deepStrictEqual([...one].sort(), [...other].sort(), "the same whoever merges");
  return [...one.keys()].sort();
};

Deno.test("[swarm 24] mergeFiles() lets a ban beat a join of the same invitation", () => {
  const base = files(`invited/${U}`);
  deepStrictEqual(merge(base, files([`members/${U}.crt`, "c1"]), files(`banned/invited/${U}`)), [
    `banned/invited/${U}`,
  ]);
});

Deno.test("[swarm 24] mergeFiles() lets leaving beat a renewed certificate, and a ban beat leaving", () => {
  const base = files([`members/${U}.crt`, "c1"], [`devices/${D}.crt`, "d1"]);
  deepStrictEqual(merge(base, files(), files([`members/${U}.crt`, "c2"], [`devices/${D}.crt`, "d1"])), []);
  deepStrictEqual(
    merge(base, files(), files([`banned/members/${U}.crt`, "c1"], [`devices/${D}.crt`, "d1"])),
    [`banned/members/${U}.crt`],
  );
});

Deno.test("[swarm H19] mergeFiles() never revives a banned member", () => {
  const base = files([`members/${U}.crt`, "c1"], [`members/${V}.crt`, "v1"]);
  const banned = files([`banned/members/${U}.crt`, "c1"], [`members/${V}.crt`, "v1"]);
  const merged = merge(base, banned, files([`members/${U}.crt`, "c1"], [`members/${V}.crt`, "v2"]));
  deepStrictEqual(merged, [`banned/members/${U}.crt`, `members/${V}.crt`]);
});

Deno.test("[swarm 25] mergeFiles() takes one whole profile, that of the greater tip, when both changed it", () => {
  const base = files(["profile.vcf", "p0"]);
  const merged = mergeFiles(base, { tip: "9".repeat(40), files: files(["profile.vcf", "p1"]) }, {
    tip: "3".repeat(40),
    files: files(["profile.vcf", "p2"]),
  }, later);
  strictEqual(merged.get("profile.vcf"), "p1");
  const one = mergeFiles(base, { tip: "9".repeat(40), files: base }, {
    tip: "3".repeat(40),
    files: files(["profile.vcf", "p2"]),
  }, later);
  strictEqual(one.get("profile.vcf"), "p2");
});

Deno.test("[swarm 24] mergeFiles() takes every path from one of the parents, whatever happened", () => {
  const path = fc.constantFrom(
    `invited/${U}`,
    `members/${U}.crt`,
    `banned/members/${U}.crt`,
    `banned/invited/${U}`,
    `members/${V}.crt`,
    `admins/${V}.crt`,
    `devices/${D}.crt`,
    "profile.vcf",
  );
  const tree = fc.uniqueArray(fc.tuple(path, fc.constantFrom("x1", "x2", "x3")), { selector: ([p]) => p })
    .map((rows) => new Map(rows));
  fc.assert(fc.property(tree, tree, tree, (base, a, b) => {
    const merged = mergeFiles(
      base,
      { tip: "1".repeat(40), files: a },
      { tip: "2".repeat(40), files: b },
      later,
    );
    const fromA = new Set(changes(a, merged).map((change) => change.path)),
      fromB = changes(b, merged).map((change) => change.path);
    deepStrictEqual(fromB.filter((p) => fromA.has(p)), [], "no path differs from both parents");
    deepStrictEqual(merge(base, a, b), [...merged.keys()].sort());
    if (changes(base, a).length === 0) deepStrictEqual(changes(b, merged), []); // nothing happened here: theirs as it is
  }));
});
