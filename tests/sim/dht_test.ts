import { deepStrictEqual, notStrictEqual, ok, strictEqual } from "node:assert/strict";
import { text } from "../../core/base/mod.ts";
import { createTwinKernel } from "../../wasm/mod.ts";
import { seeded } from "../tools.ts";
import { DhtLoad } from "./dht_load.ts";
import { DhtNet, type DhtNetOptions, type Member } from "./dht_net.ts";
import { type Access, NAT_KINDS, type NatKind } from "./mod.ts";

const MINUTE = 60_000;
/** 5 % of all packets are lost, half of them on each side. */
const HOME: Access = { delayMs: 20, jitterMs: 20, loss: 0.025 };

async function grown(count: number, options: Partial<DhtNetOptions> & { seed: number }, settle = 2 * MINUTE) {
  const net = new DhtNet({ link: HOME, ...options });
  await net.grow(count);
  await net.world.run(settle);
  return net;
}

async function finds(net: DhtNet, asker: Member, key: Uint8Array): Promise<string[]> {
  const op = asker.get(key);
  await net.world.until(() => op.done !== undefined, MINUTE);
  return op.values.map((value) => text(value.data) ?? "?").sort();
}

seeded(
  "a DHT of 100 nodes, a quarter with IPv6 too, finds every value in spite of loss",
  [1, 2],
  async (seed) => {
    const net = await grown(100, { seed, dual: 0.25 }), load = new DhtLoad(net);
    strictEqual(net.settled(MINUTE).length, 100, "everyone is connected");
    await load.run(2 * MINUTE, 20, 3);
    await net.world.run(MINUTE);
    deepStrictEqual(load.misses, []);
    ok(load.asked > 300, `asked ${load.asked}`);
  },
);

seeded(
  "a DHT keeps its values while a fifth of its nodes is replaced every ten minutes",
  [3],
  async (seed) => {
    const net = await grown(100, { seed }), load = new DhtLoad(net);
    using _churn = net.churn(0.2);
    await load.run(20 * MINUTE, 20, 1);
    await net.world.run(MINUTE);
    ok(net.crashed > 20, `only ${net.crashed} crashed`);
    deepStrictEqual(load.misses, []);
    ok(load.asked > 1000, `asked ${load.asked}`);
  },
);

Deno.test("a DHT run hashes alike for one seed, differently for another, churn and all", async () => {
  const run = async (seed: number) => {
    const net = await grown(60, { seed, dual: 0.25 }), load = new DhtLoad(net);
    using _churn = net.churn(0.5);
    await load.run(3 * MINUTE, 10, 2);
    return `${net.world.hash} ${net.world.events} ${load.found}`;
  };
  const first = await run(1);
  strictEqual(await run(1), first);
  notStrictEqual(await run(2), first);
});

seeded("nodes behind NATs of every kind put and get", [4], async (seed) => {
  const kinds = Object.keys(NAT_KINDS) as NatKind[];
  const net = await grown(80, {
    seed,
    place: (world, index) => {
      if (index < 8 || index % 2) return undefined; // every second one, after a few that can be reached
      const kind = kinds[index % kinds.length]!, ip = `70.0.${index >> 6}.${(index & 63) + 1}`;
      const carrier = index % 16 === 0
        ? world.nat(`carrier ${index}`, { kind: "symmetric", ip, udpMs: 180_000 })
        : undefined;
      const nat = world.nat(
        `nat ${index}`,
        { kind, ip: carrier ? "100.64.0.2" : ip, udpMs: 180_000 },
        carrier?.inside,
      );
      return { segment: nat.inside, ip: "192.168.1.2" };
    },
  }, 4 * MINUTE);
  const hidden = net.members.filter((m) => m.address.ip.startsWith("192.168."));
  strictEqual(hidden.length, 36);
  strictEqual(net.settled(MINUTE).length, 80, "everyone is connected");
  const keys = hidden.map((member, i) => {
    const key = net.luck.bytes(20);
    member.put(key, `from ${i}`);
    return key;
  });
  await net.world.run(MINUTE);
  for (const [i, key] of keys.entries()) {
    deepStrictEqual(await finds(net, net.luck.pick(hidden), key), [`from ${i}`]);
    deepStrictEqual(await finds(net, net.luck.pick(net.members), key), [`from ${i}`]);
  }
});

seeded("a DHT that was cut in two serves both halves, and becomes one again", [5], async (seed) => {
  const net = await grown(60, { seed }), left = net.members.slice(0, 30), right = net.members.slice(30);
  const [a, b] = [left[3]!, right[3]!], [keyA, keyB] = [net.luck.bytes(20), net.luck.bytes(20)];
  const cut = net.world.cut(left.map((m) => m.host), right.map((m) => m.host));
  await net.world.run(12 * MINUTE); // ten minutes long, nodes still name the lost ones to each other
  a.put(keyA, "left"), b.put(keyB, "right");
  await net.world.run(MINUTE);
  deepStrictEqual(await finds(net, left[20]!, keyA), ["left"]);
  deepStrictEqual(await finds(net, right[20]!, keyB), ["right"]);
  deepStrictEqual(await finds(net, right[20]!, keyA), []);
  cut[Symbol.dispose]();
  const wait = net.world.now;
  let both = false;
  while (!both && net.world.now - wait < 30 * MINUTE) {
    await net.world.run(MINUTE);
    both = (await finds(net, right[9]!, keyA)).length > 0 && (await finds(net, left[9]!, keyB)).length > 0;
  }
  ok(both, "half an hour after the cut was mended the halves still do not see each other");
});

seeded("listeners hear of values put anywhere, once each, and of their end", [6], async (seed) => {
  const net = await grown(50, { seed }),
    key = net.luck.bytes(20),
    [reader, early, late] = [4, 11, 23].map((i) => net.members[i]!);
  early!.put(key, "early");
  await net.world.run(20_000);
  const { heard } = reader!.listen(key);
  await net.world.run(20_000);
  late!.put(key, "late");
  await net.world.run(20_000);
  const told = () => heard.map(({ value, expired }) => `${expired ? "gone" : "new"} ${text(value.data)}`);
  deepStrictEqual(told(), ["new early", "new late"]);
  late!.crash();
  await net.world.run(25 * MINUTE); // permanent puts are refreshed: only the dead one's value ends
  deepStrictEqual(told(), ["new early", "new late", "gone late"]);
});

seeded(
  "a node that changes its address keeps its values findable and its subscription alive",
  [7],
  async (seed) => {
    const net = await grown(50, { seed }),
      mover = net.members[17]!,
      key = net.luck.bytes(20),
      topic = net.luck.bytes(20);
    mover.put(key, "moving");
    const { heard } = mover.listen(topic);
    await net.world.run(30_000);
    mover.host.readdress(["60.200.0.1"]);
    mover.connectivityChanged();
    await net.world.run(MINUTE);
    strictEqual(mover.status, "connected");
    net.members[30]!.put(topic, "news");
    await net.world.run(MINUTE);
    deepStrictEqual(heard.map(({ value }) => text(value.data)), ["news"]);
    await net.world.run(20 * MINUTE); // longer than a value lives without being refreshed
    deepStrictEqual(await finds(net, net.members[40]!, key), ["moving"]);
  },
);

seeded("wrong wall clocks, by a day, do no harm", [8], async (seed) => {
  const day = 86_400_000, net = await grown(50, { seed, skewMs: (luck) => luck.pick([-day, 0, day]) });
  const load = new DhtLoad(net);
  await load.run(15 * MINUTE, 20, 1);
  await net.world.run(MINUTE);
  deepStrictEqual(load.misses, []);
});

seeded(
  "[dht 49] a node that starts before its bootstrap hosts tries at 0, 10, 30, 70 s and gets in",
  [9],
  async (seed) => {
    const net = new DhtNet({ seed, link: { delayMs: 20 } });
    const tries: number[] = [];
    const first = net.join(), second = net.join(); // the second one knows the first one only
    await net.world.run(10);
    first.crash(), second.crash();
    const start = net.world.now;
    second.start([first.address]);
    let sent = net.world.sent;
    const end = start + 75_000;
    while (net.world.now < end) {
      await net.world.run(100);
      if (net.world.sent > sent && second.node!.info().ipv4!.status !== "connected") {
        const at = Math.round((net.world.now - start) / 1000);
        if (tries.at(-1) !== at) tries.push(at);
      }
      sent = net.world.sent;
    }
    for (const at of [0, 10, 30, 70]) ok(tries.includes(at), `no try at ${at} s, but at ${tries}`);
    first.start([]);
    ok(
      await net.world.until(() => second.status === "connected", 80_000),
      "connected at the next try, 150 s",
    );
  },
);

Deno.test("kernels in WebAssembly and their twins make the same run", async () => {
  const { createWasmKernel } = await import("../../wasm/mod.ts") as unknown as {
    createWasmKernel: typeof createTwinKernel;
  };
  const run = async (kernel: typeof createTwinKernel) => {
    const net = await grown(32, { seed: 10, dual: 0.25, kernel }), load = new DhtLoad(net);
    using _churn = net.churn(0.5);
    await load.run(4 * MINUTE, 10, 2);
    return `${net.world.hash} ${net.world.events} ${load.found} of ${load.asked}`;
  };
  strictEqual(await run(createWasmKernel), await run(createTwinKernel));
});
