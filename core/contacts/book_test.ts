import { deepStrictEqual, strictEqual, throws } from "node:assert/strict";
import type { AccountId, ConversationId } from "../base/mod.ts";
import { memoryHome } from "../storage/mod.ts";
import { ContactBook, type Incoming, SCHEMA } from "./book.ts";
import { LIMITS } from "./limits.ts";

const ME = "0".repeat(40) as AccountId,
  ANN = "a".repeat(40) as AccountId,
  C = "c".repeat(40) as ConversationId,
  D = "d".repeat(40) as ConversationId;
const id = (n: number) => n.toString(16).padStart(40, "0") as AccountId;
let now = 1_700_000_000_000;
const ask = (account: AccountId, more: Partial<Incoming> = {}): Incoming => ({
  account,
  conversation: C,
  payload: new Uint8Array([1]),
  confirm: false,
  invitedMs: now,
  ...more,
});
async function withBook(run: (book: ContactBook) => void): Promise<void> {
  await using home = await memoryHome();
  run(new ContactBook(ME, home.rows("contacts", SCHEMA), () => now += 1000));
}

Deno.test("ContactBook keeps a request until it is accepted, then they are confirmed with its conversation", () =>
  withBook((book) => {
    strictEqual(book.hear(ask(ANN)).type, "pending");
    deepStrictEqual([book.state(ANN), book.requests().length], ["none", 1]);
    const contact = book.accept(ANN);
    deepStrictEqual([contact.confirmed, contact.conversation, book.state(ANN), book.requests()], [
      true,
      C,
      "active",
      [],
    ]);
    throws(() => book.accept(ANN), { code: "contacts/no-request" });
  }));

Deno.test("[account 31] ContactBook is confirmed by the other side, and answers a question from one who already is a contact", () =>
  withBook((book) => {
    book.add(ANN, { conversation: C });
    strictEqual(book.get(ANN)!.confirmed, false);
    deepStrictEqual(picked(book.hear(ask(ANN, { confirm: true, conversation: D }))), [
      "confirmed",
      true,
      false,
      D,
    ]);
    deepStrictEqual([book.get(ANN)!.confirmed, book.get(ANN)!.conversation], [true, C]);
    deepStrictEqual(picked(book.hear(ask(ANN))), ["confirmed", false, true, C]);
  }));

Deno.test("[account 32] ContactBook says nothing to banned people and to confirmations nobody asked for", () =>
  withBook((book) => {
    deepStrictEqual(book.hear(ask(ANN, { confirm: true })), { type: "ignored", why: "unasked" });
    book.hear(ask(ANN));
    strictEqual(book.remove(ANN, { ban: true }), true);
    deepStrictEqual([book.state(ANN), book.requests(), book.hear(ask(ANN))], ["banned", [], {
      type: "ignored",
      why: "banned",
    }]);
    book.add(ANN);
    strictEqual(book.state(ANN), "active");
    deepStrictEqual(book.hear(ask(ME)), { type: "ignored", why: "self" });
    throws(() => book.add(ME), { code: "contacts/self" });
  }));

Deno.test("[account H9] ContactBook shows a declined request again only when it was asked anew", () =>
  withBook((book) => {
    const first = ask(ANN);
    book.hear(first);
    book.decline(ANN);
    deepStrictEqual([book.requests(), book.hear(first)], [[], { type: "ignored", why: "declined" }]);
    deepStrictEqual(book.hear(ask(ANN, { invitedMs: now + 5000 })).type, "pending");
    deepStrictEqual(book.hear({ ...first }), { type: "ignored", why: "older" });
    throws(() => book.decline(id(9)), { code: "contacts/no-request" });
  }));

Deno.test("ContactBook takes the card that comes with a repetition of the same request", () =>
  withBook((book) => {
    const bare = ask(ANN, { payload: new Uint8Array() });
    strictEqual(book.hear(bare).type, "pending");
    strictEqual(book.hear({ ...bare, payload: new Uint8Array([7]) }).type, "pending");
    deepStrictEqual(book.request(ANN)!.payload, new Uint8Array([7]));
    deepStrictEqual(book.hear(bare), { type: "ignored", why: "older" });
  }));

Deno.test("ContactBook is active again after being added back, whatever the clock says", () =>
  withBook((book) => {
    book.add(ANN, { conversation: C, confirmed: true });
    strictEqual(book.remove(ANN), true);
    deepStrictEqual([book.state(ANN), book.get(ANN)!.conversation, book.remove(ANN)], [
      "removed",
      undefined,
      false,
    ]);
    now -= 100_000_000;
    book.add(ANN);
    deepStrictEqual([book.state(ANN), book.get(ANN)!.confirmed], ["active", false]);
  }));

Deno.test("[account H15] ContactBook bounds requests, cards and clocks ahead", () =>
  withBook((book) => {
    for (let i = 1; i <= LIMITS.requests + 10; i++) book.hear(ask(id(i)));
    strictEqual(book.requests().length, LIMITS.requests);
    strictEqual(book.request(id(1)), undefined);
    deepStrictEqual(book.hear(ask(id(5000), { payload: new Uint8Array(LIMITS.payloadBytes + 1) })), {
      type: "ignored",
      why: "size",
    });
    book.hear(ask(id(6000), { invitedMs: now + 365 * 86_400_000 }));
    book.decline(id(6000));
    now += LIMITS.aheadMs;
    strictEqual(book.hear(ask(id(6000), { invitedMs: now + 1000 })).type, "pending");
  }));

function picked(heard: ReturnType<ContactBook["hear"]>) {
  return heard.type === "confirmed" ? [heard.type, heard.first, heard.reply, heard.theirs] : [heard.type];
}
