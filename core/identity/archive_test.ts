import { deepStrictEqual, rejects, strictEqual } from "node:assert/strict";
import { deflateSync, gzipSync } from "node:zlib";
import fc from "fast-check";
import { archiveBytes, captured } from "../../tests/vectors/account/captured.ts";
import { goodChain, NOW, testKey } from "../../tests/tools/account.ts";
import { concat, utf8 } from "../base/mod.ts";
import { encryptGcm, encryptWithPassword, stretchPassword } from "../crypto/mod.ts";
import {
  type Archive,
  archiveAccount,
  archiveKey,
  chainPem,
  disposeArchive,
  formatArchive,
  IDENTITY_LIMITS as LIMITS,
  packArchive,
  parseArchive,
  unpackArchive,
} from "./mod.ts";

const WALL = Date.UTC(2026, 10, 23);
const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

for (const { generation, archives } of captured) {
  for (const { file, password, jamiId } of archives) {
    const how = password ? "with" : "without";
    Deno.test(`[account 14] [account 15] unpackArchive() opens a ${generation} archive ${how} password`, async () => {
      const { json, seal } = await unpackArchive(archiveBytes(file), { password });
      strictEqual(seal?.salt.length, password ? 16 : undefined);
      const archive = await parseArchive(json, WALL);
      strictEqual(archiveAccount(archive), jamiId);
      strictEqual(archive.chain.length, 2);
      strictEqual(archive.ethKey.length, 32);
      strictEqual(
        Object.keys(archive.settings).every((name) => !/TLS|TURN|hostname|RingNS|proxy/i.test(name)),
        true,
      );
      const again = JSON.parse(text(await formatArchive(archive, password !== "")));
      const theirs = JSON.parse(text(json));
      for (const name of Object.keys(again)) deepStrictEqual(again[name], theirs[name], name); // what we write is theirs
      for (const [name, value] of Object.entries(theirs)) {
        if (/^ring|^eth|^conv/.test(name) && value !== null) deepStrictEqual(again[name], value, name);
      }
    });
  }
}

const own = async (extra: Partial<Archive> = {}): Promise<Archive> => {
  const [, account, ca] = await goodChain();
  const [accountKey, caKey] = await Promise.all([testKey("account"), testKey("ca")]);
  return {
    accountKey,
    caKey,
    chain: [account!, ca!],
    outdated: false,
    ethKey: new Uint8Array(32).fill(1),
    crl: undefined,
    contacts: {},
    conversations: {},
    requests: {},
    settings: { "Account.displayName": "Zoë" },
    ignored: [],
    ...extra,
  };
};
const json = async (extra?: Partial<Archive>) => await formatArchive(await own(extra), false);

Deno.test("[account 18] packArchive() changes the file's magic with the password, and each opens again", async () => {
  const plain = await json();
  for (const password of ["", "new ☂", ""]) {
    const file = await packArchive(plain, { password });
    strictEqual(file[0] === 0x1f && file[1] === 0x8b, password === "");
    const { json, seal } = await unpackArchive(file, { password });
    deepStrictEqual(json, plain);
    strictEqual(seal !== undefined, password !== "");
  }
});

Deno.test("[account 15] packArchive() lays out salt, iv, zlib ciphertext and tag; empty passwords leave gzip", async () => {
  const plain = utf8('{"a":1}'), salt = new Uint8Array(16).fill(9);
  const file = await packArchive(plain, { password: "pw" }, salt);
  deepStrictEqual(file.subarray(0, 16), salt);
  strictEqual(file.length, 16 + 12 + deflateSync(plain).length + 16);
  const key = await stretchPassword("pw", salt), raw = new Uint8Array(key);
  const opened = await crypto.subtle.decrypt(
    { name: "AES-GCM", iv: file.slice(16, 28) },
    await crypto.subtle.importKey("raw", raw, "AES-GCM", false, ["decrypt"]),
    file.slice(28),
  );
  deepStrictEqual(new Uint8Array(opened).subarray(0, 2), new Uint8Array([0x78, 0x9c]));
});

Deno.test("[account 19] archiveKey() gives the key that opens the file, and the salt stays when saving again", async () => {
  const plain = await json(), file = await packArchive(plain, { password: "pw" });
  const key = await archiveKey(file, "pw"), salt = (await unpackArchive(file, { key })).seal!.salt;
  deepStrictEqual(salt, file.slice(0, 16));
  const again = await packArchive(plain, { key }, salt);
  deepStrictEqual(again.slice(0, 16), salt);
  strictEqual(again.subarray(16, 28).toHex() === file.subarray(16, 28).toHex(), false); // a fresh IV each time
  deepStrictEqual((await unpackArchive(again, { password: "pw" })).json, plain);
  await rejects(archiveKey(await packArchive(plain, { password: "" }), "pw"), {
    code: "identity/archive-locked",
  });
});

Deno.test("[account 16] unpackArchive() takes one gzip layer too many and refuses a third", async () => {
  const plain = await json(), twice = gzipSync(gzipSync(plain));
  deepStrictEqual((await unpackArchive(twice)).json, plain);
  await rejects(unpackArchive(gzipSync(twice)), { code: "identity/archive" });
  const locked = await packArchive(plain, { password: "pw" });
  deepStrictEqual((await unpackArchive(gzipSync(locked), { password: "pw" })).json, plain);
  const zipped = await encryptWithPassword("pw", gzipSync(plain)); // gzip inside, as some wrote it
  deepStrictEqual((await unpackArchive(zipped, { password: "pw" })).json, plain);
});

Deno.test("[account 17] unpackArchive() gives one answer to a wrong password, a flipped bit and a cut", async () => {
  const file = await packArchive(await json(), { password: "pw" });
  const flipped = file.slice();
  flipped[100]! ^= 1;
  const same = { code: "identity/archive-password", message: "identity/archive-password" };
  await rejects(unpackArchive(file, { password: "pW" }), same);
  await rejects(unpackArchive(flipped, { password: "pw" }), same);
  await rejects(unpackArchive(file.subarray(0, -1), { password: "pw" }), same);
  await rejects(unpackArchive(file.subarray(0, 20), { password: "pw" }), same);
  await rejects(unpackArchive(file, { key: new Uint8Array(32) }), same);
  await rejects(unpackArchive(file, { key: new Uint8Array(31) }), same);
  await rejects(unpackArchive(concat(file, new Uint8Array(1)), { password: "pw" }), same);
  await rejects(unpackArchive(file), { code: "identity/archive-locked" });
});

Deno.test("[account H16] unpackArchive() refuses bombs, cuts and trailing bytes", async () => {
  const bomb = gzipSync(new Uint8Array(LIMITS.archiveJsonBytes + 1).fill(0x20));
  await rejects(unpackArchive(bomb), { code: "identity/archive", data: { why: "size" } });
  const file = await packArchive(await json(), { password: "" });
  await rejects(unpackArchive(file.subarray(0, -9)), { code: "identity/archive", data: { why: "damaged" } });
  await rejects(unpackArchive(concat(file, utf8("trailing"))), {
    code: "identity/archive",
    data: { why: "damaged" },
  });
  await rejects(unpackArchive(new Uint8Array(LIMITS.archiveBytes + 1)), { data: { why: "size" } });
  const salt = new Uint8Array(16).fill(2), key = await stretchPassword("pw", salt);
  const locked = concat(
    salt,
    await encryptGcm(key, deflateSync(new Uint8Array(LIMITS.archiveJsonBytes + 1))),
  );
  await rejects(unpackArchive(locked, { password: "pw" }), { code: "identity/archive-password" });
});

Deno.test("[account H19] unpackArchive() opens an archive whose salt looks like gzip", async () => {
  const plain = await json(), salt = new Uint8Array([0x1f, 0x8b, 8, ...new Array(13).fill(0)]);
  const file = await packArchive(plain, { password: "pw" }, salt);
  deepStrictEqual((await unpackArchive(file, { password: "pw" })).json, plain);
});

Deno.test("[account H20] unpackArchive() refuses a password beyond the bound before deriving anything", async () => {
  const file = await packArchive(await json(), { password: "x".repeat(LIMITS.passwordBytes) });
  const before = performance.now();
  for (const password of ["x".repeat(LIMITS.passwordBytes + 1), "x".repeat(2 ** 20), "\ud800"]) {
    await rejects(unpackArchive(file, { password }), { code: "identity/password-size" });
  }
  strictEqual(performance.now() - before < 200, true);
});

Deno.test("[account 20] formatArchive() writes sorted keys and none of those that stay at home", async () => {
  const archive = await own({
    settings: { "Account.displayName": "Zoë", "TLS.privateKeyFile": "x", "TURN.server": "y" },
  });
  const written = text(await formatArchive(archive, true)), keys = Object.keys(JSON.parse(written));
  deepStrictEqual(keys, [
    "Account.archiveHasPassword",
    "Account.displayName",
    "ethKey",
    "ringAccountCert",
    "ringAccountKey",
    "ringCaKey",
  ]);
  strictEqual(/\s|[^\x20-\x7e]/.test(written), false);
});

const parse = (change: (object: Record<string, unknown>) => void) => async () => {
  const object = JSON.parse(text(await json()));
  change(object);
  return await parseArchive(utf8(JSON.stringify(object)), NOW);
};

Deno.test("[account 21] parseArchive() refuses an archive without the account key, tolerates what it does not know", async () => {
  await rejects(parse((o) => delete o.ringAccountKey), { data: { why: "account-key" } });
  await rejects(parse((o) => o.ringAccountKey = "AAAA"), { data: { why: "account-key" } });
  await rejects(parse((o) => o.ringAccountKey = "%%"), { data: { why: "syntax" } });
  await rejects(parse((o) => delete o.ringAccountCert), { data: { why: "certificate" } });
  const archive = await parse((
    o,
  ) => (o.future = { a: 1 }, o["Account.alias"] = 7, o.ringCaKey = undefined))();
  strictEqual(archive.caKey, undefined);
  deepStrictEqual(archive.ignored, ["Account.alias", "Account.archiveHasPassword", "future"]);
});

Deno.test("[account H17] parseArchive() takes over no server, no proxy, no permission", async () => {
  const names = [
    "Account.hostname",
    "TURN.server",
    "RingNS.uri",
    "Account.proxyServer",
    "DHT.PublicInCalls",
    "__proto__",
  ];
  const archive = await parse((o) => {
    for (const name of names) Object.defineProperty(o, name, { value: "evil.example", enumerable: true });
  })();
  deepStrictEqual(archive.settings, { "Account.displayName": "Zoë" });
  for (const name of names) strictEqual(archive.ignored.includes(name), true, name);
});

Deno.test("[account H18] parseArchive() refuses keys and certificates that do not belong together", async () => {
  const pem = async (...names: string[]) => btoa(chainPem((await goodChain(...names)).slice(1)));
  const foreign = await pem("device", "other"), otherCa = await pem("device", "account", "other");
  await rejects(parse((o) => o.ringAccountCert = foreign), { data: { why: "certificate" } });
  await rejects(parse((o) => o.ringAccountCert = otherCa), { data: { why: "certificate" } });
  const device = btoa(chainPem((await goodChain("account", "other")).slice(0, 2)));
  await rejects(parse((o) => (o.ringAccountCert = device, delete o.ringCaKey)), { code: "identity/chain" });
  const bare = await json({ caKey: undefined }), later = NOW + 4000 * 86_400_000;
  await rejects(parseArchive(bare, later), { data: { why: "expired", at: 0 } });
  strictEqual((await parseArchive(await json(), later)).outdated, true); // with the authority's key it can be renewed
  const crl = captured[0].bob.crl, kept = await parse((o) => o.ringAccountCRL = crl)();
  strictEqual(kept.crl, undefined); // another account's list is left out
  const records = { ["0".repeat(40)]: {}, ["a".repeat(40)]: { added: 1 }, x: {}, ["b".repeat(40)]: 3 };
  deepStrictEqual((await parse((o) => o.ringAccountContacts = records)()).contacts, {
    ["a".repeat(40)]: { added: 1 },
  });
});

Deno.test("disposeArchive() leaves keys that no longer sign", async () => {
  const archive = await parseArchive(await json(), NOW);
  disposeArchive(archive);
  await rejects(archive.accountKey.sign(new Uint8Array(1)));
  strictEqual(archive.ethKey.every((byte) => byte === 0), true);
});

Deno.test("parseArchive() and unpackArchive() refuse junk with their own words", async () => {
  await fc.assert(fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), async (bytes) => {
    await rejects(unpackArchive(bytes), (e: { code: string }) => e.code.startsWith("identity/archive"));
    await rejects(parseArchive(bytes, NOW), { code: "identity/archive" });
  }));
  await rejects(parseArchive(utf8("[".repeat(200_000)), NOW), { data: { why: "syntax" } });
});
