import { match, strictEqual } from "node:assert/strict";
import fc from "fast-check";
import { called, labels, listed, messageLine, person, plain, reachWords, short } from "./talk_show.ts";

const me = "a".repeat(40), bob = "b".repeat(40), eve = "e".repeat(40);
const room = {
  conversation: "c".repeat(40),
  members: [{ contact: me, me: true, role: "admin" }, { contact: bob, name: "bob", role: "member" }, {
    contact: eve,
    card: "bob",
    role: "invited",
  }],
};
const line = (fields: object) =>
  messageLine(
    { from: bob, time: "2026-01-02T03:04:05.000Z", type: "text/plain", text: "hi", ...fields },
    labels(room),
  )
    .replace(/^\d{4}-\d\d-\d\d \d\d:\d\d {2}/, "");

Deno.test("person() shows a registered name alone, a claimed one never without digits of the id", () => {
  strictEqual(person({ contact: bob, name: "bob", card: "Bobby" }), "bob");
  strictEqual(listed({ contact: bob, name: "bob" }), "bob (bbbbbbbb)");
  strictEqual(person({ contact: eve, card: "bob" }), "“bob” (eeeeeeee)");
  strictEqual(listed({ contact: eve, card: "bob" }), "“bob” (eeeeeeee)");
  strictEqual(person({ from: eve }), short(eve));
  strictEqual(called(room), "bob, “bob” (eeeeeeee)");
  strictEqual(called({ ...room, title: "Tea\u001b[2J" }), "Tea\ufffd[2J");
});

Deno.test("plain() lets nothing through that moves a cursor or turns a line round", () => {
  strictEqual(plain("a\r\nb\tc"), "a\n    b\tc");
  strictEqual(plain("\u202eevil\u0007\u009b31m"), "\ufffdevil\ufffd\ufffd31m");
  strictEqual(plain("👩‍👩‍👧 שלום"), "👩‍👩‍👧 שלום");
  fc.assert(fc.property(fc.string({ unit: "binary" }), (text) => {
    strictEqual(/[\u202a-\u202e\u2066-\u2069]|(?![\n\t])\p{Cc}/u.test(plain(text)), false);
  }));
});

Deno.test("messageLine() says what happened in plain words", () => {
  const cases: [object, string][] = [
    [{}, "bob: hi"],
    [{ from: me, reach: { [bob]: "sent" } }, "you: hi (sent)"],
    [{ edited: true, reactions: [{ from: me, text: "👍" }] }, "bob: hi (edited) [👍]"],
    [{ edited: true, deleted: true, text: "" }, "bob took a message back"],
    [{ type: "initial" }, "bob began the conversation"],
    [{ type: "member", action: "add", who: eve }, "bob invited “bob” (eeeeeeee)"],
    [{ type: "member", action: "join" }, "bob joined"],
    [{ type: "member", action: "remove" }, "bob left"],
    [{ type: "member", action: "ban", who: eve }, "bob removed “bob” (eeeeeeee)"],
    [{ type: "member", action: "\u001b" }, "bob changed who is in"],
    [{ type: "application/data-transfer+json", text: "a.png" }, "bob offers a file: a.png"],
    [{ type: "application/call-history+json", text: undefined, duration: "61000" }, "bob called, 61 s"],
    [{ type: "x/\u001b", text: "t" }, "bob: [x/\ufffd] t"],
    [{ from: "f".repeat(40) }, "ffffffff: hi"],
  ];
  for (const [fields, words] of cases) strictEqual(line(fields), words);
});

Deno.test("reachWords() names who has what, and one word if it is the same for all", () => {
  const name = short;
  strictEqual(reachWords(undefined, name), "");
  strictEqual(reachWords({}, name), " (stored here)");
  strictEqual(reachWords({ [bob]: "read", [eve]: "read" }, name), " (read)");
  match(reachWords({ [bob]: "read", [eve]: "stored" }, name), /^ \(read: b{8}; stored here: e{8}\)$/);
});
