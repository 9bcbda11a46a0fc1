/**
 * One account of ours with its DHT node and connection manager, driven by JSON lines. argv: JSON of {@linkcode Setup}.
 * Says `{"ready":…}` once its device is announced. SIGTERM or the end of input stops it.
 */
import { createHash } from "node:crypto";
import {
  DecodeError,
  type Env,
  LogBook,
  parseLogLevels,
  realClock,
  realRandom,
  Secret,
} from "../../core/base/mod.ts";
import { Dht, SecureDht } from "../../core/dht/mod.ts";
import { AccountOnline, Accounts, chainPem, decodeAnnouncement } from "../../core/identity/mod.ts";
import { type Channel, realStreamNet } from "../../core/net/mod.ts";
import { type Device, PeerManager, type PeersOptions } from "../../core/peers/mod.ts";
import { memoryHome } from "../../core/storage/mod.ts";

export interface Setup {
  bootstrap: string;
  /** Accounts let in; absent: everybody. */
  allow?: string[];
  /** Offer and dial loopback addresses. */
  loopback?: boolean;
  /** TURN servers, reached as `ring` with password `ring`. */
  relays?: { ip: string; port: number }[];
}
type Fields = Record<string, unknown>;

const setup: Setup = JSON.parse(Deno.args[0]!), out = new TextEncoder();
const say = (fields: Fields) => void Deno.stdout.writeSync(out.encode(JSON.stringify(fields) + "\n"));
const { log } = new LogBook({ levels: parseLogLevels(Deno.env.get("LOG") ?? "") });
const env: Env & PeersOptions["env"] = { clock: realClock, random: realRandom, net: realStreamNet, log };

const home = memoryHome(), accounts = Accounts.open(home, env);
const { id } = await accounts.create({ deviceName: "kith" });
const account = await accounts.load(id);
const identity = { key: account.deviceKey, chain: account.chain.map(({ der }) => der) };
const dht = await Dht.open(env, { bootstrap: [setup.bootstrap] });
const secure = new SecureDht(dht, { random: realRandom, identity });
let published: readonly string[] = [];
using _addresses = dht.onEvent((event) => {
  if (event.type === "public-address") published = event.ips;
});

const relays = (setup.relays ?? []).map((server) => ({ server, user: "ring", password: new Secret("ring") }));
const channels: Channel[] = [];
const manager = PeerManager.open({
  env,
  dht: secure,
  own: {
    chain: account.chain,
    chainPem: chainPem(account.chain),
    keyPem: await account.deviceKey.exportPem(),
  },
  trust: ({ account }) => (setup.allow && !setup.allow.includes(account) ? "stranger" : undefined),
  ice: () => ({ relays, published, anyAddress: true, policy: { loopback: setup.loopback ?? false } }),
  onEvent: (event) => say({ event }),
  onChannel: (name, peer) => {
    if (name.startsWith("no:")) return undefined;
    return (channel) => {
      const number = channels.push(channel) - 1;
      say({ event: { type: "channel", number, name, account: peer.account, device: peer.device } });
      if (name.startsWith("echo:")) void echo(channel);
      if (name.startsWith("sink:")) void sink(channel);
    };
  },
});
/** Takes everything; says how much, how fast and what it was. `sink:plain` leaves the hash out. */
async function sink(channel: Channel): Promise<void> {
  const hash = channel.name === "sink:plain" ? undefined : createHash("sha256");
  let bytes = 0, begun = 0;
  for (let piece; (piece = await channel.read()); bytes += piece.length) {
    begun ||= performance.now();
    hash?.update(piece);
  }
  const ms = performance.now() - begun, { rss } = Deno.memoryUsage();
  say({ event: { type: "sunk", bytes, ms, rss, hash: hash?.digest("hex") } });
}
async function echo(channel: Channel): Promise<void> {
  for (let bytes; (bytes = await channel.read());) await channel.write(bytes);
  await channel.close();
}

/** What a caller names: both ids, as an announcement tells them. */
const deviceOf = (value: unknown) => value as Device;

const verbs: Record<string, (fields: Fields) => Promise<Fields> | Fields> = {
  /** Devices of an account, by their announcements. */
  async find({ account }) {
    const devices: { longId: string; shortId: string }[] = [];
    for await (const { value } of secure.get(String(account))) {
      try {
        const key = decodeAnnouncement(value.data).deviceKey;
        if (key) devices.push({ longId: key.longId, shortId: key.shortId });
      } catch (error) {
        if (
          (error as { code?: string }).code !== "identity/announcement" && !(error instanceof DecodeError)
        ) throw error;
      }
    }
    return { devices };
  },
  async connect({ device, connType }) {
    const begun = performance.now();
    const link = await manager.connect(deviceOf(device), { connType: String(connType ?? "") });
    return { ms: performance.now() - begun, path: link.path, account: link.account, cipher: link.cipher };
  },
  async open({ device, name }) {
    const begun = performance.now(), channel = await manager.open(deviceOf(device), String(name));
    return { number: channels.push(channel) - 1, id: channel.id, ms: performance.now() - begun };
  },
  async send({ number, hex }) {
    await channels[Number(number)]!.write(Uint8Array.fromHex(String(hex)));
    return {};
  },
  async receive({ number }) {
    return { hex: (await channels[Number(number)]!.read())?.toHex() ?? null };
  },
  async close({ number }) {
    await channels[Number(number)]!.close();
    return {};
  },
  /** Sends `bytes` over one channel to a `sink:`. */
  async pour({ device, bytes, name }) {
    const channel = await manager.open(deviceOf(device), String(name));
    const hash = name === "sink:plain" ? undefined : createHash("sha256");
    for (let left = Number(bytes), i = 0; left > 0; i++) {
      const block = new Uint8Array(Math.min(left, 65536));
      block.fill(i), hash?.update(block), left -= block.length;
      await channel.write(block);
    }
    await channel.close();
    return { hash: hash?.digest("hex"), rss: Deno.memoryUsage().rss };
  },
  /** Many at once; how long until all are open, and then until all are closed. */
  async openMany({ device, name, count }) {
    const begun = performance.now(), named = Array.from({ length: Number(count) }, () => String(name));
    const open = await Promise.all(named.map((name) => manager.open(deviceOf(device), name)));
    const opened = performance.now() - begun, ids = new Set(open.map(({ id }) => id)).size;
    await Promise.all(open.map((channel) => channel.close()));
    return { opened, ids, closed: performance.now() - begun - opened };
  },
  async drop() {
    await Promise.all(manager.links().map(({ mux }) => (mux.abort(), mux.done)));
    return {};
  },
  network() {
    manager.connectivityChanged();
    return {};
  },
  async probe() {
    return { answered: await Promise.all(manager.links().map(({ mux }) => mux.probe())) };
  },
  state: () => ({
    drops: manager.drops,
    secure: secure.drops,
    links: manager.links().map(({ device, direction, path, mux }) => ({
      device,
      direction,
      path,
      ...mux.info(),
    })),
    traces: manager.traces(),
  }),
};

const online = AccountOnline.open(account, {
  dht: {
    connected: (signal) => dht.connected(signal),
    publishCertificate: (signal) => secure.publishCertificate(signal),
    put: (key, value, options) => secure.put(key, value, options),
    listen: (key, options) => secure.listen(key, options),
  },
  clock: realClock,
  random: realRandom,
  log,
  onEvent: (event) => {
    if (event.type !== "announced") return;
    manager.announced();
    say({ ready: true, jamiId: account.jamiId, device: account.deviceId });
  },
});
const stop = Promise.withResolvers<void>();
Deno.addSignalListener("SIGTERM", () => stop.resolve());
(async () => {
  let rest = "";
  for await (const text of Deno.stdin.readable.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + text).split("\n");
    rest = lines.pop()!;
    for (const line of lines) void run(JSON.parse(line));
  }
  stop.resolve();
})();
async function run({ n, do: verb, ...fields }: Fields): Promise<void> {
  try {
    say({ n, ok: true, ...(await verbs[String(verb)]!(fields)) });
  } catch (error) {
    const { code, data, message } = error as { code?: string; data?: unknown; message?: string };
    say({ n, ok: false, code: code ?? message, data });
  }
}
await stop.promise;
await online[Symbol.asyncDispose]();
await manager[Symbol.asyncDispose]();
await dht[Symbol.asyncDispose]();
await home[Symbol.asyncDispose]();
Deno.exit(0);
