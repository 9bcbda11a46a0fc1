import { deepStrictEqual, strictEqual } from "node:assert/strict";
import { testKey } from "../../tests/tools/account.ts";
import { captured } from "../../tests/vectors/account/captured.ts";
import { type AccountId, deviceId } from "../base/mod.ts";
import { encode } from "../codec/mod.ts";
import type { PublicKey } from "../crypto/mod.ts";
import { encodeAnnouncement, type HeardValue, IDENTITY_LIMITS as LIMITS, Presence } from "./mod.ts";

const account = (await testKey("account")).publicKey, id: AccountId = account.shortId;
const [phone, laptop] = [(await testKey("device")).publicKey, (await testKey("other")).publicKey];

const announcement = (n: number, device: PublicKey, extra: Partial<HeardValue> = {}): HeardValue => ({
  id: BigInt(n),
  type: 0,
  data: encodeAnnouncement(device),
  sender: account.shortId,
  encrypted: false,
  ...extra,
});

/** A follower whose steps are told as short words. */
function follower() {
  const presence = new Presence();
  let now = 0;
  const step = (input: Parameters<Presence["step"]>[1]) =>
    presence.step(now, input).map((out) =>
      out.type === "presence"
        ? `${out.state} ${out.devices.length}`
        : out.type === "drop"
        ? out.why
        : out.type
    );
  const hear = (value: HeardValue, wall = 1000) => step({ type: "value", account: id, value, wall });
  const gone = (n: number) =>
    step({ type: "expired", account: id, value: announcement(n, phone), wall: 2000 });
  const link = (type: "connected" | "disconnected", device: string, wall = 3000) =>
    step({ type, account: id, device: deviceId(device), wall });
  return { presence, step, hear, gone, link, later: (ms: number) => now += ms };
}

Deno.test("Presence tells seen, connected and away as they are, once each", () => {
  const f = follower();
  deepStrictEqual(f.step({ type: "follow", account: id }), ["away 0"]);
  deepStrictEqual(f.step({ type: "follow", account: id }), []);
  deepStrictEqual(f.hear(announcement(1, phone)), ["device", "seen 1"]);
  deepStrictEqual(f.hear(announcement(1, phone)), []);
  deepStrictEqual(f.hear(announcement(2, laptop)), ["device", "seen 2"]);
  deepStrictEqual(f.link("connected", phone.longId), ["connected 2"]);
  deepStrictEqual(f.link("connected", phone.longId), []);
  deepStrictEqual(f.gone(1), []); // still connected: losing the DHT means nothing
  deepStrictEqual(f.link("disconnected", phone.longId), []);
  deepStrictEqual(f.link("disconnected", phone.longId, 9000), ["seen 1"]);
  deepStrictEqual(f.gone(2), ["away 0"]);
  strictEqual(f.presence.of(id)!.lastSeen, 9000);
  f.step({ type: "unfollow", account: id });
  strictEqual(f.presence.of(id), undefined);
  deepStrictEqual(f.hear(announcement(3, phone)), []);
});

Deno.test("[account 11] Presence keeps a restarted device when its old announcement expires", () => {
  const f = follower();
  f.step({ type: "follow", account: id });
  deepStrictEqual(f.hear(announcement(1, phone)), ["device", "seen 1"]);
  deepStrictEqual(f.hear(announcement(2, phone)), []);
  deepStrictEqual(f.gone(1), []);
  deepStrictEqual(f.gone(2), ["away 0"]);
});

Deno.test("Presence forgets announcements, not channels, when nobody listens any more", () => {
  const f = follower();
  f.step({ type: "follow", account: id });
  f.hear(announcement(1, phone));
  deepStrictEqual(f.step({ type: "lost", account: id }), ["away 0"]);
  deepStrictEqual(f.hear(announcement(1, phone)), ["seen 1"]);
  f.link("connected", phone.longId);
  deepStrictEqual(f.step({ type: "lost", account: id }), []);
  deepStrictEqual(f.link("disconnected", phone.longId), ["away 0"]);
});

Deno.test("[account H6] [account H32] Presence counts no stranger, no wrong key, no plain or encrypted value", () => {
  const f = follower(), wrong = encode({ dev: Uint8Array.fromHex(phone.shortId), pk: laptop.der });
  f.step({ type: "follow", account: id });
  deepStrictEqual(f.hear(announcement(1, phone, { sender: laptop.shortId })), ["stranger"]);
  deepStrictEqual(f.hear(announcement(2, phone, { data: wrong })), ["junk"]);
  deepStrictEqual(f.hear(announcement(3, phone, { sender: undefined })), ["junk"]);
  deepStrictEqual(f.hear(announcement(4, phone, { encrypted: true })), ["junk"]);
  deepStrictEqual(f.hear(announcement(5, phone, { type: 3 })), ["junk"]);
  deepStrictEqual(f.hear(announcement(6, phone, { data: new Uint8Array(9) })), ["junk"]);
  strictEqual(f.presence.of(id)!.state, "away");
});

Deno.test("Presence counts a device of before mid-2021 without naming it", () => {
  const f = follower();
  f.step({ type: "follow", account: id });
  const data = encode({ dev: Uint8Array.fromHex(phone.shortId) });
  deepStrictEqual(f.hear(announcement(1, phone, { data })), ["seen 0"]);
});

Deno.test("[account H7] Presence bounds devices, announcements and lists of one account", () => {
  const f = follower();
  f.step({ type: "follow", account: id });
  const device = (n: number) => encode({ dev: new Uint8Array(20).fill(n + 1) });
  for (let n = 0; n < LIMITS.devicesPerAccount; n++) f.hear(announcement(n, phone, { data: device(n) }));
  deepStrictEqual(f.hear(announcement(900, phone, { data: device(200) })), ["full"]);
  const list = (n: number) =>
    announcement(n, phone, { sender: undefined, data: encode(new Uint8Array([0x30, 1, n])) });
  for (let n = 0; n < LIMITS.crlsPerAccount; n++) deepStrictEqual(f.hear(list(n)), ["crl"]);
  deepStrictEqual([f.hear(list(0)), f.hear(list(99))], [[], ["full"]]);
  const heard = LIMITS.devicesPerAccount + 1 + LIMITS.crlsPerAccount + 2;
  for (let n = heard; n < LIMITS.announcementsPerMinute; n++) {
    deepStrictEqual(f.hear(announcement(0, phone, { data: device(0) })), []);
  }
  deepStrictEqual(f.hear(announcement(0, phone)), ["flood"]);
  f.later(60_000);
  deepStrictEqual(f.hear(announcement(0, phone, { data: device(0) })), []);
});

Deno.test("Presence hands on a revocation list as it lies on the DHT (captured)", () => {
  const f = follower(), der = Uint8Array.fromBase64(captured[0].bob.crl);
  f.step({ type: "follow", account: id });
  const value = announcement(1, phone, { sender: undefined, data: encode(der) });
  deepStrictEqual(f.presence.step(0, { type: "value", account: id, value, wall: 0 }), [{
    type: "crl",
    account: id,
    der,
  }]);
});
