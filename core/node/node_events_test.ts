/** The node's log of events, the lines of its door, cards, and how far messages got. */
import { deepStrictEqual, strictEqual, throws } from "node:assert/strict";
import fc from "fast-check";
import type { AccountId, CommitId, ConversationId } from "../base/mod.ts";
import { utf8 } from "../base/mod.ts";
import type { Mark, Swarm } from "../swarm/mod.ts";
import { Lines } from "./control_lines.ts";
import { cardName, formatCard } from "./node_card.ts";
import { NodeEvents } from "./node_events.ts";
import { reachOf } from "./node_facts.ts";
import { LIMITS } from "./limits.ts";

Deno.test("NodeEvents numbers events and keeps the newest, by number and by size", () => {
  const events = new NodeEvents(() => 0, { ...LIMITS, events: 3 } as unknown as typeof LIMITS);
  let woken = 0;
  const watch = events.watch(() => woken++);
  deepStrictEqual(events.read(0), { missed: 0, lines: [], last: 0 });
  for (let i = 1; i <= 5; i++) events.add({ event: "x", i });
  watch[Symbol.dispose]();
  deepStrictEqual([woken, events.last], [5, 5]);
  const { missed, lines, last } = events.read(1);
  deepStrictEqual([missed, lines.map((line) => JSON.parse(line).n), last], [1, [3, 4, 5], 5]);
  deepStrictEqual(events.read(3, 1).last, 4);
  deepStrictEqual(events.read(5), { missed: 0, lines: [], last: 5 });
  const small = new NodeEvents(() => 0, { ...LIMITS, eventCharacters: 250 } as unknown as typeof LIMITS);
  for (let i = 0; i < 20; i++) small.add({ event: "x", text: "y".repeat(50) });
  strictEqual(small.read(0).lines.length, 2);
  small.add({ event: "big", text: "y".repeat(1000) });
  deepStrictEqual([small.read(0).lines.length, small.last], [1, 21]);
});

Deno.test("Lines gives the same lines however the bytes are cut, and refuses one that is too long", () => {
  fc.assert(
    fc.property(
      fc.array(fc.stringMatching(/^[a-z]{0,9}$/)),
      fc.array(fc.integer({ min: 1, max: 7 })),
      (words, cuts) => {
        const lines = new Lines(9),
          bytes = utf8(words.map((word) => `${word}\n`).join("")),
          seen: string[] = [];
        for (let at = 0, i = 0; at < bytes.length; i++) {
          const part = bytes.subarray(at, at += cuts[i % (cuts.length || 1)] ?? 3);
          for (const line of lines.push(part)) seen.push(new TextDecoder().decode(line));
        }
        deepStrictEqual(seen, words);
      },
    ),
  );
  const lines = new Lines(9);
  deepStrictEqual([...lines.push(utf8("123456789"))], []);
  throws(() => [...lines.push(utf8("0"))], { code: "control/line-size" });
});

Deno.test("[account H14] cardName() reads the name of a card and nothing that upsets a terminal", () => {
  strictEqual(cardName(formatCard("Ada L.")), "Ada L.");
  deepStrictEqual([...formatCard("")], []);
  strictEqual(cardName(formatCard("a\r\nEND:VCARD\u001b[31m\u202e")), "a END:VCARD [31m");
  for (const junk of ["", "FN", "BEGIN:VCARD\nFN:\nEND:VCARD", "\u0000".repeat(65536), "\n".repeat(1e5)]) {
    strictEqual(cardName(utf8(junk)), undefined);
  }
  strictEqual(cardName(new Uint8Array([0xff, 0xfe])), undefined);
  strictEqual([...cardName(utf8(`FN:${"😀".repeat(1e4)}`))!].length, LIMITS.cardNameLength);
  fc.assert(fc.property(fc.string({ unit: "binary" }), (name) => {
    const shown = cardName(utf8(`FN:${name}`)) ?? "";
    strictEqual(/[\p{Cc}\p{Zl}\p{Zp}]/u.test(shown), false);
  }));
});

Deno.test("reachOf() tells stored, sent and read apart for each member, across a fork", () => {
  const [me, ada, bob] = ["aa", "bb", "cc"] as AccountId[] as [AccountId, AccountId, AccountId];
  const parents: Record<string, string[]> = {
    root: [],
    left: ["root"],
    right: ["root"],
    top: ["left", "right"],
    last: ["top"],
  };
  const graph = (id: string) => parents[id] && { parents: parents[id]!, time: 0 };
  const reach = (marks: Mark[], heads: { account: AccountId; id: string }[] = []) => {
    const swarm = { index: { graph: () => graph }, marks: () => marks } as unknown as Swarm;
    const members = [{ account: me, role: "admin" }, { account: ada, role: "member" }, {
      account: bob,
      role: "member",
    }, {
      account: "dd" as AccountId,
      role: "invited",
    }] as const;
    const ids = ["left", "right", "last"] as CommitId[];
    const room = { id: "root" as ConversationId, members: [...members] };
    return Object.fromEntries(reachOf(swarm, room, me, ids, heads as { account: AccountId; id: CommitId }[]));
  };
  const mark = (account: AccountId, kind: Mark["kind"], commit: string): Mark => ({
    account,
    kind,
    commit,
    at: 0,
  });
  deepStrictEqual(reach([]).last, { [ada]: "stored", [bob]: "stored" });
  const half = reach([mark(ada, "fetched", "left"), mark(bob, "fetched", "top"), mark(bob, "read", "right")]);
  deepStrictEqual(half, {
    left: { [ada]: "sent", [bob]: "sent" },
    right: { [ada]: "stored", [bob]: "read" },
    last: { [ada]: "stored", [bob]: "stored" },
  });
  strictEqual(reach([], [{ account: ada, id: "top" }]).right![ada], "sent", "who writes on top of it has it");
  strictEqual(reach([mark(ada, "read", "unknown")]).left![ada], "stored");
});
