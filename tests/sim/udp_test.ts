import { deepStrictEqual, ok, rejects, strictEqual } from "node:assert/strict";
import { type Endpoint, formatEndpoint, type UdpSocket } from "../../core/base/mod.ts";
import { type Access, type Host, World } from "./mod.ts";

const A = "192.0.2.1", B = "192.0.2.2";

async function pair(link: Access, seed = 1) {
  const world = new World({ seed });
  const a = world.host("a", { ips: [A], link: { up: link } }), b = world.host("b", { ips: [B] });
  const socket = await world.finish(a.env.net.udp({ port: 1 }));
  const seen = await listen(world, b, 2);
  return { world, a, b, socket, seen, to: { ip: B, port: 2 } };
}

async function listen(world: World, host: Host, port: number) {
  const seen: { at: number; first: number; from: string }[] = [];
  const socket = await world.finish(host.env.net.udp({ port }));
  void socket.run({
    datagram: (bytes, from) =>
      void seen.push({ at: world.now, first: bytes[0]!, from: formatEndpoint(from) }),
  });
  return seen;
}

const close = async (socket: AsyncDisposable) => await socket[Symbol.asyncDispose]();

function flood(socket: UdpSocket, to: Endpoint, count: number, size = 100): void {
  for (let i = 0; i < count; i++) socket.send(new Uint8Array(size).fill(i), to);
}

Deno.test("a link delays by its latency and stays within its jitter", async () => {
  const { world, socket, seen, to } = await pair({ delayMs: 30, jitterMs: 10 });
  flood(socket, to, 200);
  await world.run(100);
  strictEqual(seen.length, 200);
  ok(seen.every(({ at }) => at >= 30 && at < 40));
  ok(Math.max(...seen.map((s) => s.at)) - Math.min(...seen.map((s) => s.at)) > 9);
});

Deno.test("a link loses its share", async () => {
  const { world, socket, seen, to } = await pair({ loss: 0.1 });
  flood(socket, to, 5000);
  await world.run(100);
  ok(Math.abs(seen.length - 4500) < 100, `${seen.length} of 5000 at 10 %`);
  strictEqual(world.counted("drop loss"), 5000 - seen.length);
});

Deno.test("a link duplicates its share, each copy with its own bytes", async () => {
  const { world, socket, seen, to } = await pair({ duplicate: 0.2, jitterMs: 5 });
  flood(socket, to, 250);
  await world.run(100);
  ok(Math.abs(seen.length - 300) < 40, `${seen.length} of 250 at 20 %`);
  for (let i = 0; i < 250; i++) ok(seen.some((s) => s.first === i), `datagram ${i} never came`);
});

Deno.test("a link reorders its share", async () => {
  const { world, socket, seen, to } = await pair({ reorder: 0.1, reorderMs: 15 });
  flood(socket, to, 250);
  await world.run(100);
  const late = seen.filter(({ at }) => at === 15).length;
  ok(late > 10 && late < 45, `${late} of 250 at 10 %`);
  ok(
    seen.slice(0, 250 - late).every((s, i, all) => i === 0 || s.first > all[i - 1]!.first),
    "the others keep order",
  );
});

Deno.test("a narrow link takes its time and drops what its queue cannot hold", async () => {
  const { world, socket, seen, to } = await pair({ bytesPerSecond: 12_800, queueBytes: 12_800 });
  flood(socket, to, 200); // 128 bytes each with their headers: 10 ms
  await world.run(5000);
  deepStrictEqual(seen.slice(0, 3).map((s) => Math.round(s.at)), [10, 20, 30]);
  strictEqual(seen.length, 100);
  strictEqual(world.counted("drop queue"), 100);
});

Deno.test("a narrow way in is shared by all who send", async () => {
  const world = new World({ seed: 1 }), hosts = ["192.0.2.3", "192.0.2.4"];
  const b = world.host("b", { ips: [B], link: { down: { bytesPerSecond: 12_800 } } }),
    seen = await listen(world, b, 2);
  for (const [i, ip] of hosts.entries()) {
    const host = world.host(ip, { ips: [ip], link: { delayMs: 5 * i } });
    flood(await world.finish(host.env.net.udp()), { ip: B, port: 2 }, 10);
  }
  await world.run(5000);
  strictEqual(Math.round(seen.at(-1)!.at), 200);
});

Deno.test("datagrams above the MTU pay per fragment, or vanish in a black hole", async () => {
  const open = await pair({ loss: 0.1 });
  flood(open.socket, open.to, 2000, 6000); // five fragments: 0.9^5 = 59 %
  await open.world.run(100);
  ok(Math.abs(open.seen.length - 1181) < 80, `${open.seen.length} of 2000`);
  const hole = await pair({ fragments: "drop" });
  flood(hole.socket, hole.to, 3, 1473);
  flood(hole.socket, hole.to, 4, 1472);
  await hole.world.run(100);
  deepStrictEqual([hole.seen.length, hole.world.counted("drop mtu")], [4, 3]);
});

Deno.test("a handler that keeps a datagram's bytes sees them overwritten, as on a real socket", async () => {
  const world = new World({ seed: 1 }), b = world.host("b", { ips: [B] }), kept: Uint8Array[] = [];
  const receiver = await world.finish(b.env.net.udp({ port: 2 }));
  void receiver.run({ datagram: (bytes) => void kept.push(bytes) });
  const sender = await world.finish(world.host("a", { ips: [A] }).env.net.udp());
  const bytes = Uint8Array.of(1, 2, 3);
  sender.send(bytes, { ip: B, port: 2 });
  bytes.fill(9); // a sender may reuse its buffer
  let during: number[] = [];
  const other = await world.finish(b.env.net.udp({ port: 3 }));
  void other.run({ datagram: (got) => void (during = [...got]) });
  sender.send(Uint8Array.of(4, 5), { ip: B, port: 3 });
  await world.run(1);
  deepStrictEqual([...kept[0]!], [0xdd, 0xdd, 0xdd]);
  deepStrictEqual(during, [4, 5]);
});

Deno.test("datagrams wait for a socket that does not run yet, up to its buffer", async () => {
  const world = new World({ seed: 1 }), b = world.host("b", { ips: [B] });
  const receiver = await world.finish(b.env.net.udp({ port: 2 }));
  const sender = await world.finish(world.host("a", { ips: [A] }).env.net.udp());
  flood(sender, { ip: B, port: 2 }, 300, 1000);
  await world.run(1);
  const seen: number[] = [];
  void receiver.run({ datagram: (bytes) => void seen.push(bytes[0]!) });
  await world.run(1);
  deepStrictEqual(seen, Array.from({ length: 212 }, (_, i) => i));
  strictEqual(world.counted("drop receive-buffer"), 88);
});

Deno.test("ports: in use is refused per address and family, any port is free, closed sockets give theirs back", async () => {
  const world = new World({ seed: 1 });
  const { net } = world.host("a", { ips: [A, "2001:db8::1"] }).env;
  const first = await world.finish(net.udp({ port: 5 }));
  deepStrictEqual(first.local, { ip: "::", port: 5 });
  await rejects(world.finish(net.udp({ port: 5 })), { code: "net/port-in-use" });
  await rejects(world.finish(net.udp({ port: 5, ip: A })), { code: "net/port-in-use" });
  await rejects(world.finish(net.udp({ ip: "203.0.113.1" })), { code: "net/bind" });
  await world.finish(close(first));
  const four = await world.finish(net.udp({ port: 5, ip: "0.0.0.0" }));
  const six = await world.finish(net.udp({ port: 5, ip: "2001:db8::1" }));
  strictEqual(four.local.port, six.local.port);
  ok((await world.finish(net.udp())).local.port >= 32768);
});

Deno.test("run() settles when the socket is disposed and rejects when the handler threw", async () => {
  const { world, b, socket } = await pair({});
  const quiet = await world.finish(b.env.net.udp({ port: 7 })),
    done = quiet.run({ datagram: () => undefined });
  await world.finish(close(quiet));
  await world.finish(done);
  const angry = await world.finish(b.env.net.udp({ port: 8 }));
  const failed = angry.run({
    datagram: () => {
      throw new RangeError("mine");
    },
  });
  socket.send(Uint8Array.of(1), { ip: B, port: 8 });
  await rejects(world.finish(failed), RangeError);
});

Deno.test("send() tells at once what can never leave: no such family, too long", async () => {
  const world = new World({ seed: 1 }), a = world.host("a", { ips: [A] }), codes: string[] = [];
  const socket = await world.finish(a.env.net.udp());
  void socket.run({ datagram: () => undefined, failed: (to, code) => void codes.push(`${to.ip} ${code}`) });
  socket.send(Uint8Array.of(1), { ip: "2001:db8::9", port: 1 });
  socket.send(new Uint8Array(65508), { ip: B, port: 1 });
  a.unplug();
  socket.send(Uint8Array.of(1), { ip: B, port: 1 });
  await world.run(1);
  deepStrictEqual(codes, ["2001:db8::9 EAFNOSUPPORT", `${B} EMSGSIZE`, `${B} ENETUNREACH`]);
});

Deno.test("hosts with several addresses answer from the right one; loopback stays inside", async () => {
  const world = new World({ seed: 1 });
  const a = world.host("a", { ips: [A, "2001:db8::1"] }), b = world.host("b", { ips: [B, "2001:db8::2"] });
  const seen = await listen(world, b, 2), own = await listen(world, a, 3);
  const socket = await world.finish(a.env.net.udp({ port: 1 }));
  socket.send(Uint8Array.of(1), { ip: B, port: 2 });
  socket.send(Uint8Array.of(1), { ip: "2001:db8::2", port: 2 });
  socket.send(Uint8Array.of(1), { ip: "127.0.0.1", port: 3 });
  socket.send(Uint8Array.of(1), { ip: A, port: 3 });
  await world.run(1);
  deepStrictEqual(seen.map((s) => s.from), [`${A}:1`, "[2001:db8::1]:1"]);
  deepStrictEqual(own.map((s) => s.from), ["127.0.0.1:1", `${A}:1`]);
});

Deno.test("World.cut() parts two groups, packets in flight too, and heals", async () => {
  const { world, a, b, socket, seen, to } = await pair({ delayMs: 10 });
  socket.send(Uint8Array.of(1), to);
  await world.run(5);
  const cut = world.cut([a], [b]);
  await world.run(10);
  socket.send(Uint8Array.of(2), to);
  await world.run(20);
  cut[Symbol.dispose]();
  socket.send(Uint8Array.of(3), to);
  await world.run(20);
  deepStrictEqual(seen.map((s) => s.first), [3]);
  strictEqual(world.counted("drop cut"), 2);
});

Deno.test("Host.readdress() moves a host: the old address is dead, the socket speaks from the new one", async () => {
  const { world, a, b, socket, seen, to } = await pair({});
  b.readdress(["192.0.2.99"]);
  socket.send(Uint8Array.of(1), to);
  socket.send(Uint8Array.of(2), { ip: "192.0.2.99", port: 2 });
  a.readdress(["192.0.2.98"]);
  socket.send(Uint8Array.of(3), { ip: "192.0.2.99", port: 2 });
  await world.run(10);
  deepStrictEqual(seen.map((s) => [s.first, s.from]), [[2, `${A}:1`], [3, "192.0.2.98:1"]]);
  deepStrictEqual(b.env.net.addresses().map((a) => a.ip), ["127.0.0.1", "192.0.2.99"]);
});
