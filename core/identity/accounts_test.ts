import { deepStrictEqual, rejects, strictEqual, throws } from "node:assert/strict";
import { archiveBytes, captured } from "../../tests/vectors/account/captured.ts";
import { goodChain } from "../../tests/tools/account.ts";
import { type Clock, realClock, realRandom } from "../base/mod.ts";
import { memoryHome, openHome } from "../storage/mod.ts";
import {
  Accounts,
  chainPem,
  decodeChain,
  isSignedBy,
  type Progress,
  unpackArchive,
  verifyCrl,
  verifyReceipt,
} from "./mod.ts";

const env = { clock: realClock, random: realRandom };
const [v23, v26] = captured;
const device = { deviceName: "kith-host" };

Deno.test("[account 2] Accounts.create() makes a chain of three RSA-4096 keys that holds", async () => {
  await using home = memoryHome();
  const accounts = Accounts.open(home, env), steps: Progress[] = [];
  let ticks = 0;
  const timer = setInterval(() => ticks++, 10);
  const record = await accounts.create(
    { ...device, displayName: "Ada", onProgress: (p) => steps.push(p) },
    "pw",
  );
  clearInterval(timer);
  strictEqual(ticks > 10, true, `the event loop turned ${ticks} times`);
  deepStrictEqual(steps.map((p) => p.step === "keys" ? `${p.done}/${p.of}` : p.step), [
    "0/3",
    "1/3",
    "2/3",
    "3/3",
    "signing",
    "storing",
  ]);
  const account = await accounts.load(record.id), [leaf, owner, ca] = account.chain;
  deepStrictEqual([leaf!.publicKey.bits, owner!.publicKey.bits, ca!.publicKey.bits], [4096, 4096, 4096]);
  deepStrictEqual(
    [leaf, owner, ca].map((c) => c!.algorithm),
    Array(3).fill({ kind: "rsa", hash: "SHA-384" }),
  );
  strictEqual(await isSignedBy(leaf!, owner!) && await isSignedBy(owner!, ca!), true);
  strictEqual(account.identity.account, record.jamiId);
  deepStrictEqual(accounts.list(), [record]);
  deepStrictEqual([record.displayName, record.hasPassword], ["Ada", true]);

  await accounts.changePassword(record.id, { password: "pw" }, "");
  strictEqual(accounts.find("Ada").hasPassword, false);
  await using second = memoryHome();
  const other = Accounts.open(second, env),
    sibling = await other.import(await accounts.export(record.id), device);
  strictEqual(sibling.jamiId, record.jamiId);
  strictEqual(sibling.deviceId === record.deviceId, false);
  strictEqual(sibling.displayName, "Ada");
  const stranger = (await goodChain())[0]!, [revoked] = account.chain;
  await rejects(other.revoke(sibling.id, stranger), { code: "identity/foreign-device" });
  const list = await verifyCrl(await other.revoke(sibling.id, revoked!), account.chain[1]!);
  strictEqual(list.revoked.length, 1);
  await other.load(sibling.id); // the sibling itself is not on the list
  const { text, signature } = account.receipt, wall = Date.now();
  await rejects(verifyReceipt({ text, signature }, account.chain, { wall, crls: [list] }), {
    data: { why: "revoked", at: 0 },
  });
});

for (const { generation, archives } of captured) {
  Deno.test(`[account 14] Accounts.import() becomes a device of ${generation} accounts, with and without password`, async () => {
    await using home = memoryHome();
    const accounts = Accounts.open(home, env);
    for (const { file, password, jamiId } of archives) {
      const record = await accounts.import(archiveBytes(file), device, { password });
      strictEqual(record.jamiId, jamiId);
      strictEqual(record.hasPassword, password !== "");
      const { identity, chain } = await accounts.load(record.id);
      strictEqual(identity.announcement.owner.shortId as string, jamiId);
      strictEqual(chain.length, 3);
      const exported = await accounts.export(record.id, { password });
      if (password) { // the salt is kept, so that a stored key goes on working
        deepStrictEqual(exported.subarray(0, 16), archiveBytes(file).subarray(0, 16));
        continue;
      }
      const [a, b] = await Promise.all(
        [archiveBytes(file), exported].map(async (bytes) =>
          JSON.parse(new TextDecoder().decode((await unpackArchive(bytes)).json))
        ),
      );
      strictEqual(a.ringAccountKey, b.ringAccountKey);
      deepStrictEqual(accounts.inherited(record.id).contacts, a.ringAccountContacts ?? {});
      deepStrictEqual(b.conversations ?? {}, a.conversations ?? {});
    }
    strictEqual(accounts.list().length, 2);
    const { file, password } = archives[1];
    await rejects(accounts.import(archiveBytes(file), device, { password }), {
      code: "identity/account-exists",
    });
  });
}

Deno.test("[account 17] Accounts leaves everything as it was after a wrong password", async () => {
  await using home = memoryHome();
  const accounts = Accounts.open(home, env), { file, password } = v26.archives[0];
  await rejects(accounts.import(archiveBytes(file), device, { password: "wrong" }), {
    code: "identity/archive-password",
  });
  await rejects(accounts.import(archiveBytes(file), device), { code: "identity/archive-locked" });
  deepStrictEqual(accounts.list(), []);
  const { id } = await accounts.import(archiveBytes(file), device, { password });
  await rejects(accounts.changePassword(id, { password: "wrong" }, "x"), {
    code: "identity/archive-password",
  });
  await rejects(accounts.export(id), { code: "identity/archive-locked" });
  await accounts.changePassword(id, { password }, "next");
  await accounts.withArchive(id, { password: "next" }, () => Promise.resolve());
  await rejects(accounts.export(id, { password }), { code: "identity/archive-password" });
});

Deno.test("Accounts finds an account by its ids and names, and says when a name means several", async () => {
  await using home = memoryHome();
  const accounts = Accounts.open(home, env);
  const a = await accounts.import(archiveBytes(v23.archives[1].file), { ...device, displayName: "Sam" });
  const b = await accounts.import(archiveBytes(v26.archives[1].file), { ...device, displayName: "Sam" });
  for (const word of [a.id, a.jamiId, `jami:${a.jamiId.toUpperCase()}`]) {
    strictEqual(accounts.find(word).id, a.id);
  }
  throws(() => accounts.find("Sam"), { code: "identity/ambiguous-account" });
  accounts.rename(b.id, { displayName: "Samuel", registeredName: "sam" });
  for (const word of ["sam", "SAM", "Samuel"]) strictEqual(accounts.find(word).id, b.id);
  for (const displayName of ["x".repeat(200), "a\nb"]) {
    throws(() => accounts.rename(a.id, { displayName }), { code: "identity/name-size" });
  }
  accounts.remove(a.id);
  throws(() => accounts.remove(a.id), { code: "identity/unknown-account" });
  throws(() => accounts.find("nobody"), { code: "identity/unknown-account" });
  deepStrictEqual(accounts.list().map(({ id }) => id), [b.id]);
});

Deno.test("[account H20] Accounts.create() refuses a password or a name out of bounds before making keys", async () => {
  await using home = memoryHome();
  const accounts = Accounts.open(home, env), onProgress = () => strictEqual(true, false, "keys were made");
  await rejects(accounts.create({ ...device, onProgress }, "x".repeat(2000)), {
    code: "identity/password-size",
  });
  const displayName = "x".repeat(200);
  await rejects(accounts.create({ ...device, displayName, onProgress }), { code: "identity/name-size" });
});

Deno.test("Accounts.import() stops when asked and leaves nothing", async () => {
  await using home = memoryHome();
  const accounts = Accounts.open(home, env), stop = new AbortController();
  const onProgress = ({ step }: Progress) => step === "keys" && stop.abort(new RangeError("enough"));
  await rejects(
    accounts.import(archiveBytes(v23.archives[1].file), { ...device, onProgress, signal: stop.signal }),
    RangeError,
  );
  deepStrictEqual(accounts.list(), []);
});

Deno.test("[account H1] Accounts.load() refuses a row whose parts do not belong together", async () => {
  const folder = await Deno.makeTempDir();
  try {
    await using home = await openHome(folder);
    const accounts = Accounts.open(home, env);
    const a = await accounts.import(archiveBytes(v23.archives[1].file), device);
    const b = await accounts.import(archiveBytes(v26.archives[1].file), device);
    const rows = home.rows("identity", { durability: "full", migrations: [] });
    const take = (column: string) =>
      rows.run(
        `update account set ${column} = (select ${column} from account where id = ?) where id = ?`,
        b.id,
        a.id,
      );
    rows.run("create table kept as select * from account");
    for (const column of ["chain", "receipt", "receipt_signature", "device_key"]) {
      take(column);
      await rejects(accounts.load(a.id), { code: /^identity\/(receipt|chain)$/ }, column);
      rows.run(`update account set ${column} = (select ${column} from kept where id = account.id)`);
      await accounts.load(a.id);
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("Accounts.load() refuses to go on line with an expired certificate", async () => {
  await using home = memoryHome();
  const { id } = await Accounts.open(home, env).import(archiveBytes(v23.archives[1].file), device);
  const later: Clock = { ...realClock, wall: () => Date.UTC(2050, 0) };
  await rejects(Accounts.open(home, { ...env, clock: later }).load(id), { data: { why: "expired", at: 0 } });
  strictEqual(decodeChain(v23.bob.chain).length, 3);
});

Deno.test("Accounts.import() renews certificates that have expired, and the account stays who it is", async () => {
  await using home = memoryHome();
  const later: Clock = { ...realClock, wall: () => Date.UTC(2040, 0) }, { file, jamiId } = v23.archives[1];
  const accounts = Accounts.open(home, { ...env, clock: later }),
    { id } = await accounts.import(archiveBytes(file), device);
  const { identity, chain } = await accounts.load(id);
  strictEqual(identity.account as string, jamiId);
  strictEqual(chain.every(({ notBefore }) => notBefore === Date.UTC(2040, 0)), true);
  const exported = await unpackArchive(await accounts.export(id));
  strictEqual(new TextDecoder().decode(exported.json).includes(btoa(chainPem(chain.slice(1)))), true);
});
