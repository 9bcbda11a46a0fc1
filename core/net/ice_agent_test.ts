import { deepStrictEqual, strictEqual } from "node:assert/strict";
import fc from "fast-check";
import { hex } from "../base/mod.ts";
import { frameData, FrameReader } from "./framing.ts";
import { encodeKeepalive } from "./ice_check.ts";
import type { LocalCandidate } from "./ice_pairs.ts";
import type { IceOut } from "./ice_words.ts";
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
  textAttribute,
  u32Attribute,
  verifyIntegrity,
} from "./stun.ts";
import { Bench, from, ours, remote, theirs } from "../../tests/ice_bench.ts";

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
