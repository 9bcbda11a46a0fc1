import { deepStrictEqual, ok, rejects, strictEqual } from "node:assert/strict";
import type { Endpoint } from "./address.ts";
import { realNet } from "./net_io.ts";

const nextDatagram = (socket: Awaited<ReturnType<typeof realNet.udp>>) => {
  const arrived = Promise.withResolvers<{ text: string; from: Endpoint }>();
  const done = socket.run({
    datagram: (bytes, from) => arrived.resolve({ text: new TextDecoder().decode(bytes), from }),
  });
  return { arrived: arrived.promise, done };
};

for (const loopback of ["127.0.0.1", "::1"]) {
  Deno.test(`realNet.udp() carries datagrams over ${loopback} and names the sender in short form`, async () => {
    await using a = await realNet.udp(), b = await realNet.udp();
    const { arrived } = nextDatagram(b);
    const bytes = new TextEncoder().encode("hello");
    a.send(bytes, { ip: loopback, port: b.local.port });
    bytes.fill(0); // ours again at once
    deepStrictEqual(await arrived, { text: "hello", from: (await arrived).from });
    strictEqual((await arrived).from.ip, loopback);
    strictEqual((await arrived).from.port, a.local.port);
  });
}

Deno.test("realNet.udp() answers on the endpoint it was given", async () => {
  await using a = await realNet.udp(), b = await realNet.udp();
  const back = nextDatagram(a), there = nextDatagram(b);
  a.send(new Uint8Array([1]), { ip: "127.0.0.1", port: b.local.port });
  b.send(new TextEncoder().encode("back"), (await there.arrived).from);
  strictEqual((await back.arrived).text, "back");
});

Deno.test("realNet.udp() refuses a port that is taken", async () => {
  await using taken = await realNet.udp();
  await rejects(realNet.udp({ port: taken.local.port }), { code: "net/port-in-use" });
});

Deno.test("realNet.udp() ends run() quietly when it is disposed", async () => {
  const socket = await realNet.udp();
  const done = socket.run({ datagram() {} });
  await socket[Symbol.asyncDispose]();
  await done;
  socket.send(new Uint8Array(1), { ip: "127.0.0.1", port: 9 }); // ignored
  await socket[Symbol.asyncDispose]();
});

Deno.test("realNet.udp() rejects run() when the handler throws", async () => {
  await using a = await realNet.udp();
  const done = a.run({
    datagram() {
      throw new TypeError("wrong");
    },
  });
  a.send(new Uint8Array(1), { ip: "127.0.0.1", port: a.local.port });
  await rejects(done, TypeError);
});

Deno.test("realNet.udp() tells when an address cannot be reached at all", async () => {
  await using a = await realNet.udp({ ip: "127.0.0.1" });
  const failed = Promise.withResolvers<string>();
  const done = a.run({ datagram() {}, failed: (_to, code) => failed.resolve(code) });
  a.send(new Uint8Array(1), { ip: "203.0.113.5", port: 9 });
  ok(/^E[A-Z]+$/.test(await failed.promise), await failed.promise);
  await a[Symbol.asyncDispose]();
  await done;
});

Deno.test("realNet.resolve() reads the hosts file and refuses nonsense", async () => {
  ok((await realNet.resolve("localhost")).some((ip) => ip === "127.0.0.1" || ip === "::1"));
  await rejects(realNet.resolve("no such host.invalid"), { code: "net/unknown-host" });
});
