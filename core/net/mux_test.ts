import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import fc from "fast-check";
import { concat } from "../base/mod.ts";
import { encode } from "../codec/mod.ts";
import { MUX_LIMITS as L } from "./limits.ts";
import { Mux } from "./mux.ts";
import type { MuxIn, MuxOut } from "./mux_words.ts";
import {
  type ChannelState,
  CONTROL,
  encodeBeacon,
  encodeChannel,
  encodeValue,
  encodeVersion,
  FrameReader,
  type MuxFrame,
  valueHeader,
} from "./mux_wire.ts";

/** One machine, and a hand that plays the peer: everything it sends is read back as frames. */
class Bench {
  now = 0;
  outs: MuxOut[] = [];
  #reader = new FrameReader();
  wire: MuxFrame[] = [];
  constructor(readonly mux = new Mux("client"), readonly flush = true) {
    this.feed({ type: "start" });
  }
  feed(input: MuxIn): MuxOut[] {
    const outs = [...this.mux.step(this.now, input)];
    this.outs.push(...outs);
    let sent = 0;
    for (const out of outs) {
      if (out.type === "send") sent += out.bytes.length, this.wire.push(...this.#reader.push(out.bytes));
    }
    if (this.flush && sent) outs.push(...this.feed({ type: "flushed", bytes: sent }));
    return outs;
  }
  peer(...bytes: Uint8Array[]): MuxOut[] {
    return this.feed({ type: "bytes", bytes: concat(...bytes) });
  }
  asks(name: string, channel: number): MuxOut[] {
    return this.peer(encodeValue(CONTROL, encode([name, channel, 0]))); // as it is, also when it is too long
  }
  answers(type: ChannelState, channel: number): MuxOut[] {
    return this.peer(encodeChannel(type, "x", channel));
  }
  /** A channel opened by us; its key and number. */
  opened(key: number): number {
    const before = this.wire.length;
    this.feed({ type: "open", key, name: "x" });
    const channel = (this.sent("request", before)[0] as { channel: number }).channel;
    this.answers("accept", channel);
    return channel;
  }
  /** A channel the peer opened; its key. */
  accepted(channel: number): number {
    const asked = this.asks("y", channel).find((out) => out.type === "asked") as { key: number };
    this.feed({ type: "answer", key: asked.key, accept: true });
    return asked.key;
  }
  sent(type: string, from = 0): unknown[] {
    return this.wire.slice(from).flatMap((frame): unknown[] =>
      frame.type === "control"
        ? frame.messages.filter((message) => message.type === type)
        : frame.type === type
        ? [frame]
        : []
    );
  }
  wait(ms: number): MuxOut[] {
    const until = this.now + ms, outs: MuxOut[] = [];
    while (this.mux.wakeAt <= until) {
      this.now = Math.max(this.now, this.mux.wakeAt);
      outs.push(...this.feed({ type: "wake" }));
    }
    this.now = until;
    return outs;
  }
  drops(): string[] {
    return this.outs.flatMap((out) => (out.type === "drop" ? [out.why] : []));
  }
}
const of = (outs: MuxOut[], type: MuxOut["type"]) => outs.filter((out) => out.type === type);
const bytes = (n: number) => new Uint8Array(n);

Deno.test("[connection 47] Mux announces its version first and serves a request without having seen one", () => {
  const bench = new Bench();
  deepStrictEqual(bench.sent("version"), [{ type: "version", version: 1 }]);
  const [asked] = bench.asks("sip", 0x8000);
  deepStrictEqual(asked, { type: "asked", key: -1, channel: 0x8000, name: "sip" });
  bench.feed({ type: "answer", key: -1, accept: true });
  deepStrictEqual(bench.sent("accept"), [{ type: "accept", name: "sip", channel: 0x8000 }]);
  strictEqual(bench.mux.peerVersion, 0);
  bench.peer(encodeVersion(9));
  strictEqual(bench.mux.peerVersion, 1);
});

Deno.test("[connection 49] Mux counts numbers from its half and skips those in use", () => {
  for (const [role, first] of [["client", 1], ["server", 0x8000]] as const) {
    const bench = new Bench(new Mux(role));
    bench.asks("taken", first + 1);
    for (let key = 1; key <= 3; key++) bench.feed({ type: "open", key, name: "a" });
    deepStrictEqual(bench.sent("request").map((m) => (m as { channel: number }).channel), [
      first,
      first + 2,
      first + 3,
    ]);
  }
});

Deno.test("[connection 49] [connection H25] Mux declines requests for a reserved or used number", () => {
  const bench = new Bench(), open = bench.opened(1);
  bench.accepted(0x9000);
  for (const channel of [0, 0xffff, open, 0x9000]) bench.asks("again", channel);
  strictEqual(bench.sent("decline").length, 4);
  deepStrictEqual(bench.drops(), ["request-reserved", "request-reserved", "request-used", "request-used"]);
});

Deno.test("[connection 50] Mux moves to another number when both sides ask for one at once, and no data crosses", () => {
  const bench = new Bench();
  bench.feed({ type: "open", key: 1, name: "mine" });
  strictEqual(of(bench.asks("theirs", 1), "asked").length, 0);
  deepStrictEqual(bench.sent("decline"), [{ type: "decline", name: "theirs", channel: 1 }]);
  deepStrictEqual(bench.sent("request").map((m) => (m as { channel: number }).channel), [1, 2]);
  bench.answers("accept", 1); // the peer had accepted the first try: it is told that this is over
  deepStrictEqual(bench.sent("end"), [{ type: "end", channel: 1 }]);
  strictEqual(of(bench.peer(encodeValue(1, bytes(5))), "data").length, 0);
  deepStrictEqual(of(bench.answers("accept", 2), "opened"), [{ type: "opened", key: 1, channel: 2 }]);
});

Deno.test("[connection 51] Mux sends nothing before the accept and delivers what comes right behind it", () => {
  const bench = new Bench();
  bench.feed({ type: "open", key: 1, name: "x" });
  bench.feed({ type: "write", key: 1, bytes: bytes(3) });
  strictEqual(bench.sent("data").length, 0);
  const outs = bench.peer(encodeChannel("accept", "whatever", 1), encodeValue(1, bytes(3)));
  deepStrictEqual(outs.map(({ type }) => type), ["opened", "data"]);
  bench.accepted(0x8000);
  strictEqual(of(bench.peer(encodeValue(0x8000, bytes(3))), "data").length, 1);
});

Deno.test("[connection 52] Mux ends one channel by an empty value, the others go on", () => {
  const bench = new Bench(), a = bench.opened(1), b = bench.opened(2);
  deepStrictEqual(bench.peer(valueHeader(a, 0)), [{ type: "ended", key: 1, why: "peer" }]);
  strictEqual(of(bench.peer(encodeValue(b, bytes(1))), "data").length, 1);
  bench.feed({ type: "write", key: 2, bytes: bytes(10) });
  deepStrictEqual(of(bench.feed({ type: "finish", key: 2 }), "finished"), [{ type: "finished", key: 2 }]);
  deepStrictEqual(bench.sent("end"), [{ type: "end", channel: b }]); // and none back for the one the peer ended
});

Deno.test("[connection 54] [connection H27] Mux drops data of unknown channels, and closes after a mebibyte of it", () => {
  const bench = new Bench(), block = bytes(65535);
  bench.feed({ type: "open", key: 1, name: "x" });
  for (let i = 0; i < 8; i++) {
    deepStrictEqual(bench.peer(encodeValue(1, block)), [{ type: "drop", why: "data-before-accept" }]);
  }
  for (let i = 0; i < 8; i++) {
    deepStrictEqual(bench.peer(encodeValue(77, block)), [{ type: "drop", why: "data-unknown-channel" }]);
  }
  deepStrictEqual(of(bench.peer(encodeValue(77, block)), "close"), [{
    type: "close",
    why: "net/mux-stray-data",
  }]);
  deepStrictEqual(bench.peer(encodeValue(77, block)), []);
});

Deno.test("Mux lets pass what was on its way when we ended a channel, however much", () => {
  const bench = new Bench(), id = bench.opened(1);
  bench.feed({ type: "finish", key: 1 });
  for (let i = 0; i < 64; i++) strictEqual(of(bench.peer(encodeValue(id, bytes(65535))), "close").length, 0);
  bench.peer(valueHeader(id, 0));
  strictEqual(bench.drops().at(-1), "data-after-our-end");
});

Deno.test("Mux takes an open back: an accept that comes later is answered by an end, once", () => {
  const bench = new Bench();
  bench.feed({ type: "open", key: 1, name: "x" });
  bench.feed({ type: "reset", key: 1 });
  strictEqual(of(bench.answers("accept", 1), "opened").length, 0);
  bench.answers("accept", 1);
  deepStrictEqual(bench.sent("end"), [{ type: "end", channel: 1 }]);
});

Deno.test("[connection 55] Mux tells the opener of a decline, and declines for a silent user", () => {
  const bench = new Bench();
  bench.feed({ type: "open", key: 1, name: "nope:" });
  deepStrictEqual(bench.answers("decline", 1), [{ type: "refused", key: 1, why: "declined" }]);
  bench.asks("slow", 0x8000);
  deepStrictEqual(of(bench.wait(L.answerMs), "ended"), [{ type: "ended", key: -1, why: "taken-back" }]);
  strictEqual(bench.sent("decline").length, 1);
  strictEqual(bench.feed({ type: "answer", key: -1, accept: true }).length, 0);
});

Deno.test("[connection 48] Mux answers a beacon ahead of any data that waits", () => {
  const bench = new Bench(new Mux("client"), false);
  bench.opened(1);
  for (let i = 0; i < 200; i++) bench.feed({ type: "write", key: 1, bytes: bytes(500_000) });
  ok(bench.mux.isFull(1));
  const before = bench.wire.length;
  bench.peer(encodeBeacon(false));
  deepStrictEqual(bench.wire[before], { type: "control", messages: [{ type: "beaconReply" }] });
});

Deno.test("[connection 57] Mux closes 3 s after an unanswered beacon, and not if it is answered", () => {
  const bench = new Bench();
  deepStrictEqual(bench.feed({ type: "probe" }), [{ type: "probed", answered: false }]); // no version: it would not know
  bench.peer(encodeVersion(1));
  bench.feed({ type: "probe" }), bench.feed({ type: "probe" });
  strictEqual(bench.sent("beacon").length, 2);
  deepStrictEqual(bench.peer(encodeBeacon(true)), []);
  deepStrictEqual(bench.peer(encodeBeacon(true)), [{ type: "probed", answered: true }]);
  strictEqual(bench.wait(10_000).length, 0);
  bench.feed({ type: "probe" });
  strictEqual(of(bench.wait(2_999), "close").length, 0);
  deepStrictEqual(of(bench.wait(1), "close"), [{ type: "close", why: "net/mux-dead" }]);
});

Deno.test("[connection H28] Mux ignores a beacon reply nobody asked for", () => {
  const bench = new Bench();
  bench.peer(encodeVersion(1), encodeBeacon(true));
  deepStrictEqual(bench.drops(), ["beacon-unasked"]);
  bench.feed({ type: "probe" });
  deepStrictEqual(bench.peer(encodeBeacon(true)), [{ type: "probed", answered: true }]);
});

Deno.test("[connection H29] Mux answers five beacons a second and keeps no more than fifteen waiting", () => {
  const bench = new Bench();
  for (let i = 0; i < 1000; i++) bench.peer(encodeBeacon(false));
  strictEqual(bench.sent("beaconReply").length, 5);
  bench.wait(10_000);
  strictEqual(bench.sent("beaconReply").length, 20);
  strictEqual(bench.drops().filter((why) => why === "beacon-flood").length, 980);
});

Deno.test("[connection H22] Mux closes after three values of another shape", () => {
  const bench = new Bench();
  for (const last of [false, false, true]) {
    strictEqual(of(bench.peer(Uint8Array.of(0x80)), "close").length, last ? 1 : 0);
  }
});

Deno.test("[connection H20] [connection H21] Mux closes on a value that could only grow", () => {
  for (const hex of ["9201c6ffffffff", "ddffffffff", "91".repeat(9)]) {
    strictEqual(of(new Bench().peer(Uint8Array.fromHex(hex)), "close").length, 1, hex);
  }
});

Deno.test("[connection H14] Mux closes when a value stays unfinished for a minute, not while bytes still come", () => {
  const bench = new Bench();
  bench.peer(valueHeader(5, 65535), bytes(10));
  for (let i = 0; i < 10; i++) strictEqual(of(bench.wait(59_000), "close").length, 0), bench.peer(bytes(1));
  deepStrictEqual(of(bench.wait(60_000), "close"), [{ type: "close", why: "net/mux-slow-value" }]);
});

Deno.test("[connection H23] Mux declines requests beyond the burst, and beyond all channels", () => {
  const bench = new Bench();
  let id = 0x8000;
  for (let i = 0; i < 300; i++) bench.asks("x", id++);
  strictEqual(of(bench.outs, "asked").length, L.requestBurst);
  for (let s = 0; s < 200; s++) {
    bench.wait(1000);
    for (const out of of(bench.outs.splice(0), "asked")) {
      bench.feed({ type: "answer", key: (out as { key: number }).key, accept: true });
    }
    for (let i = 0; i < 10; i++) bench.asks("x", id++);
  }
  strictEqual(bench.sent("accept").length, L.channels);
  deepStrictEqual(of(bench.feed({ type: "open", key: 1, name: "x" }), "refused"), [{
    type: "refused",
    key: 1,
    why: "channels",
  }]);
});

Deno.test("[connection H24] Mux declines a name that is too long, or no text, without asking anybody", () => {
  const bench = new Bench();
  strictEqual(of(bench.asks("x".repeat(1025), 0x8000), "asked").length, 0);
  strictEqual(of(bench.asks("", 0x8001), "asked").length, 0);
  strictEqual(of(bench.asks("x".repeat(1024), 0x8002), "asked").length, 1);
  strictEqual(bench.sent("decline").length, 2);
});

Deno.test("[connection H26] Mux keeps nothing of accepts nobody asked for", () => {
  const bench = new Bench();
  for (let id = 1; id < 0xffff; id++) bench.answers("accept", id);
  strictEqual(bench.wire.length, 1); // the version
  strictEqual(bench.opened(1), 1);
});

Deno.test("[connection H30] Mux closes after a minute in which the peer takes nothing", () => {
  const bench = new Bench(new Mux("client"), false);
  bench.opened(1);
  for (let i = 0; i < 100; i++) bench.feed({ type: "write", key: 1, bytes: bytes(10_000) });
  const sent = bench.outs.reduce((sum, out) => sum + (out.type === "send" ? out.bytes.length : 0), 0);
  ok(sent <= L.inFlight + 70_000);
  strictEqual(of(bench.wait(59_999), "close").length, 0);
  bench.feed({ type: "flushed", bytes: 1000 });
  strictEqual(of(bench.wait(59_999), "close").length, 0);
  deepStrictEqual(of(bench.wait(1), "close"), [{ type: "close", why: "net/mux-stuck" }]);
});

Deno.test("[connection H30] Mux closes on a peer that makes it talk and does not listen", () => {
  const bench = new Bench(new Mux("client"), false), long = "x".repeat(1025);
  let count = 0;
  while (of(bench.asks(long, 0), "close").length === 0) ok(++count < 2000);
  ok(count > 1000);
});

Deno.test("[connection H31] Mux stops reading when a channel's reader is a mebibyte behind, and goes on below half", () => {
  const bench = new Bench();
  bench.opened(1);
  let got = 0;
  for (let held = false; !held; got += 65535) {
    held = of(bench.peer(encodeValue(1, bytes(65535))), "hold").length > 0;
  }
  ok(got >= L.channelBuffer && got < L.channelBuffer + 70_000);
  let left = got;
  for (let free = false; !free; left -= 1000) {
    free = of(bench.feed({ type: "taken", key: 1, bytes: 1000 }), "release").length > 0;
  }
  ok(left < L.channelBuffer / 2 && left > L.channelBuffer / 2 - 2000);
});

Deno.test("[connection H31] Mux ends a channel whose reader holds all others up, after ten seconds without a byte taken", () => {
  const bench = new Bench(), id = bench.opened(1);
  bench.opened(2);
  for (let i = 0; i < 17; i++) bench.peer(encodeValue(id, bytes(65535)));
  bench.wait(9_000);
  bench.feed({ type: "taken", key: 1, bytes: 1 });
  strictEqual(bench.wait(9_999).length, 0);
  const outs = bench.wait(1);
  deepStrictEqual(of(outs, "ended"), [{ type: "ended", key: 1, why: "stalled" }]);
  deepStrictEqual(of(outs, "release"), [{ type: "release" }]);
  deepStrictEqual(bench.sent("end"), [{ type: "end", channel: id }]);
});

Deno.test("[connection H31] Mux stops at eight mebibytes over all channels, ended ones included", () => {
  const bench = new Bench();
  let total = 0, held = false;
  for (let id = 0x8000; !held; id++) {
    bench.accepted(id);
    for (let i = 0; i < 15 && !held; i++, total += 65535) {
      held = of(bench.peer(encodeValue(id, bytes(65535))), "hold").length > 0;
    }
    bench.peer(valueHeader(id, 0));
  }
  ok(total <= L.linkBuffer + 65535, `${total}`);
});

Deno.test("[connection H31] Mux links of one account share a budget, and give back what they held when they end", () => {
  const budget = { used: 0, limit: 1 << 20 },
    a = new Bench(new Mux("client", budget)),
    b = new Bench(new Mux("client", budget));
  a.opened(1), b.opened(1);
  for (let i = 0; i < 12; i++) a.peer(encodeValue(1, bytes(65535)));
  let held = false;
  for (let i = 0; i < 5; i++) held ||= of(b.peer(encodeValue(1, bytes(65535))), "hold").length > 0;
  ok(held);
  a.feed({ type: "over" });
  strictEqual(budget.used < budget.limit, true);
  strictEqual(of(b.wait(1000), "release").length, 1);
  b.feed({ type: "over" });
  strictEqual(budget.used, 0);
});

Deno.test("Mux sends in turn: a channel with much to say does not keep another waiting", () => {
  const bench = new Bench(new Mux("client"), false);
  const a = bench.opened(1), b = bench.opened(2);
  bench.feed({ type: "write", key: 1, bytes: bytes(10_000_000) });
  bench.feed({ type: "write", key: 2, bytes: bytes(5) });
  const before = bench.wire.length;
  bench.feed({ type: "flushed", bytes: L.inFlight });
  const order = bench.wire.slice(before).map((frame) => (frame as { channel: number }).channel);
  ok(order.indexOf(b) <= 2, order.join());
  ok(order.includes(a));
});

Deno.test("Mux keeps every bound and never throws, whatever arrives in whatever order", () => {
  const channel = fc.integer({ min: 0, max: 6 }).map((n) => [0, 1, 2, 0x8000, 0x8001, 0xfffe, 0xffff][n]!);
  const key = fc.integer({ min: -6, max: 6 });
  const wire = fc.oneof(
    fc.tuple(
      fc.constantFrom<ChannelState>("request", "accept", "decline"),
      fc.string({ maxLength: 5 }),
      channel,
    ).map((a) => encodeChannel(...a)),
    fc.tuple(channel, fc.uint8Array({ maxLength: 20 })).map((a) => encodeValue(...a)),
    fc.boolean().map(encodeBeacon),
    fc.uint8Array({ maxLength: 12 }),
  );
  const input: fc.Arbitrary<MuxIn> = fc.oneof(
    wire.map((bytes) => ({ type: "bytes" as const, bytes })),
    fc.record({
      type: fc.constant("open" as const),
      key: fc.integer({ min: 1, max: 6 }),
      name: fc.constant("n"),
    }),
    fc.record({ type: fc.constant("answer" as const), key, accept: fc.boolean() }),
    fc.record({ type: fc.constant("write" as const), key, bytes: fc.uint8Array({ maxLength: 30 }) }),
    fc.record({ type: fc.constantFrom("finish" as const, "reset" as const), key }),
    fc.record({ type: fc.constant("taken" as const), key, bytes: fc.nat(30) }),
    fc.constant({ type: "probe" as const }),
    fc.constant({ type: "wake" as const }),
  );
  fc.assert(fc.property(fc.array(fc.tuple(input, fc.nat(20_000)), { maxLength: 80 }), (steps) => {
    const budget = { used: 0, limit: 1 << 20 }, bench = new Bench(new Mux("client", budget));
    const used = new Set<number>();
    for (const [step, gap] of steps) {
      bench.now += gap;
      if (step.type === "open" && used.has(step.key)) continue; // keys are never given twice
      if (step.type === "open") used.add(step.key);
      bench.feed(step);
      ok(budget.used >= 0);
      ok(bench.mux.wakeAt === Infinity || bench.mux.wakeAt >= 0);
    }
    bench.feed({ type: "over" });
    strictEqual(budget.used, 0);
    strictEqual(bench.mux.wakeAt, Infinity);
  }));
});
