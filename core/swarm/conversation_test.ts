import { deepStrictEqual, rejects, strictEqual } from "node:assert/strict";
import { type CommitId } from "../base/mod.ts";
import { git, gitText } from "../../tests/git_tool.ts";
import { Place } from "../../tests/places.ts";
import { makePerson, MemoryRepository, type Person, START } from "../../tests/people.ts";
import { Conversation } from "./conversation.ts";
import { packPieces } from "./git/pack_write.ts";

const [alice, bob, carol] = await Promise.all(["Alice", "Bob", "Carol"].map(makePerson)) as [
  Person,
  Person,
  Person,
];

async function packOf(from: Conversation, haves: readonly CommitId[]): Promise<Uint8Array[]> {
  const ids = await from.lacking(from.tip, haves);
  return [...packPieces(ids.length, ids.map((id) => from.folder.read(id)!))];
}
async function fetchInto(to: Conversation, from: Conversation) {
  const incoming = to.folder.incoming();
  for (const piece of await packOf(from, to.haves())) incoming.write(piece);
  return await to.receive(incoming.finish(), from.tip);
}
const clone = async (place: Place, from: Conversation) =>
  place.keep(
    await Conversation.clone(place.ground, from.id, place.path(from.id), async (folder) => {
      const incoming = folder.incoming();
      for (const piece of await packOf(from, [])) incoming.write(piece);
      return { quarantine: incoming.finish(), tip: from.tip };
    }),
  );
const texts = (c: Conversation) =>
  c.ground.index.page(c.id).flatMap((m) => m.type === "text/plain" ? [m.text] : []).reverse();

Deno.test("[swarm 1] [swarm 2] [swarm 15] [swarm 16] Conversation is made, shared, joined and spoken in by three", async () => {
  await using a = await Place.of(alice), b = await Place.of(bob), c = await Place.of(carol);
  const mine = a.keep(await Conversation.create(a.ground, 2, a.path));
  await mine.invite(bob.account);
  const bobs = await clone(b, mine);
  strictEqual(bobs.role(bob.account), "invited");
  await bobs.join();
  await bobs.invite(carol.account);
  await fetchInto(mine, bobs);
  const carols = await clone(c, mine);
  await carols.join();
  await carols.send("hello, all");
  await fetchInto(mine, carols);
  await fetchInto(bobs, mine);
  for (const one of [mine, bobs, carols]) {
    strictEqual(one.tip, carols.tip);
    deepStrictEqual(one.members.map((m) => m.role).sort(), ["admin", "member", "member"]);
    deepStrictEqual(texts(one), ["hello, all"]);
    await git(one.folder.path, ["fsck", "--strict"]);
  }
  strictEqual(await gitText(mine.folder.path, ["rev-list", "--max-parents=0", "main"]), mine.id);
});

Deno.test("[swarm 23] [swarm 26] Conversation merges what was said apart, once, and never when it need not", async () => {
  await using a = await Place.of(alice), b = await Place.of(bob);
  const mine = a.keep(await Conversation.create(a.ground, 0, a.path, bob.account)),
    bobs = await clone(b, mine);
  await bobs.join();
  await fetchInto(mine, bobs);
  strictEqual(mine.tip, bobs.tip);
  for (let i = 0; i < 5; i++) await mine.send(`a${i}`), await bobs.send(`b${i}`);
  const { fresh } = await fetchInto(mine, bobs);
  deepStrictEqual(fresh.filter((commit) => commit.type === "merge").length, 1);
  await fetchInto(bobs, mine);
  strictEqual(mine.tip, bobs.tip);
  deepStrictEqual(texts(mine), texts(bobs));
  strictEqual(texts(mine).length, 10);
  strictEqual((await fetchInto(bobs, mine)).fresh.length, 0);
  await git(mine.folder.path, ["fsck", "--strict"]);
});

Deno.test("[swarm 18] [swarm 19] [swarm 25] Conversation bans, unbans, and agrees on a profile changed on both sides", async () => {
  await using a = await Place.of(alice), b = await Place.of(bob);
  const mine = a.keep(await Conversation.create(a.ground, 2, a.path));
  await mine.invite(bob.account);
  const bobs = await clone(b, mine);
  await bobs.join();
  await fetchInto(mine, bobs);
  await mine.ban(bob.account);
  await fetchInto(bobs, mine);
  strictEqual(bobs.role(bob.account), "banned");
  await rejects(bobs.send("no"), { code: "swarm/not-member" });
  await mine.unban(bob.account);
  await fetchInto(bobs, mine);
  await bobs.send("back again");
  await rejects(bobs.ban(alice.account), { code: "swarm/not-admin" });
  await rejects(async () => await bobs.setProfile({ title: "x" }), { code: "swarm/not-admin" });
  await mine.setProfile({ title: "Trip\nto Rome", description: "2027" });
  await fetchInto(mine, bobs);
  deepStrictEqual(mine.profile(), { title: "Trip to Rome", description: "2027" });
});

Deno.test("[swarm 20] Conversation is left, and nothing can be said in it afterwards", async () => {
  await using a = await Place.of(alice), b = await Place.of(bob);
  const mine = a.keep(await Conversation.create(a.ground, 2, a.path));
  await mine.invite(bob.account);
  const bobs = await clone(b, mine);
  await bobs.join();
  await bobs.leave();
  await fetchInto(mine, bobs);
  deepStrictEqual([mine.role(bob.account), mine.hasDevice(bob.id)], [undefined, false]);
  await rejects(bobs.send("wait"), { code: "swarm/not-member" });
  await mine.invite(bob.account);
  await fetchInto(bobs, mine);
  await bobs.join();
  strictEqual(bobs.role(bob.account), "member");
});

Deno.test("Conversation opens again as it was, and rebuilds its index from the repository", async () => {
  await using a = await Place.of(alice);
  const made = await Conversation.create(a.ground, 2, a.path);
  await made.send("kept");
  await made[Symbol.asyncDispose]();
  const again = await Conversation.open(a.ground, made.id, a.path(made.id));
  deepStrictEqual(texts(again), ["kept"]);
  a.ground.index.remove(made.id);
  await again[Symbol.asyncDispose]();
  const rebuilt = a.keep(await Conversation.open(a.ground, made.id, a.path(made.id)));
  deepStrictEqual(texts(rebuilt), ["kept"]);
});

Deno.test("[swarm H2] Conversation takes in what is good of a pack and leaves the rest outside", async () => {
  await using a = await Place.of(alice), b = await Place.of(bob);
  const mine = a.keep(await Conversation.create(a.ground, 0, a.path, bob.account)),
    bobs = await clone(b, mine);
  await bobs.join();
  await bobs.send("good");
  const good = bobs.tip, forged = new MemoryRepository();
  for (const id of await bobs.lacking(good, [])) forged.objects.set(id, bobs.folder.read(id)!);
  const bad = { tree: new TextDecoder().decode(bobs.folder.read(good)!.body).slice(5, 45) };
  const id = forged.store(
    "commit",
    new TextEncoder().encode(
      `tree ${bad.tree}\nparent ${good}\nauthor B <${bob.id}> ${START} +0000\ncommitter B <${bob.id}> ${START} +0000\nsignature AAAA\n\n{"body":"forged","type":"text/plain"}`,
    ),
  );
  const incoming = mine.folder.incoming(), objects = [...forged.objects.values()];
  for (const piece of packPieces(objects.length, objects)) incoming.write(piece);
  const { refused } = await mine.receive(incoming.finish(), id as CommitId);
  deepStrictEqual(refused, [{ id, why: "signature" }]);
  deepStrictEqual([mine.tip, mine.folder.has(id), texts(mine)], [good, false, ["good"]]);
});

Deno.test("Conversation refuses what cannot be said", async () => {
  await using a = await Place.of(alice);
  const mine = a.keep(await Conversation.create(a.ground, 2, a.path));
  for (const words of ["", "x".repeat((1 << 20) + 1)]) {
    await rejects(async () => await mine.send(words), { code: "swarm/text-size" });
  }
  await rejects(async () => await mine.send("x", "1".repeat(40) as CommitId), {
    code: "swarm/unknown-commit",
  });
  await rejects(async () => await mine.invite(alice.account), { code: "swarm/already-member" });
  await rejects(async () => await mine.ban(bob.account), { code: "swarm/unknown-member" });
  await rejects(Conversation.create(a.ground, 2, a.path, bob.account), { code: "swarm/mode" });
});
