/** The same promises kept by real sockets and simulated ones: what a room may rely on from `Net`. */
import { deepStrictEqual, ok, rejects, strictEqual } from "node:assert/strict";
import { type Endpoint, formatEndpoint, type UdpSocket } from "../../core/base/mod.ts";
import type { TcpListener, TcpSocket } from "../../core/net/socket.ts";
import { realStreamNet } from "../../core/net/socket_io.ts";
import { type SimNet, World } from "./mod.ts";

interface Body {
  readonly name: string;
  readonly net: Pick<SimNet, "udp" | "resolve" | "listen" | "addresses"> & {
    connect(to: Endpoint, options?: { signal?: AbortSignal }): Promise<TcpSocket>;
  };
  /** Waits for `done` in this body's time. */
  until(done: () => boolean): Promise<boolean>;
  finish<T>(promise: Promise<T>): Promise<T>;
}

function real(): Body {
  return {
    name: "real",
    net: realStreamNet,
    async until(done) {
      for (let i = 0; i < 400 && !done(); i++) await new Promise((resolve) => setTimeout(resolve, 5));
      return done();
    },
    finish: (promise) => promise,
  };
}

function simulated(): Body {
  const world = new World({ seed: 1 }), { net } = world.host("a", { ips: ["192.0.2.1", "2001:db8::1"] }).env;
  world.names.set("localhost", ["127.0.0.1", "::1"]);
  return {
    name: "simulated",
    net,
    until: (done) => world.until(done, 2000),
    finish: (promise) => world.finish(promise),
  };
}

async function receiver(body: Body, ip: string) {
  const socket = await body.finish(body.net.udp({ ip })), seen: string[] = [];
  const done = socket.run({
    datagram: (bytes, from) => void seen.push(`${bytes.length} ${bytes[0]} from ${from.port}`),
  });
  return { socket, seen, done, to: { ip, port: socket.local.port } satisfies Endpoint };
}

const close = async (socket: UdpSocket) => await socket[Symbol.asyncDispose]();

for (const make of [real, simulated]) {
  const { name } = make();

  Deno.test(`${name} Net.udp() carries datagrams of 0 to 9000 bytes, and the sender may reuse its buffer`, async () => {
    const body = make(), { socket, seen, done, to } = await receiver(body, "127.0.0.1");
    const sender = await body.finish(body.net.udp({ ip: "127.0.0.1" })),
      buffer = new Uint8Array(9000).fill(7);
    sender.send(buffer, to);
    sender.send(buffer.subarray(0, 1), to);
    buffer.fill(9);
    sender.send(buffer.subarray(0, 0), to);
    ok(await body.until(() => seen.length === 3));
    const from = `from ${sender.local.port}`;
    deepStrictEqual(seen.sort(), [`0 undefined ${from}`, `1 7 ${from}`, `9000 7 ${from}`]);
    await body.finish(close(sender)), await body.finish(close(socket)), await body.finish(close(socket));
    await body.finish(done);
  });

  Deno.test(`${name} Net.udp() on every address hears both families and names IPv4 senders as IPv4`, async () => {
    const body = make(), socket = await body.finish(body.net.udp()), froms: string[] = [];
    const done = socket.run({ datagram: (_, from) => void froms.push(formatEndpoint(from)) });
    const four = await body.finish(body.net.udp({ ip: "127.0.0.1" })),
      six = await body.finish(body.net.udp({ ip: "::1" }));
    four.send(Uint8Array.of(1), { ip: "127.0.0.1", port: socket.local.port });
    six.send(Uint8Array.of(1), { ip: "::1", port: socket.local.port });
    ok(await body.until(() => froms.length === 2), froms.join());
    deepStrictEqual(froms.sort(), [`127.0.0.1:${four.local.port}`, `[::1]:${six.local.port}`].sort());
    for (const each of [four, six, socket]) await body.finish(close(each));
    await body.finish(done);
  });

  Deno.test(`${name} Net.udp() refuses a port in use and an address that is not ours`, async () => {
    const body = make(), socket = await body.finish(body.net.udp());
    await rejects(body.finish(body.net.udp({ port: socket.local.port })), { code: "net/port-in-use" });
    await rejects(body.finish(body.net.udp({ ip: "203.0.113.77" })), { code: "net/bind" });
    await body.finish(close(socket));
    const again = await body.finish(body.net.udp({ port: socket.local.port }));
    strictEqual(again.local.port, socket.local.port);
    await body.finish(close(again));
  });

  Deno.test(`${name} Net.udp() ends its run with the handler's error, and says nothing after disposal`, async () => {
    const body = make(), { socket, to } = await receiver(body, "127.0.0.1");
    const angry = await body.finish(body.net.udp({ ip: "127.0.0.1" }));
    const failed = angry.run({
      datagram() {
        throw new RangeError("mine");
      },
    });
    socket.send(Uint8Array.of(1), { ip: "127.0.0.1", port: angry.local.port });
    await rejects(body.finish(failed), RangeError);
    await body.finish(close(angry)), await body.finish(close(socket));
    socket.send(Uint8Array.of(1), to);
    angry.send(Uint8Array.of(1), to);
  });

  Deno.test(`${name} Net.udp() reports a datagram that is too long`, async () => {
    const body = make(), socket = await body.finish(body.net.udp()), failures: string[] = [];
    const done = socket.run({
      datagram: () => undefined,
      failed: (to) => void failures.push(formatEndpoint(to)),
    });
    socket.send(new Uint8Array(65508), { ip: "127.0.0.1", port: 9 });
    ok(await body.until(() => failures.length > 0));
    deepStrictEqual(failures, ["127.0.0.1:9"]);
    await body.finish(close(socket));
    await body.finish(done);
  });

  Deno.test(`${name} Net.resolve() knows localhost and literals, and says when it does not know`, async () => {
    const body = make();
    ok((await body.finish(body.net.resolve("localhost"))).some((ip) => ip === "127.0.0.1" || ip === "::1"));
    deepStrictEqual(await body.finish(body.net.resolve("2001:DB8::0:1")), ["2001:db8::1"]);
    await rejects(body.finish(body.net.resolve("no-such-host.invalid")), { code: "net/unknown-host" });
  });

  const ends = async (body: Body) => {
    const accepted: TcpSocket[] = [];
    const listener = await body.finish(
      body.net.listen({ ip: "127.0.0.1" }, (socket) => void accepted.push(socket)),
    );
    const to = { ip: "127.0.0.1", port: listener.local.port };
    const dialled = await body.finish(body.net.connect(to));
    ok(await body.until(() => accepted.length === 1));
    return { listener, to, left: new End(dialled), right: new End(accepted[0]!) };
  };

  Deno.test(`${name} TCP carries bytes, half-closes, ends well, and tells both addresses`, async () => {
    const body = make(), { listener, to, left, right } = await ends(body);
    deepStrictEqual(left.socket.remote, to);
    deepStrictEqual([right.socket.local, right.socket.remote], [to, left.socket.local]);
    left.socket.write(Uint8Array.of(1, 2));
    left.socket.write(Uint8Array.of(3));
    left.socket.end();
    ok(await body.until(() => right.log.length > 0));
    right.socket.write(Uint8Array.of(4));
    ok(await body.until(() => left.bytes === 1));
    right.socket.end();
    ok(await body.until(() => left.log.length === 2 && right.log.length === 2));
    deepStrictEqual([left.log, right.log, right.bytes], [["end", "closed well"], ["end", "closed well"], 3]);
    left.socket.write(Uint8Array.of(5)), left.socket.end(), left.socket.destroy(); // nothing happens
    await body.finish(end(listener));
  });

  Deno.test(`${name} TCP says why it cannot connect, and leaves nothing behind when told to stop`, async () => {
    const body = make(), { listener, to, left, right } = await ends(body);
    await body.finish(end(listener));
    await rejects(body.finish(body.net.connect(to)), {
      code: "net/connect",
      data: { to: to.ip, port: to.port, code: "ECONNREFUSED" },
    });
    await rejects(
      body.finish(body.net.connect(to, { signal: AbortSignal.abort(new RangeError("stop")) })),
      RangeError,
    );
    left.socket.destroy();
    ok(await body.until(() => left.log.length === 1 && right.log.length === 1));
    deepStrictEqual([left.log, right.log], [["closed well"], ["end"]]);
    right.socket.destroy();
    ok(await body.until(() => right.log.length === 2));
  });

  Deno.test(`${name} TCP listen() refuses a port in use and an address that is not ours`, async () => {
    const body = make(), listener = await body.finish(body.net.listen({}, () => undefined));
    await rejects(body.finish(body.net.listen({ port: listener.local.port }, () => undefined)), {
      code: "net/port-in-use",
    });
    await rejects(body.finish(body.net.listen({ ip: "203.0.113.77" }, () => undefined)), {
      code: "net/bind",
    });
    await body.finish(end(listener)), await body.finish(end(listener));
  });

  Deno.test(`${name} TCP lets a slow reader slow the sender down, and loses nothing`, async () => {
    const body = make(), { listener, left, right } = await ends(body), size = 40_000_000;
    right.socket.pause();
    let written = 0;
    const fill = () => {
      while (written < size && left.socket.write(new Uint8Array(100_000).fill(written / 100_000))) {
        written += 100_000;
      }
      if (written < size) written += 100_000; // that one was taken too
      if (written >= size) left.socket.end();
    };
    left.onDrain = () => written < size && fill();
    fill();
    ok(!await body.until(() => left.log.length > 0 || written === size), "nobody reads, so it must stop");
    ok(written < size / 2, `${written} bytes went into a peer that does not read`);
    right.socket.resume();
    ok(await body.until(() => right.log[0] === "end"), `${right.bytes} of ${size}`);
    strictEqual(right.bytes, size);
    strictEqual(
      right.sum,
      Array.from({ length: size / 100_000 }, (_, i) => i & 255).reduce((a, b) => a + b * 100_000, 0),
    );
    right.socket.end();
    ok(await body.until(() => left.log.includes("closed well")));
    await body.finish(end(listener));
  });

  Deno.test(`${name} TCP destroy() with bytes unread resets the peer`, async () => {
    const body = make(), { listener, left, right } = await ends(body);
    right.socket.pause();
    for (let i = 0; i < 40; i++) left.socket.write(new Uint8Array(100_000));
    await body.until(() => false);
    right.socket.destroy();
    ok(
      await body.until(() => left.log.includes("closed ECONNRESET") || left.log.includes("closed EPIPE")),
      left.log.join(),
    );
    ok(await body.until(() => right.log.includes("closed well")));
    await body.finish(end(listener));
  });

  Deno.test(`${name} Net.addresses() names loopback and has no zones`, () => {
    const all = make().net.addresses();
    ok(all.some(({ ip }) => ip === "127.0.0.1"));
    ok(all.every(({ ip, interface: from }) => !ip.includes("%") && from.length > 0));
  });
}

/** One end of a connection and what it was told. */
class End {
  bytes = 0;
  sum = 0;
  log: string[] = [];
  onDrain: (() => void) | undefined;
  constructor(readonly socket: TcpSocket) {
    socket.run({
      data: (bytes) => {
        this.bytes += bytes.length;
        for (const byte of bytes) this.sum += byte;
      },
      end: () => void this.log.push("end"),
      drain: () => this.onDrain?.(),
      closed: (code) => void this.log.push(`closed ${code ?? "well"}`),
    });
  }
}

async function end(listener: TcpListener): Promise<void> {
  await listener[Symbol.asyncDispose]();
}
