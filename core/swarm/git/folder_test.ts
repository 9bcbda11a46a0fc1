import { deepStrictEqual, strictEqual, throws } from "node:assert/strict";
import fs from "node:fs";
import judge from "isomorphic-git";
import { concat, utf8 } from "../../base/mod.ts";
import { git, gitText } from "../../../tests/git_tool.ts";
import { cases, pack } from "../../../tests/vectors/swarm/repositories.ts";
import { type Draft, unsignedCommit } from "./commit.ts";
import { GitFolder } from "./folder_io.ts";
import { type GitObject, type ObjectId, objectId } from "./objects.ts";
import { writePack } from "./pack_write.ts";

const EMPTY_TREE = "4b825dc642cb6eb9a060e54bf8d69288fbee4904";
const withId = (object: GitObject) => ({ id: objectId(object.type, object.body), ...object });
const commit = (parents: ObjectId[], message: string) =>
  withId({
    type: "commit",
    body: unsignedCommit(
      {
        tree: EMPTY_TREE,
        parents,
        author: { name: "A", email: "d".repeat(64), time: 1700000000 },
        message,
      } as Draft,
    ),
  });
const tree = withId({ type: "tree", body: new Uint8Array() });

async function inFolder(run: (path: string) => Promise<void> | void): Promise<void> {
  const path = await Deno.makeTempDir();
  try {
    await run(`${path}/c`);
  } finally {
    await Deno.remove(path, { recursive: true });
  }
}

Deno.test("[swarm 1] GitFolder writes repositories that git fsck --strict and isomorphic-git accept", () =>
  inFolder(async (path) => {
    const first = commit([], "one"), second = commit([first.id], "two");
    {
      using folder = GitFolder.create(path);
      folder.write([tree, first, second]);
      folder.setHead(second.id);
    }
    await git(path, ["fsck", "--strict"]);
    strictEqual(await gitText(path, ["log", "--format=%B", "main"]), "two\none");
    const { object } = await judge.readObject({ fs, gitdir: path, oid: second.id, format: "content" });
    deepStrictEqual(Uint8Array.from(object as Uint8Array), Uint8Array.from(second.body));
    using again = GitFolder.open(path);
    deepStrictEqual([again.head(), again.read(first.id)?.type, again.has("1".repeat(40))], [
      second.id,
      "commit",
      false,
    ]);
  }));

for (const { name, tip } of cases) {
  Deno.test(`[swarm 37] GitFolder takes in the pack of ${name}, loose or whole, and git reads it`, async () => {
    for (const many of [false, true]) {
      await inFolder(async (path) => {
        using folder = GitFolder.create(path);
        const incoming = folder.incoming(), bytes = pack(name);
        for (let at = 0; at < bytes.length; at += 1000) incoming.write(bytes.subarray(at, at + 1000));
        const quarantine = incoming.finish(), ids = [...quarantine.index.ids()];
        strictEqual(folder.has(tip), false, "nothing is visible before it is adopted");
        if (many) { // enough objects to stay a pack
          const extra = Array.from(
            { length: 101 },
            (_, i) => ({ type: "blob" as const, body: utf8(`${i}`) }),
          );
          const objects = ids.map((id) => quarantine.get(id)!), more = folder.incoming();
          more.write(writePack([...objects, ...extra]));
          folder.adopt(more.finish());
          quarantine[Symbol.dispose]();
        } else folder.adopt(quarantine);
        folder.setHead(tip as never);
        for (const id of ids) strictEqual(objectId(folder.read(id)!.type, folder.read(id)!.body), id);
        await git(path, ["fsck", "--full"]);
        if (many) {
          await gitText(path, [
            "verify-pack",
            `objects/pack/${(await gitText(path, ["count-objects"]),
              [...Deno.readDirSync(`${path}/objects/pack`)].find((e) => e.name.endsWith(".idx"))!.name)}`,
          ]);
        }
        strictEqual(await gitText(path, ["rev-parse", "main"]), tip);
        using again = GitFolder.open(path);
        for (const id of ids) strictEqual(again.has(id), true);
      });
    }
  });
}

Deno.test("[swarm H28] GitFolder leaves nothing of a broken pack and nothing a crash left half-done", () =>
  inFolder((path) => {
    using folder = GitFolder.create(path);
    const incoming = folder.incoming();
    incoming.write(concat(pack("v26-group").subarray(0, -1), Uint8Array.of(0)));
    throws(() => incoming.finish(), { code: "swarm/pack" });
    deepStrictEqual([...Deno.readDirSync(`${path}/objects/pack`)], []);
    Deno.writeTextFileSync(`${path}/objects/pack/tmp-crashed`, "half");
    using _again = GitFolder.open(path);
    deepStrictEqual([...Deno.readDirSync(`${path}/objects/pack`)], []);
  }));

Deno.test("[swarm H28] GitFolder refuses an object whose content is not its id", () =>
  inFolder((path) => {
    using folder = GitFolder.create(path);
    folder.write([tree]);
    Deno.mkdirSync(`${path}/objects/11`);
    Deno.copyFileSync(`${path}/objects/4b/${EMPTY_TREE.slice(2)}`, `${path}/objects/11/${"1".repeat(38)}`);
    throws(() => folder.read("1".repeat(40)), { code: "swarm/object" });
    throws(() => folder.setHead("2".repeat(40) as never), { code: "swarm/missing-object" });
    throws(() => GitFolder.open(`${path}/nowhere`), { code: "swarm/no-repository" });
  }));
