import { deepStrictEqual, ok, rejects, strictEqual } from "node:assert/strict";
import { createHash } from "node:crypto";
import { memoryPair, readAll, tcpPair } from "../../tests/streams.ts";
import { concat, CoreError, realClock, Secret } from "../base/mod.ts";
import { MUX_LIMITS } from "./limits.ts";
import type { Channel } from "./mux_channel.ts";
import { type Accept, MuxLink } from "./mux_link.ts";
import { encodeChannel, encodeValue } from "./mux_wire.ts";
import type { ByteStream } from "./stream.ts";
import { openTls } from "./tls_io.ts";

const base = { clock: realClock, onRequest: () => undefined };
const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

/** Two links; the second serves each request by `serve`. */
function links(serve: Accept, [a, b] = memoryPair()): [MuxLink, MuxLink] {
  const near = MuxLink.open(a, { ...base, role: "client" });
  return [
    near,
    MuxLink.open(b, { ...base, role: "server", onRequest: (name) => (name === "no" ? undefined : serve) }),
  ];
}
async function dispose(...things: AsyncDisposable[]): Promise<void> {
  for (const thing of things) await thing[Symbol.asyncDispose]();
}
async function echo(channel: Channel): Promise<void> {
  for (let bytes; (bytes = await channel.read());) await channel.write(bytes);
  await channel.close();
}
const quietly = (run: (channel: Channel) => Promise<void>): Accept => (channel) =>
  void run(channel).catch(() => {});
/** TLS over `streams`, as between two devices. */
function tls(streams: [ByteStream, ByteStream]): Promise<[ByteStream, ByteStream]> {
  const pem = (name: string) =>
    Deno.readTextFileSync(new URL(`../../tests/keys/tls_${name}.pem`, import.meta.url));
  const open = (stream: ByteStream, role: "client" | "server", who: string) =>
    openTls(stream, {
      role,
      chain: pem(`${who}_chain`),
      key: new Secret(pem(`${who}_key`)),
      clock: realClock,
      checkPeer: (c) => c,
    });
  return Promise.all([open(streams[0], "client", "alice"), open(streams[1], "server", "bob")]);
}

Deno.test("[connection 51] MuxLink.open() gives a channel that carries bytes both ways, at once after the accept", async () => {
  const [near, far] = links(quietly(async (channel) => {
    await channel.write(Uint8Array.of(1, 2, 3));
    await echo(channel);
  }));
  const channel = await near.open("git://x");
  await channel.write(Uint8Array.of(9));
  deepStrictEqual(concat((await channel.read())!, (await channel.read())!), Uint8Array.of(1, 2, 3, 9));
  strictEqual(channel.id, 1);
  deepStrictEqual(near.info().channels, [{ id: 1, name: "git://x", incoming: false, received: 4, sent: 1 }]);
  await dispose(near, far);
});

Deno.test("[connection 55] MuxLink.open() rejects what the peer declines", async () => {
  const [near, far] = links(() => {});
  await rejects(near.open("no"), { code: "net/channel-refused", data: { why: "declined" } });
  await dispose(near, far);
});

Deno.test("MuxLink declines when the handler throws, and keeps the link", async () => {
  const [a, b] = memoryPair();
  const near = MuxLink.open(a, { ...base, role: "client" });
  const far = MuxLink.open(b, {
    ...base,
    role: "server",
    onRequest: () => Promise.reject(new Error("oops")),
  });
  await rejects(near.open("x"), { code: "net/channel-refused" });
  ok(near.alive && far.alive);
  await dispose(near, far);
});

Deno.test("MuxLink.open() aborted takes the request back: no channel is left on either side", async () => {
  const opened: Channel[] = [], verdict = Promise.withResolvers<Accept>(), [a, b] = memoryPair();
  const near = MuxLink.open(a, { ...base, role: "client" });
  const far = MuxLink.open(b, { ...base, role: "server", onRequest: () => verdict.promise });
  const control = new AbortController(), opening = near.open("x", { signal: control.signal });
  const refused = rejects(opening, { code: "test/no" });
  await pause(5);
  control.abort(new CoreError("test/no"));
  await refused;
  verdict.resolve((channel) => opened.push(channel));
  await pause(5);
  strictEqual(await opened[0]!.read(), undefined);
  deepStrictEqual([near.info().channels, far.info().channels], [[], []]);
  await rejects(near.open("x", { signal: control.signal }), { code: "test/no" });
  await dispose(near, far);
});

Deno.test("[connection 52] Channel.close() ends one channel: the peer reads what came before, then the end", async () => {
  const served: Channel[] = [], [near, far] = links((channel) => served.push(channel));
  const [one, two] = [await near.open("one"), await near.open("two")];
  await one.write(new Uint8Array(100_000));
  await one.close();
  strictEqual((await readAll(served[0]!)).length, 100_000);
  await rejects(served[0]!.write(Uint8Array.of(1)), { code: "net/channel-closed" });
  await rejects(one.write(Uint8Array.of(1)), { code: "net/channel-closed" });
  strictEqual(await one.read(), undefined);
  await two.write(Uint8Array.of(5));
  deepStrictEqual(await served[1]!.read(), Uint8Array.of(5));
  await dispose(near, far);
});

Deno.test("[connection 52] a link that ends, ends all its channels: what arrived is readable, then an error says it was cut", async () => {
  const served: Channel[] = [], [near, far] = links((channel) => served.push(channel));
  const channel = await near.open("x");
  await channel.write(Uint8Array.of(1));
  await pause(5);
  await near.close();
  strictEqual(await far.done, undefined);
  deepStrictEqual(await served[0]!.read(), Uint8Array.of(1));
  await rejects(served[0]!.read(), { code: "net/link-closed" });
  await rejects(channel.read(), { code: "net/link-closed" });
  await rejects(near.open("y"), { code: "net/link-closed" });
  await rejects(near.probe(), { code: "net/link-closed" });
  await dispose(near, far);
});

Deno.test("MuxLink.probe() tells a living peer from a dead one", async () => {
  const [near, far] = links(() => {});
  await pause(5);
  strictEqual(await near.probe(), true);
  strictEqual(await far.probe(), true);
  await dispose(near, far);
  let wake: (() => void) | undefined, now = 0;
  const clock = {
    now: () => now,
    wall: () => 0,
    at: (_: number, run: () => void) => (wake = run, { [Symbol.dispose]() {} }),
  };
  const [a, b] = memoryPair();
  const lonely = MuxLink.open(a, { ...base, clock, role: "client" });
  await b.write(Uint8Array.fromHex("92cdffffc40481a17601"));
  await pause(5);
  const asked = rejects(lonely.probe(), { code: "net/link-closed", data: { why: "net/mux-dead" } });
  now = MUX_LIMITS.beaconMs;
  wake!();
  await asked;
  strictEqual((await lonely.done)!.code, "net/mux-dead");
  await dispose(lonely, b);
});

Deno.test("[connection H27] MuxLink closes on a hostile peer, names the reason, and leaves nothing open", async () => {
  const [a, b] = memoryPair();
  const near = MuxLink.open(a, { ...base, role: "client" }),
    opening = near.open("x"),
    cut = rejects(opening, { code: "net/link-closed" });
  for (let i = 0; i < 20; i++) await b.write(encodeValue(7, new Uint8Array(65535))).catch(() => {});
  await cut;
  strictEqual((await near.done)!.code, "net/mux-stray-data");
  ok(near.info().drops["data-unknown-channel"]! > 15);
  await dispose(near, b);
});

Deno.test("[connection 52] 100 channels at once, each with its own bytes, in both directions", async () => {
  const [near, far] = links(quietly(echo), await tls(await tcpPair()));
  await Promise.all(Array.from({ length: 100 }, async (_, i) => {
    const channel = await near.open(`data-transfer://${i}`), sent = new Uint8Array(50_000 + i).fill(i);
    const receiving = (async () => {
      const pieces: Uint8Array[] = [];
      for (let got = 0; got < sent.length; got += pieces.at(-1)!.length) pieces.push((await channel.read())!);
      return concat(...pieces);
    })();
    for (let at = 0; at < sent.length; at += 7000) await channel.write(sent.subarray(at, at + 7000));
    deepStrictEqual(await receiving, sent);
    await channel.close();
  }));
  deepStrictEqual(near.info().channels, []);
  await near.close();
  await far.done;
  await dispose(near, far);
});

Deno.test("[connection 48] beacons are answered in less than 500 ms while 100 MB pass", async () => {
  const [near, far] = links(
    quietly(async (channel) => {
      while (await channel.read());
    }),
    await tls(await tcpPair()),
  );
  const channel = await near.open("x"), block = new Uint8Array(65536);
  let done = false;
  const writing = (async () => {
    for (let i = 0; i < 1600; i++) await channel.write(block);
    done = true;
  })();
  let worst = 0;
  while (!done) {
    const before = performance.now();
    ok(await far.probe()); // its own request and our answer travel against and with the flood
    ok(await near.probe());
    worst = Math.max(worst, performance.now() - before);
    await pause(250);
  }
  await writing;
  ok(worst < 500, `${worst} ms`);
  await dispose(near, far);
});

Deno.test("[connection H31] a reader that stalls costs no more than its bound, and the other channels go on afterwards", async () => {
  const served: Channel[] = [],
    [near, far] = links((channel) => served.push(channel), await tls(await tcpPair()));
  const slow = await near.open("slow"), before = Deno.memoryUsage().rss, block = new Uint8Array(65536);
  let written = 0, stop = false;
  const flood = (async () => {
    while (!stop) await slow.write(block), written += block.length;
  })().catch(() => {});
  await pause(1500);
  const more = (Deno.memoryUsage().rss - before) / 1e6;
  ok(written < 40 << 20, `${written} bytes accepted`);
  ok(more < 80, `${more} MB`);
  stop = true;
  let got = 0;
  const reading = (async () => {
    for (let bytes; (bytes = await served[0]!.read());) got += bytes.length;
  })();
  await flood;
  await slow.close();
  await reading;
  strictEqual(got, written);
  await dispose(near, far);
});

Deno.test("1 GB through one channel over TLS and TCP: the hash is right and memory stays flat", async () => {
  const total = 1 << 30, size = 1 << 16;
  const sent = createHash("sha256"), received = createHash("sha256"), done = Promise.withResolvers<void>();
  let got = 0, most = 0;
  const [near, far] = links(
    quietly(async (channel) => {
      for (let bytes; (bytes = await channel.read());) {
        received.update(bytes), got += bytes.length;
        if (got % (64 << 20) < bytes.length) most = Math.max(most, Deno.memoryUsage().rss);
      }
      done.resolve();
    }),
    await tls(await tcpPair()),
  );
  const channel = await near.open("data-transfer://x"), before = Deno.memoryUsage().rss;
  for (let at = 0; at < total; at += size) {
    const block = new Uint8Array(size); // never touched after it was handed over
    for (let i = 0; i < size; i += 512) block[i] = (at >> 9) + i;
    sent.update(block);
    await channel.write(block);
  }
  await channel.close();
  await done.promise;
  strictEqual(got, total);
  strictEqual(received.digest("hex"), sent.digest("hex"));
  ok(most - before < 150e6, `${(most - before) / 1e6} MB more`);
  await dispose(near, far);
});

Deno.test("[connection H23] [connection H30] a peer that asks for ever and reads nothing is closed, its demands bounded", async () => {
  const [a, b] = memoryPair();
  const near = MuxLink.open(a, { ...base, role: "client" });
  let asked = 0;
  for (; near.alive && asked < 200_000; asked++) {
    await b.write(encodeChannel("request", "x".repeat(1000), 0)).catch(() => {});
  }
  ok(!near.alive, "still alive");
  strictEqual((await near.done)!.code, "net/mux-not-listening");
  await dispose(near, b);
});
