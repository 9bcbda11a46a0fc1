import { deepStrictEqual, rejects, strictEqual, throws } from "node:assert/strict";
import { homeSuite, schema } from "../../tests/compliance/storage.ts";
import { homeFolder, memoryHome, openHome } from "./mod.ts";

const parent = await Deno.makeTempDir({ prefix: "kith-storage-" });
globalThis.addEventListener("unload", () => Deno.removeSync(parent, { recursive: true }));
let count = 0;
const fresh = () => `${parent}/${count++}`;

homeSuite("memoryHome()", () => Promise.resolve(memoryHome()));
homeSuite("openHome()", () => openHome(fresh()));

const mode = async (path: string) => (await Deno.stat(path)).mode! & 0o777;

Deno.test("openHome() shows what it keeps to nobody else", async () => {
  const folder = fresh();
  await using home = await openHome(folder);
  home.rows("n", schema).run("insert into note values (1, ?, 'a')", new Uint8Array(1));
  await home.files.write("f", new Uint8Array(1));
  strictEqual(await mode(folder), 0o700);
  for (const name of ["n.db", "n.db-wal", "n.db-shm", "lock", "files/f"]) {
    strictEqual(await mode(`${folder}/${name}`), 0o600, name);
  }
});

Deno.test("openHome() keeps rows and files across a restart", async () => {
  const folder = fresh();
  {
    await using home = await openHome(folder);
    home.rows("n", schema).run("insert into note values (1, ?, 'a')", new Uint8Array([5]));
    await home.files.write("f", new Uint8Array([6]));
  }
  await using home = await openHome(folder);
  deepStrictEqual(home.rows("n", schema).get("select body from note")!.body, new Uint8Array([5]));
  deepStrictEqual(await home.files.read("f"), new Uint8Array([6]));
});

Deno.test("openHome() lets one writer in, and any number of lookers", async () => {
  const folder = fresh();
  await rejects(openHome(folder, { readOnly: true }), { code: "storage/no-home" });
  const home = await openHome(folder);
  home.rows("n", schema).run("insert into note values (1, ?, 'a')", new Uint8Array(1));
  await rejects(openHome(folder), { code: "storage/home-in-use", data: { pid: Deno.pid } });
  {
    await using looker = await openHome(folder, { readOnly: true });
    strictEqual(looker.rows("n", schema).all("select * from note").length, 1);
    throws(() => looker.rows("n", schema).run("delete from note"), { code: "storage/read-only" });
    throws(() => looker.rows("other", schema), { code: "storage/no-home" });
    await rejects(looker.files.write("f", new Uint8Array(1)), { code: "storage/read-only" });
  }
  await home[Symbol.asyncDispose]();
  await home[Symbol.asyncDispose](); // twice is fine
  await (await openHome(folder))[Symbol.asyncDispose]();
});

Deno.test("openHome() runs the missing migrations, all or none, and refuses a newer home", async () => {
  const folder = fresh(),
    grown = { ...schema, migrations: [...schema.migrations, "alter table note add n integer"] };
  const open = async (s: typeof schema) => {
    await using home = await openHome(folder);
    return home.rows("n", s).all("select * from pragma_table_info('note')").length;
  };
  strictEqual(await open(schema), 3);
  const broken = { ...grown, migrations: [...grown.migrations, "alter table nowhere add x integer"] };
  await rejects(open(broken), { code: "storage/sql" });
  strictEqual(await open(schema), 3); // the good half of the failed migration is gone too
  strictEqual(await open(grown), 4);
  await rejects(open(schema), { code: "storage/newer-home" });
  strictEqual(await open(grown), 4);
});

Deno.test("openHome() calls a damaged database damaged", async () => {
  const folder = fresh();
  await (await openHome(folder))[Symbol.asyncDispose]();
  await Deno.writeFile(`${folder}/n.db`, new Uint8Array(8192).fill(7));
  await using home = await openHome(folder);
  throws(() => home.rows("n", schema), { code: "storage/damaged" });
});

Deno.test("openHome() hides the leftovers of an interrupted write and takes their place", async () => {
  const folder = fresh();
  await using home = await openHome(folder);
  await Deno.writeFile(`${folder}/files/f.part`, new Uint8Array(9));
  deepStrictEqual(await home.files.list(), []);
  await home.files.write("f", new Uint8Array([1]));
  deepStrictEqual(await Array.fromAsync(Deno.readDir(`${folder}/files`), (e) => e.name), ["f"]);
});

Deno.test("homeFolder() prefers the flag, then KITH_HOME, then the XDG rules", () => {
  const env = { KITH_HOME: "/k/", XDG_DATA_HOME: "/x", HOME: "/h" };
  strictEqual(homeFolder("/f", env, "/cwd"), "/f");
  strictEqual(homeFolder("f", env, "/cwd"), "/cwd/f");
  strictEqual(homeFolder(undefined, env, "/cwd"), "/k");
  strictEqual(homeFolder(undefined, { ...env, KITH_HOME: "" }, "/cwd"), "/x/kith");
  strictEqual(
    homeFolder(undefined, { XDG_DATA_HOME: "relative", HOME: "/h/" }, "/cwd"),
    "/h/.local/share/kith",
  );
  throws(() => homeFolder(undefined, {}, "/cwd"), { code: "storage/no-home-folder" });
});
