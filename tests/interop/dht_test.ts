/** Our DHT node among real ones of both generations, and a network of the three kinds. Spec: dht §8. */
import { deepStrictEqual, ok, rejects, strictEqual } from "node:assert/strict";
import {
  Dhtnode,
  type Host,
  Jami26,
  type Kind,
  Lab,
  Peer,
  type PeerOptions,
  peerTest,
} from "./harness/mod.ts";

const REAL = ["v23", "v26"] as const;
const randomKey = () => crypto.getRandomValues(new Uint8Array(20)).toHex();
const randomBytes = (size: number) => {
  const bytes = new Uint8Array(size);
  for (let at = 0; at < size; at += 65536) crypto.getRandomValues(bytes.subarray(at, at + 65536));
  return bytes;
};
const utf8 = (text: string) => new TextEncoder().encode(text);
const until = async (what: string, holds: () => Promise<boolean>, timeout = 15_000) => {
  for (const end = performance.now() + timeout; !(await holds());) {
    if (performance.now() > end) throw new Error(`not within ${timeout} ms: ${what}`);
    await new Promise((done) => setTimeout(done, 100));
  }
};

/** `kinds[0]` first, the others join there. */
async function network(
  lab: Lab,
  kinds: readonly Kind[],
  options: PeerOptions & { family?: 4 | 6 } = {},
): Promise<Peer[]> {
  const { family = 4, ...rest } = options, peers: Peer[] = [];
  for (const [i, kind] of kinds.entries()) {
    const host: Host = await lab.host(`${kind}-${i}`, family === 6 ? { ipv4: false } : {});
    const first = peers[0] && (family === 6 ? peers[0].at6 : peers[0].at4);
    peers.push(await Peer.start(kind, host, { ...rest, ...(first && { bootstrap: [first] }) }));
  }
  await Promise.all(peers.slice(1).map((peer) => peer.connected()));
  return peers;
}

/** What `from` puts, `to` finds, byte for byte. */
async function travels(from: Peer, to: Peer, size: number): Promise<void> {
  const key = randomKey(),
    data = randomBytes(size),
    { ok: stored, id } = await from.put(key, data, { userType: "x/y" });
  ok(stored, `${from.process.name} could not put ${size} bytes`);
  const found = await to.get(key);
  deepStrictEqual(
    found.map((
      value,
    ) => [value.id, value.userType, value.data === data.toHex() ? "same" : value.data.slice(0, 80)]),
    [[id, "x/y", "same"]],
    `${size} bytes from ${from.process.name} to ${to.process.name}`,
  );
}

for (const real of REAL) {
  for (const first of ["kith", real] as const) {
    const second = first === "kith" ? real : "kith";
    for (const family of [4, 6] as const) {
      peerTest(`[dht 57] ${second} joins ${first} over IPv${family}; values of every size travel both ways`, [
        real,
      ], async () => {
        await using lab = await Lab.open();
        const [a, b] = await network(lab, [first, second], { family });
        for (const size of [0, 1, 100, 599, 700, 3_000, 60_000, 65_000]) {
          await travels(a!, b!, size);
          await travels(b!, a!, size);
        }
      });
    }
  }

  peerTest(`[dht 57] what ${real} puts here stays when it has gone, for a node of the other generation`, [
    ...REAL,
  ], async () => {
    await using lab = await Lab.open();
    const [, putter, getter] = await network(lab, ["kith", real, real === "v23" ? "v26" : "v23"]);
    const values = await Promise.all([10, 3_000, 60_000].map(async (size) => {
      const key = randomKey(), data = randomBytes(size);
      ok((await putter!.put(key, data)).ok);
      return { key, data };
    }));
    await putter!.stop();
    for (const { key, data } of values) {
      deepStrictEqual((await getter!.get(key)).map((v) => v.data), [data.toHex()]);
    }
  });

  peerTest(`[dht 19] many values under one key travel between ${real} and us`, [real], async () => {
    await using lab = await Lab.open();
    const [ours, theirs] = await network(lab, ["kith", real]);
    for (const [from, to] of [[ours!, theirs!], [theirs!, ours!]] as const) {
      const key = randomKey(), ids = Array.from({ length: 70 }, (_, i) => String(1000 + i));
      for (const id of ids) ok((await from.put(key, utf8(`value ${id}`), { id })).ok);
      deepStrictEqual((await to.get(key)).map(({ id }) => id).sort(), ids, `from ${from.process.name}`);
    }
  });

  peerTest(`[dht 7] ${real} and we meet on network 7 and never on another`, [real], async () => {
    await using lab = await Lab.open();
    const [ours, theirs] = await network(lab, ["kith", real], { network: 7 });
    await travels(ours!, theirs!, 1000);
    await travels(theirs!, ours!, 1000);
    const stranger = await Peer.start(real, await lab.host("stranger"), {
      network: 8,
      bootstrap: [ours!.at4],
    });
    await rejects(stranger.connected(4_000), /found no network/);
  });

  peerTest(
    `[dht 29] [dht 32] we and ${real} hear each other's values, changes and expiries`,
    [real],
    async () => {
      await using lab = await Lab.open();
      const [ours, theirs, third] = await network(lab, ["kith", real, "kith"]);
      const key = randomKey(), here = await ours!.listen(key), there = await theirs!.listen(key);
      const before = await third!.put(randomKey(), utf8("elsewhere")); // must not be heard
      for (const [from, word] of [[theirs!, "one"], [third!, "two"], [ours!, "three"]] as const) {
        const { id } = await from.put(key, utf8(word));
        for (const listening of [here, there]) {
          strictEqual((await listening.wait("value", id)).data, utf8(word).toHex());
        }
      }
      const late = await third!.listen(key); // values that were there before are pushed first
      await until("three values", () => Promise.resolve(late.heard().length >= 3));
      const heard = [here, there, late].flatMap((listening) => listening.heard());
      strictEqual(heard.some(({ value }) => value.id === before.id), false);
      await here.cancel();
      const after = await theirs!.put(key, utf8("four"));
      await there.wait("value", after.id);
      strictEqual(here.heard().some(({ value }) => value.id === after.id), false, "heard after cancel");
    },
  );

  peerTest(`permanent values of ours and of a dhtnode ${real} are there for the other`, [real], async () => {
    await using lab = await Lab.open();
    const theirs = await Dhtnode.start(real, await lab.host("theirs"), { identity: true });
    const ours = await Peer.start("kith", await lab.host("ours"), { bootstrap: [theirs.at4] });
    await ours.connected();
    const key = randomKey();
    await theirs.put(key, "theirs", "permanent");
    await theirs.put(key, "signed", "signed");
    const { id } = await ours.put(key, utf8("ours"), { permanent: true });
    const words = (await ours.get(key)).map(({ data }) => new TextDecoder().decode(Uint8Array.fromHex(data)))
      .sort();
    deepStrictEqual(words, ["ours", "signed", "theirs"]);
    const printed = await theirs.get(key);
    strictEqual(printed.length, 3);
    ok(printed.some((value) => BigInt("0x" + value.id) === BigInt(id)), "ours is missing there");
  });

  peerTest(
    `[dht 26] [dht 33] queries: ${real} filters with us, we filter and select with ${real}`,
    [real],
    async () => {
      await using lab = await Lab.open();
      const [ours, theirs] = await network(lab, ["kith", real]);
      const key = randomKey();
      const a = await theirs!.put(key, utf8("a"), { userType: "text/plain" });
      const b = await theirs!.put(key, utf8("b"), { userType: "x/y", id: "77" });
      for (const peer of [ours!, theirs!]) {
        const ids = async (query: string) => (await peer.get(key, query)).map(({ id }) => id).sort();
        deepStrictEqual(await ids("WHERE id=77"), [b.id], peer.process.name);
        deepStrictEqual(await ids('WHERE user_type="text/plain"'), [a.id], peer.process.name);
        deepStrictEqual(await ids("WHERE value_type=0"), [a.id, b.id].sort(), peer.process.name);
        deepStrictEqual(await ids("WHERE id=78"), [], peer.process.name);
      }
      const { rows } = await ours!.ask("query", { key, query: "SELECT id,user_type" });
      deepStrictEqual(
        (rows as Record<string, string>[]).map(({ id, userType }) => `${id} ${userType}`).sort(),
        [`${a.id} text/plain`, `${b.id} x/y`].sort(),
      );
    },
  );
}

peerTest(
  "[dht 32] expiries reach the listeners: both generations hear ours, we hear theirs",
  [...REAL],
  async () => {
    await using lab = await Lab.open();
    const [ours, ...theirs] = await network(lab, ["kith", ...REAL]);
    await Promise.all(theirs.map(async (real) => {
      const key = randomKey(), there = await real.listen(key), here = await ours!.listen(key);
      const { id } = await ours!.put(key, utf8("short"), { created: Date.now() - (10 * 60 - 8) * 1000 }); // 8 s left
      await there.wait("value", id);
      const minute = await real.put(key, Uint8Array.fromHex("9209c4020102"), { type: 5 }); // lives one minute
      await here.wait("value", minute.id);
      await there.wait("expired", id, 30_000);
      await here.wait("expired", id, 30_000);
      await here.wait("expired", minute.id, 80_000);
    }));
  },
);

peerTest(
  "[dht 54] we come back from our state file: nodes and values, without a bootstrap host",
  [...REAL],
  async () => {
    await using lab = await Lab.open();
    const [a, b] = await network(lab, ["v23", "v26"]);
    const state = `${await lab.folder()}/dht.state`, host = await lab.host("ours"), key = randomKey();
    const ours = await Peer.start("kith", host, { state, bootstrap: [a!.at4] });
    await ours.connected();
    const { id } = await a!.put(key, utf8("kept"));
    deepStrictEqual((await ours.get(key)).map((value) => value.id), [id]);
    await ours.stop();
    await a!.stop(); // the node we joined at is gone: only the file knows the other one
    const again = await Peer.start("kith", host, { state });
    strictEqual(again.id, ours.id);
    await again.connected();
    await travels(again, b!, 2_000);
    await travels(b!, again, 2_000);
  },
);

peerTest(
  "[dht 57] eight nodes of three kinds: what any of them puts, each of the others finds",
  [...REAL],
  async () => {
    await using lab = await Lab.open();
    const peers = await network(lab, ["v23", "kith", "v26", "kith", "v23", "v26", "kith", "kith"]);
    for (const [i, from] of peers.entries()) {
      const key = randomKey(),
        data = randomBytes([40, 900, 5_000, 30_000][i % 4]!),
        { ok: stored } = await from.put(key, data);
      ok(stored, from.process.name);
      for (const to of peers) {
        deepStrictEqual(
          (await to.get(key)).map((value) => value.data),
          [data.toHex()],
          `${from.process.name} → ${to.process.name}`,
        );
      }
    }
  },
);

peerTest("a node that was unplugged finds the network again", [...REAL], async () => {
  await using lab = await Lab.open();
  const [theirs, ours] = await network(lab, ["v26", "kith"]);
  await ours!.host.cable(false);
  strictEqual((await ours!.put(randomKey(), utf8("alone"))).ok, false);
  await ours!.host.cable(true);
  await ours!.ask("connectivityChanged");
  await ours!.connected(40_000);
  await travels(ours!, theirs!, 100);
});

peerTest(
  "a Jami daemon of 2026 joins at our node alone, and its announcement is found",
  ["jami26", "v26"],
  async () => {
    await using lab = await Lab.open();
    const [ours, other] = await network(lab, ["kith", "v26"]);
    const daemon = await Jami26.start(await lab.host("daemon"));
    const { jamiId } = await daemon.account({ bootstrap: ours!.at4 });
    strictEqual((await ours!.get(jamiId)).length, 1);
    strictEqual((await other!.get(jamiId)).length, 1);
    await travels(ours!, other!, 1000);
  },
);
