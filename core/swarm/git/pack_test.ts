import { deepStrictEqual, strictEqual, throws } from "node:assert/strict";
import fc from "fast-check";
import { concat, utf8 } from "../../base/mod.ts";
import { git, gitText } from "../../../tests/git_tool.ts";
import { memoryPack, type PackLimits, type PackObject, readPack } from "./pack_read.ts";
import { writePack } from "./pack_write.ts";
import { deflate, RunningSha1 } from "./zlib_io.ts";
import { type GitObject, objectId } from "./objects.ts";

async function inFolder<T>(run: (folder: string) => Promise<T>): Promise<T> {
  const folder = await Deno.makeTempDir();
  try {
    return await run(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}
const read = (pack: Uint8Array, limits?: PackLimits): PackObject[] => [...readPack(memoryPack(pack), limits)];

/** A pack from raw entries: `head` as stored, `data` deflated behind it. */
function packOf(...entries: { head: number[]; data: Uint8Array }[]): Uint8Array {
  return seal(
    entries.length,
    ...entries.map(({ head, data }) => concat(Uint8Array.from(head), deflate(data))),
  );
}
function seal(count: number, ...parts: Uint8Array[]): Uint8Array {
  const head = new Uint8Array(12);
  new DataView(head.buffer).setUint32(0, 0x5041434b);
  new DataView(head.buffer).setUint32(4, 2);
  new DataView(head.buffer).setUint32(8, count);
  const body = concat(head, ...parts);
  return concat(body, new RunningSha1().update(body).digest());
}

for (
  const [kind, option] of [["REF_DELTA", "--no-reuse-delta"], ["OFS_DELTA", "--delta-base-offset"]] as const
) {
  Deno.test(`[swarm 37] readPack() resolves the ${kind} chains git makes`, () =>
    inFolder(async (folder) => {
      await git(folder, ["init", "-q"]);
      let text = Array.from({ length: 400 }, (_, i) => `line ${i} ${(i * 7919) % 1000}`).join("\n");
      for (let i = 0; i < 30; i++) {
        text = text.replace(`line ${i * 9} `, `changed ${i} `);
        await Deno.writeTextFile(`${folder}/file.txt`, text);
        await git(folder, ["add", "."]);
        await git(folder, ["commit", "-qm", `change ${i}`]);
      }
      const ids = (await gitText(folder, ["rev-list", "--objects", "--all"])).split("\n").map((row) =>
        row.slice(0, 40)
      );
      const pack = await git(
        folder,
        ["pack-objects", "--stdout", "--depth=40", "--window=40", option],
        ids.join("\n") + "\n",
      );
      const objects = read(pack), found = new Map(objects.map((object) => [object.id, object]));
      deepStrictEqual([...found.keys()].sort(), ids.sort());
      const deltas = pack.length * 3 < objects.reduce((sum, object) => sum + object.body.length, 0);
      strictEqual(deltas, true, "the pack really holds deltas");
      for (const object of objects) {
        deepStrictEqual(
          Uint8Array.from(await git(folder, ["cat-file", object.type, object.id])),
          Uint8Array.from(object.body),
        );
      }
    }));
}

Deno.test("[swarm 31] writePack() makes packs that git index-pack --strict accepts", () =>
  inFolder(async (folder) => {
    await git(folder, ["init", "-q"]);
    const blob = utf8("hello\n"),
      big = new Uint8Array(300_000).map((_, i) => i * i),
      tree = concat(utf8("100644 a\0"), Uint8Array.fromHex(objectId("blob", blob)));
    const commit = utf8(
      `tree ${objectId("tree", tree)}\nauthor A <a@b> 1 +0000\ncommitter A <a@b> 1 +0000\n\nhi`,
    );
    const objects: GitObject[] = [{ type: "commit", body: commit }, { type: "tree", body: tree }, {
      type: "blob",
      body: blob,
    }, { type: "blob", body: big }];
    const pack = writePack(objects);
    await git(folder, ["index-pack", "--strict", "--stdin"], pack);
    strictEqual(await gitText(folder, ["cat-file", "-p", `${objectId("commit", commit)}:a`]), "hello");
    deepStrictEqual(
      read(pack).map((object) => object.id),
      objects.map((object) => objectId(object.type, object.body)),
    );
  }));

const small: PackLimits = {
  packBytes: 100_000,
  packObjects: 100,
  packInflatedBytes: 1 << 20,
  objectBytes: 1 << 17,
  deltaChain: 5,
};
const ref = (id: string, size: number) => [0x70 | size, ...Uint8Array.fromHex(id)];

Deno.test("[swarm H28] [swarm H29] readPack() refuses lies about counts, sizes, types and sums", () => {
  const blob = { head: [0x35], data: utf8("hello") };
  strictEqual(read(packOf(blob))[0]!.id, objectId("blob", utf8("hello")));
  const cases: [string, Uint8Array][] = [
    ["swarm/pack", packOf(blob).subarray(0, 20)],
    ["swarm/pack", packOf(blob).with(3, 0)],
    ["swarm/pack", packOf(blob).with(7, 3)],
    ["swarm/pack", packOf(blob).with(-1, packOf(blob).at(-1)! ^ 1)],
    ["swarm/pack", packOf({ head: [0x34], data: utf8("hello") })], // says 4, holds 5
    ["swarm/pack", packOf({ head: [0x36], data: utf8("hello") })], // says 6
    ["swarm/pack", packOf({ head: [0x05], data: utf8("hello") })], // type 0
    ["swarm/pack", packOf({ head: [0x55], data: utf8("hello") })], // type 5
    ["swarm/pack", seal(2, Uint8Array.of(0x35), deflate(utf8("hello")))],
    ["swarm/pack", seal(0, Uint8Array.of(0x35), deflate(utf8("hello")))],
    ["swarm/pack", seal(101)],
    ["swarm/zlib", seal(1, Uint8Array.of(0x35), new Uint8Array(30).fill(7))],
    ["swarm/pack", seal(1, new Uint8Array(20).fill(0xff))],
  ];
  for (const [code, pack] of cases) {
    throws(
      () => read(pack, small),
      (error: { code: string }) =>
        error.code === code || (code === "swarm/pack" && error.code === "swarm/zlib"),
      pack.toHex(),
    );
  }
});

Deno.test("[swarm H30] readPack() refuses delta bombs, cycles and chains before they cost anything", () => {
  const base = new Uint8Array(1000).fill(65),
    id = objectId("blob", base),
    baseEntry = { head: [0xb8, 0x3e], data: base };
  const bomb = Uint8Array.from([0xe8, 7, 0xff, 0xff, 0xff, 0x7f, 0xb0, 0xe8, 3]); // says it makes 256 MiB
  throws(() => read(packOf(baseEntry, { head: ref(id, bomb.length), data: bomb }), small), {
    code: "swarm/pack",
  });
  const beyond = Uint8Array.from([0xe8, 7, 10, 0x93, 0xff, 0xff, 10]); // copies from 65535
  throws(() => read(packOf(baseEntry, { head: ref(id, beyond.length), data: beyond }), small), {
    code: "swarm/delta",
  });
  const a = "1".repeat(40), loose = Uint8Array.from([5, 1, 1, 66]);
  throws(() => read(packOf({ head: ref(a, 4), data: loose }), small), { code: "swarm/pack" });
  const chain: { head: number[]; data: Uint8Array }[] = [{ head: [0x31], data: utf8("x") }];
  let made = utf8("x");
  for (let i = 0; i < 7; i++) {
    const from = objectId("blob", made);
    made = concat(made, utf8("y"));
    const delta = Uint8Array.from([made.length - 1, made.length, 0x90, made.length - 1, 1, 121]);
    chain.push({ head: ref(from, delta.length), data: delta });
  }
  strictEqual(read(packOf(...chain.slice(0, 5)), small).length, 5);
  throws(() => read(packOf(...chain), small), { code: "swarm/pack" });
  const zeros = { head: [0xb0, 0x80, 0x40], data: new Uint8Array(1 << 17) }; // ten times 128 KiB from a few hundred bytes
  throws(() => read(packOf(...Array(10).fill(zeros)), small), { code: "swarm/pack" });
});

Deno.test("[swarm H28] readPack() gives objects or a DecodeError for any bytes", () => {
  const good = packOf({ head: [0x35], data: utf8("hello") }, { head: [0x31], data: utf8("x") });
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(good.length - 21), fc.nat(255)), { maxLength: 6 }), (edits) => {
      const bytes = good.slice(0, -20);
      for (const [at, value] of edits) bytes[at] = value;
      const pack = concat(bytes, new RunningSha1().update(bytes).digest());
      try {
        for (const object of readPack(memoryPack(pack), small)) {
          strictEqual(object.id, objectId(object.type, object.body));
        }
      } catch (error) {
        strictEqual((error as Error).name, "DecodeError", String(error));
      }
    }),
    { numRuns: 2000 },
  );
});
