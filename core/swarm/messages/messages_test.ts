import { deepStrictEqual, strictEqual, throws } from "node:assert/strict";
import fc from "fast-check";
import { type CommitId, concat, type ConversationId, type DeviceId, unhex, utf8 } from "../../base/mod.ts";
import { encode } from "../../codec/mod.ts";
import { LIMITS } from "../limits.ts";
import {
  formatComposing,
  formatInvite,
  formatNotice,
  formatRead,
  parseComposing,
  parseInvite,
  parseNotice,
  parseRead,
} from "./bodies.ts";
import { encodeInstant, InstantReader } from "./wire.ts";

const C = "c".repeat(40) as ConversationId,
  M = "1".repeat(40) as CommitId,
  D = "d".repeat(64) as DeviceId,
  NOW = 1_700_000_000_000;
/** Captured from V26, ids as they were. */
const CAPTURED =
  "84a26964cf0015fc3964d910d0a174bc6170706c69636174696f6e2f696d2d6769746d6573736167652d6964a163d9b37b22636f6d6d6974223a2237353336363536643631353633636238333663343138643333323031366536616664623731353835222c226465766963654964223a2266306661623733393336336332333032636130373764393937623362396164366231623661326163366162333130386235323335646437613736616361643064222c226964223a2263653866643434636463616638626666636365666239326464323634623438383935353861363939227da3726571c0";

Deno.test("[swarm 43] encodeInstant() writes the captured bytes, and InstantReader reads them cut anywhere", () => {
  const content = formatNotice({
    commit: "7536656d61563cb836c418d332016e6afdb71585" as CommitId,
    device: "f0fab739363c2302ca077d997b3b9ad6b1b6a2ac6ab3108b5235dd7a76acad0d" as DeviceId,
    conversation: "ce8fd44cdcaf8bffccefb92dd264b4889558a699" as ConversationId,
  });
  const instant = { token: 6188297946206416n, type: "application/im-gitmessage-id", content };
  strictEqual(encodeInstant(instant).toHex(), CAPTURED);
  strictEqual(
    encodeInstant({ token: 7n, type: "text/plain", content: "hi" }).toHex(),
    "84a2696407a174aa746578742f706c61696ea163a26869a3726571c0",
  );
  const stream = concat(unhex(CAPTURED), unhex(CAPTURED));
  fc.assert(fc.property(fc.array(fc.integer({ min: 1, max: 300 }), { minLength: 1 }), (cuts) => {
    const reader = new InstantReader(), found = [];
    for (let at = 0, i = 0; at < stream.length; i++) {
      found.push(...reader.push(stream.subarray(at, at += cuts[i % cuts.length]!)));
    }
    deepStrictEqual(found, [instant, instant]);
  }));
});

Deno.test("[swarm H51] InstantReader refuses bombs, odd shapes, giants and drips", () => {
  for (
    const bytes of [
      "dfffffffff",
      "dd00ffffff",
      "91".repeat(40) + "c0",
      "c1",
      "a3616263",
      "84a26964a1",
      "d60000000000",
    ].map(unhex)
  ) {
    const reader = new InstantReader();
    try {
      deepStrictEqual(reader.push(concat(bytes, new Uint8Array(5))).length, 0);
    } catch (error) {
      strictEqual((error as Error).name, "DecodeError");
    }
  }
  for (
    const value of [new Map([["id", "x"], ["t", "a"]]), new Map<string, unknown>([["id", 1], ["t", 5]]), [
      1,
      2,
    ]]
  ) {
    throws(() => new InstantReader().push(encode(value as never)), { code: "swarm/instant" });
  }
  const giant = new InstantReader(), head = unhex("84a2696401a174a161a163db7fffffff");
  throws(() => giant.push(head), (error: { name: string }) => error.name === "DecodeError");
  const dripping = new InstantReader(), half = unhex("84a2696401a174a161a163db000fff00");
  throws(() => {
    dripping.push(half);
    for (let i = 0; i < 100_000; i++) dripping.push(Uint8Array.of(65));
  }, { code: "swarm/instant" });
  strictEqual(LIMITS.instantWork < 1 << 30, true);
});

Deno.test("[swarm 44] parseNotice() reads both generations' notices and nothing else", () => {
  const wanted = { conversation: C, commit: M, device: D };
  deepStrictEqual(parseNotice(formatNotice(wanted)), wanted);
  deepStrictEqual(parseNotice(`{\n\t"commit" : "${M}",\n\t"deviceId" : "${D}",\n\t"id" : "${C}"\n}`), wanted);
  for (
    const bad of [
      "",
      "{}",
      "[]",
      `{"commit":"${M}","deviceId":"${D}","id":"../${C}"}`,
      `{"commit":["x"],"deviceId":"${D}","id":"${C}"}`,
      "[".repeat(99),
    ]
  ) strictEqual(parseNotice(bad), undefined, bad);
});

Deno.test("[swarm 48] [swarm 49] [swarm H50] parseInvite() believes no clock far ahead, takes the fields apart and bounds them", () => {
  const invite = { conversation: C, infos: { mode: "2", title: "Ünï" }, receivedMs: NOW - 5 };
  deepStrictEqual(parseInvite(formatInvite(invite), NOW), invite);
  strictEqual(
    parseInvite(formatInvite({ ...invite, receivedMs: NOW + 365 * 86_400_000 }), NOW)!.receivedMs,
    NOW,
  );
  deepStrictEqual(parseInvite(`{"conversationId":"${C}","received":1699999999}`, NOW), {
    conversation: C,
    infos: {},
    receivedMs: 1_699_999_999_000,
  });
  const big = parseInvite(
    JSON.stringify({
      conversationId: C,
      metadatas: { avatar: "x".repeat(70_000), title: { a: 1 }, mode: 2 },
    }),
    NOW,
  );
  deepStrictEqual(big!.infos, { mode: "2" });
  strictEqual(formatInvite({ ...invite, infos: { avatar: "x".repeat(64_000) } }).includes("xxxx"), false);
});

Deno.test("[swarm 45] [swarm 46] receipts and typing are written as the daemons write them and read back", () => {
  strictEqual(
    formatComposing(C, true),
    `<?xml version="1.0" encoding="utf-8" ?>\n<isComposing><state>active</state><conversation>${C}</conversation></isComposing>`,
  );
  strictEqual(
    formatRead(C, M),
    `<?xml version="1.0" encoding="utf-8" ?>\n<imdn><message-id>${M}</message-id>\n<conversation>${C}</conversation><display-notification><status><displayed/></status></display-notification>\n</imdn>`,
  );
  deepStrictEqual(parseComposing(formatComposing(C, false)), { conversation: C, active: false });
  deepStrictEqual(parseRead(formatRead(C, M)), { conversation: C, commit: M });
  for (
    const bad of [
      "",
      "<imdn/>",
      formatRead(C, "x" as CommitId),
      formatRead(C, M).replace("displayed", "deleted"),
      "<state>".repeat(10_000),
    ]
  ) {
    strictEqual(parseRead(bad), undefined);
    strictEqual(parseComposing(bad), undefined);
  }
  strictEqual(utf8(formatRead(C, M)).length < 400, true);
});
