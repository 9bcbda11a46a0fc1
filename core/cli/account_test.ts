/** Accounts and names on the command line, as processes: what they say, what they keep, how they end. */
import { deepStrictEqual, match, strictEqual } from "node:assert/strict";
import { Process } from "../../tests/interop/harness/process.ts";
import { captured } from "../../tests/vectors/account/captured.ts";

const main = new URL("main_io.ts", import.meta.url).pathname;
const archive = (file: string) => new URL(`../../tests/vectors/account/${file}`, import.meta.url).pathname;
const flags = [
  "--allow-net",
  "--allow-read",
  "--allow-write",
  "--allow-env",
  "--allow-sys=networkInterfaces,hostname",
];
type Fact = Record<string, unknown> & { event: string };

const start = (...args: string[]) =>
  Process.start(Deno.execPath(), ["run", "--no-check", ...flags, main, ...args], {
    name: `kith ${args.join(" ")}`,
  });
async function run(...args: string[]): Promise<{ code: number; text: string; facts: Fact[] }> {
  await using process = start(...args);
  const code = await process.ended(120_000), facts = process.lines.filter((line) => line.startsWith("{"));
  return { code, text: process.lines.join("\n"), facts: facts.map((line) => JSON.parse(line)) };
}
/** Fails unless the command ends with 1, this code and a sentence, and shows no secret. */
async function fails(code: string, ...args: string[]): Promise<void> {
  const { code: exit, facts, text } = await run(...args, "--json");
  deepStrictEqual([exit, facts.at(-1)?.event, facts.at(-1)?.code], [1, "error", code], text);
  strictEqual(/It failed:|secret-|PRIVATE/.test(text), false, text);
}

const folder = await Deno.makeTempDir({ prefix: "kith-cli-" });
globalThis.addEventListener("unload", () => Deno.removeSync(folder, { recursive: true }));
const home = (name: string) => ["--home", `${folder}/${name}`];
const [v23, v26] = captured;

Deno.test("kith account creates, lists, shows, exports, imports, locks and deletes", async () => {
  const empty = await run("account", "list", ...home("a"), "--json");
  deepStrictEqual([empty.code, empty.facts], [0, []]);
  await Deno.writeTextFile(`${folder}/pw`, "secret-one\n");
  const created = await run(
    "account",
    "create",
    "--name",
    "Ada",
    "--password-file",
    `${folder}/pw`,
    "--offline",
    "--json",
    ...home("a"),
  );
  const [ada] = created.facts;
  deepStrictEqual(
    [created.code, ada?.event, ada?.displayName, ada?.hasPassword],
    [0, "account", "Ada", true],
    created.text,
  );
  match(String(ada?.jamiId), /^[0-9a-f]{40}$/);
  match(String(ada?.deviceId), /^[0-9a-f]{64}$/);
  const imported = await run(
    "account",
    "import",
    archive("v26_plain.gz"),
    "--offline",
    "--json",
    ...home("a"),
    "--device",
    "shelf",
  );
  deepStrictEqual([imported.facts[0]?.jamiId, imported.facts[0]?.deviceName], [
    v26.archives[1].jamiId,
    "shelf",
  ]);
  const listed = await run("account", "list", ...home("a"), "--json");
  deepStrictEqual(listed.facts.map(({ jamiId }) => jamiId), [ada?.jamiId, v26.archives[1].jamiId]);
  const shown = await run("account", "show", "Ada", ...home("a"));
  match(shown.text, new RegExp(`Jami id +${ada?.jamiId}`));

  const file = `${folder}/ada.gz`, which = ["--account", "Ada", ...home("a")];
  await fails("cli/password-needed", "account", "export", file, ...which);
  await fails("identity/archive-password", "account", "export", file, ...which, "--password", "secret-two");
  strictEqual((await run("account", "export", file, ...which, "--password", "secret-one")).code, 0);
  strictEqual((await Deno.stat(file)).mode! & 0o777, 0o600);
  await fails("cli/file-exists", "account", "export", file, ...which, "--password", "secret-one");
  await fails(
    "identity/account-exists",
    "account",
    "import",
    file,
    "--offline",
    "--password",
    "secret-one",
    ...home("a"),
  );
  await fails("identity/archive-locked", "account", "import", file, "--offline", ...home("b")).catch(
    async () => {
      await fails("cli/password-needed", "account", "import", file, "--offline", ...home("b"));
    },
  );
  const second = await run(
    "account",
    "import",
    file,
    "--offline",
    "--password",
    "secret-one",
    "--json",
    ...home("b"),
  );
  deepStrictEqual([second.facts[0]?.jamiId, second.facts[0]?.displayName], [ada?.jamiId, "Ada"]);
  strictEqual(second.facts[0]?.deviceId === ada?.deviceId, false);

  const locked = await run(
    "account",
    "password",
    ...home("b"),
    "--password",
    "secret-one",
    "--new",
    "",
    "--json",
  );
  deepStrictEqual(locked.facts[0]?.hasPassword, false);
  strictEqual((await run("account", "export", file, "--force", ...home("b"))).code, 0);
  await fails("cli/yes-needed", "account", "delete", "Ada", ...home("b"));
  strictEqual((await run("account", "delete", "Ada", "--yes", ...home("b"))).code, 0);
  await fails("cli/no-account", "account", "show", ...home("b"));
});

Deno.test("kith account says in one sentence what is wrong", async () => {
  await run("account", "import", archive("v23_plain.gz"), "--offline", ...home("c"));
  await run("account", "import", archive("v26_plain.gz"), "--offline", ...home("c"));
  const at = home("c");
  await Deno.writeFile(`${folder}/junk`, new Uint8Array(100));
  await Deno.writeFile(`${folder}/cut.gz`, (await Deno.readFile(archive("v23_plain.gz"))).subarray(0, 999));
  await fails("cli/which-account", "account", "export", `${folder}/x.gz`, ...at);
  await fails("identity/unknown-account", "account", "show", "nobody", ...at);
  await fails("cli/no-file", "account", "import", `${folder}/none`, "--offline", ...at);
  await fails("identity/archive", "account", "import", `${folder}/cut.gz`, "--offline", ...at);
  await fails(
    "identity/archive-password",
    "account",
    "import",
    `${folder}/junk`,
    "--offline",
    "--password",
    "secret-x",
    ...at,
  );
  await fails("identity/name-size", "account", "create", "--offline", "--name", "x".repeat(300), ...at);
  await fails(
    "identity/password-size",
    "account",
    "create",
    "--offline",
    "--password",
    "x".repeat(2000),
    ...at,
  );
  await fails(
    "cli/two-passwords",
    "account",
    "create",
    "--offline",
    "--password",
    "secret-x",
    "--password-file",
    `${folder}/pw`,
    ...at,
  );
  await fails("cli/new-password-needed", "account", "password", "--account", v23.archives[1].jamiId, ...at);
});

Deno.test("kith names serves what kith name registers and looks up", async () => {
  await run("account", "import", archive("v23_plain.gz"), "--offline", ...home("d"));
  await using server = start("names", "serve", "--port", "0", "--json", ...home("names"));
  const { url } = JSON.parse((await server.line(/^\{"event":"serving".*/))[0]), at = ["--server", url];
  const { jamiId } = v23.archives[1], record = { event: "name", name: "bob", jamiId, verified: true };
  deepStrictEqual((await run("name", "lookup", "bob", ...at, "--json")).code, 1);
  const registered = await run("name", "register", "Bob", ...at, ...home("d"), "--json");
  deepStrictEqual(
    registered.facts[0],
    { event: "registered", name: "bob", jamiId, result: "registered" },
    registered.text,
  );
  for (const word of ["bob", "BOB", jamiId, `jami:${jamiId}`]) {
    const { code, facts } = await run("name", "lookup", word, ...at, "--json");
    deepStrictEqual([code, facts[0]], [0, record], word);
  }
  match((await run("account", "show", "bob", ...home("d"))).text, /name +bob/);
  const again = await run("name", "register", "bobby", ...at, ...home("d"), "--json");
  deepStrictEqual([again.code, again.facts[0]?.result], [1, "taken"]);
  await fails("names/bad-name", "name", "lookup", "a b", ...at);
  await fails("names/unreachable", "name", "lookup", "bob", "--server", "http://127.0.0.1:1");
  await fails("names/bad-server", "name", "lookup", "bob", "--server", "ftp://x");
  await fails("names/port-in-use", "names", "serve", "--port", new URL(url).port, ...home("names2"));
  await fails("storage/home-in-use", "names", "serve", "--port", "0", ...home("names"));
});

Deno.test("kith start brings the accounts of its home on line, and a new one announces itself", async () => {
  await using network = start("dht", "node", "--port", "0", "--first", "--json");
  const { port } = JSON.parse((await network.line(/^\{"event":"ready".*/))[0]),
    at = ["-b", `127.0.0.1:${port}`];
  const imported = await run("account", "import", archive("v23_plain.gz"), ...at, ...home("e"), "--json");
  deepStrictEqual(imported.facts.map(({ event }) => event), ["account", "announced"], imported.text);
  await run("account", "import", archive("v26_plain.gz"), "--offline", ...home("e"));
  await using node = start("start", "--port", "0", ...at, ...home("e"), "--json");
  for (const { jamiId } of [v23.archives[1], v26.archives[1]]) {
    const [line] = await node.line(new RegExp(`"event":"announced".*"jamiId":"${jamiId}".*`));
    strictEqual(Number(/"nodes":(\d+)/.exec(line)![1]) > 0, true, line);
  }
  deepStrictEqual((await run("account", "list", ...home("e"), "--json")).facts.length, 2); // looking beside it is fine
  await fails("storage/home-in-use", "account", "delete", v23.archives[1].jamiId, "--yes", ...home("e"));
  const lonely = await run(
    "account",
    "import",
    archive("v26_plain.gz"),
    "-b",
    "127.0.0.1:9",
    "--timeout",
    "1",
    ...home("f"),
    "--json",
  );
  deepStrictEqual([lonely.code, lonely.facts[1]?.event, lonely.facts[1]?.code], [
    0,
    "not-announced",
    "cli/not-announced",
  ]);
});
