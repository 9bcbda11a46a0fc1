import { deepStrictEqual, strictEqual } from "node:assert/strict";
import fc from "fast-check";
import { concat } from "../base/mod.ts";
import { frameData, frameStun } from "./framing.ts";
import { encodeKeepalive, encodeSuccess, type IceRole } from "./ice_check.ts";
import { ICE } from "./limits.ts";
import { attributeError, encodeStun, METHOD, shortTermKey } from "./stun.ts";
import { Bench, from, ours, passive, remote, theirs } from "../../tests/ice_bench.ts";

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
