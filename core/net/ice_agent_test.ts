import { deepStrictEqual, strictEqual } from "node:assert/strict";
import fc from "fast-check";
import { concat, type Endpoint, hex, type Random } from "../base/mod.ts";
import { frameData, FrameReader, frameStun } from "./framing.ts";
import { IceAgent } from "./ice_agent.ts";
import type { IceIn, IceOptions, IceOut } from "./ice_words.ts";
import type { Candidate, IceOffer } from "./ice_candidate.ts";
import { encodeCheck, encodeKeepalive, encodeSuccess, type IceRole } from "./ice_check.ts";
import type { LocalCandidate } from "./ice_pairs.ts";
import { ICE } from "./limits.ts";
import {
  ATTR,
  attribute,
  attributeAddress,
  attributeError,
  decodeStun,
  encodeStun,
  flagAttribute,
  METHOD,
  shortTermKey,
  type StunMessage,
  textAttribute,
  u32Attribute,
  verifyIntegrity,
} from "./stun.ts";

const ours = { ufrag: "aaaaaaaa", pwd: "a".repeat(24) }, theirs = { ufrag: "bbbbbbbb", pwd: "b".repeat(24) };
const from: Endpoint = { ip: "10.77.0.2", port: 50123 };
const tcp = { transport: "tcp", component: 1, foundation: "H1" } as const;
const local = (tcpType: "active" | "passive", port: number): LocalCandidate => ({
  ...tcp,
  tcpType,
  type: "host",
  ip: "10.77.0.1",
  port,
  priority: tcpType === "passive" ? 2130706431 : 2130706175,
  socket: 0,
});
const passive = local("passive", 34873), active = local("active", 9);
const remote = (n: number, more: Partial<Candidate> = {}): Candidate => ({
  ...tcp,
  tcpType: "passive",
  type: "host",
  ip: `10.77.0.${n}`,
  port: 40000 + n,
  priority: 2130706431 - n,
  ...more,
});

/** One agent under virtual time; the test is the other side. */
class Bench {
  now = 0;
  readonly all: { at: number; out: IceOut }[] = [];
  readonly agent: IceAgent;
  readonly #readers = new Map<number, FrameReader>();
  readonly #seen = new Map<number, StunMessage[]>();
  #id = 1;

  constructor(role: IceRole, options: Partial<IceOptions> = {}) {
    let state = 1;
    const next = () => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0);
    const random: Random = {
      bytes: (length) => Uint8Array.from({ length }, () => next() >> 16 & 255),
      float: () => 0.5,
      uint32: next,
    };
    this.agent = new IceAgent({ ...ours, transport: "tcp", role, ...options }, random);
    this.feed({ type: "local", candidates: [passive, active] });
  }
  feed(input: IceIn): IceOut[] {
    const outs = this.agent.step(this.now, input);
    for (const out of outs) {
      this.all.push({ at: this.now, out });
      if (out.type !== "write") continue;
      const reader = this.#readers.get(out.conn) ?? new FrameReader(), seen = this.#seen.get(out.conn) ?? [];
      this.#readers.set(out.conn, reader), this.#seen.set(out.conn, seen);
      reader.push(out.bytes, (m) => seen.push(decodeStun(m)), () => {});
    }
    return outs;
  }
  run(until: number): void {
    while (this.agent.wakeAt <= until) {
      const before = this.agent.wakeAt;
      this.now = Math.max(this.now, before);
      this.feed({ type: "wake" });
      strictEqual(
        this.agent.wakeAt > before || this.agent.wakeAt === Infinity,
        true,
        "a wake must make progress",
      );
    }
    this.now = until;
  }
  /** Takes the messages written on a connection since the last call. */
  written(conn: number): StunMessage[] {
    return this.#seen.get(conn)?.splice(0) ?? [];
  }
  outs<T extends IceOut["type"]>(type: T): (Extract<IceOut, { type: T }> & { at: number })[] {
    return this.all.filter((a) => a.out.type === type).map((a) => ({ at: a.at, ...a.out })) as never;
  }
  why = () => this.outs("drop").map((d) => d.why);

  accept(conn: number, address = from): void {
    this.feed({ type: "accepted", conn, from: address, local: passive });
  }
  check(parts: Partial<Parameters<typeof encodeCheck>[0]> = {}): Uint8Array {
    const role = this.agent.role === "controlling" ? "controlled" : "controlling";
    const id = new Uint8Array(12).fill(this.#id++), tieBreaker = new Uint8Array(8).fill(1);
    return encodeCheck({
      id,
      role,
      tieBreaker,
      local: theirs,
      remote: ours,
      component: 1,
      index: 0,
      nominate: false,
      ...parts,
    });
  }
  stun(conn: number, message: Uint8Array): IceOut[] {
    return this.feed({ type: "bytes", conn, bytes: frameStun(message) });
  }
  /** Answers a check of ours as a good peer does. */
  answer(conn: number, message: StunMessage): void {
    this.stun(conn, encodeSuccess(message.id, { ip: "10.77.0.1", port: 50000 + conn }, theirs));
  }
  offer(...candidates: Candidate[]): void {
    this.feed({ type: "remote", offer: { ...theirs, candidates } satisfies IceOffer });
  }
  dial(index = 0): { conn: number; to: Endpoint; at: number } {
    return this.outs("connect")[index]!;
  }
  /** Brings a controlled agent to its nominated pair over an incoming connection. */
  nominated(): number {
    this.accept(7);
    this.offer(remote(9, { tcpType: "active", port: 9 }));
    this.stun(7, this.check());
    this.answer(7, this.written(7).find((m) => m.class === "request")!);
    this.stun(7, this.check({ nominate: true }));
    strictEqual(this.outs("completed").length, 1);
    return 7;
  }
}

Deno.test("[connection 19] IceAgent answers valid checks before it has the other side's half", () => {
  const b = new Bench("controlled");
  b.accept(1);
  b.stun(1, b.check());
  const [answer] = b.written(1);
  strictEqual(answer!.class, "success");
  deepStrictEqual(attributeAddress(answer!, ATTR.xorMappedAddress), from);
  strictEqual(verifyIntegrity(answer!, shortTermKey(ours.pwd)), true);
  b.run(20_000);
  b.offer(remote(9, { tcpType: "active", port: 9 })); // twenty seconds later: the check it owes goes out at once
  deepStrictEqual(b.written(1).map((m) => m.class), ["request"]);
});

Deno.test("[connection 19] data of a peer that finished first is not lost", () => {
  const b = new Bench("controlled");
  b.accept(1);
  b.stun(1, b.check());
  b.stun(1, b.check({ nominate: true }));
  b.feed({ type: "bytes", conn: 1, bytes: frameData(new Uint8Array([0x16, 3, 3, 0, 1, 9])) });
  strictEqual(b.outs("data").map((d) => hex(d.bytes)).join(""), "160303000109");
  b.offer(remote(9, { tcpType: "active", port: 9 }));
  b.answer(1, b.written(1).find((m) => m.class === "request")!);
  strictEqual(b.outs("selected")[0]?.conn, 1);
});

Deno.test("[connection 21] IceAgent answers 400, 401 and 420 as the check deserves", () => {
  const b = new Bench("controlled"), id = new Uint8Array(12), key = shortTermKey(ours.pwd);
  const request = (attributes: Parameters<typeof encodeStun>[0]["attributes"], secret?: Uint8Array) =>
    encodeStun({ class: "request", method: METHOD.binding, id, attributes, key: secret, fingerprint: true });
  const name = textAttribute(ATTR.username, "aaaaaaaa:bbbbbbbb"), priority = u32Attribute(ATTR.priority, 1);
  const cases: [number, Uint8Array][] = [
    [400, request([priority, name])],
    [401, request([priority, textAttribute(ATTR.username, "cccccccc:bbbbbbbb")], key)],
    [401, request([priority, textAttribute(ATTR.username, "aaaaaaaa")], key)],
    [401, request([priority], key)],
    [401, request([priority, name], shortTermKey("wrong"))],
    [420, request([priority, name, flagAttribute(0x7abc)], key)],
    [400, request([name], key)],
  ];
  b.accept(1);
  for (const [code, bytes] of cases) {
    b.stun(1, bytes);
    const [answer] = b.written(1);
    strictEqual(attributeError(answer!)?.code, code);
    strictEqual(answer!.integrityAt !== undefined, code === 420 || bytes === cases[6]![1]);
    if (code === 420) strictEqual(hex(attribute(answer!, ATTR.unknownAttributes)!), "7abc");
  }
  b.stun(1, request([priority, name, flagAttribute(0xc057)], key)); // above 0x7fff: may be ignored
  strictEqual(b.written(1)[0]!.class, "success");
});

Deno.test("[connection 22] a repeated check gets the same answer again and changes nothing", () => {
  const b = new Bench("controlled"), check = b.check();
  b.accept(1);
  b.offer(remote(9, { tcpType: "active", port: 9 }));
  b.stun(1, check);
  const first = b.written(1).filter((m) => m.class === "success").map((m) => hex(m.bytes));
  for (let i = 0; i < 5; i++) {
    b.stun(1, check);
    deepStrictEqual(b.written(1).filter((m) => m.class === "success").map((m) => hex(m.bytes)), first);
  }
});

Deno.test("[connection 23] a controlling agent nominates once, only on the nominating check, when all pairs are done", () => {
  const b = new Bench("controlling");
  b.offer(remote(3), remote(4));
  b.run(60);
  const [one, two] = [b.dial(0), b.dial(1)];
  deepStrictEqual([one.at, two.at], [0, ICE.paceMs]);
  for (const { conn } of [one, two]) b.feed({ type: "connected", conn });
  const firsts = [one, two].map(({ conn }) => b.written(conn)[0]!);
  for (const m of firsts) {
    strictEqual(attribute(m, ATTR.useCandidate), undefined);
    strictEqual(attribute(m, ATTR.iceControlling)?.length, 8);
  }
  b.answer(two.conn, firsts[1]!); // the worse one first: wait for the better one
  b.run(100);
  strictEqual(b.written(two.conn).length, 0);
  b.answer(one.conn, firsts[0]!);
  const [nominating] = b.written(one.conn);
  strictEqual(attribute(nominating!, ATTR.useCandidate)?.length, 0);
  b.answer(one.conn, nominating!);
  strictEqual(b.outs("selected")[0]?.conn, one.conn);
  b.run(4000);
  deepStrictEqual([b.written(one.conn), b.written(two.conn)], [[], []]);
});

Deno.test("[connection 23] a controlling agent waits no longer than 400 ms for a better pair", () => {
  const b = new Bench("controlling");
  b.offer(remote(3), remote(4));
  b.run(60);
  const two = b.dial(1);
  b.feed({ type: "connected", conn: two.conn });
  b.answer(two.conn, b.written(two.conn)[0]!);
  b.run(60 + ICE.nominateMs - 1);
  strictEqual(b.written(two.conn).length, 0);
  b.run(60 + ICE.nominateMs);
  strictEqual(attribute(b.written(two.conn)[0]!, ATTR.useCandidate)?.length, 0);
});

Deno.test("[connection 24] a controlled agent never sends USE-CANDIDATE", () => {
  const b = new Bench("controlled"), conn = b.nominated();
  b.run(120_000);
  for (const { out } of b.all) {
    if (out.type !== "write") continue;
    new FrameReader().push(out.bytes, (bytes) => {
      const m = decodeStun(bytes);
      strictEqual(attribute(m, ATTR.useCandidate), undefined);
      if (m.class === "request") strictEqual(attribute(m, ATTR.iceControlled)?.length, 8);
    }, () => {});
  }
  strictEqual(b.outs("selected")[0]?.conn, conn);
});

Deno.test("[connection 25] with one pair the initiator's own check leaves at once", () => {
  const b = new Bench("controlled");
  b.now = 1000;
  b.offer(remote(3));
  deepStrictEqual(b.dial().at, 1000);
  b.feed({ type: "connected", conn: b.dial().conn });
  strictEqual(b.written(b.dial().conn)[0]?.class, "request");
});

Deno.test("[connection 26] silent extra connections, also ones closed after nomination, do not disturb", () => {
  const b = new Bench("controlled");
  for (const conn of [101, 102, 103]) b.accept(conn, { ip: "10.77.0.2", port: conn });
  const conn = b.nominated();
  b.feed({ type: "closed", conn: 101 });
  b.feed({ type: "closed", conn: 102, code: "ECONNRESET" });
  b.accept(104, { ip: "10.77.0.2", port: 104 }); // some peers open one more to the nominated address
  b.run(ICE.spareMs + 1);
  deepStrictEqual(b.outs("close").map((c) => c.conn), [103, 104]);
  strictEqual(b.outs("unlisten").length, 1);
  b.feed({ type: "bytes", conn, bytes: frameData(new Uint8Array([0x17, 3, 3, 0, 0])) });
  deepStrictEqual([b.outs("data").length, b.outs("failed").length], [1, 0]);
});

Deno.test("[connection 27] a refusing relay is tried every 500 ms, 24 times, and no longer", () => {
  const b = new Bench("controlling");
  b.offer(remote(3, { type: "relay", priority: 16777215 }));
  let tries = 0;
  while (b.outs("failed").length === 0 && b.now < 60_000) {
    const dials = b.outs("connect");
    if (dials.length > tries) b.feed({ type: "refused", conn: dials[tries++]!.conn, code: "ECONNREFUSED" });
    b.run(Math.min(b.agent.wakeAt, b.now + 500));
  }
  const times = b.outs("connect").map((c) => c.at);
  strictEqual(times.length, 25);
  strictEqual(times.every((at, i) => i === 0 || at - times[i - 1]! === 500), true);
  strictEqual(b.outs("failed")[0]!.at, times[24]! + ICE.patienceMs);
});

Deno.test("[connection 32] keepalives go out every 20 to 24 s from nomination on, and received ones stay out of the stream", () => {
  const b = new Bench("controlled"), conn = b.nominated();
  const start = b.now, data: IceOut[] = [];
  b.written(conn);
  for (let t = 10_000; t <= 600_000; t += 10_000) {
    b.run(start + t);
    data.push(
      ...b.stun(conn, encodeKeepalive(new Uint8Array(12).fill(t / 10_000))).filter((o) => o.type === "data"),
    );
  }
  const sent = b.all.filter((a) => a.at > start && a.out.type === "write");
  deepStrictEqual(data, []);
  strictEqual(sent.length, Math.floor(600_000 / 22_000));
  for (const m of b.written(conn)) deepStrictEqual([m.class, m.bytes.length], ["indication", 28]);
  strictEqual(
    sent.every((a, i) => i === 0 || (a.at - sent[i - 1]!.at >= 20_000 && a.at - sent[i - 1]!.at <= 24_000)),
    true,
  );
});

Deno.test("[connection 33] a session idle for ten minutes stays while the peer's keepalives come", () => {
  const b = new Bench("controlled"), conn = b.nominated();
  for (let t = 0; t < 600_000; t += 24_000) {
    b.run(t);
    b.stun(conn, encodeKeepalive(new Uint8Array(12)));
  }
  deepStrictEqual([b.outs("failed"), b.outs("ended")], [[], []]);
});

Deno.test("a peer that is silent is asked, and given up after three questions without an answer", () => {
  const b = new Bench("controlled"), conn = b.nominated();
  b.written(conn);
  b.run(ICE.quietMs + 1);
  const question = b.written(conn).find((m) => m.class === "request")!;
  strictEqual(attribute(question, ATTR.useCandidate), undefined);
  b.answer(conn, question); // it lives
  b.run(2 * ICE.quietMs);
  strictEqual(b.outs("failed").length, 0);
  b.run(2 * ICE.quietMs + 1 + ICE.quietAsks * ICE.quietGapMs);
  strictEqual(b.outs("failed")[0]?.code, "net/ice-silent");
  strictEqual(b.agent.wakeAt, Infinity);
});

Deno.test("silence while we do not read means nothing", () => {
  const b = new Bench("controlled");
  b.nominated();
  b.feed({ type: "paused", paused: true });
  b.run(600_000);
  strictEqual(b.outs("failed").length, 0);
  b.feed({ type: "paused", paused: false });
  b.run(600_000 + ICE.quietMs + ICE.quietAsks * ICE.quietGapMs + 1);
  strictEqual(b.outs("failed")[0]?.code, "net/ice-silent");
});

Deno.test("[connection H4] IceAgent dials 32 addresses of a request at most, and none that is nobody's business", () => {
  const b = new Bench("controlling");
  const many = Array.from(
    { length: 60 },
    (_, i) => remote(3, { ip: `10.78.0.${i + 1}`, foundation: `H${i}` }),
  );
  b.offer(remote(3, { port: 25 }), remote(3, { ip: "127.0.0.1" }), remote(3, { ip: "224.0.0.5" }), ...many);
  b.run(14_000);
  strictEqual(new Set(b.outs("connect").map((c) => c.to.ip)).size, ICE.targets);
  const drops = b.why();
  deepStrictEqual(drops.slice(0, 3), ["candidate-low-port", "candidate-loopback", "candidate-multicast"]);
  strictEqual(drops.filter((d) => d === "candidate-excess").length, 60 - ICE.targets);
  strictEqual(b.outs("connect").every((c, i, all) => i === 0 || c.at - all[i - 1]!.at >= ICE.paceMs), true);
});

Deno.test("[connection H14] half a frame does not keep a connection alive", () => {
  const b = new Bench("controlled");
  b.accept(1), b.accept(2);
  b.feed({ type: "bytes", conn: 1, bytes: new Uint8Array([0]) });
  b.feed({ type: "bytes", conn: 2, bytes: frameStun(b.check()).subarray(0, 40) });
  b.run(ICE.silentAcceptMs);
  deepStrictEqual(b.outs("close").map((c) => [c.conn, c.at]), [[1, ICE.silentAcceptMs], [
    2,
    ICE.silentAcceptMs,
  ]]);
});

Deno.test("[connection H15] at most 16 connections wait, each for 10 s", () => {
  const b = new Bench("controlled");
  for (let conn = 1; conn <= 20; conn++) b.accept(conn, { ip: "10.77.0.2", port: 1000 + conn });
  deepStrictEqual(b.outs("close").map((c) => c.conn), [17, 18, 19, 20]);
  b.run(ICE.silentAcceptMs);
  strictEqual(b.outs("close").length, 20);
  strictEqual(b.why().filter((w) => w === "connection-silent").length, 16);
});

Deno.test("[connection H16] 401 is answered ten times per connection, then it is closed", () => {
  const b = new Bench("controlled");
  b.accept(1);
  for (let i = 0; i < 15; i++) b.stun(1, b.check({ remote: { ...ours, pwd: "x".repeat(24) } }));
  strictEqual(b.written(1).length, ICE.unauthorized);
  deepStrictEqual(b.outs("close").map((c) => c.conn), [1]);
});

Deno.test("[connection H17] a claimed role conflict never makes us switch, and is answered three times", () => {
  for (const role of ["controlled", "controlling"] as const) {
    const b = new Bench(role);
    b.accept(1);
    for (let i = 0; i < 6; i++) {
      b.stun(1, b.check({ role, tieBreaker: new Uint8Array(8).fill(i % 2 ? 255 : 0) }));
    }
    const answers = b.written(1);
    deepStrictEqual(answers.map((m) => attributeError(m)?.code), [487, 487, 487]);
    strictEqual(b.agent.role, role);
    strictEqual(b.outs("selected").length, 0);
  }
});

Deno.test("IceAgent settles a role conflict by the tie-breaker when it may switch", () => {
  const weak = new Bench("controlling", { conflict: "switch" });
  weak.accept(1);
  weak.stun(1, weak.check({ role: "controlling", tieBreaker: new Uint8Array(8).fill(255) }));
  deepStrictEqual([weak.agent.role, weak.written(1)[0]?.class], ["controlled", "success"]);
  const strong = new Bench("controlling", { conflict: "switch" });
  strong.accept(1);
  strong.stun(1, strong.check({ role: "controlling", tieBreaker: new Uint8Array(8) }));
  deepStrictEqual([strong.agent.role, attributeError(strong.written(1)[0]!)?.code], ["controlling", 487]);
});

Deno.test("[connection H18] STUN of another method after nomination ends the connection it came on", () => {
  const b = new Bench("controlled"), conn = b.nominated();
  b.stun(
    conn,
    encodeStun({
      class: "request",
      method: METHOD.allocate,
      id: new Uint8Array(12),
      key: shortTermKey(ours.pwd),
    }),
  );
  deepStrictEqual([b.why().at(-1), b.outs("failed")[0]?.code], ["method", "net/ice-lost"]);
});

Deno.test("data in front of a signed check closes the connection", () => {
  const b = new Bench("controlled");
  b.accept(1);
  b.feed({ type: "bytes", conn: 1, bytes: frameData(new Uint8Array([0x16, 3, 3, 0, 1, 9])) });
  deepStrictEqual([b.outs("close").map((c) => c.conn), b.outs("data"), b.why()], [[1], [], [
    "data-unvalidated",
  ]]);
});

Deno.test("a forged answer is worth nothing", () => {
  const b = new Bench("controlling");
  b.offer(remote(3));
  b.feed({ type: "connected", conn: 1 });
  const [check] = b.written(1);
  b.stun(1, encodeSuccess(check!.id, from, { ...theirs, pwd: "x".repeat(24) })); // wrong key
  b.stun(1, encodeSuccess(new Uint8Array(12), from, theirs)); // nothing asked
  b.stun(1, encodeStun({ class: "success", method: 1, id: check!.id, key: shortTermKey(theirs.pwd) })); // no address
  strictEqual(b.written(1).length, 0);
  deepStrictEqual(b.why(), ["response-unsigned", "response-unasked", "response-unsigned"]);
  b.run(ICE.answerMs);
  strictEqual(b.outs("note").some((n) => n.what === "failed" && n.detail === "timeout"), true);
});

Deno.test("a controlled agent waits ten seconds for nomination when its checks are done, then gives up", () => {
  const b = new Bench("controlled");
  b.offer(remote(3));
  b.feed({ type: "connected", conn: 1 });
  b.answer(1, b.written(1)[0]!);
  b.run(ICE.patienceMs - 1);
  strictEqual(b.outs("failed").length, 0);
  b.run(ICE.patienceMs + 100);
  deepStrictEqual(b.outs("failed").map((f) => [f.code, f.why]), [["net/ice-failed", "not-nominated"]]);
  b.accept(50);
  deepStrictEqual(b.outs("close").at(-1)?.conn, 50); // after the end nothing is let in
});

Deno.test("two agents meet over UDP through loss, whatever is lost", () => {
  const udp = (ip: string, component: number): LocalCandidate => ({
    transport: "udp",
    type: "host",
    ip,
    port: 5000 + component,
    component,
    socket: component,
    foundation: "H1",
    priority: 2130706432 - component,
  });
  fc.assert(
    fc.property(fc.array(fc.boolean(), { maxLength: 14 }), (fate) => {
      const [a, b] = [
        new Bench("controlling", { transport: "udp" }),
        new Bench("controlled", { transport: "udp", ...theirs }),
      ];
      const ips = ["10.0.0.1", "10.0.0.2"], halves = ips.map((ip) => [1, 2].map((c) => udp(ip, c)));
      [a, b].forEach((bench, i) => bench.feed({ type: "local", candidates: halves[i]! }));
      a.offer(...halves[1]!);
      b.feed({ type: "remote", offer: { ...ours, candidates: halves[0]! } });
      let packets = 0;
      const read = [0, 0];
      for (let t = 0; t < 30_000; t += 10) {
        for (const [i, bench] of [a, b].entries()) {
          bench.run(t);
          while (read[i]! < bench.all.length) {
            const { out } = bench.all[read[i]!++]!;
            if (out.type !== "send" || fate[packets++]) continue;
            const other = i ? a : b;
            other.now = t;
            other.feed({
              type: "datagram",
              socket: out.socket,
              from: { ip: ips[i]!, port: 5000 + out.socket },
              bytes: out.bytes,
            });
          }
        }
        if (a.outs("completed").length && b.outs("completed").length) return;
      }
      throw new Error(`not completed after ${packets} packets`);
    }),
    { numRuns: 40 },
  );
});

Deno.test("IceAgent survives any order of events and any bytes within its limits", () => {
  const conn = fc.integer({ min: 1, max: 40 });
  const b0 = new Bench("controlled"),
    good = [b0.check(), b0.check({ nominate: true }), encodeKeepalive(new Uint8Array(12))];
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 200 }),
    fc.constantFrom(
      ...good.map(frameStun),
      concat(frameStun(good[0]!), frameData(new Uint8Array([0x17, 3, 3, 0, 0]))),
    ),
  );
  const event = fc.oneof(
    fc.record({
      type: fc.constant("accepted" as const),
      conn: conn.map((c) => c + 100),
      from: fc.constant(from),
      local: fc.constant(passive),
    }),
    fc.record({ type: fc.constant("bytes" as const), conn: fc.oneof(conn, conn.map((c) => c + 100)), bytes }),
    fc.record({ type: fc.constant("connected" as const), conn }),
    fc.record({ type: fc.constant("refused" as const), conn, code: fc.constant("ECONNREFUSED") }),
    fc.record({
      type: fc.constant("closed" as const),
      conn: fc.oneof(conn, conn.map((c) => c + 100)),
      code: fc.option(fc.constant("ECONNRESET"), { nil: undefined }),
    }),
    fc.constant({
      type: "remote" as const,
      offer: { ...theirs, candidates: [remote(3), remote(4, { type: "relay" as const })] },
    }),
    fc.record({ type: fc.constant("paused" as const), paused: fc.boolean() }),
    fc.constant({ type: "wake" as const }),
  );
  fc.assert(
    fc.property(
      fc.constantFrom<IceRole>("controlled", "controlling"),
      fc.array(fc.tuple(event, fc.integer({ min: 0, max: 4000 })), { maxLength: 60 }),
      (role, events) => {
        const b = new Bench(role), open = new Set<number>();
        for (const [input, gap] of events) {
          b.run(b.now + gap);
          if (input.type === "accepted") open.add(input.conn);
          b.feed(input);
          for (const out of b.outs("close")) open.delete(out.conn);
        }
        strictEqual(open.size <= ICE.accepted + 1, true);
        b.feed({ type: "stop" });
        strictEqual(b.agent.wakeAt, Infinity);
      },
    ),
  );
});
