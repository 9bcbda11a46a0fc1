import { deepStrictEqual, rejects, strictEqual, throws } from "node:assert/strict";
import { captured } from "../../tests/vectors/account/captured.ts";
import { goodChain, NOW, testKey } from "../../tests/tools/account.ts";
import { decode, encode } from "../codec/mod.ts";
import { realRandom, utf8 } from "../base/mod.ts";
import {
  type Certificate,
  decodeAnnouncement,
  decodeChain,
  encodeAnnouncement,
  ethAddress,
  formatReceipt,
  makeEthKey,
  makeReceipt,
  parseReceipt,
  type Receipt,
  signAnnouncement,
  verifyAnnouncement,
  verifyReceipt,
} from "./mod.ts";

const WALL = Date.UTC(2026, 10, 23), at = { wall: NOW };

for (const { generation, alice } of captured) {
  const receipt: Receipt = { text: alice.receipt, signature: Uint8Array.fromBase64(alice.receiptSignature) };

  Deno.test(`[account 9] verifyReceipt() accepts the captured receipt of ${generation}`, async () => {
    const chain = decodeChain(alice.chain), identity = await verifyReceipt(receipt, chain, { wall: WALL });
    strictEqual(identity.account, alice.jamiId);
    strictEqual(identity.device, alice.deviceId);
    strictEqual(identity.announcement.deviceKey?.longId, alice.deviceId);
    strictEqual(encodeAnnouncement(chain[0]!.publicKey).length, 583);
    deepStrictEqual(encodeAnnouncement(chain[0]!.publicKey), identity.announcement.data);
    strictEqual(formatReceipt(parseReceipt(receipt.text)), receipt.text);
  });

  Deno.test(`[account 7] verifyReceipt() refuses the receipt of ${generation} with one byte changed`, async () => {
    const chain = decodeChain(alice.chain);
    for (const i of [2, 20, 60, 90, receipt.text.length - 10]) {
      const c = receipt.text[i] === "1" ? "2" : "1",
        text = receipt.text.slice(0, i) + c + receipt.text.slice(i + 1);
      await rejects(verifyReceipt({ ...receipt, text }, chain, { wall: WALL }), {
        data: { why: "signature" },
      });
    }
    const signature = receipt.signature.slice();
    signature[5]! ^= 1;
    await rejects(verifyReceipt({ ...receipt, signature }, chain, { wall: WALL }), {
      data: { why: "signature" },
    });
  });
}

Deno.test("ethAddress() gives the address the daemons put into the receipt (captured archive and receipt)", () => {
  strictEqual(
    ethAddress(Uint8Array.fromBase64("+OLQk5WJcjJf3QH47mF0Zt2QE1mWNNT0AtQvvEgRg0o=")),
    parseReceipt(captured[0].alice.receipt).eth,
  );
  strictEqual(ethAddress(new Uint8Array(32)), undefined);
  strictEqual(ethAddress(makeEthKey(realRandom))?.length, 40);
});

const own = async () => {
  const chain = await goodChain(), account = await testKey("account");
  return { chain, account, receipt: await makeReceipt(account, chain[0]!, "ab".repeat(20)) };
};

Deno.test("makeReceipt() makes what verifyReceipt() accepts, with the announcement of priority 1", async () => {
  const { chain, receipt } = await own(), identity = await verifyReceipt(receipt, chain, at);
  strictEqual(identity.eth, "ab".repeat(20));
  const packed = decode(parseReceipt(receipt.text).announcement) as Map<string, unknown>;
  deepStrictEqual([...packed.keys()], ["id", "dat", "p"]);
  deepStrictEqual([packed.get("id"), packed.get("p")], [0, 1]);
});

Deno.test("[account 10] verifyAnnouncement() does not mind p, pt or an unknown key outside the body", async () => {
  const { account, chain } = await own(), packed = await signAnnouncement(account, chain[0]!.publicKey);
  const map = decode(packed) as Map<string, never>;
  for (
    const change of [() => map.delete("p"), () => map.set("p", 0 as never), () => map.set("pt", "x" as never)]
  ) {
    change();
    strictEqual((await verifyAnnouncement(encode(map))).deviceKey?.longId, chain[0]!.longId);
  }
});

Deno.test("[account H1] verifyReceipt() refuses receipts of other accounts, devices and keys", async () => {
  const { chain, account, receipt } = await own(),
    [device, , ca] = chain as [Certificate, Certificate, Certificate];
  const other = await testKey("other"), otherChain = await goodChain("device", "other");
  const sign = async (text: string): Promise<Receipt> => ({
    text,
    signature: await account.sign(utf8(text)),
  });
  const fields = parseReceipt(receipt.text),
    refused = async (r: Receipt, why: string, c = chain) =>
      await rejects(verifyReceipt(r, c, at), { data: { why } });
  await refused({ ...receipt, signature: await other.sign(utf8(receipt.text)) }, "signature");
  await refused(receipt, "signature", otherChain);
  await refused(await sign(formatReceipt({ ...fields, legacyDevice: ca.id })), "device");
  await refused(await sign(formatReceipt({ ...fields, account: other.publicKey.shortId })), "account");
  const foreign = await signAnnouncement(other, device.publicKey);
  await refused(await sign(formatReceipt({ ...fields, announcement: foreign })), "announcement");
  const wrongDevice = await signAnnouncement(account, ca.publicKey);
  await refused(await sign(formatReceipt({ ...fields, announcement: wrongDevice })), "announcement");
  await refused(
    await sign(formatReceipt({ ...fields, announcement: new Uint8Array([0x80]) })),
    "announcement",
  );
});

Deno.test("[account H2] parseReceipt() refuses doubles, bad base64, and what is too long", async () => {
  const { text } = (await own()).receipt;
  const bad = (receipt: string, why: string) => throws(() => parseReceipt(receipt), { data: { why } });
  bad(text.replace("{", `{"id":"${"00".repeat(20)}",`), "fields");
  bad(text.replace(/"announce":"..../, '"announce":"!!!!'), "fields");
  bad(text.replace('"}', " ".repeat(20_000) + '"}'), "size");
  bad(text.slice(0, -1), "syntax");
  bad("[]", "syntax");
  bad('{"id":"00"}', "fields");
});

Deno.test("[account H6] decodeAnnouncement() refuses a key that is not the device's", async () => {
  const device = (await testKey("device")).publicKey, other = (await testKey("other")).publicKey;
  strictEqual(decodeAnnouncement(encodeAnnouncement(device)).deviceKey?.longId, device.longId);
  const dev = Uint8Array.fromHex(device.shortId);
  strictEqual(decodeAnnouncement(encode({ dev })).deviceKey, undefined); // as before mid-2021
  for (
    const bad of [
      { dev, pk: other.der },
      { dev, pk: new Uint8Array(3) },
      { dev: dev.slice(1) },
      { dev: "x" },
      {},
      7,
      null,
    ]
  ) {
    throws(() => decodeAnnouncement(encode(bad)), { code: "identity/announcement" });
  }
});

Deno.test("verifyAnnouncement() refuses a forged signature, another type, and an addressed value", async () => {
  const { account, chain } = await own(), packed = await signAnnouncement(account, chain[0]!.publicKey);
  const broken = packed.slice();
  broken[broken.length - 20]! ^= 1;
  await rejects(verifyAnnouncement(broken), { data: { what: "signature" } });
  await rejects(verifyAnnouncement(new Uint8Array(9000)), { data: { what: "size" } });
  for (
    const [key, value] of [["type", 3], ["to", new Uint8Array(20)], ["seq", "0"], [
      "owner",
      new Uint8Array(3),
    ]] as const
  ) {
    const map = decode(packed) as Map<string, Map<string, Map<string, never>>>;
    map.get("dat")!.get("body")!.set(key, value as never);
    await rejects(verifyAnnouncement(encode(map as never)), { code: "identity/announcement" }, key);
  }
});
