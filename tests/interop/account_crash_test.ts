/**
 * A home whose process dies in the middle of a change holds the old state or the new one. Killed at every durable step
 * by itself, and at every system call that writes by strace; and on a disk that is full.
 */
import { deepStrictEqual, rejects, strictEqual } from "node:assert/strict";
import { realClock, realRandom } from "../../core/base/mod.ts";
import { type AccountRecord, Accounts } from "../../core/identity/mod.ts";
import { openHome } from "../../core/storage/mod.ts";
import { archiveBytes } from "../vectors/account/captured.ts";
import { sh, which } from "./harness/mod.ts";

const env = { clock: realClock, random: realRandom }, device = { deviceName: "kith" };
const program = new URL("../tools/account_step.ts", import.meta.url).pathname;
const CALLS = ["pwrite64", "fsync", "fdatasync", "ftruncate", "unlink"];

async function run(
  step: string,
  home: string,
  { killAt = 0, before = [] as string[] } = {},
): Promise<boolean> {
  const args = [...before, Deno.execPath(), "run", "-A", program, JSON.stringify({ home, do: step, killAt })];
  const command = new Deno.Command(args[0]!, {
    args: args.slice(1),
    stdout: "piped",
    stderr: "piped",
    stdin: "null",
  });
  const { signal, success, stdout, stderr } = await command.output(), text = new TextDecoder();
  if (success) return text.decode(stdout).startsWith("done");
  const killed = signal === "SIGKILL" || before.length > 0;
  if (!killed) throw new Error(`${step}: ${text.decode(stderr)}`);
  return false;
}

/** Opens what is left: every account in it must be whole. */
async function look(
  folder: string,
  passwords: readonly string[],
): Promise<{ records: AccountRecord[]; opens: string[] }> {
  await using home = await openHome(folder);
  const accounts = Accounts.open(home, env), records = accounts.list(), opens: string[] = [];
  for (const { id, hasPassword } of records) {
    await accounts.load(id);
    for (const password of hasPassword ? passwords.filter(Boolean) : [""]) {
      await accounts.withArchive(id, { password }, () => Promise.resolve());
      opens.push(password);
    }
  }
  return { records, opens };
}

const withFolder = async (work: (folder: string) => Promise<void>) => {
  const folder = await Deno.makeTempDir({ prefix: "kith-crash-" });
  try {
    await work(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
};

/** A home with one account without password, to be copied. */
async function prepared(folder: string): Promise<string> {
  const original = `${folder}/original`;
  await using home = await openHome(original);
  await Accounts.open(home, env).import(archiveBytes("v26_plain.gz"), device);
  return original;
}

const steps = [["create", 0, 1], ["import", 1, 2], ["password", 1, 1], ["export", 1, 1], [
  "delete",
  1,
  0,
]] as const;

for (const [step, before, after] of steps) {
  Deno.test(`kill -9 at every durable step of ${step} leaves the old state or the new`, () =>
    withFolder(async (folder) => {
      const original = before ? await prepared(folder) : undefined;
      let killAt = 1, kept = 0, done = false;
      for (; !done; killAt++) {
        const home = `${folder}/${killAt}`;
        if (original) await sh("cp", "-r", original, home);
        done = await run(step, home, { killAt });
        const { records, opens } = await look(home, ["next"]);
        strictEqual(
          [before, after].includes(records.length as never),
          true,
          `${records.length} accounts at ${killAt}`,
        );
        strictEqual(opens.length, records.length, `an archive opens by neither password at ${killAt}`);
        if (done) strictEqual(records.length, after);
        if (records.length === before) kept++;
        await Deno.remove(home, { recursive: true });
      }
      strictEqual(killAt > 5 && kept > 0, true, `${killAt} points`);
    }));
}

Deno.test("kill -9 at every writing system call leaves the old state or the new", async () => {
  if (!await traceable()) {
    if (Deno.env.get("REQUIRE_PEERS") === "1") throw new Error("cannot run: no strace, or it may not trace");
    return console.warn("SKIPPED kill -9 at every writing system call: no strace, or it may not trace");
  }
  await withFolder(async (folder) => {
    const original = await prepared(folder), home = `${folder}/home`;
    const files = ["", "/identity.db", "/identity.db-wal", "/identity.db-shm"].flatMap((
      name,
    ) => ["-P", home + name]);
    let kills = 0;
    for (const call of CALLS) {
      for (let when = 1, done = false; !done; when++) {
        await sh("cp", "-r", original, home);
        const inject = ["-e", `inject=${call}:signal=KILL:when=${when}`];
        done = await run("delete", home, {
          before: ["strace", "-f", "-qq", "-o", "/dev/null", ...files, ...inject],
        });
        const { records, opens } = await look(home, []);
        strictEqual(records.length <= 1 && opens.length === records.length, true, `${call} ${when}`);
        await Deno.remove(home, { recursive: true });
        if (!done) kills++;
      }
    }
    strictEqual(kills > 5, true, `${kills} kills`);
  });
});

async function traceable(): Promise<boolean> {
  if (!await which("strace")) return false;
  return (await new Deno.Command("strace", { args: ["-qq", "-o", "/dev/null", "true"], stderr: "null" })
    .output()).success;
}

Deno.test("a full disk is a clear error, and what was there stays", async () => {
  if (Deno.uid() !== 0) return console.warn("SKIPPED a full disk: mounting a small one needs root");
  await withFolder(async (folder) => {
    const disk = `${folder}/disk`;
    await Deno.mkdir(disk);
    await sh("mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", disk);
    try {
      await using home = await openHome(`${disk}/home`);
      const accounts = Accounts.open(home, env),
        first = await accounts.import(archiveBytes("v26_plain.gz"), device);
      const filler = await Deno.open(`${disk}/filler`, { create: true, write: true });
      const block = new Uint8Array(4096);
      try {
        for (;;) await filler.write(block);
      } catch {
        /* now it is full */
      } finally {
        filler.close();
      }
      await rejects(accounts.import(archiveBytes("v23_plain.gz"), device), { code: "storage/disk-full" });
      await rejects(home.files.write("x", new Uint8Array(9000)), { code: "storage/disk-full" });
      deepStrictEqual(await home.files.list(), []);
      deepStrictEqual(accounts.list(), [first]);
      await accounts.load(first.id);
      await Deno.remove(`${disk}/filler`);
      await accounts.import(archiveBytes("v23_plain.gz"), device);
      strictEqual(accounts.list().length, 2);
    } finally {
      await sh("umount", "-l", disk);
    }
  });
});
