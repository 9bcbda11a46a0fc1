import { deepStrictEqual, strictEqual, throws } from "node:assert/strict";
import fc from "fast-check";
import { concat, hex, text, utf8 } from "../../base/mod.ts";
import { sha512 } from "../../crypto/mod.ts";
import { git, gitText } from "../../../tests/git_tool.ts";
import { type Draft, parseCommit, signedCommit, unsignedCommit, withSignatureLine } from "./commit.ts";
import { formatTree, objectId, parseTree, type TreeEntry } from "./objects.ts";

const alice = { name: "Alice", email: "d".repeat(64), time: 1700000000 };
const tree = "4b825dc642cb6eb9a060e54bf8d69288fbee4904";
const idOf = (draft: Draft) => objectId("commit", withSignatureLine(unsignedCommit(draft), "AAAA"));

Deno.test("[swarm 5] unsignedCommit() and its signature line give the four ids of the layout vector", () => {
  const first: Draft = { tree, parents: [], author: alice, message: '{"mode":2,"type":"initial"}' };
  const bytes = unsignedCommit(first);
  strictEqual(bytes.length, 271);
  strictEqual(
    hex(sha512(bytes)),
    "7517026e1b0068dddbdf7d12014c178839a6aac2253ee9d88f0c0513386716075ee6151ba869643e5b1ce6239dd70e9377f1e0298a74b0c45f459d432c129d9e",
  );
  strictEqual(withSignatureLine(bytes, "AAAA").length, 286);
  const root = idOf(first);
  strictEqual(root, "63625f6878a9848cff07e5703ebf00e87b627e9e");
  const hi = idOf({
    tree,
    parents: [root],
    author: { ...alice, time: 1700000001 },
    message: '{"body":"hi","type":"text/plain"}',
  });
  strictEqual(hi, "f844a63a32d26bf51d8c09d0707ca1f78a9114f1");
  const bob = { name: "Bob", email: "e".repeat(64), time: 1700000002 };
  const yo = idOf({ tree, parents: [root], author: bob, message: '{"body":"yo","type":"text/plain"}' });
  strictEqual(yo, "f393b90666f2c2dd11f9e1bcf6dce324967a3ca5");
  const merge = idOf({
    tree,
    parents: [hi, yo],
    author: { ...alice, time: 1700000003 },
    message: `Merge commit '${yo}'`,
  });
  strictEqual(merge, "aa4682336ce4c644ac75bf8a9f59cc3fa5b01fe8");
});

Deno.test("[swarm 6] [swarm 7] parseCommit() gives back what was signed, and the signature is one padded line", () => {
  const unsigned = unsignedCommit({
    tree,
    parents: ["1".repeat(40)],
    author: alice,
    message: "signature AAAA\n\nsignature BBBB\n",
  });
  const signature = new Uint8Array(512).fill(7), commit = parseCommit(signedCommit(unsigned, signature));
  deepStrictEqual(commit.signed, unsigned);
  deepStrictEqual(commit.signature, signature);
  const head = text(signedCommit(unsigned, signature))!.split("\n\n")[0]!.split("\n");
  strictEqual(head.at(-1)!.length, "signature ".length + 684);
  strictEqual(head.at(-1)!.startsWith("signature "), true);
});

Deno.test("[swarm H6] parseCommit() takes no signature from the message", () => {
  strictEqual(
    parseCommit(unsignedCommit({ tree, parents: [], author: alice, message: "signature AAAA\n" })).signature,
    undefined,
  );
});

Deno.test("[swarm H5] parseCommit() reads a folded signature and the same bytes below it", () => {
  const unsigned = unsignedCommit({ tree, parents: [], author: alice, message: "x" });
  const folded = parseCommit(withSignatureLine(unsigned, "BwcH\n BwcH")),
    whole = parseCommit(withSignatureLine(unsigned, "BwcHBwcH"));
  deepStrictEqual(folded.signature, whole.signature);
  deepStrictEqual(folded.signed, whole.signed);
});

Deno.test("[swarm 8] [swarm 9] unsignedCommit() makes commits git accepts, whatever the display name", async () => {
  const folder = await Deno.makeTempDir();
  try {
    await git(folder, ["init", "-q"]);
    await git(folder, ["hash-object", "-w", "-t", "tree", "--stdin"], new Uint8Array());
    for (
      const name of [
        "<x>",
        " ",
        ".",
        "\u{1F600}".repeat(2500),
        "two\nlines\r\n<a@b> 1 +0000",
        "é\u0000",
        "\u202Eevil",
        "",
      ]
    ) {
      const body = unsignedCommit({ tree, parents: [], author: { ...alice, name }, message: "{}" });
      const id = await gitText(folder, ["hash-object", "-w", "-t", "commit", "--stdin"], text(body)!);
      strictEqual(id, objectId("commit", body));
      await git(folder, ["update-ref", "refs/heads/main", id]);
      await git(folder, ["fsck", "--strict"]);
      const commit = parseCommit(body);
      deepStrictEqual(commit.author, commit.committer);
      strictEqual(commit.author.name.length > 0 && commit.author.email === alice.email, true, name);
      strictEqual(
        await gitText(folder, ["show", "-s", "--format=%ae %at %ad %cd", "--date=raw"]),
        `${alice.email} 1700000000 1700000000 +0000 1700000000 +0000`,
      );
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("[swarm H24] [swarm H31] parseCommit() gives a commit or a DecodeError for any bytes", () => {
  const good = signedCommit(
    unsignedCommit({ tree, parents: ["1".repeat(40)], author: alice, message: "hello" }),
    new Uint8Array(8),
  );
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat(good.length - 1), fc.nat(255)), { maxLength: 4 }),
      fc.nat(good.length),
      (edits, cut) => {
        const bytes = good.slice(0, cut);
        for (const [at, value] of edits) {
          if (at < cut) bytes[at] = value;
        }
        try {
          const commit = parseCommit(bytes);
          strictEqual(commit.tree.length, 40);
        } catch (error) {
          strictEqual((error as { code: string }).code, "swarm/commit");
        }
      },
    ),
    { numRuns: 3000 },
  );
  for (const time of ["-5", "9007199254740993", "0"]) {
    strictEqual(
      parseCommit(utf8(`tree ${tree}\nauthor A <a> ${time} +0000\ncommitter A <a> ${time} +0000\n\n`))
        .committer.time,
      Number(time),
    );
  }
  throws(() => parseCommit(utf8(`tree ${tree}\n${"x y\n".repeat(100)}\n`)), { code: "swarm/commit" });
});

Deno.test("parseTree() undoes formatTree(), sorted as git sorts", async () => {
  const entries: TreeEntry[] = ["a.b", "a", "a-b", "B", "z"].map((name) => ({
    mode: name === "a" ? "40000" : "100644",
    name,
    id: name === "a" ? tree : "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391",
  }));
  const body = formatTree(entries), read = parseTree(body);
  deepStrictEqual(new Set(read.map((entry) => entry.name)), new Set(entries.map((entry) => entry.name)));
  deepStrictEqual(formatTree(read), body);
  const folder = await Deno.makeTempDir();
  try {
    await git(folder, ["init", "-q"]);
    await git(folder, ["hash-object", "-w", "--stdin"], "");
    await git(folder, ["hash-object", "-w", "-t", "tree", "--stdin"], new Uint8Array());
    const lines = entries.map((entry) =>
      `${entry.mode.padStart(6, "0")} ${entry.mode === "40000" ? "tree" : "blob"} ${entry.id}\t${entry.name}`
    ).join("\n");
    strictEqual(await gitText(folder, ["mktree"], lines + "\n"), objectId("tree", body));
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("[swarm H9] [swarm H10] parseTree() refuses names, order and duplicates that mislead", () => {
  const id = new Uint8Array(20), row = (mode: string, name: string) => concat(utf8(`${mode} ${name}\0`), id);
  for (const name of ["", ".", "..", ".git", ".GIT", "git~1", "a/b", "a\\b", "a\nb", "a\x7f"]) {
    throws(() => parseTree(row("100644", name)), { code: "swarm/tree" }, name);
  }
  for (const mode of ["100777", "40755", "0100644", "", "644"]) {
    throws(() => parseTree(row(mode, "a")), { code: "swarm/tree" }, mode);
  }
  throws(() => parseTree(concat(row("100644", "b"), row("100644", "a"))), { code: "swarm/tree" });
  throws(() => parseTree(concat(row("100644", "a"), row("100644", "a"))), { code: "swarm/tree" });
  throws(() => parseTree(concat(row("100644", "a"), row("100644", "a-"), row("40000", "a"))), {
    code: "swarm/tree",
  });
  throws(() => parseTree(row("100644", "a").subarray(0, 20)), { code: "swarm/tree" });
});
