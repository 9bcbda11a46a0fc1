/** What every home must do, in memory and on disk. */
import { deepStrictEqual, rejects, strictEqual, throws } from "node:assert/strict";
import { type Home, LIMITS, type Schema } from "../../core/storage/mod.ts";

export const schema: Schema = {
  durability: "full",
  migrations: ["create table note (id integer primary key, body blob not null, word text unique) strict"],
};

/** Registers the suite under `name`; `open` gives a fresh empty home. */
export function homeSuite(name: string, open: () => Promise<Home>): void {
  const check = (what: string, test: (home: Home) => unknown) =>
    Deno.test(`${name} ${what}`, async () => {
      await using home = await open();
      await test(home);
    });

  check("gives back the rows it was given, every kind of cell", (home) => {
    const rows = home.rows("x", {
      durability: "normal",
      migrations: ["create table t (a, b, c, d, e)"],
    });
    strictEqual(
      rows.run("insert into t values (?,?,?,?,?)", null, 2 ** 52, "text", new Uint8Array([0, 255]), 2n),
      1,
    );
    deepStrictEqual({ ...rows.get("select * from t") }, {
      a: null,
      b: 2 ** 52,
      c: "text",
      d: new Uint8Array([0, 255]),
      e: 2,
    });
    strictEqual(rows.get("select * from t where c = ?", "other"), undefined);
    strictEqual(rows.all("select * from t").length, 1);
  });

  check("opens one database once", (home) => strictEqual(home.rows("n", schema), home.rows("n", schema)));

  check("keeps nothing of a transaction that threw", (home) => {
    const rows = home.rows("n", schema);
    throws(() =>
      rows.transaction(() => {
        rows.run("insert into note values (1, ?, 'a')", new Uint8Array(3));
        rows.transaction(() => rows.run("insert into note values (2, ?, 'b')", new Uint8Array(3)));
        throw new RangeError("stop");
      }), RangeError);
    deepStrictEqual(rows.all("select * from note"), []);
    rows.run("insert into note values (1, ?, 'a')", new Uint8Array(3)); // and goes on afterwards
    strictEqual(rows.all("select * from note").length, 1);
    rows.scrub();
  });

  check("refuses an asynchronous transaction", (home) => {
    const rows = home.rows("n", schema);
    throws(() => rows.transaction(() => Promise.resolve()), TypeError);
    strictEqual(rows.run("insert into note values (1, ?, 'a')", new Uint8Array(0)), 1);
  });

  check("names what SQL did wrong", (home) => {
    const rows = home.rows("n", schema);
    rows.run("insert into note values (1, ?, 'a')", new Uint8Array(0));
    throws(() => rows.run("insert into note values (2, ?, 'a')", new Uint8Array(0)), {
      code: "storage/constraint",
    });
    throws(() => rows.all("select * from nowhere"), { code: "storage/sql" });
  });

  check("survives more statements than it keeps", (home) => {
    const rows = home.rows("n", schema);
    for (let i = 0; i < LIMITS.statements + 20; i++) {
      strictEqual(rows.get(`select ${i} as i`)!.i, i);
      strictEqual(rows.get("select 'often' as word")!.word, "often");
    }
  });

  check("writes, reads, lists and removes files", async ({ files }) => {
    strictEqual(await files.read("none"), undefined);
    const bytes = new Uint8Array([1, 2, 3]);
    await files.write("b.bin", bytes);
    await files.write("a", new Uint8Array(0));
    bytes[0] = 9; // ours again
    deepStrictEqual(await files.read("b.bin"), new Uint8Array([1, 2, 3]));
    await files.write("b.bin", new Uint8Array([7]));
    deepStrictEqual(await files.read("b.bin"), new Uint8Array([7]));
    deepStrictEqual(await files.list(), ["a", "b.bin"]);
    deepStrictEqual([await files.remove("a"), await files.remove("a")], [true, false]);
    deepStrictEqual(await files.list(), ["b.bin"]);
  });

  check("refuses names that leave the home, and files beyond the bound", async (home) => {
    for (const bad of ["", "..", "../x", "a/b", ".x", "a\0b", "x".repeat(LIMITS.nameLength + 1)]) {
      await rejects(
        async () => await home.files.write(bad, new Uint8Array(1)),
        { code: "storage/name" },
        bad,
      );
      throws(() => home.rows(bad, schema), { code: "storage/name" }, bad);
    }
    await rejects(home.files.write("big", new Uint8Array(LIMITS.fileBytes + 1)), {
      code: "storage/file-size",
    });
    deepStrictEqual(await home.files.list(), []);
  });
}
