/** The DHT room through its front door, on simulated hosts with the real signature check. */
import { deepStrictEqual, ok, rejects, strictEqual } from "node:assert/strict";
import { type InfoHash, text, utf8 } from "../../core/base/mod.ts";
import { verifySignature } from "../../core/crypto/mod.ts";
import { decodeValue, Dht, type DhtOptions, makeValue } from "../../core/dht/mod.ts";
import { v26 } from "../vectors/dht/values.ts";
import { type Host, type SimEnv, World } from "./mod.ts";

const KEY = "0beec7b5ea3f0fdbc95d0dd47f3c5bc275da8a33" as InfoHash, MINUTE = 60_000;

async function lab(count: number, seed: number) {
  const world = new World({ seed }), checks = { signatures: 0 };
  const open = (env: SimEnv, options: DhtOptions = {}): Promise<Dht> =>
    Dht.open(env, {
      port: 4222,
      bootstrap: ["bootstrap.example"],
      verify: (owner, data, signature) => {
        checks.signatures++;
        return world.outside(() => verifySignature(owner, data, signature), 2);
      },
      ...options,
    });
  world.names.set("bootstrap.example", ["192.0.2.1", "2001:db8::1"]);
  const hosts: Host[] = [], nodes: Dht[] = [];
  for (let i = 1; i <= count; i++) {
    const ips = [`192.0.2.${i}`, `2001:db8::${i.toString(16)}`], link = { delayMs: 15, jitterMs: 5 };
    hosts.push(world.host(`node ${i}`, { ips, link }));
    nodes.push(await world.finish(open(hosts.at(-1)!.env)));
    await world.run(2000);
  }
  await world.run(MINUTE);
  const all = (node: Dht) => world.finish(Array.fromAsync(node.get(KEY)));
  return { world, hosts, nodes, open, all, checks };
}

Deno.test("Dht.open() joins by name over both families; put() and get() pass values of every size", async () => {
  const { world, nodes, all } = await lab(12, 1);
  for (const node of nodes) {
    strictEqual(node.status, "connected");
    const { ipv4, ipv6 } = node.info();
    deepStrictEqual([ipv4!.status, ipv6!.status], ["connected", "connected"]);
  }
  for (const size of [1, 3000, 60_000]) {
    const data = new Uint8Array(size).fill(size), value = makeValue({ data, id: BigInt(size) });
    const { nodes: stored } = await world.finish(nodes[3]!.put(KEY, value));
    ok(stored >= 8, `${stored} nodes took ${size} bytes`);
  }
  const found = await all(nodes[8]!);
  deepStrictEqual(found.map(({ data }) => data.length).sort((a, b) => a - b), [1, 3000, 60_000]);
  ok(found.every(({ data }) => data.every((byte) => byte === (data.length & 255))));
});

Deno.test("Dht keeps a signed value only if its signature is right, checked by those who store it", async () => {
  const { world, nodes, all, checks } = await lab(10, 2);
  const good = decodeValue(Uint8Array.fromBase64(v26.announcement.packed));
  const forged = { ...good, id: 77n, data: utf8("somebody else's words") };
  await world.finish(nodes[1]!.put(KEY, good));
  await world.finish(nodes[2]!.put(KEY, forged));
  ok(checks.signatures >= 8, `${checks.signatures} signatures checked`);
  await world.finish(nodes[2]![Symbol.asyncDispose]() as Promise<void>); // it alone keeps its own forgery
  deepStrictEqual((await all(nodes[7]!)).map(({ id }) => id), [good.id]);
});

Deno.test("Dht.listen() hears what is put later; breaking off the iteration ends it; a closed node says so", async () => {
  const { world, nodes } = await lab(10, 3), heard: string[] = [], stop = new AbortController();
  const reading = (async () => {
    for await (const { type, value } of nodes[4]!.listen(KEY, { signal: stop.signal })) {
      heard.push(`${type} ${text(value.data)}`);
    }
  })();
  await world.run(5000);
  await world.finish(nodes[6]!.put(KEY, makeValue({ data: utf8("first") })));
  await world.finish(nodes[7]!.put(KEY, makeValue({ data: utf8("second") })));
  await world.run(5000);
  deepStrictEqual(heard, ["value first", "value second"]);
  await world.run(12 * MINUTE); // they were not permanent
  deepStrictEqual(heard.slice(2).sort(), ["expired first", "expired second"]);
  stop.abort(new RangeError("enough"));
  await rejects(world.finish(reading), RangeError);
  const waiting = nodes[4]!.put("00".repeat(20), makeValue({ data: utf8("too late") }));
  const refused = rejects(waiting, { code: "dht/closed" });
  await world.finish(nodes[4]![Symbol.asyncDispose]() as Promise<void>);
  await world.finish(refused);
});

Deno.test("a node that comes back from its state file needs no bootstrap and still has its values", async () => {
  const { world, hosts, nodes, open, all } = await lab(10, 4);
  await world.finish(nodes[5]!.put(KEY, makeValue({ data: utf8("kept"), id: 9n })));
  const holder = nodes.findIndex((node) => node.info().values > 0), id = nodes[holder]!.id;
  hosts[holder]!.disk.set("dhtstate", nodes[holder]!.exportState());
  hosts[holder]!.crash();
  await world.run(2 * MINUTE);
  const again = await world.finish(
    open(hosts[holder]!.boot(), { bootstrap: [], state: hosts[holder]!.disk.get("dhtstate")! }),
  );
  await world.run(30_000);
  deepStrictEqual([again.id, again.status, again.info().values], [id, "connected", 1]);
  deepStrictEqual((await all(again)).map(({ data }) => text(data)), ["kept"]);
});

Deno.test("Dht runs through its front door hash alike, real signature checks and all", async () => {
  const run = async () => {
    const { world, nodes, all } = await lab(8, 5);
    await world.finish(nodes[1]!.put(KEY, decodeValue(Uint8Array.fromBase64(v26.announcement.packed))));
    strictEqual((await all(nodes[6]!)).length, 1);
    return `${world.hash} ${world.events}`;
  };
  strictEqual(await run(), await run());
});
