import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import fc from "fast-check";
import { compare, compareXor } from "../base/mod.ts";
import { seeded } from "./lab.ts";
import { LIMITS, TIMES } from "./limits.ts";
import { Nodes, RemoteNode } from "./nodes.ts";
import { Table } from "./table.ts";

const OWN = new Uint8Array(20).fill(0x55), AT = { ip: "10.0.0.1", port: 4222 };
function table(seed = 1) {
  const random = seeded(seed), pinged: RemoteNode[] = [], listed = new Map<RemoteNode, number>();
  const t = new Table(4, OWN, {
    random,
    ping: (node) => void pinged.push(node),
    list: (node, until) => {
      node.listedUntil = until;
      until > -Infinity ? listed.set(node, until) : listed.delete(node);
    },
  });
  const node = (id = random.bytes(20)) => new RemoteNode(id, id.toHex(), AT, false);
  const good = (id?: Uint8Array) => {
    const n = node(id);
    n.replied(0, AT);
    return n;
  };
  return { t, random, pinged, listed, node, good };
}

Deno.test("Table keeps contiguous ranges of at most eight nodes, each node where it belongs", () => {
  fc.assert(
    fc.property(fc.nat(), fc.integer({ min: 1, max: 300 }), (seed, count) => {
      const { t, good } = table(seed);
      for (let i = 0; i < count; i++) t.learn(0, good(), 2);
      for (const [i, bucket] of t.buckets.entries()) {
        ok(bucket.nodes.length <= LIMITS.target);
        for (const node of bucket.nodes) strictEqual(t.indexOf(node.id), i);
        if (i) ok(compare(t.buckets[i - 1]!.first, bucket.first) < 0);
        const id = t.randomId(i);
        strictEqual(t.indexOf(id), i, `${id.toHex()} in ${bucket.first.toHex()}`);
      }
      ok(t.buckets.length <= 1 + t.ownDepth);
    }),
    { numRuns: 50 },
  );
});
Deno.test("[dht 12] Table.closest() gives good nodes only, nearest first", () => {
  const { t, good, node, random } = table();
  const all = Array.from({ length: 200 }, (_, i) => i % 3 ? good() : node());
  for (const n of all) t.learn(0, n, n.repliedAt === 0 ? 2 : 1);
  const inside = t.buckets.flatMap((b) => b.nodes), target = random.bytes(20);
  const expected = inside.filter((n) => n.isGood(0)).sort((a, b) => compareXor(target, a.id, b.id)).slice(
    0,
    8,
  );
  deepStrictEqual(t.closest(0, target, 8).map((n) => n.key), expected.map((n) => n.key));
  deepStrictEqual(t.closest(TIMES.nodeOld + 1, target, 8), []);
});
Deno.test("a full range far from us replaces the dead, asks the doubtful, and remembers one who waits", () => {
  const { t, good, node, pinged } = table();
  const far = (i: number) => {
    const id = new Uint8Array(20).fill(0xff);
    id[19] = i;
    return id;
  };
  for (let i = 0; i < 40; i++) t.learn(0, good(), 2); // ours is split off
  const at = t.indexOf(far(0)), bucket = () => t.buckets[t.indexOf(far(0))]!;
  while (bucket().nodes.length < 8) t.learn(0, good(far(bucket().nodes.length)), 2);
  strictEqual(t.indexOf(OWN) === at, false);
  const newcomer = good(far(100));
  t.learn(0, newcomer, 2);
  strictEqual(bucket().waiting, newcomer);
  t.learn(0, node(far(101)), 0);
  strictEqual(bucket().waiting, newcomer, "a mere mention does not push in");
  bucket().nodes[3]!.heardAt = -TIMES.nodeOld - 1;
  t.learn(0, good(far(102)), 2);
  deepStrictEqual(pinged.at(-1), bucket().nodes[3]);
  bucket().nodes[5]!.expired = true;
  const heir = good(far(103));
  t.learn(0, heir, 2);
  ok(bucket().nodes.includes(heir));
  strictEqual(bucket().nodes.length, 8);
  bucket().nodes[0]!.expired = true;
  const waiting = bucket().waiting;
  t.purge();
  strictEqual(bucket().nodes.length, 7);
  strictEqual(pinged.at(-1), waiting);
});
Deno.test("Table tells the kernel of good nodes, prolongs them seldom, and takes back the dead", () => {
  const { t, good, listed } = table(), node = good();
  t.learn(0, node, 2);
  strictEqual(listed.get(node), TIMES.nodeOld);
  node.replied(TIMES.listSlack, AT);
  t.learn(TIMES.listSlack, node, 2);
  strictEqual(listed.get(node), TIMES.nodeOld);
  node.replied(TIMES.listSlack + 1, AT);
  t.learn(TIMES.listSlack + 1, node, 2);
  strictEqual(listed.get(node), TIMES.nodeOld + TIMES.listSlack + 1);
  node.expired = true;
  t.purge();
  strictEqual(listed.size, 0);
});
Deno.test("a node is good while it answered within two hours and was heard within ten minutes", () => {
  const { node } = table(), n = node();
  strictEqual(n.isGood(0), false);
  n.heard(0);
  strictEqual(n.isGood(0), false);
  n.replied(0, AT);
  strictEqual(n.isGood(TIMES.nodeOld), true);
  strictEqual(n.isGood(TIMES.nodeOld + 1), false);
  for (let t = 0; t <= TIMES.nodeGood; t += TIMES.nodeOld) n.heard(t);
  strictEqual(n.isGood(TIMES.nodeGood), true);
  strictEqual(n.isGood(TIMES.nodeGood + 1), false);
});
Deno.test("Nodes forgets unused nodes beyond its limit, the longest silent first, never one in use", () => {
  const nodes = new Nodes(OWN), random = seeded(3);
  const used = nodes.mention(0, random.bytes(20), AT)!;
  used.refs = 1;
  for (let i = 0; i < 10 * LIMITS.idleNodes; i++) nodes.mention(0, random.bytes(20), AT);
  ok(nodes.count(4) <= LIMITS.idleNodes + 64, `${nodes.count(4)}`);
  strictEqual(nodes.get(4, used.key), used);
});
Deno.test("Nodes: a mention moves only a node that has long been silent, and never makes us our own neighbour", () => {
  const nodes = new Nodes(OWN), id = new Uint8Array(20).fill(9), other = { ip: "10.0.0.2", port: 1 };
  strictEqual(nodes.mention(0, OWN, AT), undefined);
  const node = nodes.mention(0, id, AT)!;
  node.replied(0, AT);
  nodes.mention(1000, id, other);
  deepStrictEqual(node.address, AT);
  nodes.mention(TIMES.nodeOld + 1, id, other);
  deepStrictEqual([node.address, node.verified], [other, false]);
});
