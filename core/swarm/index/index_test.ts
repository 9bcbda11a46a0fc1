import { deepStrictEqual, strictEqual } from "node:assert/strict";
import fc from "fast-check";
import type { CommitId, ConversationId } from "../../base/mod.ts";
import type { JsonObject } from "../../codec/mod.ts";
import { memoryHome } from "../../storage/mod.ts";
import { ordered } from "../repo/order.ts";
import type { ValidCommit } from "../validate/validator.ts";
import { ConversationIndex } from "./index.ts";
import { SCHEMA } from "./schema.ts";

const C = "c".repeat(40) as ConversationId, NOW = 1_700_000_000;
let serial = 0;
const commit = (parents: string[], body: JsonObject, more: Partial<ValidCommit> = {}): ValidCommit => {
  const id = (++serial).toString(16).padStart(40, "0") as CommitId;
  return {
    id,
    parents,
    time: NOW + serial,
    account: "a".repeat(40) as never,
    device: "d".repeat(64) as never,
    type: String(body.type),
    body,
    payload: id,
    ...more,
  };
};
const text = (body: string, ...parents: string[]) => commit(parents, { type: "text/plain", body });
async function withIndex(run: (index: ConversationIndex) => void): Promise<void> {
  await using home = await memoryHome();
  run(new ConversationIndex(home.rows("conversations", SCHEMA)));
}
const texts = (index: ConversationIndex) => index.page(C).map((message) => message.text);

Deno.test("ConversationIndex shows pages newest first and older ones on request", () =>
  withIndex((index) => {
    const all = [commit([], { type: "initial", mode: 2 })];
    for (let i = 0; i < 120; i++) all.push(text(`m${i}`, all.at(-1)!.id));
    index.add(C, all, all.at(-1)!.id, NOW);
    const first = index.page(C), second = index.page(C, { before: first.at(-1)!.id, limit: 100 });
    deepStrictEqual([first.length, first[0]!.text, second.length, second.at(-1)!.type], [
      50,
      "m119",
      71,
      "initial",
    ]);
    deepStrictEqual(index.page(C, { before: "9".repeat(40) as CommitId }), []);
    strictEqual(index.tip(C), all.at(-1)!.id);
    strictEqual(index.add(C, all, all.at(-1)!.id, NOW).length, 0);
  }));

Deno.test("[swarm 27] ConversationIndex shows any history in the order of the walk, however it came", () => {
  const shape = fc.array(fc.record({ a: fc.nat(), b: fc.nat(), two: fc.boolean(), time: fc.nat(100) }), {
    minLength: 2,
    maxLength: 25,
  });
  return fc.assert(
    fc.asyncProperty(shape, fc.nat(), async (rows, cut) => {
      const all: ValidCommit[] = [];
      rows.forEach((row, i) => {
        const parents = i === 0
          ? []
          : [...new Set([all[row.a % i]!.id, ...(row.two ? [all[row.b % i]!.id] : [])])];
        all.push({ ...text(`t${i}`, ...parents), time: NOW + row.time });
      });
      const graph = (id: string) => all.find((c) => c.id === id), tip = all.at(-1)!;
      const wanted = ordered(graph, tip.id);
      await withIndex((index) => {
        const reachable = all.filter((c) => wanted.includes(c.id)), at = cut % reachable.length;
        if (at) index.add(C, reachable.slice(0, at), reachable[at - 1]!.id, NOW + 1000);
        index.add(C, reachable, tip.id, NOW + 1000);
        deepStrictEqual(index.page(C, { limit: 200 }).map((m) => m.id), wanted);
      });
    }),
    { numRuns: 60 },
  );
});

Deno.test("[swarm 29] [swarm 30] ConversationIndex applies edits, reactions and deletions, also those that come first", () =>
  withIndex((index) => {
    const root = commit([], { type: "initial", mode: 2 }), hello = text("hello", root.id);
    const like = commit([hello.id], { type: "text/plain", body: "👍", "react-to": hello.id });
    const edit = commit([like.id], {
      type: "application/edited-message",
      body: "hello, world",
      edit: hello.id,
    });
    index.add(C, [root, hello, like, edit], edit.id, NOW);
    const [message] = index.page(C);
    deepStrictEqual([message!.text, message!.edited, message!.reactions.map((r) => r.text)], [
      "hello, world",
      true,
      ["👍"],
    ]);
    strictEqual(index.search("hello").length, 1);
    const unlike = commit([edit.id], { type: "text/plain", body: "", edit: like.id });
    index.add(C, [unlike], unlike.id, NOW);
    deepStrictEqual(index.page(C)[0]!.reactions, []);
    const foreign = commit([unlike.id], { type: "text/plain", body: "forged", edit: hello.id }, {
      account: "b".repeat(40) as never,
    });
    const gone = commit([foreign.id], { type: "text/plain", body: "", edit: hello.id });
    index.add(C, [foreign], foreign.id, NOW);
    strictEqual(index.page(C)[0]!.text, "hello, world");
    index.add(C, [gone], gone.id, NOW);
    deepStrictEqual([texts(index)[0], index.page(C)[0]!.deleted, index.search("hello").length], [
      "",
      true,
      0,
    ]);
  }));

Deno.test("[swarm H5] ConversationIndex shows the same signed words once", () =>
  withIndex((index) => {
    const root = commit([], { type: "initial", mode: 2 }),
      one = text("once", root.id),
      twin = { ...text("once", root.id), payload: one.payload };
    const merge = commit([one.id, twin.id], {}, { type: "merge" });
    index.add(C, [root, one, twin, merge], merge.id, NOW);
    deepStrictEqual(texts(index), ["once", undefined]);
  }));

Deno.test("[swarm H24] ConversationIndex does not let a clock in the far future stay on top for ever", () =>
  withIndex((index) => {
    const root = commit([], { type: "initial", mode: 2 }),
      future = { ...text("from the future", root.id), time: NOW * 2 };
    const now = { ...text("now", root.id), time: NOW + 1000 },
      merge = commit([future.id, now.id], {}, { type: "merge", time: NOW + 2000 });
    index.add(C, [root, future], future.id, NOW);
    index.add(C, [now, merge], merge.id, NOW + 2000);
    deepStrictEqual(texts(index), ["now", "from the future", undefined]);
  }));

Deno.test("ConversationIndex finds words with filters, accents or not, and never takes them for a query language", () =>
  withIndex((index) => {
    const root = commit([], { type: "initial", mode: 2 }),
      a = text("Crème brûlée at noon", root.id),
      b = { ...text("creme again", a.id), account: "b".repeat(40) as never };
    index.add(C, [root, a, b], b.id, NOW);
    deepStrictEqual(index.search("creme").map((hit) => hit.message.id).sort(), [a.id, b.id].sort());
    deepStrictEqual(index.search("brule noon").map((hit) => hit.snippet), [
      "Crème \u0002brûlée\u0003 at \u0002noon\u0003",
    ]);
    deepStrictEqual(index.search("creme", { account: "b".repeat(40) as never }).length, 1);
    deepStrictEqual(index.search("creme", { until: a.time }).length, 1);
    deepStrictEqual(index.search("creme", { conversation: "f".repeat(40) as never }).length, 0);
    for (const odd of ['"', "* OR NEAR(", "text:x", "'; drop table commits; --", "", "   "]) {
      index.search(odd);
    }
    index.remove(C);
    deepStrictEqual([index.search("creme").length, index.tip(C), texts(index)], [0, undefined, []]);
  }));
