import { Buffer } from "node:buffer";
import { deepStrictEqual, ok, rejects, strictEqual, throws } from "node:assert/strict";
import type { TcpListener, TcpSocket } from "../../core/net/socket.ts";
import { type Access, type Host, Seeded, type SimNet, World } from "./mod.ts";

const A = "192.0.2.1", B = "192.0.2.2", TO = { ip: B, port: 80 };

/** One end of a connection, noting what happens to it. */
class End {
  received: Uint8Array[] = [];
  log: string[] = [];
  bytes = 0;
  constructor(readonly socket: TcpSocket) {
    socket.run({
      data: (bytes) => void (this.received.push(bytes), this.bytes += bytes.length),
      end: () => void this.log.push("end"),
      drain: () => void this.log.push("drain"),
      closed: (code) => void this.log.push(`closed ${code ?? "well"}`),
    });
  }
  get text(): string {
    return new TextDecoder().decode(Uint8Array.from(this.received.flatMap((part) => [...part])));
  }
}

async function lab(link: Access = {}, seed = 1) {
  const world = new World({ seed });
  const a = world.host("a", { ips: [A], link }), b = world.host("b", { ips: [B], link });
  const accepted: TcpSocket[] = [];
  const listener = await world.finish(b.env.net.listen({ port: 80 }, (socket) => void accepted.push(socket)));
  return { world, a, b, accepted, listener };
}

async function pair(link: Access = {}, seed = 1) {
  const parts = await lab(link, seed), { world, a, accepted } = parts;
  const socket = await world.finish(a.env.net.connect(TO));
  await world.until(() => accepted.length > 0, 60_000);
  return { ...parts, socket, left: new End(socket), right: new End(accepted[0]!) };
}

const close = async (listener: TcpListener) => await listener[Symbol.asyncDispose]();
const failing = (world: World, net: SimNet, to = TO) => world.finish(net.connect(to), 1_000_000);
const text = (words: string) => new TextEncoder().encode(words);

Deno.test("TCP connects in one round trip, carries bytes both ways, half-closes and ends well", async () => {
  const { world, left, right } = await pair({ delayMs: 10 });
  strictEqual(Math.round(world.now), 60, "SYN, SYN+ACK, ACK, 20 ms each");
  left.socket.write(text("hello "));
  left.socket.write(text("there"));
  left.socket.end();
  await world.run(100);
  deepStrictEqual([right.text, right.log], ["hello there", ["end"]]);
  right.socket.write(text("still here"));
  await world.run(100);
  strictEqual(left.text, "still here");
  right.socket.end();
  await world.run(1000);
  deepStrictEqual([left.log, right.log], [["end", "closed well"], ["end", "closed well"]]);
  await world.run(20_000);
  deepStrictEqual(world.hosts.get("a")!.process.tcp.open.length, 0);
});

Deno.test("TCP hands the local and remote address of each end", async () => {
  const { socket, accepted } = await pair();
  deepStrictEqual(socket.remote, TO);
  deepStrictEqual(accepted[0]!.local, TO);
  deepStrictEqual(accepted[0]!.remote, socket.local);
  throws(() => socket.run({ data() {}, end() {}, drain() {}, closed() {} }), TypeError);
});

Deno.test("TCP delivers every byte once and in order over a bad link", async () => {
  const { world, left, right } = await pair({
    delayMs: 15,
    jitterMs: 30,
    loss: 0.05,
    reorder: 0.1,
    duplicate: 0.1,
  }, 3);
  const luck = new Seeded(3), sent: Uint8Array[] = [];
  for (let i = 0; i < 400; i++) {
    const part = luck.bytes(1 + luck.below(8000));
    sent.push(part), left.socket.write(part);
    if (i % 40 === 0) await world.run(luck.below(500));
  }
  left.socket.end();
  ok(await world.until(() => right.log.includes("end"), 600_000));
  deepStrictEqual(Buffer.concat(right.received), Buffer.concat(sent));
});

Deno.test("TCP write() says false over the high-water mark and drain comes when all is taken", async () => {
  const { world, left, right } = await pair({ delayMs: 10, bytesPerSecond: 1_000_000 });
  strictEqual(left.socket.write(new Uint8Array(60_000)), true);
  strictEqual(left.socket.write(new Uint8Array(200_000)), false);
  ok(left.socket.buffered > 65_536);
  await world.run(100);
  deepStrictEqual(left.log, []);
  await world.run(2000);
  deepStrictEqual([left.log, left.socket.buffered, right.bytes], [["drain"], 0, 260_000]);
});

Deno.test("TCP bandwidth is the link's", async () => {
  const { world, left, right } = await pair({
    delayMs: 10,
    up: { bytesPerSecond: 1_000_000, queueBytes: 1e9 },
  });
  const start = world.now;
  left.socket.write(new Uint8Array(5_000_000));
  ok(await world.until(() => right.bytes === 5_000_000, 60_000));
  const seconds = (world.now - start) / 1000;
  ok(seconds > 4.9 && seconds < 5.4, `5 MB at 1 MB/s took ${seconds} s`);
});

Deno.test("TCP pause() stops the sender within the receive buffer, resume() goes on without loss", async () => {
  const { world, left, right } = await pair({ delayMs: 10 });
  right.socket.pause();
  left.socket.write(new Uint8Array(3_000_000));
  await world.run(3_600_000);
  strictEqual(right.bytes, 0);
  ok(left.socket.buffered >= 2_600_000, `${left.socket.buffered} bytes wait here`);
  right.socket.resume();
  ok(await world.until(() => right.bytes === 3_000_000, 120_000), `${right.bytes}, ${left.log}`);
});

Deno.test("TCP data and end wait for run() and for a paused reader", async () => {
  const { world, socket, accepted } = await (async () => {
    const parts = await lab(), socket = await parts.world.finish(parts.a.env.net.connect(TO));
    return { ...parts, socket };
  })();
  socket.write(text("early"));
  socket.end();
  await world.run(1000);
  const right = new End(accepted[0]!);
  right.socket.pause();
  await world.run(10);
  deepStrictEqual([right.text, right.log], ["", []]);
  right.socket.resume();
  await world.run(10);
  deepStrictEqual([right.text, right.log], ["early", ["end"]]);
});

Deno.test("TCP to a port nobody listens at is refused at once", async () => {
  const { world, a } = await lab({ delayMs: 10 });
  const start = world.now;
  await rejects(failing(world, a.env.net, { ip: B, port: 81 }), {
    code: "net/connect",
    data: { to: B, port: 81, code: "ECONNREFUSED" },
  });
  strictEqual(Math.round(world.now - start), 40);
});

Deno.test("TCP to nowhere gives up after seven SYNs and two minutes", async () => {
  const { world, a } = await lab();
  await rejects(failing(world, a.env.net, { ip: "203.0.113.9", port: 80 }), (e: { data: unknown }) => {
    deepStrictEqual(e.data, { to: "203.0.113.9", port: 80, code: "ETIMEDOUT" });
    return true;
  });
  deepStrictEqual([world.now, world.counted("drop no-route")], [127_000, 7]);
});

Deno.test("TCP connect can be aborted and leaves nothing open", async () => {
  const { world, a, accepted } = await lab({ delayMs: 10 });
  const stop = new AbortController(), dialling = a.env.net.connect(TO, { signal: stop.signal });
  world.schedule(5, () => stop.abort(new RangeError("enough")));
  await rejects(world.finish(dialling), RangeError);
  await world.run(1000);
  strictEqual(a.process.tcp.open.length, 0);
  deepStrictEqual(accepted.length, 0);
  await rejects(a.env.net.connect(TO, { signal: AbortSignal.abort(new RangeError("never")) }), RangeError);
});

Deno.test("TCP ports: listening twice is refused, connecting out from a listening port too, closing frees", async () => {
  const { world, b, listener } = await lab();
  await rejects(b.env.net.listen({ port: 80 }, () => undefined), { code: "net/port-in-use" });
  await rejects(
    b.env.net.connect({ ip: A, port: 1 }, { port: 80 }),
    (e: { data: { code: string } }) => e.data.code === "EADDRINUSE",
  );
  await rejects(b.env.net.listen({ ip: "203.0.113.1" }, () => undefined), { code: "net/bind" });
  await world.finish(close(listener));
  await world.finish(close(listener));
  const again = await world.finish(b.env.net.listen({ port: 80 }, () => undefined));
  strictEqual(again.local.port, 80);
});

Deno.test("TCP outlives a partition, and resends what it swallowed", async () => {
  const { world, a, b, left, right } = await pair({ delayMs: 10 });
  const cut = world.cut([a], [b]);
  left.socket.write(text("through the "));
  right.socket.write(text("from the other side"));
  await world.run(60_000);
  left.socket.write(text("wall"));
  cut[Symbol.dispose]();
  ok(
    await world.until(() => right.text === "through the wall" && left.text === "from the other side", 60_000),
  );
  ok(world.counted("tcp resent") > 5);
});

Deno.test("TCP gives a dead peer up after a quarter of an hour, not before", async () => {
  const { world, b, left } = await pair({ delayMs: 10 });
  b.crash();
  left.socket.write(text("anyone?"));
  await world.run(600_000);
  deepStrictEqual(left.log, []);
  await world.run(600_000);
  deepStrictEqual(left.log, ["closed ETIMEDOUT"]);
});

Deno.test("TCP to a host that has restarted is reset", async () => {
  const { world, b, left, right } = await pair({ delayMs: 10 });
  b.crash();
  await world.run(1000);
  b.boot();
  left.socket.write(text("anyone?"));
  await world.run(1000);
  deepStrictEqual([left.log, right.log], [["closed ECONNRESET"], []], "the dead process hears nothing");
});

Deno.test("TCP destroy() resets when something was left unread, and ends well otherwise", async () => {
  const rude = await pair({ delayMs: 10 });
  rude.right.socket.pause();
  rude.left.socket.write(text("unread"));
  await rude.world.run(100);
  rude.right.socket.destroy();
  await rude.world.run(100);
  deepStrictEqual([rude.left.log, rude.right.log], [["closed ECONNRESET"], ["closed well"]]);
  const kind = await pair({ delayMs: 10 });
  kind.right.socket.destroy();
  await kind.world.run(100);
  deepStrictEqual([kind.left.log, kind.right.log], [["end"], ["closed well"]]);
  kind.left.socket.write(text("nobody reads this"));
  await kind.world.run(100);
  deepStrictEqual(kind.left.log, ["end", "closed ECONNRESET"]);
});

Deno.test("TCP hangs on an address that is gone", async () => {
  const { world, b, left, right } = await pair({ delayMs: 10 });
  b.readdress(["192.0.2.77"]);
  left.socket.write(text("lost"));
  right.socket.write(text("lost"));
  await world.run(60_000);
  deepStrictEqual([left.bytes, right.bytes, left.log], [0, 0, []]);
});

Deno.test("TCP passes NATs outwards, not inwards, and dies with a forgotten mapping", async () => {
  const world = new World({ seed: 5 });
  const nat = world.nat("nat", { kind: "port-restricted", ip: "198.51.100.1", tcpMs: 60_000 });
  const inside = world.host("inside", { ips: ["10.0.0.2"], segment: nat.inside });
  const outside = world.host("outside", { ips: [B] }), accepted: TcpSocket[] = [];
  await world.finish(outside.env.net.listen({ port: 80 }, (socket) => void accepted.push(socket)));
  await world.finish(inside.env.net.listen({ port: 80 }, () => undefined));
  const left = new End(await world.finish(inside.env.net.connect(TO)));
  await world.run(10);
  strictEqual(accepted[0]!.remote.ip, "198.51.100.1");
  const right = new End(accepted[0]!);
  await rejects(failing(world, outside.env.net, { ip: "198.51.100.1", port: 80 }), { code: "net/connect" });
  right.socket.write(text("too late")); // two minutes have passed: the mapping is gone
  await world.run(10_000);
  strictEqual(left.bytes, 0);
  nat.forward("tcp", 8080, { ip: "10.0.0.2", port: 80 });
  await failing(world, outside.env.net, { ip: "198.51.100.1", port: 8080 });
});

Deno.test("TCP runs hash alike for one seed and differently for another", async () => {
  const run = async (seed: number) => {
    const { world, left, right } = await pair({ delayMs: 15, jitterMs: 30, loss: 0.05 }, seed);
    left.socket.write(new Seeded(seed).bytes(500_000));
    await world.until(() => right.bytes === 500_000, 600_000);
    return world.hash.toString();
  };
  strictEqual(await run(8), await run(8));
  ok(await run(8) !== await run(9));
});

Deno.test("a host talks TCP to itself", async () => {
  const { world, b, accepted } = await lab();
  const mine = new End(await world.finish((b satisfies Host).env.net.connect({ ip: "127.0.0.1", port: 80 })));
  await world.run(1);
  accepted[0]!.write(text("me"));
  await world.run(1);
  strictEqual(mine.text, "me");
});
