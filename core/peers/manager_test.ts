import { deepStrictEqual, ok, rejects, strictEqual } from "node:assert/strict";
import { MemoryDht } from "../../tests/memory_dht.ts";
import { type Clock, CoreError, realClock, realRandom, Secret, silentLog } from "../base/mod.ts";
import { importPrivateKey } from "../crypto/mod.ts";
import { type DhtAccess, SecureDht } from "../dht/mod.ts";
import { type Certificate, chainPem, decodeChain, type RevocationList } from "../identity/mod.ts";
import { type Channel, realStreamNet } from "../net/mod.ts";
import { KeptLinks } from "./kept_links.ts";
import { LIMITS } from "./limits.ts";
import { PeerManager } from "./manager.ts";
import { encodeRequest, type KeyForm, peerKey, REQUEST_USER_TYPE } from "./request.ts";
import type { SeenStore } from "./seen.ts";
import type { PeerEvent, PeersOptions, Trust } from "./words.ts";

const DAY = 86_400_000;
const pem = (name: string) =>
  Deno.readTextFileSync(new URL(`../../tests/keys/tls_${name}.pem`, import.meta.url));
const chainOf = (name: string): readonly Certificate[] => decodeChain(pem(`${name}_chain`));
const wallOf = (name: string) => chainOf(name)[0]!.notBefore + DAY;

/** A clock whose long timers ring when a test says so. */
class TestClock implements Clock {
  late: (() => void)[] = [];
  constructor(public wallTime: number) {}
  now = () => realClock.now();
  wall = () => this.wallTime;
  at(time: number, run: () => void): Disposable {
    if (Math.abs(time - realClock.now() - LIMITS.answerMs) > 100) return realClock.at(time, run);
    this.late.push(run);
    return { [Symbol.dispose]: () => void (this.late = this.late.filter((other) => other !== run)) };
  }
}

interface Wish extends Partial<Pick<PeersOptions, "seen" | "transport" | "onChannel" | "crls">> {
  trust?: Trust;
  /** Whose chain and key it shows at TLS. */
  shows?: { chain: string; key: string };
  wall?: number;
  /** Sees what goes to the DHT, and may keep it back. */
  dht?: (dht: DhtAccess) => DhtAccess;
}

/** One device of a captured account: real certificates and keys, a DHT in memory, real sockets on loopback. */
class Node implements AsyncDisposable {
  readonly channels: Channel[] = [];
  readonly events: PeerEvent[] = [];
  readonly clock: TestClock;
  readonly #checks: Promise<unknown>[] = [];
  private constructor(
    readonly name: string,
    readonly secure: SecureDht,
    readonly wish: Wish,
    readonly own: PeersOptions["own"],
  ) {
    this.clock = new TestClock(wish.wall ?? wallOf(name));
    const check = secure.check.bind(secure);
    secure.check = (value) => {
      const checked = check(value);
      this.#checks.push(checked);
      return checked;
    };
    this.manager = this.#open();
  }
  manager: PeerManager;
  #open(): PeerManager {
    const manager = PeerManager.open({
      env: { clock: this.clock, random: realRandom, net: realStreamNet, log: silentLog },
      dht: this.secure,
      own: this.own,
      trust: this.wish.trust ?? (() => undefined),
      onChannel: this.wish.onChannel ??
        ((name) => name.startsWith("no:") ? undefined : (channel) => void this.channels.push(channel)),
      onEvent: (event) => void this.events.push(event),
      ice: () => ({ anyAddress: true, policy: { loopback: true } }),
      ...(this.wish.seen && { seen: this.wish.seen }),
      ...(this.wish.transport && { transport: this.wish.transport }),
      ...(this.wish.crls && { crls: this.wish.crls }),
    });
    manager.announced();
    return manager;
  }
  static async start(dht: MemoryDht, name: string, wish: Wish = {}): Promise<Node> {
    const chain = chainOf(name), key = await importPrivateKey(pem(`${name}_key`));
    const secure = new SecureDht(wish.dht?.(dht) ?? dht, {
      random: realRandom,
      identity: { key, chain: chain.map(({ der }) => der) },
    });
    await secure.publishCertificate();
    const shows = wish.shows ?? { chain: chainPem(chain), key: pem(`${name}_key`) };
    return new Node(name, secure, wish, { chain, chainPem: shows.chain, keyPem: new Secret(shows.key) });
  }
  get leaf(): Certificate {
    return this.own.chain[0]!;
  }
  get device(): string {
    return this.leaf.longId;
  }
  get ids(): { longId: string; shortId: string } {
    return { longId: this.leaf.longId, shortId: this.leaf.id };
  }
  async restart(): Promise<void> {
    await this.manager[Symbol.asyncDispose]();
    this.manager = this.#open();
  }
  async [Symbol.asyncDispose](): Promise<void> {
    await this.manager[Symbol.asyncDispose]();
    await Promise.allSettled(this.#checks); // a copy of a request may still be on the operating table
  }
}

const pause = (ms = 30) => new Promise<void>((resolve) => setTimeout(resolve, ms));
async function until(test: () => boolean, what: string): Promise<void> {
  for (const end = performance.now() + 5000; !test();) {
    if (performance.now() > end) throw new Error(`waited for ${what}`);
    await pause(5);
  }
}
/** A DHT that notes the keys somebody put under. */
function noting(keys: string[]): Wish["dht"] {
  return (dht) => ({
    get: (key, options) => dht.get(key, options),
    listen: (key, options) => dht.listen(key, options),
    put: (key, value, options) => (value.encrypted && keys.push(key), dht.put(key, value, options)),
  });
}
/** A DHT on which a device of one generation listens: under one key only. */
function onlyOn(form: KeyForm, name: string): Wish["dht"] {
  const [leaf] = chainOf(name),
    other = peerKey({ longId: leaf!.longId, shortId: leaf!.id }, form === "long" ? "short" : "long");
  return (dht) => ({
    get: (key, options) => dht.get(key, options),
    put: (key, value, options) => dht.put(key, value, options),
    listen: (key, options) => dht.listen(key === other ? "00".repeat(20) : key, options),
  });
}
const mem = () => new MemoryDht();

Deno.test("[connection 2] [connection 14] PeerManager makes one attempt for two callers, on both keys, answered once", async () => {
  const dht = mem(), keys: string[] = [];
  await using ada = await Node.start(dht, "alice", { dht: noting(keys) });
  await using bob = await Node.start(dht, "bob");
  const [one, two] = await Promise.all([ada.manager.open(bob.ids, "one"), ada.manager.open(bob.ids, "two")]);
  await one.write(Uint8Array.of(1)), await two.write(Uint8Array.of(2));
  await until(() => bob.channels.length === 2, "two channels");
  deepStrictEqual(bob.channels.map(({ name }) => name).sort(), ["one", "two"]);
  deepStrictEqual(await bob.channels.find(({ name }) => name === "two")!.read(), Uint8Array.of(2));
  deepStrictEqual(keys.sort(), [peerKey(bob.ids, "long"), peerKey(bob.ids, "short")].sort());
  await until(() => bob.manager.drops["seen"] === 1, "the second copy");
  strictEqual(bob.manager.links().length, 1);
  deepStrictEqual(ada.events.filter(({ type }) => type === "connected").length, 1);
});

for (const form of ["long", "short"] as const) {
  Deno.test(`[connection 3] [connection 7] PeerManager remembers that a device answers on its ${form} key, and forgets it when that fails`, async () => {
    const dht = mem(), asked: string[] = [], answered: string[] = [];
    await using ada = await Node.start(dht, "alice", { dht: noting(asked) });
    const only = onlyOn(form, "bob")!;
    {
      await using bob = await Node.start(dht, "bob", { dht: (inner) => noting(answered)!(only(inner)) });
      const link = await ada.manager.connect(bob.ids);
      deepStrictEqual(answered, [peerKey(ada.ids, form)]);
      link.mux.abort();
      await until(() => ada.manager.links().length === 0, "the end of the link");
      asked.length = 0;
      await ada.manager.connect(bob.ids);
      deepStrictEqual(asked, [peerKey(bob.ids, form)]);
    }
    const bobIds = { longId: chainOf("bob")[0]!.longId, shortId: chainOf("bob")[0]!.id };
    await until(() => ada.manager.links().length === 0, "the goodbye");
    for (const keys of [1, 2]) {
      asked.length = 0;
      const trying = rejects(ada.manager.connect(bobIds), { code: "peers/no-answer" });
      await until(() => ada.clock.late.length > 0, "the timer");
      await until(() => asked.length === keys, "the request");
      ada.clock.late[0]!();
      await trying;
      strictEqual(asked.length, keys);
    }
  });
}

Deno.test("[connection 6] PeerManager puts its requests signed and encrypted to the device, with the push type in clear", async () => {
  const dht = mem();
  await using ada = await Node.start(dht, "alice");
  await using bob = await Node.start(dht, "bob");
  await ada.manager.connect(bob.ids, { connType: "audioCall" });
  const [sealed] = dht.stored(peerKey(bob.ids, "long"));
  ok(sealed!.encrypted && !sealed!.owner);
  strictEqual(sealed!.pushType, "audioCall");
  const checked = await bob.secure.check(sealed!);
  deepStrictEqual([checked?.value.userType, checked?.value.type, checked?.sender?.longId], [
    "peer_request",
    0,
    ada.device,
  ]);
});

Deno.test("[connection 8] [connection 9] [connection H8] PeerManager takes an answer from the device it asked, once", async () => {
  const dht = mem();
  await using ada = await Node.start(dht, "alice");
  await using carol = await Node.start(dht, "carol");
  await using bob = await Node.start(dht, "bob");
  const answer = (id: bigint) => ({
    data: encodeRequest({ id, ice: "x", isAnswer: true, connType: "" }),
    userType: REQUEST_USER_TYPE,
  });
  let dropped = 0;
  const connecting = ada.manager.connect(bob.ids);
  const link = await connecting, [trace] = ada.manager.traces();
  const id = BigInt(trace!.steps.find(({ what }) => what.startsWith("request put"))!.detail!);
  for (const node of [carol, bob, bob]) {
    await node.secure.putEncrypted(peerKey(ada.ids, "long"), ada.leaf.publicKey, answer(id));
    await until(() => ada.manager.drops["answer-unasked"] === dropped + 1, "the drop");
    dropped++;
  }
  ok(link.mux.alive);
});

Deno.test("[connection 10] [connection H5] PeerManager answers a request id once, also across a restart", async () => {
  const kept = new Map<bigint, number>(),
    seen: SeenStore = { load: () => [...kept], add: (id, at) => void kept.set(id, at), prune() {} };
  const dht = mem(), answers: string[] = [];
  await using ada = await Node.start(dht, "alice");
  await using bob = await Node.start(dht, "bob", { seen, dht: noting(answers) });
  await ada.manager.connect(bob.ids);
  await bob.restart(); // finds the old request on both keys again
  await until(() => bob.manager.drops["seen"] === 2, "the old requests");
  strictEqual(answers.length, 1);
});

Deno.test("PeerManager leaves alone what lay there before it was announced", async () => {
  const dht = mem(), answers: string[] = [];
  await using ada = await Node.start(dht, "alice");
  await using bob = await Node.start(dht, "bob", { dht: noting(answers) });
  const body = encodeRequest({ id: 5n, ice: "x", isAnswer: false, connType: "" });
  await bob.manager[Symbol.asyncDispose]();
  await ada.secure.putEncrypted(peerKey(bob.ids, "long"), bob.leaf.publicKey, {
    data: body,
    userType: REQUEST_USER_TYPE,
  });
  await using late = PeerManager.open({ ...bob.manager.options });
  await until(() => late.drops["backlog"] === 1, "the backlog");
  strictEqual(answers.length, 0);
});

/** Nobody answers `asker`; and `asked` counts why. */
async function silence(asker: Node, asked: Node, why: string): Promise<void> {
  const trying = rejects(asker.manager.connect(asked.ids), { code: "peers/no-answer" });
  await until(
    () => (asked.manager.drops[why] ?? 0) > 0,
    `${why}, got ${JSON.stringify(asked.manager.drops)}`,
  );
  await pause();
  asker.clock.late[0]!();
  await trying;
  strictEqual(asked.manager.links().length, 0);
  deepStrictEqual(asked.manager.traces(), []);
}

Deno.test("[connection 11] [connection H9] [connection H37] PeerManager is silent towards strangers, the banned, the expired and the revoked", async (t) => {
  const refuse = (why: string): Wish => ({ trust: () => why });
  const revoked: RevocationList = {
    der: new Uint8Array(0),
    issuerKey: chainOf("alice")[1]!.longId,
    issuerDer: chainOf("alice")[1]!.subjectDer,
    revoked: [{ serial: chainOf("alice")[0]!.serial }],
  } as unknown as RevocationList;
  const cases: [string, Wish, string][] = [
    ["a stranger", refuse("stranger"), "refused-stranger"],
    ["a banned account", refuse("banned"), "refused-banned"],
    ["an expired certificate", { wall: wallOf("alice") + 20 * 365 * DAY }, "identity/chain"],
    ["a certificate not yet valid", { wall: wallOf("alice") - 30 * DAY }, "identity/chain"],
    ["a revoked device [connection H10]", { crls: () => [revoked] }, "identity/chain"],
  ];
  for (const [what, wish, why] of cases) {
    await t.step(what, async () => {
      const dht = mem();
      await using ada = await Node.start(dht, "alice");
      await using bob = await Node.start(dht, "bob", wish);
      await silence(ada, bob, why);
    });
  }
});

Deno.test("[connection 11] [connection H1] [connection H3] PeerManager never answers a request it cannot use", async () => {
  const dht = mem(), answers: string[] = [];
  await using ada = await Node.start(dht, "alice");
  await using bob = await Node.start(dht, "bob", { dht: noting(answers) });
  let id = 1n;
  for (const ice of ["", "\n\n", "abcd\n" + "p".repeat(24) + "\n", "x".repeat(9000), "junk\n".repeat(65)]) {
    const data = encodeRequest({ id: id++, ice, isAnswer: false, connType: "" });
    await ada.secure.putEncrypted(peerKey(bob.ids, "long"), bob.leaf.publicKey, {
      data,
      userType: REQUEST_USER_TYPE,
    });
    await until(
      () => bob.manager.traces().filter(({ outcome }) => outcome).length === Number(id) - 1,
      "the end of the attempt",
    );
  }
  const data = new Uint8Array(10);
  await ada.secure.putEncrypted(peerKey(bob.ids, "long"), bob.leaf.publicKey, {
    data,
    userType: REQUEST_USER_TYPE,
  });
  await ada.secure.put(peerKey(bob.ids, "long"), { data, userType: REQUEST_USER_TYPE });
  await until(() => bob.manager.drops["request"] === 1 && bob.manager.drops["unsealed"] === 1, "the drops");
  strictEqual(answers.length, 0);
});

Deno.test("[connection 13] PeerManager.connect() fails at once for ourselves, an unknown device, one we refuse, one not connected", async () => {
  const dht = mem(), keys: string[] = [];
  await using ada = await Node.start(dht, "alice", { dht: noting(keys), trust: () => "banned" });
  await using bob = await Node.start(dht, "bob");
  await rejects(ada.manager.connect(ada.device), { code: "peers/self" });
  await rejects(ada.manager.connect("ab".repeat(32)), { code: "peers/no-certificate" });
  await rejects(ada.manager.connect(bob.ids), { code: "peers/refused", data: { why: "banned" } });
  await rejects(ada.manager.open(bob.ids, "x", { existing: true }), { code: "peers/not-connected" });
  deepStrictEqual(keys, []);
});

Deno.test("[connection 15] PeerManager serves both sides when both dial at once", async () => {
  const dht = mem();
  await using ada = await Node.start(dht, "alice");
  await using bob = await Node.start(dht, "bob");
  await Promise.all([ada.manager.open(bob.ids, "from ada"), bob.manager.open(ada.ids, "from bob")]);
  await until(() => ada.channels.length === 1 && bob.channels.length === 1, "both channels");
  ok(ada.manager.links().length >= 1);
});

const forged = (leaf: string, rest: string) => chainPem([chainOf(leaf)[0]!, ...chainOf(rest).slice(1)]);
for (
  const [what, shows, code] of [
    [
      "[connection 41] another device",
      { chain: pem("carol_chain"), key: pem("carol_key") },
      "peers/other-device",
    ],
    ["[connection 42] [connection H11] its own leaf under another account", {
      chain: forged("bob", "carol"),
      key: pem("bob_key"),
    }, "identity/chain"],
    [
      "[connection H10] its leaf alone",
      { chain: chainPem([chainOf("bob")[0]!]), key: pem("bob_key") },
      "identity/chain",
    ],
  ] as const
) {
  Deno.test(`[connection 43] PeerManager closes when TLS shows ${what}, in both directions`, async () => {
    for (const direction of ["they answer", "they ask"]) {
      const dht = mem();
      await using ada = await Node.start(dht, "alice");
      await using bob = await Node.start(dht, "bob", { shows });
      if (direction === "they answer") await rejects(ada.manager.connect(bob.ids), { code });
      else {
        await Promise.allSettled([bob.manager.connect(ada.ids)]);
        await until(
          () => ada.manager.traces()[0]?.outcome === code,
          `${code}, got ${ada.manager.traces()[0]?.outcome}`,
        );
      }
      strictEqual(ada.channels.length, 0);
      await until(
        () => bob.manager.links().length === 0 && ada.manager.links().length === 0,
        "the end of all links",
      );
    }
  });
}

Deno.test("[connection 58] [connection H34] PeerManager.recheck() closes the links of whom we no longer trust, and then silence", async () => {
  const dht = mem();
  const verdict: { why?: string } = {};
  await using ada = await Node.start(dht, "alice");
  await using bob = await Node.start(dht, "bob", { trust: () => verdict.why });
  const channel = await ada.manager.open(bob.ids, "x");
  verdict.why = "banned";
  await bob.manager.recheck();
  await rejects(channel.read(), { code: "net/link-closed" });
  await until(() => ada.manager.links().length === 0, "the end of the link");
  const trying = rejects(ada.manager.connect(bob.ids), { code: "peers/no-answer" });
  await until(() => bob.manager.drops["refused-banned"] === 1, "the refusal");
  ada.clock.late[0]!();
  await trying;
});

Deno.test("[connection 57] PeerManager.connectivityChanged() asks every link for a sign of life", async () => {
  const dht = mem();
  await using ada = await Node.start(dht, "alice");
  await using bob = await Node.start(dht, "bob");
  const link = await ada.manager.connect(bob.ids);
  let probes = 0;
  const { probe } = link.mux;
  link.mux.probe = () => (probes++, probe.call(link.mux));
  ada.manager.connectivityChanged();
  strictEqual(probes, 1);
  await pause();
  ok(link.mux.alive);
  link.mux.abort(new CoreError("net/mux-dead"));
  await until(() => ada.manager.links().length === 0, "the end of the link");
  const again = await ada.manager.connect(bob.ids); // a new id, a new path
  ok(again.mux.alive && again !== link);
});

Deno.test("PeerManager.open() tries once more when the link ends before the peer has answered", async () => {
  const dht = mem();
  let asked = 0;
  await using ada = await Node.start(dht, "alice");
  await using bob = await Node.start(dht, "bob", {
    onChannel: () => {
      if (++asked > 1) return () => {};
      bob.manager.links()[0]!.mux.abort();
      return undefined;
    },
  });
  const channel = await ada.manager.open(bob.ids, "x");
  strictEqual(channel.name, "x");
  strictEqual(asked, 2);
});

Deno.test("PeerManager.connect() given up by its caller rejects, and the attempt goes on for others", async () => {
  const dht = mem();
  await using ada = await Node.start(dht, "alice");
  await using bob = await Node.start(dht, "bob");
  const control = new AbortController();
  const given = rejects(ada.manager.connect(bob.ids, { signal: control.signal }), { code: "test/no" });
  const kept = ada.manager.connect(bob.ids);
  control.abort(new CoreError("test/no"));
  await given;
  ok((await kept).mux.alive);
});

Deno.test("[connection H36] PeerManager keeps at most four links to a device", async () => {
  const dht = mem();
  await using ada = await Node.start(dht, "alice");
  await using bob = await Node.start(dht, "bob");
  const first = await ada.manager.open(bob.ids, "busy"), others: Promise<unknown>[] = [];
  for (let i = 0; i <= LIMITS.linksPerDevice; i++) { // as one that forgot its links and dials anew
    await using other = PeerManager.open(ada.manager.options);
    const link = await other.connect(bob.ids);
    others.push(link.mux.done);
    ok(bob.manager.links().length <= LIMITS.linksPerDevice + 1);
  }
  await until(() => bob.manager.links().length <= LIMITS.linksPerDevice, "the surplus to go");
  await first.write(Uint8Array.of(1)); // the one with a channel stayed
  await until(() => bob.channels.length > 0, "the channel");
  deepStrictEqual(await bob.channels[0]!.read(), Uint8Array.of(1));
});

Deno.test("KeptLinks brings a link back when it was lost, and gives a silent device up for a while", async () => {
  const dht = mem();
  await using ada = await Node.start(dht, "alice");
  await using bob = await Node.start(dht, "bob");
  using kept = new KeptLinks(ada.manager);
  kept.keep(bob.ids);
  kept.presence(bob.ids, true);
  await until(() => ada.manager.links().length === 1, "the first link");
  ada.manager.links()[0]!.mux.abort();
  await until(() => ada.manager.links().length === 0, "its end");
  kept.connectivityChanged(); // no waiting then
  await until(() => ada.manager.links().length === 1, "the second link");
});

Deno.test("PeerManager listens again after the network refused to", async () => {
  const dht = mem();
  let refusals = 2;
  const shaky = (inner: DhtAccess): DhtAccess => ({
    get: (key, options) => inner.get(key, options),
    put: (key, value, options) => inner.put(key, value, options),
    listen: (key, options) => {
      if (refusals-- > 0) throw new CoreError("dht/closed");
      return inner.listen(key, options);
    },
  });
  await using ada = await Node.start(dht, "alice");
  await using bob = await Node.start(dht, "bob", { dht: shaky });
  await ada.manager.open(bob.ids, "x"); // asked at once, heard a second later
  ok(refusals <= 0);
});
