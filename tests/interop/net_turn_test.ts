/** Our relay client and our ICE through a real coturn. */
import { deepStrictEqual, rejects, strictEqual } from "node:assert/strict";
import { Driver, type Endpoint, realClock, realRandom, Secret, silentLog } from "../../core/base/mod.ts";
import { IceLink, IceMedia, type IceNote, realStreamNet, RelayBook } from "../../core/net/mod.ts";
import { TurnBind } from "../../core/net/turn_bind.ts";
import { TurnClient, type TurnIn, type TurnOptions, type TurnOut } from "../../core/net/turn_client.ts";
import { Coturn, coturnTest } from "./net_coturn.ts";

const env = { clock: realClock, random: realRandom, net: realStreamNet, log: silentLog };
const account = { user: "ring", password: new Secret("ring"), anyAddress: true } as const;

/** Our client machine on a real path to the server. */
class Live implements AsyncDisposable {
  readonly outs: TurnOut[] = [];
  readonly #waiting: (() => void)[] = [];
  private constructor(
    readonly driver: Driver<TurnIn, TurnOut>,
    readonly client: TurnClient,
    readonly close: () => Promise<void>,
  ) {}

  static async open(server: Endpoint, options: TurnOptions): Promise<Live> {
    const client = new TurnClient(options, realRandom);
    const seen: { live?: Live } = {};
    let send: (bytes: Uint8Array) => void = () => {}, close = () => Promise.resolve();
    const driver: Driver<TurnIn, TurnOut> = new Driver<TurnIn, TurnOut>(client, realClock, (out) => {
      if (out.type === "send") return send(out.bytes);
      seen.live!.outs.push(out);
      for (const wake of seen.live!.#waiting.splice(0)) wake();
    });
    if (options.transport === "tcp") {
      const socket = await realStreamNet.connect(server), gone = Promise.withResolvers<void>();
      send = (bytes) => void socket.write(bytes);
      socket.run({
        data: (bytes) => driver.feed({ type: "bytes", bytes }),
        end: () => driver.feed({ type: "lost", code: "ended" }),
        drain: () => {},
        closed: () => gone.resolve(),
      });
      close = () => (socket.destroy(), gone.promise);
    } else {
      const socket = await realStreamNet.udp({ ip: "127.0.0.1" });
      send = (bytes) => socket.send(bytes, server);
      const done = socket.run({
        datagram: (bytes) => driver.feed({ type: "datagram", bytes: bytes.slice() }),
      });
      close = async () => {
        await socket[Symbol.asyncDispose]();
        await done;
      };
    }
    const live = seen.live = new Live(driver, client, close);
    driver.feed({ type: "start" });
    return live;
  }

  async next<T extends TurnOut["type"]>(type: T, ms = 5000): Promise<Extract<TurnOut, { type: T }>> {
    for (const end = performance.now() + ms;;) {
      const at = this.outs.findIndex((o) => o.type === type);
      if (at >= 0) return this.outs.splice(at, 1)[0] as Extract<TurnOut, { type: T }>;
      const left = end - performance.now();
      if (left <= 0) throw new Error(`no ${type}, but ${JSON.stringify(this.outs)}`);
      const { promise, resolve } = Promise.withResolvers<void>();
      const timer = setTimeout(resolve, left);
      this.#waiting.push(resolve);
      await promise;
      clearTimeout(timer);
    }
  }
  async [Symbol.asyncDispose](): Promise<void> {
    this.driver.feed({ type: "stop" });
    await new Promise((done) => setTimeout(done, 20));
    this.driver[Symbol.dispose]();
    await this.close();
  }
}

for (const transport of ["udp", "tcp"] as const) {
  coturnTest(
    `TurnClient relays datagrams through coturn by indications, then by a channel (${transport})`,
    async () => {
      await using coturn = await Coturn.start();
      await using live = await Live.open({ ip: coturn.ip, port: coturn.port }, {
        ...account,
        transport,
        relay: "udp",
      });
      const { relayed } = await live.next("allocated"), heard: [string, number][] = [];
      const peer = await realStreamNet.udp({ ip: "127.0.0.1" });
      let arrived = Promise.withResolvers<void>();
      const done = peer.run({
        datagram(bytes, from) {
          heard.push([bytes.toHex(), from.port]);
          peer.send(new Uint8Array([...bytes, 0xff]), from);
          arrived.resolve();
        },
      });
      const to = { ip: "127.0.0.1", port: peer.local.port };
      live.driver.feed({ type: "permit", ips: ["127.0.0.1"] });
      await live.next("permitted");
      for (const bytes of [new Uint8Array([1, 2, 3]), new Uint8Array([4, 5])]) {
        live.driver.feed({ type: "relay", to, bytes });
        await arrived.promise;
        arrived = Promise.withResolvers();
        const back = await live.next("data");
        deepStrictEqual([back.from, back.bytes.toHex()], [to, bytes.toHex() + "ff"]);
        live.driver.feed({ type: "channel", to });
        await coturn.process.line(/peer 127\.0\.0\.1:\d+ lifetime updated|channel|CHANNEL_BIND/i);
        await new Promise((tick) => setTimeout(tick, 100)); // the answer to the binding is on its way to us
      }
      deepStrictEqual(heard.map(([hex]) => hex), ["010203", "0405"]);
      strictEqual(heard.every(([, port]) => port === relayed.port), true);
      await coturn.process.line(/CHANNEL_BIND processed, success/);
      await peer[Symbol.asyncDispose]();
      await done;
    },
  );
}

coturnTest(
  "[connection 28] a peer's connection to our relay becomes a raw pipe, early bytes included",
  async () => {
    await using coturn = await Coturn.start();
    const server = { ip: coturn.ip, port: coturn.port };
    await using live = await Live.open(server, { ...account, transport: "tcp", relay: "tcp" });
    const { relayed } = await live.next("allocated");
    live.driver.feed({ type: "permit", ips: ["127.0.0.1"] });
    await live.next("permitted");
    using peer = await Deno.connect({ hostname: relayed.ip, port: relayed.port });
    await peer.write(new TextEncoder().encode("early")); // before anybody has bound the connection
    const attempt = await live.next("attempt");
    strictEqual(attempt.from.port, peer.localAddr.port);
    const data = await realStreamNet.connect(server), gone = Promise.withResolvers<void>();
    const bind = new TurnBind(attempt.id, live.client.credentials, realRandom, realClock.now());
    let text = "", bound = false, all = Promise.withResolvers<void>();
    const take = (bytes: Uint8Array) => {
      text += new TextDecoder().decode(bytes);
      if (text.length >= 5) all.resolve();
    };
    const act = (outs: ReturnType<TurnBind["step"]>) => {
      for (const out of outs) {
        if (out.type === "send") data.write(out.bytes);
        else if (out.type === "bound") bound = true, take(out.rest);
        else all.reject(new Error(JSON.stringify(out)));
      }
    };
    data.run({
      data: (bytes) => bound ? take(bytes) : act(bind.step(realClock.now(), { type: "bytes", bytes })),
      end: () => {},
      drain: () => {},
      closed: () => gone.resolve(),
    });
    act(bind.step(realClock.now(), { type: "connected" }));
    await all.promise;
    strictEqual(text, "early");
    all = Promise.withResolvers();
    data.write(new TextEncoder().encode("reply"));
    const buffer = new Uint8Array(16), got = await peer.read(buffer);
    strictEqual(new TextDecoder().decode(buffer.subarray(0, got!)), "reply");
    data.destroy();
    await gone.promise;
  },
);

coturnTest("TurnClient learns a new nonce when the old one is stale", async () => {
  await using coturn = await Coturn.start({ args: ["--stale-nonce=2"] });
  await using live = await Live.open({ ip: coturn.ip, port: coturn.port }, {
    ...account,
    transport: "tcp",
    relay: "tcp",
  });
  await live.next("allocated");
  const before = live.client.credentials.nonce;
  await new Promise((done) => setTimeout(done, 3200));
  live.driver.feed({ type: "permit", ips: ["127.0.0.1"] });
  await live.next("permitted");
  strictEqual(live.client.credentials.nonce === before, false);
});

coturnTest(
  "TurnClient gives up on a wrong password and on a forbidden peer, with the server's code",
  async () => {
    await using coturn = await Coturn.start();
    const server = { ip: coturn.ip, port: coturn.port }, path = { transport: "tcp", relay: "tcp" } as const;
    await using wrong = await Live.open(server, { ...account, ...path, password: new Secret("rong") });
    strictEqual((await wrong.next("failed")).why.startsWith("401"), true);
    await using live = await Live.open(server, { ...account, ...path });
    await live.next("allocated");
    live.driver.feed({ type: "permit", ips: ["0.0.0.0"] });
    strictEqual((await live.next("denied")).code, 403);
  },
);

const lab = { policy: { loopback: true }, anyAddress: true } as const;
/** Only the relay lines of an offer. */
const relayOnly = (link: { offer: IceLink["offer"] }) => ({
  ...link.offer,
  candidates: link.offer.candidates.filter((c) => c.type === "relay"),
});

coturnTest(
  "[connection 27] IceLink connects through the relay alone, refused connects included",
  async () => {
    await using coturn = await Coturn.start();
    const notes: IceNote[] = [], relays = [coturn.server()];
    await using a = await IceLink.open(env, { ...lab, role: "controlled", relays });
    await using b = await IceLink.open(env, {
      ...lab,
      role: "controlling",
      note: (n) => void notes.push(n),
    });
    strictEqual(relayOnly(a).candidates.length, 1);
    const hidden = { ...b.offer, candidates: b.offer.candidates.filter((c) => c.tcpType === "active") };
    const connecting = b.connect(relayOnly(a)); // before the initiator has installed a permission: refused
    await new Promise((done) => setTimeout(done, 700));
    await Promise.all([connecting, a.connect(hidden)]);
    strictEqual(b.path!.remote.type, "relay");
    strictEqual(a.path!.local.type, "relay");
    strictEqual(notes.some((n) => n.what === "refused"), true);
    const bytes = realRandom.bytes(200_000);
    let length = 0;
    await Promise.all([
      a.write(bytes),
      (async () => {
        while (length < bytes.length) length += (await b.read())!.length;
      })(),
    ]);
    strictEqual(length, bytes.length);
  },
);

for (const transport of ["udp", "tcp"] as const) {
  coturnTest(`IceMedia talks from relay to relay over ${transport}`, async () => {
    await using coturn = await Coturn.start();
    const relays = [coturn.server({ transport })], components = [1, 2];
    await using a = await IceMedia.open(env, { ...lab, role: "controlling", components, relays });
    await using b = await IceMedia.open(env, { ...lab, role: "controlled", components, relays });
    deepStrictEqual(relayOnly(a).candidates.map((c) => c.component).sort(), [1, 2]);
    const heard = Promise.withResolvers<string>();
    b.onData = (component, bytes) => heard.resolve(`${component} ${bytes.toHex()}`);
    await Promise.all([a.connect(relayOnly(b)), b.connect(relayOnly(a))]);
    const { local, remote } = a.path(1)!;
    strictEqual(local.type === "relay" || remote.type === "relay", true, `${local.type} ${remote.type}`);
    const timer = setInterval(() => a.send(2, new Uint8Array([0x80, 1])), 50);
    strictEqual(await heard.promise, "2 8001");
    clearInterval(timer);
  });
}

coturnTest("IceLink offers what it has when a relay does not answer", async () => {
  using dead = Deno.listen({ hostname: "127.0.0.1", port: 0 }); // accepts, never speaks
  const silent = {
    server: { ip: "127.0.0.1", port: dead.addr.port },
    user: "ring",
    password: new Secret("ring"),
  };
  await using a = await IceLink.open(env, { ...lab, role: "controlled", relays: [silent] });
  strictEqual(a.offer.candidates.length > 0 && !a.offer.candidates.some((c) => c.type === "relay"), true);
  await rejects(a.connect(a.offer, { signal: AbortSignal.timeout(50) }), { name: "TimeoutError" });
});

coturnTest("RelayBook names a relay that works, not one that refuses us nor one that is silent", async () => {
  await using coturn = await Coturn.start();
  using silent = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const at = { host: "127.0.0.1", port: coturn.port, user: "ring" }, password = new Secret("ring");
  const servers = [{ ...at, password: new Secret("rong") }, { ...at, password }, {
    ...at,
    password,
    port: silent.addr.port,
  }];
  await using book = new RelayBook(env, { servers, anyAddress: true });
  book.refresh();
  await book.changed;
  deepStrictEqual(book.usable.map((r) => r.server), [{ ip: coturn.ip, port: coturn.port }]);
  await using link = await IceLink.open(env, { ...lab, role: "controlled", relays: book.usable });
  strictEqual(relayOnly(link).candidates.length, 1);
});
