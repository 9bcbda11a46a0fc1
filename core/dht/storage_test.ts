import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { equal, utf8 } from "../base/mod.ts";
import { at, Lab, type Member, seeded, Stranger } from "./lab.ts";
import { LIMITS } from "./limits.ts";
import { importState } from "./state.ts";
import { encodeValue, makeValue, type Value, type ValueFields } from "./value.ts";

const MINUTE = 60_000, KEY = new Uint8Array(20).fill(0x42);
/** RSA-2048 SubjectPublicKeyInfo with a made-up modulus: who asks about its signatures is told what the test says. */
const owner = (mark: number) =>
  Uint8Array.fromHex(
    "30820122300d06092a864886f70d01010105000382010f003082010a0282010100" + "c5".repeat(255) +
      (mark | 1).toString(16).padStart(2, "0") + "0203010001",
  );

function scene(seed = 1) {
  const lab = new Lab(), member = lab.add({ random: seeded(seed) });
  const peer = new Stranger(lab, new Uint8Array(20).fill(0x99), { ip: "10.0.1.1", port: 5000 });
  const token = peer.tokenOf(member);
  let tid = 100;
  /** Puts, and tells the value ids that were acknowledged. */
  const put = (fields: ValueFields, options: { created?: number; key?: Uint8Array } = {}) => {
    const before = peer.inbox.length, value = encodeValue(makeValue({ id: 1n, ...fields }));
    const { created = Math.floor(lab.wall / 1000), key = KEY } = options;
    peer.say(peer.packets.put(++tid, key, [value], created, token), member);
    lab.run(5);
    return peer.inbox.slice(before).map((s) => BigInt(at(s.packet, "r", "vid") as number ?? -1));
  };
  const stored = (key = KEY) => valuesAt(member, key);
  return { lab, member, peer, token, put, stored, drops: () => member.node.info().drops };
}
/** What `member` keeps under `key`. */
function valuesAt(member: Member, key: Uint8Array): Value[] {
  const { values } = importState(member.node.exportState(), member.lab.epoch, member.lab.now);
  return [...values].filter((kept) => equal(kept.key, key)).map(({ value }) => value);
}
const texts = (values: Value[]) => values.map((v) => new TextDecoder().decode(v.data)).sort();

Deno.test("[dht 18] put acknowledges each readable value with the same transaction id, and nothing without one", () => {
  const { lab, member, peer, token } = scene(), at1 = peer.inbox.length;
  const two = [1n, 2n].map((id) => encodeValue(makeValue({ id, data: utf8("x") })));
  peer.say(peer.packets.put(77, KEY, two, undefined, token), member);
  lab.run(5);
  deepStrictEqual(
    peer.inbox.slice(at1).map((s) => [at(s.packet, "t"), at(s.packet, "r", "vid")]),
    [[77, 1], [77, 2]],
  );
  const at2 = peer.inbox.length;
  peer.say(peer.packets.put(78, KEY, [Uint8Array.of(0x80)], undefined, token), member);
  lab.run(5);
  strictEqual(peer.inbox.length, at2);
});
Deno.test("[dht 16] [dht H23] put of value id 0 is refused with 203", () => {
  const { peer, put, stored } = scene();
  put({ id: 0n, data: utf8("x") });
  deepStrictEqual(at(peer.inbox.at(-1)!.packet, "e", 0), 203);
  deepStrictEqual(stored(), []);
});
Deno.test("[dht 17] refresh: 404 for an unknown key, success for an unknown id under a known one", () => {
  const { lab, member, peer, token, put } = scene();
  peer.say(peer.packets.refresh(5, KEY, 7n, token), member);
  lab.run(5);
  deepStrictEqual(at(peer.inbox.at(-1)!.packet, "e", 0), 404);
  put({ data: utf8("x") });
  peer.say(peer.packets.refresh(6, KEY, 7n, token), member);
  lab.run(5);
  deepStrictEqual([at(peer.inbox.at(-1)!.packet, "r", "vid"), at(peer.inbox.at(-1)!.packet, "t")], [7, 6]);
});
Deno.test("[dht 39] an unsigned value is not edited; the same again refreshes it", () => {
  const { lab, put, stored } = scene();
  deepStrictEqual(put({ data: utf8("first") }), [1n]);
  deepStrictEqual(put({ data: utf8("second") }), [1n]); // acknowledged, and refused
  deepStrictEqual(texts(stored()), ["first"]);
  lab.run(9 * MINUTE);
  put({ data: utf8("first") });
  lab.run(9 * MINUTE);
  deepStrictEqual(texts(stored()), ["first"]);
  lab.run(2 * MINUTE);
  deepStrictEqual(stored(), []);
});
Deno.test("[dht 46] a creation date in the future counts as now; one too old is acknowledged and thrown away", () => {
  const { lab, put, stored } = scene(), now = Math.floor(lab.wall / 1000);
  deepStrictEqual(put({ id: 1n, data: utf8("future") }, { created: now + 86_400 }), [1n]);
  deepStrictEqual(put({ id: 2n, data: utf8("old") }, { created: now - 601 }), [2n]);
  deepStrictEqual(put({ id: 3n, data: utf8("negative") }, { created: -5 }), [3n]);
  deepStrictEqual(texts(stored()), ["future"]);
  lab.run(10 * MINUTE);
  deepStrictEqual(stored(), []);
});
Deno.test("[dht 47] unknown types live ten minutes; known ones as long as theirs says", () => {
  const { lab, put, stored } = scene();
  put({ id: 1n, type: 1234, data: utf8("unknown") });
  put({ id: 2n, type: 3, data: utf8("message") });
  lab.run(5 * MINUTE);
  deepStrictEqual(texts(stored()), ["unknown"]);
  lab.run(5 * MINUTE);
  deepStrictEqual(stored(), []);
});
Deno.test("[dht 43] a service announcement gets its sender's address", () => {
  const { put, stored } = scene(), data = Uint8Array.fromHex("c410020004d2c0a80001" + "00".repeat(8));
  put({ type: 2, data });
  strictEqual(stored()[0]!.data.toHex(), "c410020004d20a000101" + "00".repeat(8));
});
Deno.test("[dht 41] an encrypted value lives ten minutes and cannot be edited", () => {
  const { lab, put, stored } = scene();
  put({ encrypted: new Uint8Array(256).fill(1) });
  put({ encrypted: new Uint8Array(256).fill(2) });
  deepStrictEqual(stored().map((v) => v.encrypted![0]), [1]);
  lab.run(10 * MINUTE);
  deepStrictEqual(stored(), []);
});
Deno.test("[dht 45] 65536 bytes of data are kept, one more is acknowledged and not kept", () => {
  const { member, put } = scene();
  deepStrictEqual(put({ id: 1n, data: new Uint8Array(65_537) }).length <= 1, true);
  strictEqual(member.node.info().values, 0);
  deepStrictEqual(put({ id: 2n, data: new Uint8Array(65_500) }), [2n]);
  strictEqual(member.node.info().values, 1);
});

const signed = (text: string, seq: number, mark = 1, good = true): ValueFields => ({
  data: utf8(text),
  owner: owner(mark),
  seq,
  signature: new Uint8Array(256).fill(good ? 1 : 0),
});
Deno.test("[dht 38] signed values: bad signatures and lower numbers are refused, higher numbers replace", () => {
  const { member, put, stored, drops } = scene();
  member.verifies = (signature) => signature[0] === 1;
  deepStrictEqual(put(signed("forged", 1, 1, false)), [1n]);
  deepStrictEqual(stored(), []);
  put(signed("two", 2));
  put(signed("one", 1));
  put(signed("other two", 2));
  put(signed("another's three", 3, 3));
  deepStrictEqual(texts(stored()), ["two"]);
  put(signed("forged three", 3, 1, false));
  deepStrictEqual(texts(stored()), ["two"]);
  put(signed("three", 3));
  deepStrictEqual(texts(stored()), ["three"]);
  deepStrictEqual(
    [drops()["old-seq"], drops()["same-seq"], drops()["other-owner"], drops()["bad-signature"]],
    [1, 1, 1, 2],
  );
});
Deno.test("[dht H7] an unsigned value does not take a signed one's place", () => {
  const { put, stored, drops } = scene();
  put(signed("mine", 1));
  deepStrictEqual(put({ data: utf8("yours") }), [1n]);
  deepStrictEqual(texts(stored()), ["mine"]);
  strictEqual(drops()["unsigned-edit"], 1);
});
Deno.test("a signed value is acknowledged when its signature is checked, and then it is there", () => {
  const { lab, member, peer, put, stored } = scene();
  let question = 0;
  member.verifies = () => undefined;
  deepStrictEqual(put(signed("slow", 1)), []);
  deepStrictEqual(stored(), []);
  question = member.outs("verify").at(-1)!.question;
  member.feed({ type: "verified", question, ok: true });
  member.feed({ type: "verified", question, ok: true }); // once is enough
  lab.run(5);
  strictEqual(peer.inbox.filter((s) => at(s.packet, "r", "vid") === 1).length, 1);
  deepStrictEqual(texts(stored()), ["slow"]);
});
Deno.test("open questions are bounded per address; the rest is dropped unanswered", () => {
  const { member, put, drops } = scene();
  member.verifies = () => undefined;
  for (let i = 1; i <= LIMITS.questionsPerAddress + 5; i++) put({ ...signed("x", 1), id: BigInt(i) });
  strictEqual(member.outs("verify").length, LIMITS.questionsPerAddress);
  strictEqual(drops()["questions"], 5);
});
Deno.test("a value stored while another's signature was checked is judged against it", () => {
  const { member, put, stored } = scene();
  member.verifies = () => undefined;
  put(signed("slow", 1));
  put({ data: utf8("quick") });
  member.feed({ type: "verified", question: member.outs("verify")[0]!.question, ok: true });
  deepStrictEqual(texts(stored()), ["quick"]); // there is an unsigned value by now: nobody may edit it
});
Deno.test("[dht H17] values of others are bounded: the address that takes most loses what expires first", () => {
  const { lab, member, stored } = scene();
  const fat = new Stranger(lab, new Uint8Array(20).fill(0x77), { ip: "10.0.2.1", port: 5000 }),
    token = fat.tokenOf(member);
  const data = new Uint8Array(65_000), count = Math.ceil(LIMITS.storeBytes / data.length) + 20;
  const lean = new Stranger(lab, new Uint8Array(20).fill(0x55), { ip: "10.0.3.1", port: 5000 }),
    own = lean.tokenOf(member);
  lean.say(
    lean.packets.put(1, KEY, [encodeValue(makeValue({ id: 1n, data: utf8("lean") }))], undefined, own),
    member,
  );
  lab.run(5);
  for (let i = 0; i < count; i++) {
    const key = new Uint8Array(20).fill(i & 255);
    key[0] = i >> 8;
    const value = encodeValue(makeValue({ id: BigInt(i + 2), data }));
    fat.say(fat.packets.put(i + 2, key, [value], undefined, token), member);
    lab.run(200);
  }
  const { remoteBytes, values } = member.node.info();
  ok(remoteBytes <= LIMITS.storeBytes, `${remoteBytes}`);
  ok(values > 900 && values < count, `${values}`);
  deepStrictEqual(texts(stored()).includes("lean"), true);
});
