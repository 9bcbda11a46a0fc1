import { strictEqual } from "node:assert/strict";
import { kindOf, names } from "./where.ts";

Deno.test("names() finds a section alone, in a list, in a range and above a deeper one, and no other", () => {
  const yes: [string, string][] = [
    ["/** Spec: dht §1.9. */", "1.9"],
    ["* Spec: dht §1.5, §1.9 and §4.2.", "4.2"],
    ["as dht §4.11–4.14 say", "4.12"],
    ["Spec: dht §1.9", "1"],
    ["Spec: swarm §2.3, dht §1.9", "1.9"],
  ];
  for (const [line, section] of yes) strictEqual(names(line, "dht", section), true, `${line} ${section}`);
  const no: [string, string][] = [
    ["/** Spec: dht §1.91. */", "1.9"],
    ["Spec: dht §1", "1.9"],
    ["Spec: swarm §1.9", "1.9"],
    ["Spec: dht §1.2, swarm §1.9", "1.9"],
    ["a dht of 1.9 things", "1.9"],
  ];
  for (const [line, section] of no) strictEqual(names(line, "dht", section), false, `${line} ${section}`);
});

Deno.test("kindOf() tells code, tests and limits apart", () => {
  strictEqual(kindOf("core/dht/limits.ts"), "limit");
  strictEqual(kindOf("core/dht/table_test.ts"), "test");
  strictEqual(kindOf("tests/compliance/dht_kernel.ts"), "test");
  strictEqual(kindOf("core/dht/table.ts"), "code");
});
