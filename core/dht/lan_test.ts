/** LAN discovery with time as a number. */
import { deepStrictEqual, ok, strictEqual, throws } from "node:assert/strict";
import fc from "fast-check";
import { hex, unhex } from "../base/mod.ts";
import { encode } from "../codec/mod.ts";
import { encodeAnnouncement, LAN_QUERY, LanDiscovery, type LanIn, type LanOut, type Link } from "./lan.ts";
import { LAN_LIMITS } from "./value_limits.ts";

const id = unhex("091e54f1467fa471ebf5ca21f265499e6061ff0e"),
  other = unhex("e1403978ff902469f0fdc1f4755d3caf6d01afdd");
const account = { id: "93545d48af8585d2e03931118cfd3ad4e6205bf7", name: "Alice" };
const links: Link[] = [{ ip: "192.0.2.10", prefix: 24 }, { ip: "2001:db8::10", prefix: 64 }];
const changed: LanIn = { type: "changed", links, ports: { 4: 4222, 6: 4223 } };
const near = { ip: "192.0.2.77", port: 8888 };
const make = (options = {}) =>
  new LanDiscovery({ id, network: 0, publish: true, discover: true, ...options });
const sent = (out: LanOut[]) =>
  out.flatMap((o) => o.type === "send" ? [`${o.family} ${o.to ? o.to.ip : "group"} ${hex(o.bytes)}`] : []);
const announced = "81a3646874 93 c414091e54f1467fa471ebf5ca21f265499e6061ff0e cd107e 00".replaceAll(" ", "");
const announcement = (node: { id: Uint8Array; port: number; network: number }) =>
  encodeAnnouncement({ node })!;
const packet = (bytes: Uint8Array, from = near): LanIn => ({ type: "packet", bytes, from });

Deno.test("[dht 55] LanDiscovery asks and announces with the bytes of §4.12, in both families, at 0, 10, 30 and 70 s", () => {
  const m = make(), seen: [number, string[]][] = [[0, sent(m.step(0, changed))]];
  strictEqual(hex(LAN_QUERY), "a171");
  while (m.wakeAt < Infinity) seen.push([m.wakeAt, sent(m.step(m.wakeAt, { type: "wake" }))]);
  const round = [
    "4 group a171",
    `4 group ${announced.replace("cd107e", "cd107e")}`,
    "6 group a171",
    `6 group ${announced.replace("cd107e", "cd107f")}`,
  ];
  deepStrictEqual(seen, [[0, round], [10_000, round], [30_000, round], [70_000, round]]);
  strictEqual(sent(m.step(100_000, changed)).length, 4); // the network changed: all over again
  strictEqual(m.wakeAt, 110_000);
});

Deno.test("[dht 55] encodeAnnouncement() writes node and account as one map", () => {
  strictEqual(hex(announcement({ id, port: 4222, network: 0 })), announced);
  strictEqual(
    hex(encodeAnnouncement({ account })!),
    "81a46a616d6992c41493545d48af8585d2e03931118cfd3ad4e6205bf7a5416c696365",
  );
  strictEqual(encodeAnnouncement({}), undefined);
});

Deno.test("LanDiscovery answers a question to whoever asked, once a second", () => {
  const m = make();
  m.step(0, changed);
  deepStrictEqual(sent(m.step(5, packet(LAN_QUERY))), [`4 192.0.2.77 ${announced}`]);
  deepStrictEqual(m.step(6, packet(LAN_QUERY)), [{ type: "drop", why: "rate" }]);
  strictEqual(sent(m.step(1005, packet(LAN_QUERY))).length, 1);
  const link = m.step(2500, packet(LAN_QUERY, { ip: "fe80::1", port: 8888 }));
  strictEqual(sent(link).length, 1);
  const quiet = make({ publish: false });
  quiet.step(0, changed);
  deepStrictEqual(quiet.step(5, packet(LAN_QUERY)), []);
});

Deno.test("LanDiscovery reports nodes of our network that are not ourselves", () => {
  const m = make(),
    hear = (node: { id: Uint8Array; port: number; network: number }, from = near) =>
      m.step(1, packet(announcement(node), from));
  m.step(0, changed);
  deepStrictEqual(hear({ id: other, port: 5000, network: 0 }), [{
    type: "node",
    id: other,
    at: { ip: near.ip, port: 5000 },
  }]);
  deepStrictEqual(hear({ id: other, port: 5000, network: 7 }), []);
  deepStrictEqual(hear({ id, port: 5000, network: 0 }), []);
  deepStrictEqual(hear({ id: new Uint8Array(20), port: 5000, network: 0 }), []);
  deepStrictEqual(hear({ id: other, port: 5000, network: 0 }, { ip: "fe80::1", port: 8888 }), []);
  const v6 = hear({ id: other, port: 5000, network: 0 }, { ip: "2001:db8::77", port: 8888 });
  deepStrictEqual(v6, [{ type: "node", id: other, at: { ip: "2001:db8::77", port: 5000 } }]);
});

Deno.test("LanDiscovery reports accounts once and lets them go after a silent minute", () => {
  const m = make(), heard = packet(encodeAnnouncement({ account })!);
  m.step(0, changed);
  deepStrictEqual(m.step(1000, heard), [{ type: "account", account, at: near }]);
  deepStrictEqual(m.step(31_000, heard).filter(({ type }) => type !== "send"), []);
  while (m.wakeAt < 91_000) m.step(m.wakeAt, { type: "wake" });
  strictEqual(m.wakeAt, 91_000);
  const gone = m.step(91_000, { type: "wake" }).filter(({ type }) => type !== "send");
  deepStrictEqual(gone, [{ type: "gone", account, at: near }]);
  strictEqual(
    sent(m.step(92_000, { type: "account", account }))[0],
    `4 group ${hex(encodeAnnouncement({ node: { id, port: 4222, network: 0 }, account })!)}`,
  );
  deepStrictEqual(m.step(93_000, heard), []); // our own
  throws(() => m.step(0, { type: "account", account: { ...account, name: "x".repeat(257) } }), {
    code: "dht/lan-name",
  });
});

Deno.test("[dht H27] LanDiscovery takes packets from its own links only, bounded in size, number and memory", () => {
  const m = make();
  m.step(0, changed);
  const why = (input: LanIn, now = 1) => m.step(now, input).map((o) => o.type === "drop" ? o.why : o.type);
  const good = announcement({ id: other, port: 5000, network: 0 });
  for (const ip of ["192.0.3.77", "198.51.100.1", "2001:db8:1::1"]) {
    deepStrictEqual(why(packet(good, { ip, port: 8888 })), ["off-link"]);
  }
  deepStrictEqual(why(packet(new Uint8Array(LAN_LIMITS.packetBytes + 1))), ["size"]);
  for (
    const wrong of [
      5,
      [1],
      null,
      { dht: 1 },
      { dht: [] },
      { dht: [other, 0, 0] },
      { dht: [other, 70_000, 0] },
      { dht: ["x", 5, 0] },
      { jami: [id] },
      { jami: [id, "x".repeat(300)] },
    ]
  ) {
    deepStrictEqual(why(packet(encode(wrong))), ["malformed"], JSON.stringify(wrong));
  }
  for (const bytes of ["", "c1", "dfffffffff", "91".repeat(100)]) {
    deepStrictEqual(why(packet(unhex(bytes))), ["malformed"]);
  }
  deepStrictEqual(why(packet(encode({ other: 1 }))), []); // an unknown service
  for (let n = 0; n < LAN_LIMITS.packetsPerSecond; n++) m.step(2000, packet(good));
  deepStrictEqual(why(packet(good), 2001), ["rate"]);
  for (let n = 0; n < LAN_LIMITS.accounts + 5; n++) {
    const spoofed = { id: n.toString(16).padStart(40, "0"), name: "x" };
    const out = m.step(5000 + 10 * n, packet(encodeAnnouncement({ account: spoofed })!));
    ok(n < LAN_LIMITS.accounts || out.some((o) => o.type === "drop" && o.why === "room"));
  }
  fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => void m.step(100_000, packet(bytes))));
});
