import { deepStrictEqual, rejects, strictEqual } from "node:assert/strict";
import { type CommitId, realClock } from "../../base/mod.ts";
import { makePerson, type Person } from "../../../tests/people.ts";
import { Place } from "../../../tests/places.ts";
import { memoryPair } from "../../../tests/streams.ts";
import { Conversation } from "../conversation.ts";
import { pktLine } from "../git/pkt_line.ts";
import { Fetcher } from "./fetch.ts";
import { serve } from "./serve.ts";

const [alice, bob] = await Promise.all(["Alice", "Bob"].map(makePerson)) as [Person, Person];
const clock = realClock;

const fetcherFor = (
  conversation: Conversation,
  channel: ReturnType<typeof memoryPair>[0],
  device = alice.id,
) =>
  new Fetcher(channel, {
    conversation: conversation.id,
    device,
    clock,
    folder: conversation.folder,
    haves: () => conversation.haves(),
  });

async function cloneOver(
  place: Place,
  from: Conversation,
  channel: ReturnType<typeof memoryPair>[0],
): Promise<Conversation> {
  return place.keep(
    await Conversation.clone(place.ground, from.id, place.path(from.id), async (folder) => {
      await using fetcher = new Fetcher(channel, {
        conversation: from.id,
        device: alice.id,
        clock,
        folder,
        haves: () => [],
      });
      const { tip, pack } = await fetcher.pull();
      return { quarantine: pack!, tip };
    }),
  );
}

Deno.test("[swarm 32] [swarm 35] [swarm 40] Fetcher and serve() clone, then fetch again and again on one channel, in one-byte pieces", async () => {
  await using a = await Place.of(alice), b = await Place.of(bob);
  const mine = a.keep(await Conversation.create(a.ground, 0, a.path, bob.account)), fetched: CommitId[] = [];
  const first = memoryPair({ cut: [1] }),
    serving = serve(first[1], mine, { clock, fetched: (id) => fetched.push(id) });
  const bobs = await cloneOver(b, mine, first[0]);
  strictEqual(await serving, undefined);
  deepStrictEqual(fetched, [mine.tip]);
  const [near, far] = memoryPair(), again = serve(far, mine, { clock, fetched: (id) => fetched.push(id) });
  {
    await using fetcher = fetcherFor(bobs, near);
    deepStrictEqual(await fetcher.pull(), { tip: mine.tip, pack: undefined });
    for (let i = 0; i < 3; i++) {
      await mine.send(`news ${i}`);
      const [one, other] = await Promise.all([fetcher.pull(), i === 1 ? fetcher.pull() : undefined]);
      await bobs.receive(one.pack!, one.tip);
      other?.pack?.[Symbol.dispose]();
      strictEqual(bobs.tip, mine.tip);
    }
  }
  await again;
  strictEqual(fetched.at(-1), mine.tip);
});

Deno.test("[swarm 34] serve() streams a large pack to a slow reader without holding it", async () => {
  await using a = await Place.of(alice), b = await Place.of(bob);
  const mine = a.keep(await Conversation.create(a.ground, 0, a.path, bob.account));
  for (let i = 0; i < 6; i++) await mine.send(crypto.getRandomValues(new Uint8Array(60_000)).toHex());
  const sizes: number[] = [],
    [near, far] = memoryPair({ capacity: 4096, tap: (bytes) => sizes.push(bytes.length) });
  const serving = serve(far, mine, { clock });
  const bobs = await cloneOver(b, mine, near);
  await serving;
  strictEqual(bobs.tip, mine.tip);
  strictEqual(Math.max(...sizes) <= 65_520, true);
});

Deno.test("[swarm 38] [swarm H32] serve() closes the channel on nonsense and on what it may not give", async () => {
  await using a = await Place.of(alice);
  const mine = a.keep(await Conversation.create(a.ground, 2, a.path));
  const endOf = async (...lines: (string | "0000")[]) => {
    const [near, far] = memoryPair(), serving = serve(far, mine, { clock });
    for (const line of lines) {
      await near.write(line === "0000" ? new TextEncoder().encode(line) : pktLine(line)).catch(() => {});
    }
    const end = await serving;
    await near[Symbol.asyncDispose]();
    return end;
  };
  const request = `git-upload-pack /${mine.id}\0host=${alice.id}\0`;
  strictEqual(await endOf("GET / HTTP/1.1"), "protocol");
  strictEqual(await endOf(request, `want ${"1".repeat(40)}\n`, "0000", "done\n"), "refused");
  const tree = new TextDecoder().decode(mine.folder.read(mine.tip)!.body).slice(5, 45);
  strictEqual(await endOf(request, `want ${tree}\n`, "0000", "done\n"), "refused");
});

Deno.test("[swarm 39] Fetcher fails cleanly when the peer ends, lies or sends a broken pack", async () => {
  await using a = await Place.of(alice);
  const mine = a.keep(await Conversation.create(a.ground, 2, a.path)), other = "2".repeat(40);
  const answer = async (...lines: (string | Uint8Array)[]) => {
    const [near, far] = memoryPair(), fetcher = fetcherFor(mine, near);
    const answering = (async () => {
      await far.read();
      for (const line of lines) {
        await far.write(line === "0000" ? new TextEncoder().encode("0000") : pktLine(line));
      }
      await far.close();
    })();
    try {
      return await fetcher.pull();
    } finally {
      await answering.catch(() => {});
      await fetcher[Symbol.asyncDispose]();
      await far[Symbol.asyncDispose]();
    }
  };
  await rejects(answer(), { code: "swarm/fetch-failed" });
  await rejects(answer("nonsense"), { code: "swarm/fetch-failed" });
  await rejects(
    answer(
      `${other} HEAD\0x\n`,
      `${other} refs/heads/main\n`,
      "0000",
      "NAK\n",
      Uint8Array.of(1, 80, 65, 67, 75),
      "0000",
    ),
    { code: "swarm/pack" },
  );
  deepStrictEqual([...Deno.readDirSync(`${mine.folder.path}/objects/pack`)], []);
});
