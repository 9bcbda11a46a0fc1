import { deepStrictEqual, notStrictEqual, ok, rejects, strictEqual } from "node:assert/strict";
import process from "node:process";
import { PassThrough } from "node:stream";
import {
  Driver,
  type Endpoint,
  formatEndpoint,
  type Machine,
  type UdpSocket,
  utf8,
} from "../../core/base/mod.ts";
import { type SimEnv, World } from "./mod.ts";

/** Answers every datagram below 64 hops with one to a neighbour it chooses: all luck, no clock. */
async function gossip(env: SimEnv, peers: readonly Endpoint[]): Promise<UdpSocket> {
  const socket = await env.net.udp({ port: 7000 });
  void socket.run({
    datagram(bytes) {
      const hops = bytes[0]!;
      if (hops < 255) {
        socket.send(
          Uint8Array.of(hops + 1, ...env.random.bytes(3)),
          peers[env.random.uint32() % peers.length]!,
        );
      }
    },
  });
  return socket;
}

async function run(seed: number, hosts = 50, ms = 20_000): Promise<World> {
  const world = new World({ seed }),
    peers = Array.from({ length: hosts }, (_, i) => ({ ip: `192.0.2.${i + 1}`, port: 7000 }));
  const link = { delayMs: 10, jitterMs: 20, loss: 0.01, duplicate: 0.01, reorder: 0.05 };
  const sockets = await world.finish(Promise.all(
    peers.map(({ ip }) => gossip(world.host(ip, { ips: [ip], link }).env, peers)),
  ));
  sockets.forEach((socket, i) => socket.send(Uint8Array.of(0), peers[(i + 1) % hosts]!));
  await world.run(ms);
  return world;
}

Deno.test("World hashes alike for one seed and differently for another", async () => {
  const [a, b, c] = [await run(1), await run(1), await run(2)];
  ok(a.delivered > 2000, `only ${a.delivered} packets`);
  deepStrictEqual([a.hash.toString(), a.events, a.counts], [b.hash.toString(), b.events, b.counts]);
  notStrictEqual(a.hash.toString(), c.hash.toString());
});

Deno.test("World lets promises, ticks and node streams settle before time moves", async () => {
  const world = new World({ seed: 1 }), log: string[] = [];
  const note = (what: string) => log.push(`${world.now} ${what}`);
  world.schedule(5, () => {
    (async () => {
      for (let i = 0; i < 50; i++) await null;
      note("fifty awaits");
      process.nextTick(() => queueMicrotask(() => note("a tick and a reaction")));
      const pipe = new PassThrough();
      pipe.on("data", (chunk) => note(`stream ${chunk}`));
      pipe.on("end", () => note("stream end"));
      pipe.end("bytes");
    })();
  });
  world.schedule(5.001, () => note("next event"));
  await world.run(10);
  deepStrictEqual(log.slice(0, -1).sort(), [
    "5 a tick and a reaction",
    "5 fifty awaits",
    "5 stream bytes",
    "5 stream end",
  ]);
  strictEqual(log.at(-1), "5.001 next event");
});

Deno.test("World.finish() gives a promise's value, its error, or gives up after its time", async () => {
  const world = new World({ seed: 1 });
  strictEqual(await world.finish(world.sleep(1000).then(() => world.now)), 1000);
  await rejects(world.finish(world.sleep(1).then(() => Promise.reject(new RangeError("mine")))), RangeError);
  await rejects(world.finish(new Promise<never>(() => undefined), 50), /seed 1, 1051.000 ms.*not finished/);
});

Deno.test("World refuses the real clock, timers and luck while it runs, and gives them back", async () => {
  const reach = [
    () => Date.now(),
    () => new Date(),
    () => performance.now(),
    () => Math.random(),
    () => crypto.randomUUID(),
    () => crypto.getRandomValues(new Uint8Array(1)),
    () => setTimeout(() => undefined, 1),
    () => setInterval(() => undefined, 1),
  ];
  for (const act of reach) {
    const world = new World({ seed: 9 });
    world.schedule(3, act);
    await rejects(world.run(10), /seed 9, 3\.000 ms, event 1: .* used inside a simulation/);
  }
  const world = new World({ seed: 9 });
  world.schedule(3, () => strictEqual(new Date(0).getTime(), 0)); // reading a date somebody gives is no clock
  await world.run(10);
  ok(Date.now() > 0 && Math.random() < 1 && new Date().getTime() > 0);
});

Deno.test("World.outside() holds time for real work and answers in the order of asking", async () => {
  const world = new World({ seed: 1 }), log: string[] = [];
  const digest = (bytes: number) => () => crypto.subtle.digest("SHA-256", new Uint8Array(bytes));
  world.schedule(10, () => {
    world.outside(digest(4_000_000)).then(() => log.push(`${world.now} slow`));
    world.outside(digest(1)).then(() => log.push(`${world.now} fast`));
  });
  world.schedule(11, () => log.push("11 next"));
  await world.run(20);
  deepStrictEqual(log, ["10 slow", "10 fast", "11 next"]);
});

Deno.test("World.outside() hands errors to whoever asked", async () => {
  const world = new World({ seed: 1 });
  await rejects(world.finish(world.outside(() => Promise.reject(new RangeError("no")))), RangeError);
  strictEqual(await world.finish(world.outside(() => Promise.resolve(7))), 7);
});

Deno.test("Host clocks start anywhere, run alike, and the wall may be wrong", async () => {
  const world = new World({ seed: 4, wall: 1_000_000 });
  const a = world.host("a", { ips: ["192.0.2.1"] }),
    b = world.host("b", { ips: ["192.0.2.2"], skewMs: -5000 });
  const { clock: ca } = a.env, { clock: cb } = b.env, [a0, b0] = [ca.now(), cb.now()];
  notStrictEqual(a0, b0);
  await world.run(250.5);
  deepStrictEqual([ca.now() - a0, cb.now() - b0], [250.5, 250.5]);
  deepStrictEqual([ca.wall(), cb.wall()], [1_000_250.5, 995_250.5]);
});

Deno.test("Host clock never wakes early, so a Driver does not spin", async () => {
  class Ticker implements Machine<{ type: "wake" }, never> {
    wakeAt = 0.1;
    steps = 0;
    early = 0;
    step(now: number): never[] {
      this.steps++;
      if (now < this.wakeAt) this.early++;
      else this.wakeAt += 0.1; // never a round number
      return [];
    }
  }
  const world = new World({ seed: 5 }), { clock } = world.host("a", { ips: ["192.0.2.1"] }).env;
  const machine = new Ticker();
  machine.wakeAt += clock.now();
  using driver = new Driver(machine, clock, () => undefined);
  driver.feed({ type: "wake" });
  await world.run(1000);
  strictEqual(machine.early, 1, "only the first feed, which was not an alarm");
  ok(machine.steps > 9_900 && machine.steps < 10_100, `${machine.steps} steps`);
});

Deno.test("Host.crash() silences timers and sockets; boot() starts a new life on the same address", async () => {
  const world = new World({ seed: 6 }), log: string[] = [];
  const a = world.host("a", { ips: ["192.0.2.1"] }), b = world.host("b", { ips: ["192.0.2.2"] });
  const start = async (env: SimEnv, life: string) => {
    const socket = await env.net.udp({ port: 9 });
    void socket.run({
      datagram: (bytes, from) => void log.push(`${life} ${bytes[0]} ${formatEndpoint(from)}`),
    });
    env.clock.at(env.clock.now() + 1000, () => log.push(`${life} timer`));
  };
  await world.finish(start(b.env, "first"));
  const from = await world.finish(a.env.net.udp({ port: 5 })), to = { ip: "192.0.2.2", port: 9 };
  from.send(utf8("\x01"), to);
  await world.run(10);
  b.crash();
  from.send(utf8("\x02"), to);
  await world.run(2000);
  strictEqual(world.counted("drop host-down"), 1);
  await world.finish(start(b.boot(), "second"));
  from.send(utf8("\x03"), to);
  await world.run(2000);
  deepStrictEqual(log, ["first 1 192.0.2.1:5", "second 3 192.0.2.1:5", "second timer"]);
});
