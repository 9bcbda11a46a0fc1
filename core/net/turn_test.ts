import { deepStrictEqual, strictEqual } from "node:assert/strict";
import fc from "fast-check";
import { concat, type Endpoint, hex, type Random, Secret, utf8 } from "../base/mod.ts";
import { TURN } from "./limits.ts";
import {
  ATTR,
  attribute,
  attributeAddress,
  attributeText,
  attributeU32,
  decodeStun,
  encodeStun,
  errorAttribute,
  longTermKey,
  METHOD,
  type StunAttribute,
  type StunMessage,
  textAttribute,
  u32Attribute,
  verifyIntegrity,
  xorAddressAttribute,
} from "./stun.ts";
import { TurnBind } from "./turn_bind.ts";
import { TurnClient, type TurnOptions, type TurnOut } from "./turn_client.ts";
import { Relays } from "./turn_relays.ts";
import { encodeChannelData, readUnit, TurnReader } from "./turn_stream.ts";

const RELAYED = { ip: "8.20.30.9", port: 50001 }, PEER = { ip: "8.20.30.77", port: 4000 };
const key = longTermKey("ring", "ring", "ring");

/** A server played by the test, on virtual time. */
class Bench {
  now = 0;
  readonly outs: TurnOut[] = [];
  readonly asked: { at: number; m: StunMessage }[] = [];
  readonly client: TurnClient;
  nonce = "n0";
  constructor(options: Partial<TurnOptions> = {}) {
    let state = 1;
    const random: Random = {
      bytes: (n) =>
        Uint8Array.from({ length: n }, () => (state = Math.imul(state, 1103515245) + 12345) >> 16 & 255),
      float: () => 0.5,
      uint32: () => 1,
    };
    this.client = new TurnClient({
      user: "ring",
      password: new Secret("ring"),
      transport: "tcp",
      relay: "tcp",
      ...options,
    }, random);
  }
  feed(input: Parameters<TurnClient["step"]>[1]): TurnOut[] {
    const outs = this.client.step(this.now, input);
    for (const out of outs) {
      this.outs.push(out);
      if (out.type === "send" && readUnit(out.bytes)?.type === "stun") {
        this.asked.push({ at: this.now, m: decodeStun(out.bytes, TURN.message) });
      }
    }
    return outs;
  }
  run(until: number): void {
    while (this.client.wakeAt <= until) {
      this.now = Math.max(this.now, this.client.wakeAt);
      this.feed({ type: "wake" });
    }
    this.now = until;
  }
  last = () => this.asked.at(-1)!.m;
  say(
    kind: "success" | "error",
    m: StunMessage,
    attributes: StunAttribute[],
    secret: Uint8Array | null = key,
  ): TurnOut[] {
    const bytes = encodeStun({
      class: kind,
      method: m.method,
      id: m.id,
      attributes,
      key: secret ?? undefined,
    });
    return this.feed({ type: "bytes", bytes });
  }
  challenge(code = 401): void {
    this.say("error", this.last(), [
      errorAttribute(code, ""),
      textAttribute(ATTR.realm, "ring"),
      textAttribute(ATTR.nonce, this.nonce),
    ], null);
  }
  grant(relayed: Endpoint = RELAYED, lifetime = 600): TurnOut[] {
    const m = this.last();
    return this.say("success", m, [
      xorAddressAttribute(ATTR.xorRelayedAddress, relayed, m.id),
      u32Attribute(ATTR.lifetime, lifetime),
    ]);
  }
  ready(): this {
    this.feed({ type: "start" });
    this.challenge();
    this.grant();
    return this;
  }
  permit(...ips: string[]): void {
    const before = this.asked.length;
    this.feed({ type: "permit", ips });
    for (const { m } of this.asked.slice(before)) this.say("success", m, []);
  }
  attempt(id: number, from: Endpoint = PEER): TurnOut[] {
    const txid = new Uint8Array(12).fill(id);
    const attributes = [
      u32Attribute(ATTR.connectionId, id),
      xorAddressAttribute(ATTR.xorPeerAddress, from, txid),
    ];
    return this.feed({
      type: "bytes",
      bytes: encodeStun({ class: "indication", method: METHOD.connectionAttempt, id: txid, attributes }),
    });
  }
  of<T extends TurnOut["type"]>(type: T): Extract<TurnOut, { type: T }>[] {
    return this.outs.filter((o) => o.type === type) as never;
  }
  why = () => this.of("drop").map((d) => d.why);
}

Deno.test("[connection 28] TurnClient asks for a TCP allocation, answers the challenge, and permits each address", () => {
  const b = new Bench();
  b.feed({ type: "start" });
  strictEqual(attributeU32(b.last(), ATTR.requestedTransport), 6 * 2 ** 24);
  deepStrictEqual([b.last().integrityAt, b.last().fingerprint], [undefined, false]);
  b.challenge();
  deepStrictEqual(["username", "realm", "nonce"].map((n) => attributeText(b.last(), ATTR[n as "realm"])), [
    "ring",
    "ring",
    "n0",
  ]);
  strictEqual(verifyIntegrity(b.last(), key), true);
  b.grant();
  deepStrictEqual(b.of("allocated")[0]?.relayed, RELAYED);
  const before = b.asked.length;
  b.feed({ type: "permit", ips: [PEER.ip, "8.20.30.78", PEER.ip, "2001:4860::1"] }); // twice the same; another family
  deepStrictEqual(
    b.asked.slice(before).map(({ m }) => [m.method, attributeAddress(m, ATTR.xorPeerAddress)!.ip]),
    [[METHOD.createPermission, PEER.ip], [METHOD.createPermission, "8.20.30.78"]],
  );
});

Deno.test("TurnClient refreshes allocation and permissions in time, and gives the allocation back", () => {
  const b = new Bench().ready();
  b.permit(PEER.ip);
  for (let t = 0; t < 3_600_000; t += 1000) {
    b.run(t);
    for (const { m } of b.asked.splice(0)) {
      if (m.class === "request") {
        b.say("success", m, m.method === METHOD.refresh ? [u32Attribute(ATTR.lifetime, 600)] : []);
      }
      if (m.method === METHOD.refresh) strictEqual(t % 540_000, 0);
      if (m.method === METHOD.createPermission) strictEqual(t % TURN.permissionMs < 2000, true);
    }
  }
  strictEqual(b.of("failed").length, 0);
  b.feed({ type: "stop" });
  deepStrictEqual([b.last().method, attributeU32(b.last(), ATTR.lifetime)], [METHOD.refresh, 0]);
  strictEqual(b.client.wakeAt, Infinity);
});

Deno.test("TurnClient repeats a request with a new nonce, and does not do so for ever", () => {
  const b = new Bench().ready();
  b.feed({ type: "permit", ips: [PEER.ip] });
  b.nonce = "n1";
  b.challenge(438);
  strictEqual(attributeText(b.last(), ATTR.nonce), "n1");
  for (let i = 0; i < 10; i++) b.challenge(438);
  strictEqual(b.of("denied")[0]?.code, 438);
  strictEqual(b.asked.filter(({ m }) => m.method === METHOD.createPermission).length, 1 + TURN.staleNonces);
});

Deno.test("[connection H32] attempts count only for permitted peers, once each, eight at a time", () => {
  const b = new Bench().ready();
  b.attempt(1);
  deepStrictEqual(b.why(), ["turn-peer"]);
  b.permit(PEER.ip);
  for (let id = 1; id <= 12; id++) b.attempt(id);
  b.attempt(1);
  strictEqual(b.of("attempt").length, TURN.connections);
  b.feed({ type: "released" });
  b.attempt(99);
  strictEqual(b.of("attempt").length, TURN.connections + 1);
  for (let id = 100; id < 300; id++) b.feed({ type: "released" }), b.attempt(id);
  strictEqual(b.of("attempt").length, TURN.channels); // and not without end
  b.attempt(400, { ip: "8.20.30.78", port: 1 });
  strictEqual(b.why().at(-1), "turn-peer");
});

Deno.test("[connection H32] an unsigned or wrongly signed answer is nobody's", () => {
  const b = new Bench();
  b.feed({ type: "start" });
  b.say("success", b.last(), [xorAddressAttribute(ATTR.xorRelayedAddress, RELAYED, b.last().id)], null); // before any challenge
  b.challenge();
  for (const secret of [null, utf8("wrong")]) {
    b.say("success", b.last(), [xorAddressAttribute(ATTR.xorRelayedAddress, RELAYED, b.last().id)], secret);
    b.say("error", b.last(), [errorAttribute(486, "")], secret);
  }
  deepStrictEqual([b.of("allocated"), b.of("failed")], [[], []]);
  deepStrictEqual(new Set(b.why()), new Set(["turn-response-unsigned"]));
  b.grant();
  strictEqual(b.of("allocated").length, 1);
});

Deno.test("[connection H32] a stream that is neither STUN nor channel data ends the allocation", () => {
  for (
    const junk of [
      utf8("HTTP/1.1 200 OK\r\n"),
      new Uint8Array([0xff, 0, 0, 4]),
      new Uint8Array([0x80, 0, 0, 0]),
    ]
  ) {
    const b = new Bench().ready();
    b.feed({ type: "bytes", bytes: junk });
    // "HTTP" begins with the two bits of a channel: it waits for the rest, and holds no more than one unit
    strictEqual(b.of("failed").length === 1 || junk[0] === 0x48, true, hex(junk));
  }
  const b = new Bench().ready();
  fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => void b.feed({ type: "bytes", bytes })));
});

Deno.test("[connection H33] a relayed address that is not routable is not offered", () => {
  for (const ip of ["10.0.0.1", "127.0.0.1", "0.0.0.0", "224.0.0.1"]) {
    const b = new Bench();
    b.feed({ type: "start" });
    b.challenge();
    b.grant({ ip, port: 50000 });
    deepStrictEqual([b.of("allocated").length, b.of("failed")[0]?.code], [0, "net/turn-address"], ip);
  }
  const b = new Bench();
  b.feed({ type: "start" }), b.challenge(), b.grant(RELAYED, 5);
  strictEqual(b.of("failed")[0]?.code, "net/turn-lifetime");
});

Deno.test("TurnClient gives up on a silent server after eight seconds over TCP and after repeats over UDP", () => {
  const tcp = new Bench();
  tcp.feed({ type: "start" });
  tcp.run(60_000);
  deepStrictEqual([tcp.asked.length, tcp.of("failed")[0]?.why], [1, "0 timeout"]);
  const udp = new Bench({ transport: "udp", relay: "udp" });
  udp.feed({ type: "start" });
  udp.run(60_000);
  deepStrictEqual(udp.asked.map(({ at }) => at), [0, 500, 1500, 3500, 7500, 15500, 31500]);
  strictEqual(udp.of("failed")[0]?.why, "0 timeout");
});

Deno.test("TurnClient sends by indication until the channel is bound, then by channel", () => {
  const b = new Bench({ transport: "udp", relay: "udp" });
  const server = (m: StunMessage, attributes: StunAttribute[]) =>
    b.feed({
      type: "datagram",
      bytes: encodeStun({ class: "success", method: m.method, id: m.id, attributes, key }),
    });
  b.feed({ type: "start" });
  const first = b.last();
  b.feed({
    type: "datagram",
    bytes: encodeStun({
      class: "error",
      method: first.method,
      id: first.id,
      attributes: [
        errorAttribute(401, ""),
        textAttribute(ATTR.realm, "ring"),
        textAttribute(ATTR.nonce, "n"),
      ],
    }),
  });
  server(b.last(), [xorAddressAttribute(ATTR.xorRelayedAddress, RELAYED, b.last().id)]);
  b.feed({ type: "relay", to: PEER, bytes: utf8("one") });
  strictEqual(b.last().method, METHOD.send);
  strictEqual(hex(attribute(b.last(), ATTR.data)!), hex(utf8("one")));
  b.feed({ type: "channel", to: PEER });
  server(b.last(), []);
  const [sent] = b.feed({ type: "relay", to: PEER, bytes: utf8("two") });
  strictEqual(sent?.type === "send" && hex(sent.bytes), "40000003" + hex(utf8("two")));
  b.feed({ type: "datagram", bytes: encodeChannelData(0x4000, utf8("back"), false) });
  b.feed({ type: "datagram", bytes: encodeChannelData(0x4001, utf8("nobody"), false) });
  deepStrictEqual(b.of("data").map((d) => [d.from, hex(d.bytes)]), [[PEER, hex(utf8("back"))]]);
  strictEqual(b.why().at(-1), "turn-channel-unknown");
});

Deno.test("TurnReader gives the same units however the stream is cut", () => {
  const m = encodeStun({ class: "indication", method: METHOD.binding, id: new Uint8Array(12) });
  const whole = concat(
    m,
    encodeChannelData(0x4001, utf8("abcde"), true),
    m,
    encodeChannelData(0x4002, utf8(""), true),
  );
  fc.assert(fc.property(fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1 }), (sizes) => {
    const reader = new TurnReader(), units: string[] = [];
    for (let at = 0, i = 0; at < whole.length; at += sizes[i++ % sizes.length]!) {
      reader.push(whole.subarray(at, at + sizes[i % sizes.length]!));
      for (let unit = reader.next(); typeof unit !== "string"; unit = reader.next()) {
        units.push(unit.type === "stun" ? "stun" : `${unit.channel} ${unit.bytes.length}`);
      }
    }
    deepStrictEqual(units, ["stun", "16385 5", "stun", "16386 0"]);
  }));
});

Deno.test("[connection 28] TurnBind hands on what came right behind the answer", () => {
  const b = new Bench().ready(), random = b.client.random;
  const bind = new TurnBind(new Uint8Array([1, 2, 3, 4]), b.client.credentials, random, 0);
  const [asked] = bind.step(0, { type: "connected" });
  const m = decodeStun(asked!.type === "send" ? asked!.bytes : new Uint8Array());
  deepStrictEqual([m.method, hex(attribute(m, ATTR.connectionId)!), verifyIntegrity(m, key)], [
    METHOD.connectionBind,
    "01020304",
    true,
  ]);
  const success = encodeStun({ class: "success", method: m.method, id: m.id, key });
  const [bound] = bind.step(5, { type: "bytes", bytes: concat(success, utf8("peer bytes")) });
  strictEqual(bound?.type === "bound" && new TextDecoder().decode(bound.rest), "peer bytes");
  strictEqual(bind.wakeAt, Infinity);
  const late = new TurnBind(new Uint8Array(4), b.client.credentials, random, 0);
  late.step(0, { type: "connected" });
  deepStrictEqual(late.step(TURN.bindMs, { type: "wake" }).map((o) => o.type), ["failed"]);
});

Deno.test("Relays tries each server, one address per family, and names those that passed", () => {
  const m = new Relays(2);
  deepStrictEqual(m.step(0, { type: "refresh" }), [{ type: "resolve", server: 0 }, {
    type: "resolve",
    server: 1,
  }]);
  deepStrictEqual(m.step(1, { type: "refresh" }), []); // it is under way
  const ips = ["8.20.30.1", "8.20.30.2", "2001:4860::1"];
  deepStrictEqual(m.step(2, { type: "resolved", server: 0, ips }).map((o) => o.type === "test" && o.ip), [
    "8.20.30.1",
    "2001:4860::1",
  ]);
  m.step(2, { type: "resolved", server: 1, ips: [] });
  const pass = { server: 0, ip: "8.20.30.1" };
  deepStrictEqual(m.step(3, { type: "tested", ...pass, ok: true }), [{ type: "usable", relays: [pass] }]);
  deepStrictEqual(m.step(4, { type: "tested", server: 0, ip: "2001:4860::1", ok: false }), []);
  strictEqual(m.wakeAt, 2 + TURN.backOffMs); // the nameless one
  deepStrictEqual(m.step(5, { type: "tested", ...pass, ok: false }), []); // nobody asked
});

Deno.test("Relays backs off from 10 s to half an hour, and forgets that on another network", () => {
  const m = new Relays(1), gaps: number[] = [];
  let now = 0;
  m.step(now, { type: "refresh" });
  for (let i = 0; i < 12; i++) {
    m.step(now, { type: "resolved", server: 0, ips: ["8.20.30.1"] });
    m.step(now, { type: "tested", server: 0, ip: "8.20.30.1", ok: false });
    deepStrictEqual(m.step(now, { type: "refresh" }), []); // not sooner because somebody wishes
    gaps.push(m.wakeAt - now);
    now = m.wakeAt;
    strictEqual(m.step(now, { type: "wake" })[0]?.type, "resolve");
  }
  deepStrictEqual([gaps[0], gaps[1], gaps.at(-1)], [10_000, 20_000, 1_800_000]);
  m.step(now, { type: "resolved", server: 0, ips: ["8.20.30.1"] });
  m.step(now, { type: "tested", server: 0, ip: "8.20.30.1", ok: true });
  deepStrictEqual(m.step(now, { type: "network" }).map((o) => o.type), ["resolve", "usable"]);
});
