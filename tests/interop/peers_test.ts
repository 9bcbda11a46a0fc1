/** Links with real daemons of both generations, and between two of ours: who asks, who answers, channels, refusals. */
import { ok, strictEqual } from "node:assert/strict";
import { Coturn } from "./net_coturn.ts";
import {
  addAccount,
  type DaemonAccount,
  Dhtnode,
  followPresence,
  type Host,
  Jami26,
  Jamid23,
  Lab,
  peerTest,
  type Process,
} from "./harness/mod.ts";
import type { Setup } from "./peers_node.ts";

type Answer = Record<string, unknown> & { ok: boolean; code?: string };

/** One of our nodes in a host of the lab. */
class Node {
  #next = 1;
  private constructor(readonly process: Process, readonly jamiId: string, readonly device: string) {}
  static async start(host: Host, setup: Setup): Promise<Node> {
    const program = new URL("peers_node.ts", import.meta.url).pathname;
    const args = ["run", "-A", "--unstable-net", "--no-check", program, JSON.stringify(setup)];
    const process = host.start(Deno.execPath(), args, {
      name: `kith on ${host.name}`,
      env: { LOG: Deno.env.get("LOG") ?? "" },
    });
    const [line] = await process.line(/^\{"ready".*/, 60_000), { jamiId, device } = JSON.parse(line);
    return new Node(process, jamiId, device);
  }
  async ask(verb: string, fields: Record<string, unknown> = {}, timeout = 60_000): Promise<Answer> {
    const n = this.#next++, since = this.process.mark();
    await this.process.write(JSON.stringify({ n, do: verb, ...fields }) + "\n");
    return JSON.parse((await this.process.line(new RegExp(`^\\{"n":${n},.*`), timeout, since))[0]);
  }
  /** As `ask`, and it must go well. */
  async does(verb: string, fields: Record<string, unknown> = {}, timeout?: number): Promise<Answer> {
    const answer = await this.ask(verb, fields, timeout);
    if (!answer.ok) {
      const state = await this.ask("state");
      throw new Error(
        `${verb}: ${answer.code} ${JSON.stringify(answer.data)}\n${
          JSON.stringify(state, null, 1).slice(0, 6000)
        }`,
      );
    }
    return answer;
  }
  /** The next channel somebody opens to us. */
  async channel(
    since: number,
    name = "",
  ): Promise<{ number: number; name: string; account: string; device: string }> {
    const pattern = new RegExp(`^\\{"event":\\{"type":"channel","number":\\d+,"name":"${name}.*`);
    return JSON.parse((await this.process.line(pattern, 60_000, since))[0]).event;
  }
}

const text = (hex: unknown) => new TextDecoder().decode(Uint8Array.fromHex(String(hex)));
const hex = (word: string) => new TextEncoder().encode(word).toHex();

peerTest("[connection 14] [connection 51] [connection 52] [connection 55] two of our nodes over a real DHT", [
  "v26",
], async (t) => {
  await using lab = await Lab.open();
  const dht = await Dhtnode.start("v26", await lab.host("dht", { ipv6: false }));
  const bootstrap = `${dht.host.ip4}:${dht.port}`;
  const [ada, bob] = await Promise.all([
    Node.start(await lab.host("ada"), { bootstrap }),
    Node.start(await lab.host("bob"), { bootstrap }),
  ]);
  await t.step("a channel is opened, carries bytes both ways, and ends", async () => {
    const { number } = await ada.does("open", { device: bob.device, name: "echo:1" });
    await ada.does("send", { number, hex: hex("hello") });
    strictEqual(text((await ada.does("receive", { number })).hex), "hello");
    await ada.does("close", { number });
  });
  await t.step("a second channel uses the same link, a refused one is refused", async () => {
    await ada.does("open", { device: bob.device, name: "echo:2" });
    const refused = await ada.ask("open", { device: bob.device, name: "no:thanks" });
    strictEqual(refused.code, "net/channel-refused");
    strictEqual(((await bob.does("state")).links as unknown[]).length, 1);
  });
  await t.step("1 GB through one channel: the hash is right, memory flat", async () => {
    const since = bob.process.mark(), size = 1 << 30;
    const sent = await ada.does("pour", { device: bob.device, bytes: size, name: "sink:hash" }, 180_000);
    const [line] = await bob.process.line(/^\{"event":\{"type":"sunk".*/, 60_000, since),
      { event } = JSON.parse(line);
    strictEqual(event.bytes, size);
    strictEqual(event.hash, sent.hash);
    for (const rss of [event.rss, sent.rss]) ok(rss < 500e6, `${rss} bytes resident`);
    console.log(`      1 GB at ${Math.round(size / event.ms / 1000)} MB/s, both ends hashing`);
  });
  await t.step("[connection 15] the answerer opens channels on the same link", async () => {
    const since = ada.process.mark();
    await bob.does("open", { device: ada.device, name: "from bob" });
    strictEqual((await ada.channel(since)).account, bob.jamiId);
  });
});

for (const [generation, peer] of [["v23", "jamid23"], ["v26", "jami26"]] as const) {
  peerTest(
    `[connection 7] [connection 16] [connection 51] [connection 55] a link with a daemon of ${generation}`,
    [peer, "v26"],
    async (t) => {
      await using lab = await Lab.open();
      const dht = await Dhtnode.start("v26", await lab.host("dht", { ipv6: false }));
      const bootstrap = `${dht.host.ip4}:${dht.port}`;
      lab.name("bootstrap.jami.net", dht.host.ip4);
      const host = await lab.host("daemon", { ipv6: false });
      const daemon = generation === "v23" ? await Jamid23.start(host) : await Jami26.start(host);
      const theirs = await addAccount(daemon, { bootstrap });
      const ours = await Node.start(await lab.host("kith", { ipv6: false }), { bootstrap });
      const [device] = (await ours.does("find", { account: theirs.jamiId })).devices as { longId: string }[];
      strictEqual(device?.longId, theirs.device);

      await t.step("we ask: the link comes up, `sip` is accepted, an unknown scheme declined", async () => {
        const { ms, path, account, cipher } = await ours.does("connect", { device });
        const [trace] = (await ours.does("state")).traces as {
          steps: { at: number; what: string; detail?: string }[];
        }[];
        for (const { at, what, detail } of trace!.steps) console.log(`      ${at} ${what} ${detail ?? ""}`);
        console.log(`      cold link to ${generation}: ${Math.round(ms as number)} ms, ${path}, ${cipher}`);
        strictEqual(account, theirs.jamiId);
        await ours.does("open", { device, name: "sip" });
        const refused = await ours.ask("open", { device, name: "unheard-of:x" });
        strictEqual(refused.code, "net/channel-refused");
      });
      await t.step("[connection 48] it answers a beacon", async () => {
        strictEqual(((await ours.does("probe")).answered as boolean[]).every(Boolean), true);
      });
      await t.step(
        "[connection 49] a hundred channels at once, all closed again, the link lives",
        async () => {
          const { ids, opened } = await ours.does("openMany", { device, name: "sip", count: 100 });
          strictEqual(ids, 100);
          console.log(`      100 channels to ${generation}: ${Math.round(opened as number)} ms`);
          strictEqual(((await ours.does("probe")).answered as boolean[]).every(Boolean), true);
        },
      );
      await t.step(
        "[connection 57] a link that died with the network is given up in seconds, and a new one made",
        async () => {
          await host.cable(false);
          await ours.does("network");
          const since = ours.process.mark();
          await ours.process.line(/"type":"disconnected"/, 10_000, since);
          await host.cable(true);
          const { path } = await ours.does("connect", { device });
          ok(path);
        },
      );
      await t.step("they ask: a daemon opens a channel to us", async () => {
        const second = await Node.start(await lab.host("kith2", { ipv6: false }), { bootstrap });
        const channel = await calledBy(theirs, second);
        console.log(`      ${generation} opened ${channel.name.slice(0, 40)}`);
      });
      await t.step("[connection 27] over a relay of ours alone: we ask, and they ask", async () => {
        await using coturn = await Coturn.start({ ip: lab.hub.ip4, namespace: lab.hub.namespace });
        const at = await lab.host("kith3", { ipv6: false }), relays = [{ ip: coturn.ip, port: coturn.port }];
        await at.run("nft", "add table inet lab");
        await at.run("nft", "add chain inet lab in { type filter hook input priority 0; }");
        await at.run("nft", "add chain inet lab out { type filter hook output priority 0; }");
        await at.run("nft", `add rule inet lab in ip saddr ${host.ip4} meta l4proto tcp drop`);
        await at.run("nft", `add rule inet lab out ip daddr ${host.ip4} meta l4proto tcp drop`);
        const third = await Node.start(at, { bootstrap, relays });
        const { path, ms } = await third.does("connect", { device });
        ok(String(path).startsWith("relay to"), String(path));
        console.log(`      relayed link to ${generation}: ${Math.round(ms as number)} ms, ${path}`);
        await third.does("open", { device, name: "sip" });
        await calledBy(theirs, await Node.start(at, { bootstrap, relays }));
      });
    },
  );
}

/** A daemon places a call to one of ours: it opens a `sip` channel for it. */
async function calledBy(theirs: DaemonAccount, ours: Node): Promise<{ name: string; account: string }> {
  const since = ours.process.mark(), online = await followPresence(theirs, ours.jamiId);
  await online(true);
  await theirs.daemon.call("placeCallWithMedia", theirs.id, ours.jamiId, []);
  const channel = await ours.channel(since);
  strictEqual(channel.account, theirs.jamiId);
  ok(channel.name.length > 0);
  return channel;
}
