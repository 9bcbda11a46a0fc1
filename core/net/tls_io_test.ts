import { Duplex } from "node:stream";
import { connect, TLSSocket } from "node:tls";
import { deepStrictEqual, ok, rejects, strictEqual } from "node:assert/strict";
import { memoryPair, type PairOptions, readAll, tcpPair, tcpStream } from "../../tests/streams.ts";
import { concat, CoreError, realClock, Secret } from "../base/mod.ts";
import { formatPem } from "../codec/mod.ts";
import { TLS_LIMITS } from "./limits.ts";
import type { ByteStream } from "./stream.ts";
import { openTls, type TlsOptions, type TlsStream } from "./tls_io.ts";

type Chain = readonly Uint8Array[];
const pem = (name: string) =>
  Deno.readTextFileSync(new URL(`../../tests/keys/tls_${name}.pem`, import.meta.url));
const ders = (text: string) =>
  [...text.matchAll(/-----BEGIN CERTIFICATE-----([^-]+)-----/g)].map((m) =>
    Uint8Array.fromBase64(m[1]!.replace(/\s/g, ""))
  );
const identity = (name: string) => ({ chain: pem(`${name}_chain`), key: new Secret(pem(`${name}_key`)) });
const alice = identity("alice"), bob = identity("bob");
const base = { clock: realClock, checkPeer: (chain: Chain) => chain };
const server: TlsOptions<Chain> = { ...base, ...alice, role: "server" };
const client: TlsOptions<Chain> = { ...base, ...bob, role: "client" };

async function both(
  streams: [ByteStream, ByteStream],
  s: TlsOptions<Chain> = server,
  c: TlsOptions<Chain> = client,
): Promise<[TlsStream<Chain>, TlsStream<Chain>]> {
  return await Promise.all([openTls(streams[0], s), openTls(streams[1], c)]);
}

async function closeBoth(a: ByteStream, b: ByteStream): Promise<void> {
  await Promise.all([a.close(), b.close()]);
  await Promise.all([a[Symbol.asyncDispose](), b[Symbol.asyncDispose]()]);
}

Deno.test("[connection 35] [connection 40] openTls() shows each side the other's whole chain, byte for byte, in both roles, at 1.3", async () => {
  const [s, c] = await both(memoryPair());
  deepStrictEqual(s.peer, ders(bob.chain));
  deepStrictEqual(c.peer, ders(alice.chain));
  for (const side of [s, c]) strictEqual(side.protocol, "TLSv1.3");
  await closeBoth(s, c);
});

Deno.test("openTls() carries bytes of any size both ways over a stream cut anywhere", async () => {
  const cut: PairOptions = { cut: [1, 2, 3, 700, 5, 1400, 16384, 1] };
  const [s, c] = await both(memoryPair(cut));
  const send = async (to: ByteStream, sizes: number[]) => {
    const all = sizes.map((size, i) => new Uint8Array(size).map((_, j) => i + 7 * j));
    for (const bytes of all) await to.write(bytes);
    return concat(...all);
  };
  const receive = async (from: ByteStream, length: number) => {
    const pieces: Uint8Array[] = [];
    for (let got = 0; got < length; got += pieces.at(-1)!.length) pieces.push((await from.read())!);
    return concat(...pieces);
  };
  const sizes = [1, 10, 16384, 16385, 70000, 300_000, 3], length = sizes.reduce((a, b) => a + b);
  const [sentA, sentB, gotB, gotA] = await Promise.all([
    ...[send(s, sizes), send(c, [...sizes].reverse())],
    ...[receive(c, length), receive(s, length)],
  ]);
  deepStrictEqual(gotB, sentA);
  deepStrictEqual(gotA, sentB);
  await closeBoth(s, c);
});

Deno.test("[connection 30] openTls() writes whole records, each write no longer than a frame", async () => {
  const writes: Uint8Array[] = [], tap = (bytes: Uint8Array) => void writes.push(bytes.slice());
  const [s, c] = await both(memoryPair({ tap }));
  const reading = (async () => {
    for (let got = 0; got < 500_000;) got += (await c.read())!.length;
  })();
  await s.write(new Uint8Array(500_000));
  await reading;
  await closeBoth(s, c);
  ok(writes.length > 10);
  for (const bytes of writes) {
    ok(bytes.length <= 65535);
    let at = 0;
    while (at < bytes.length) {
      ok(bytes[at]! >= 0x14 && bytes[at]! <= 0x17, `a record begins at ${at}`);
      at += 5 + ((bytes[at + 3]! << 8) | bytes[at + 4]!);
    }
    strictEqual(at, bytes.length);
  }
});

Deno.test("[connection 37] [connection 38] openTls() as client signals safe renegotiation, and no SNI, ALPN or PSK", async () => {
  const [far, near] = memoryPair(), opening = openTls(near, client);
  const refused = rejects(opening);
  const hello = (await far.read())!;
  far.abort();
  await refused;
  const { suites, extensions } = parseClientHello(hello);
  ok(suites.includes(0x00ff) || extensions.has(0xff01));
  ok(suites.includes(0x1302) && suites.includes(0x1303));
  for (const absent of [0, 16, 41]) ok(!extensions.has(absent), `extension ${absent}`);
  const groups = extensions.get(10)!;
  ok(u16s(groups.subarray(2)).some((g) => g === 0x18 || g === 0x1d));
});

Deno.test("[connection 39] openTls() as server refuses a client without a certificate", async () => {
  const listener = Deno.listen({ port: 0, hostname: "127.0.0.1" });
  const socket = connect({ port: listener.addr.port, host: "127.0.0.1", rejectUnauthorized: false });
  const gone = new Promise<void>((resolve) => socket.on("close", () => resolve()));
  socket.on("error", () => {});
  const conn = await listener.accept();
  await rejects(openTls(tcpStream(conn), server), { code: "net/tls-no-certificate" });
  listener.close();
  socket.resume();
  await gone;
});

Deno.test("[connection 41] openTls() gives out nothing and closes when the chain is refused", async () => {
  const [a, b] = memoryPair();
  const refuse = () => Promise.reject(new CoreError("test/stranger"));
  const opening = Promise.allSettled([openTls(a, { ...server, checkPeer: refuse }), openTls(b, client)]);
  const [s, c] = await opening;
  strictEqual((s as PromiseRejectedResult).reason.code, "test/stranger");
  if (c.status === "fulfilled") {
    await rejects(c.value.read());
    await c.value[Symbol.asyncDispose]();
  }
  await rejects(b.read());
});

Deno.test("openTls() holds early data back until the chain is judged", async () => {
  const verdict = Promise.withResolvers<void>();
  const [a, b] = memoryPair(), events: string[] = [];
  const checkPeer = async (chain: Chain) => (await verdict.promise, events.push("judged"), chain);
  const opening = openTls(a, { ...server, checkPeer });
  const c = await openTls(b, client);
  await c.write(new Uint8Array(100));
  await new Promise((resolve) => setTimeout(resolve, 20));
  events.push("asked");
  verdict.resolve();
  const s = await opening;
  strictEqual((await s.read())!.length, 100);
  deepStrictEqual(events, ["asked", "judged"]);
  await closeBoth(s, c);
});

Deno.test("[connection H13] openTls() takes nothing below 1.3", async (t) => {
  await t.step("as server: the hello is refused", async () => {
    const [a, b] = memoryPair(), stale = openTls(a, server);
    const refused = rejects(stale, { code: "net/tls-handshake" });
    const old = connect({ socket: duplexOver(b), maxVersion: "TLSv1.2", rejectUnauthorized: false });
    old.on("error", () => {});
    await refused;
    old.destroy(), b.abort();
  });
  await t.step("as client: an answer of 1.2 is refused", async () => {
    const [a, b] = memoryPair();
    const options = { isServer: true, cert: alice.chain, key: alice.key.reveal(), maxVersion: "TLSv1.2" };
    const old = new TLSSocket(
      duplexOver(a) as never,
      { ...options, requestCert: true, rejectUnauthorized: false } as never,
    );
    old.on("error", () => {});
    await rejects(openTls(b, client), { code: "net/tls-version" });
    old.destroy(), a.abort();
  });
});

Deno.test("[connection H12] openTls() refuses a chain of too many certificates, or too large ones, unjudged", async () => {
  const [leaf, account, authority] = ders(bob.chain) as [Uint8Array, Uint8Array, Uint8Array];
  const text = (certificates: Uint8Array[]) =>
    certificates.map((der) => formatPem("CERTIFICATE", der)).join("");
  const many = [leaf, account, authority, account, authority, account]; // the engine sends what it is given
  for (const chain of [text(many), text(many.slice(0, 5).concat(Array(90).fill(authority)))]) {
    const [a, b] = memoryPair();
    let judged = 0;
    const opening = openTls(a, { ...server, checkPeer: (seen: Chain) => (judged++, seen) });
    const other = Promise.allSettled([openTls(b, { ...client, chain })]);
    await rejects(opening, /net\/tls-(chain-size|handshake)/);
    strictEqual(judged, 0);
    b.abort();
    for (const end of await other) if (end.status === "fulfilled") await end.value[Symbol.asyncDispose]();
  }
});

Deno.test("[connection 45] [connection H14] openTls() gives a silent peer up after the handshake limit", async () => {
  let fire = () => {};
  const clock = {
    ...realClock,
    at: (time: number, run: () => void) => {
      ok(Math.abs(time - realClock.now() - TLS_LIMITS.handshakeMs) < 1000);
      fire = run;
      return { [Symbol.dispose]() {} };
    },
  };
  for (const options of [server, client]) {
    const [a, b] = memoryPair(), opening = openTls(a, { ...options, clock });
    const refused = rejects(opening, { code: "net/tls-timeout" });
    await b.write(Uint8Array.of(0x16, 3, 1, 2, 0, 1, 0)); // half a record, then nothing
    fire();
    await refused;
    await rejects(async () => {
      while (await b.read());
    });
  }
});

Deno.test("[connection H19] openTls() ends on bytes that are no TLS, before and after the handshake", async () => {
  const [a, b] = memoryPair(), opening = openTls(a, server);
  const refused = rejects(opening, { code: "net/tls-handshake" });
  await b.write(new Uint8Array(65535)).catch(() => {});
  await refused;
  const raw = memoryPair(), [s, c] = await both(raw);
  await raw[1].write(new Uint8Array(65535)).catch(() => {});
  await rejects(s.read());
  await Promise.all([s[Symbol.asyncDispose](), c[Symbol.asyncDispose]()]);
});

Deno.test("openTls() can be aborted by its signal at any time before it is open", async () => {
  const done = AbortSignal.abort(new CoreError("test/changed-my-mind"));
  const [a, b] = memoryPair();
  await rejects(openTls(a, { ...server, signal: done }), { code: "test/changed-my-mind" });
  await rejects(b.read());
  const [c, d] = memoryPair(), control = new AbortController();
  const opening = openTls(c, { ...client, signal: control.signal });
  const refused = rejects(opening, { code: "test/changed-my-mind" });
  await d.read();
  control.abort(new CoreError("test/changed-my-mind"));
  await refused;
});

Deno.test("TlsStream.close() says goodbye: the other side reads to a clean end, also what came just before", async () => {
  const [s, c] = await both(await tcpPair());
  const all = readAll(c);
  await s.write(new Uint8Array(200_000));
  await s.close();
  strictEqual((await all).length, 200_000);
  await rejects(s.write(Uint8Array.of(1)));
  await closeBoth(s, c);
});

Deno.test("TlsStream.abort() makes waiting calls on both sides reject", async () => {
  const [s, c] = await both(memoryPair()), reason = new CoreError("test/enough");
  const waiting = [rejects(s.read(), reason), rejects(c.read())];
  s.abort(reason);
  await Promise.all(waiting);
  await rejects(s.write(Uint8Array.of(1)), reason);
  await closeBoth(s, c);
});

Deno.test("[connection H31] TlsStream holds a bounded number of bytes for a reader that never reads", async () => {
  const [s, c] = await both(memoryPair());
  let written = 0, stopped = false;
  const flood = (async () => {
    const block = new Uint8Array(65536);
    while (!stopped) await c.write(block), written += block.length;
  })().catch(() => {});
  let before = -1;
  while (before !== written) {
    before = written;
    await new Promise((resolve) => setTimeout(resolve, 60));
  }
  ok(written < 4 << 20, `${written} bytes accepted`);
  let got = 0;
  for (; got < 32 << 20;) got += (await s.read())!.length; // and it goes on as soon as somebody reads
  stopped = true;
  const rest = readAll(s);
  await flood;
  await c.close();
  strictEqual(got + (await rest).length, written);
  await closeBoth(s, c);
});

Deno.test("[connection H30] TlsStream.write() waits for a peer that never reads", async () => {
  const [s, c] = await both(memoryPair());
  let done = 0;
  const writing = (async () => {
    for (let i = 0; i < 64; i++) await s.write(new Uint8Array(65536)), done++;
  })();
  const broken = rejects(writing);
  await new Promise((resolve) => setTimeout(resolve, 200));
  ok(done < 40, `${done} writes taken`);
  s.abort();
  await broken;
  await closeBoth(s, c);
});

function u16s(bytes: Uint8Array): number[] {
  return Array.from({ length: bytes.length >> 1 }, (_, i) => (bytes[2 * i]! << 8) | bytes[2 * i + 1]!);
}

function parseClientHello(record: Uint8Array): { suites: number[]; extensions: Map<number, Uint8Array> } {
  let at = 5 + 4 + 2 + 32;
  at += 1 + record[at]!;
  const suitesLength = (record[at]! << 8) | record[at + 1]!,
    suites = u16s(record.subarray(at + 2, at + 2 + suitesLength));
  at += 2 + suitesLength;
  at += 1 + record[at]! + 2;
  const extensions = new Map<number, Uint8Array>();
  while (at < record.length) {
    const [type, length] = u16s(record.subarray(at, at + 4)) as [number, number];
    extensions.set(type, record.subarray(at + 4, at + 4 + length));
    at += 4 + length;
  }
  return { suites, extensions };
}

function duplexOver(stream: ByteStream): never {
  const duplex: Duplex = new Duplex({
    read() {},
    write: (bytes: Uint8Array, _encoding, done) => stream.write(bytes).then(() => done(), () => done()),
  });
  (async () => {
    for (let bytes; (bytes = await stream.read().catch(() => undefined));) duplex.push(bytes);
    duplex.push(null);
  })();
  return duplex as never;
}
