import { deepStrictEqual, strictEqual } from "node:assert/strict";
import fc from "fast-check";
import { between, type Graph, mergeBases, type Node, ordered, reachable } from "./order.ts";

/** A random history: commit i may have up to two parents before it; the last commit joins all loose ends. */
const histories = fc.array(
  fc.record({ a: fc.nat(), b: fc.nat(), two: fc.boolean(), time: fc.integer({ min: 0, max: 50 }) }),
  { minLength: 1, maxLength: 40 },
)
  .map((rows) => {
    const nodes = new Map<string, Node>();
    rows.forEach((row, i) => {
      const parents = i === 0
        ? []
        : row.two && i > 1
        ? [...new Set([`c${row.a % i}`, `c${row.b % i}`])]
        : [`c${row.a % i}`];
      nodes.set(`c${i}`, { parents, time: row.time });
    });
    return { nodes, tips: [...nodes.keys()] };
  });
const graphOf = (nodes: Map<string, Node>): Graph => (id) => nodes.get(id);

Deno.test("[swarm 27] ordered() shows every reachable commit once, children before parents", () => {
  fc.assert(fc.property(histories, ({ nodes, tips }) => {
    const graph = graphOf(nodes),
      tip = tips.at(-1)!,
      order = ordered(graph, tip),
      at = new Map(order.map((id, i) => [id, i]));
    deepStrictEqual(new Set(order), reachable(graph, [tip]));
    strictEqual(order.length, at.size);
    for (const id of order) {
      for (const parent of nodes.get(id)!.parents) strictEqual(at.get(id)! < at.get(parent)!, true);
    }
  }));
});

Deno.test("[swarm 27] ordered() takes the latest of the commits that may come", () => {
  fc.assert(fc.property(histories, ({ nodes, tips }) => {
    const graph = graphOf(nodes), order = ordered(graph, tips.at(-1)!), left = new Set(order);
    for (const id of order) {
      const blocked = new Set([...left].flatMap((other) => nodes.get(other)!.parents));
      const free = [...left].filter((other) => !blocked.has(other));
      strictEqual(nodes.get(id)!.time, Math.max(...free.map((other) => nodes.get(other)!.time)));
      left.delete(id);
    }
  }));
});

Deno.test("[swarm 28] ordered() shows parents of equal time in parent order", () => {
  const nodes = new Map<string, Node>([["root", { parents: [], time: 1 }], ["x", {
    parents: ["root"],
    time: 5,
  }], ["y", { parents: ["root"], time: 5 }]]);
  deepStrictEqual(ordered(graphOf(new Map([...nodes, ["m", { parents: ["x", "y"], time: 9 }]])), "m"), [
    "m",
    "x",
    "y",
    "root",
  ]);
  deepStrictEqual(ordered(graphOf(new Map([...nodes, ["m", { parents: ["y", "x"], time: 9 }]])), "m"), [
    "m",
    "y",
    "x",
    "root",
  ]);
});

Deno.test("[swarm H22] between() finds a side branch older than the merge base", () => {
  const nodes = new Map<string, Node>([
    ["root", { parents: [], time: 1 }],
    ["base", { parents: ["root"], time: 100 }],
    ["hidden", { parents: ["root"], time: 2 }], // forks before the base, with an older clock
    ["tip", { parents: ["base", "hidden"], time: 101 }],
  ]);
  deepStrictEqual(between(graphOf(nodes), ["tip"], ["base"]), new Set(["tip", "hidden"]));
});

Deno.test("between() and mergeBases() agree with their definitions on any history", () => {
  fc.assert(fc.property(histories, fc.nat(), fc.nat(), ({ nodes, tips }, i, j) => {
    const graph = graphOf(nodes), a = tips[i % tips.length]!, b = tips[j % tips.length]!;
    const ra = reachable(graph, [a]), rb = reachable(graph, [b]);
    deepStrictEqual(between(graph, [a], [b]), new Set([...ra].filter((id) => !rb.has(id))));
    const common = [...ra].filter((id) => rb.has(id));
    const best = common.filter((id) =>
      !common.some((other) => other !== id && reachable(graph, [other]).has(id))
    );
    deepStrictEqual(new Set(mergeBases(graph, a, b)), new Set(best));
  }));
});
