/** Links and media paths in simulated networks: every kind of NAT, carrier NAT, hairpin, loss, mapped ports, one family only. */
import { deepStrictEqual, rejects, strictEqual } from "node:assert/strict";
import { type Host, NAT_KINDS, type NatKind, World } from "../../tests/sim/mod.ts";
import { IceLink } from "./ice_io.ts";
import { IceMedia } from "./ice_media_io.ts";
import type { MapPort, OpenOptions } from "./ice_runner_io.ts";

const link = { delayMs: 10 }, kinds = Object.keys(NAT_KINDS) as NatKind[];
const A = "203.0.113.1", B = "203.0.113.2", BOX = "198.51.100.7", BOX2 = "198.51.100.8";
type Extra = Partial<OpenOptions>;

/** Connects two hosts as a request and its answer would; gives how long it took from the answer on. */
async function connect(world: World, a: Host, b: Host, more: { a?: Extra; b?: Extra } = {}) {
  const initiator = await world.finish(IceLink.open(a.env, { role: "controlled", ...more.a }));
  const responder = await world.finish(IceLink.open(b.env, { role: "controlling", ...more.b }));
  const start = world.now;
  const answered = responder.connect(initiator.offer); // the answer takes a moment through the DHT
  const asked = world.sleep(300).then(() => initiator.connect(responder.offer));
  const close = () =>
    world.finish(Promise.all([initiator[Symbol.asyncDispose](), responder[Symbol.asyncDispose]()]));
  try {
    await world.finish(Promise.all([answered, asked]), 120_000);
  } catch (error) {
    await Promise.allSettled([answered, asked].map((p) => world.finish(p, 120_000)));
    await close();
    throw error;
  }
  return { initiator, responder, ms: world.now - start, close };
}

/** Sends bytes both ways and gives the length each side got. */
async function talk(
  world: World,
  { initiator, responder }: Awaited<ReturnType<typeof connect>>,
  bytes = 100_000,
) {
  const got = async (from: IceLink) => {
    let length = 0;
    while (length < bytes) length += (await from.read())!.length;
    return length;
  };
  const data = new Uint8Array(bytes).fill(0x17);
  const [there, back] = await world.finish(
    Promise.all([got(responder), got(initiator), initiator.write(data), responder.write(data.slice())]),
    300_000,
  );
  deepStrictEqual([there, back], [bytes, bytes]);
}

Deno.test("IceLink connects in the open within three round trips of the answer, alike for one seed", async () => {
  const run = async (seed: number) => {
    const world = new World({ seed });
    const parts = await connect(
      world,
      world.host("a", { ips: [A], link }),
      world.host("b", { ips: [B], link }),
    );
    await talk(world, parts);
    await parts.close();
    return [parts.ms, String(world.hash)] as const;
  };
  const [ms, hash] = await run(1);
  strictEqual(ms <= 300 + 3 * 40 + 5, true, `${ms} ms`);
  deepStrictEqual(await run(1), [ms, hash]);
  strictEqual((await run(2))[1] === hash, false);
});

for (const kind of kinds) {
  for (const who of ["initiator", "responder"] as const) {
    Deno.test(`IceLink connects when the ${who} is behind a ${kind} NAT`, async () => {
      const world = new World({ seed: 3 }), nat = world.nat("box", { kind, ip: BOX, link });
      const inside = world.host("in", { ips: ["192.168.1.10"], segment: nat.inside, link });
      const outside = world.host("out", { ips: [B], link });
      const parts = await connect(
        world,
        who === "initiator" ? inside : outside,
        who === "initiator" ? outside : inside,
      );
      await talk(world, parts);
      await parts.close();
    });
  }
}

Deno.test("IceLink behind two NATs without help fails in bounded time, and leaves nothing behind", async () => {
  const world = new World({ seed: 4 });
  const [one, two] = [
    world.nat("one", { kind: "full-cone", ip: BOX, link }),
    world.nat("two", { kind: "full-cone", ip: BOX2, link }),
  ];
  const a = world.host("a", { ips: ["192.168.1.10"], segment: one.inside, link });
  const b = world.host("b", { ips: ["192.168.2.10"], segment: two.inside, link });
  await rejects(connect(world, a, b), { code: "net/ice-failed" });
  strictEqual(world.now < 40_000, true, `${world.now} ms`);
  await world.run(300_000);
  for (const host of [a, b]) strictEqual(host.process.tcp.open.length, 0);
});

Deno.test("a mapped port leads through two NATs", async () => {
  const world = new World({ seed: 5 });
  const one = world.nat("one", { kind: "symmetric", ip: BOX, link }),
    two = world.nat("two", { kind: "symmetric", ip: BOX2, link });
  const a = world.host("a", { ips: ["192.168.1.10"], segment: one.inside, link });
  const b = world.host("b", { ips: ["192.168.2.10"], segment: two.inside, link });
  let given = 0;
  const mapPort: MapPort = (protocol, port) => {
    const external = one.forward(protocol, 12000, { ip: "192.168.1.10", port });
    return Promise.resolve({ external, [Symbol.asyncDispose]: () => (given++, Promise.resolve()) });
  };
  const parts = await connect(world, a, b, { a: { mapPort } });
  strictEqual(parts.responder.path?.remote.port, 12000);
  strictEqual(
    parts.initiator.offer.candidates.some((c) => c.type === "srflx" && c.tcpType === "passive"),
    true,
  );
  await talk(world, parts);
  await parts.close();
  strictEqual(given, 1);
});

Deno.test("[connection H33] a mapping that other nodes see differently, or that is private, is not offered", async () => {
  for (
    const [external, published] of [["198.51.100.7", "203.0.113.99"], ["10.0.0.1", "198.51.100.7"]] as const
  ) {
    const world = new World({ seed: 6 }), nat = world.nat("box", { kind: "full-cone", ip: BOX, link });
    const host = world.host("a", { ips: ["192.168.1.10"], segment: nat.inside, link });
    const mapPort: MapPort = (_, port) =>
      Promise.resolve({ external: { ip: external, port }, [Symbol.asyncDispose]: () => Promise.resolve() });
    const a = await world.finish(
      IceLink.open(host.env, { role: "controlled", mapPort, published: [published] }),
    );
    const lines = a.offer.candidates.map((c) => `${c.type} ${c.tcpType} ${c.ip}`);
    deepStrictEqual(lines, [
      "host passive 192.168.1.10",
      "host active 192.168.1.10",
      `srflx active ${published}`,
    ]);
    strictEqual(a.drops.get("mapped-address"), 1);
    await world.finish(a[Symbol.asyncDispose]());
  }
});

Deno.test("IceLink finds the short way inside one home, hairpin or not", async () => {
  const world = new World({ seed: 7 }),
    nat = world.nat("box", { kind: "port-restricted", ip: BOX, link, hairpin: false });
  const [a, b] = ["192.168.1.10", "192.168.1.11"].map((ip, i) =>
    world.host(`h${i}`, { ips: [ip], segment: nat.inside, link })
  );
  const parts = await connect(world, a!, b!);
  strictEqual(parts.initiator.path?.remote.ip, "192.168.1.11");
  await talk(world, parts);
  await parts.close();
});

Deno.test("IceLink connects from behind a carrier's NAT behind a home NAT", async () => {
  const world = new World({ seed: 8 }), carrier = world.nat("carrier", { kind: "symmetric", ip: BOX, link });
  const home = world.nat("home", { kind: "port-restricted", ip: "100.64.0.9", link }, carrier.inside);
  const a = world.host("a", { ips: ["192.168.1.10"], segment: home.inside, link }),
    b = world.host("b", { ips: [B], link });
  for (const [from, to] of [[a, b], [b, a]] as const) {
    const parts = await connect(world, from, to);
    await talk(world, parts);
    await parts.close();
  }
});

for (
  const [name, ips] of [["IPv4", [[A], [B]]], ["IPv6", [["2001:db8::1"], ["2001:db8::2"]]], [
    "a family they share",
    [[A, "2001:db8::1"], ["2001:db8::2"]],
  ]] as const
) {
  Deno.test(`[connection 29] IceLink connects over ${name} only`, async () => {
    const world = new World({ seed: 9 });
    const [a, b] = ips.map((own, i) => world.host(`h${i}`, { ips: [...own], link }));
    const parts = await connect(world, a!, b!);
    await talk(world, parts);
    await parts.close();
  });
}

Deno.test("IceLink survives loss, jitter and reordering", async () => {
  for (const seed of [1, 2, 3, 4, 5]) {
    const world = new World({ seed }), bad = { delayMs: 60, jitterMs: 40, loss: 0.05 };
    const parts = await connect(
      world,
      world.host("a", { ips: [A], link: bad }),
      world.host("b", { ips: [B], link: bad }),
    );
    await talk(world, parts, 30_000);
    await parts.close();
  }
});

Deno.test("IceLink notices within two minutes that the other side has vanished, and reports it to who reads", async () => {
  const world = new World({ seed: 10 }),
    a = world.host("a", { ips: [A], link }),
    b = world.host("b", { ips: [B], link });
  const parts = await connect(world, a, b);
  b.crash();
  const start = world.now;
  await rejects(
    world.finish(parts.initiator.read(), 200_000),
    (error: Error & { code?: string }) => error.code?.startsWith("net/ice-") === true,
  );
  strictEqual(world.now - start < 120_000, true, `${world.now - start} ms`);
  await world.finish(parts.initiator[Symbol.asyncDispose]());
});

Deno.test("after a change of address a new session with new credentials connects again", async () => {
  const world = new World({ seed: 11 }),
    a = world.host("a", { ips: [A], link }),
    b = world.host("b", { ips: [B], link });
  const before = await connect(world, a, b);
  a.readdress(["203.0.113.77"]);
  const after = await connect(world, a, b);
  strictEqual(after.initiator.offer.ufrag === before.initiator.offer.ufrag, false);
  strictEqual(after.responder.path?.remote.ip, "203.0.113.77");
  await talk(world, after);
  await before.close();
  await after.close();
});

for (const kind of kinds) {
  Deno.test(`IceMedia connects from behind a ${kind} NAT, for both components`, async () => {
    const world = new World({ seed: 12 }), nat = world.nat("box", { kind, ip: BOX, link, preserve: false });
    const inside = world.host("in", { ips: ["192.168.1.10"], segment: nat.inside, link }),
      outside = world.host("out", { ips: [B], link });
    const components = [1, 2];
    const a = await world.finish(IceMedia.open(inside.env, { role: "controlling", components }));
    const b = await world.finish(IceMedia.open(outside.env, { role: "controlled", components }));
    await world.finish(Promise.all([a.connect(b.offer), b.connect(a.offer)]), 60_000);
    const heard: string[] = [];
    a.onData = (component, bytes) => void heard.push(`${component} ${bytes.toHex()}`);
    for (const c of components) strictEqual(b.send(c, new Uint8Array([0x80, c])), true);
    await world.run(200);
    deepStrictEqual(heard.sort(), ["1 8001", "2 8002"]);
    deepStrictEqual([b.path(1)?.remote.ip, b.path(1)?.remote.type], [BOX, "prflx"]);
    await world.finish(Promise.all([a[Symbol.asyncDispose](), b[Symbol.asyncDispose]()]));
  });
}

Deno.test("IceMedia offers every component, however many addresses a host has", async () => {
  const world = new World({ seed: 13 }), components = [1, 2, 3, 4];
  const many = Array.from({ length: 12 }, (_, i) => `203.0.113.${10 + i}`);
  const a = await world.finish(
    IceMedia.open(world.host("a", { ips: many, link }).env, { role: "controlling", components }),
  );
  const b = await world.finish(
    IceMedia.open(world.host("b", { ips: [B], link }).env, { role: "controlled", components }),
  );
  deepStrictEqual(components.map((c) => a.offer.candidates.filter((l) => l.component === c).length), [
    8,
    8,
    8,
    8,
  ]);
  await world.finish(Promise.all([a.connect(b.offer), b.connect(a.offer)]), 60_000);
  deepStrictEqual(components.map((c) => b.path(c) !== undefined), [true, true, true, true]);
  await world.finish(Promise.all([a[Symbol.asyncDispose](), b[Symbol.asyncDispose]()]));
});
