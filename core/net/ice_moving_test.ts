/**
 * The story: a node of 2023 nominated its own connection, sent its first TLS record there, then saw a check of ours
 * succeed on a second connection, nominated that one too and sent the rest of its handshake on it. We had closed it.
 */
import { strictEqual } from "node:assert/strict";
import { Bench, remote } from "../../tests/ice_bench.ts";
import { frameData } from "./framing.ts";
import { ICE } from "./limits.ts";

/** The connection the peer made. */
const PEERS = 100;
const record = (byte: number) => Uint8Array.of(0x16, 3, 3, 0, 1, byte);

/** The connection of the peer is nominated and has carried a record; `ours` is a connection of ours. */
function settled(): { b: Bench; ours: number } {
  const b = new Bench("controlled");
  b.accept(PEERS);
  b.stun(PEERS, b.check());
  b.offer(remote(3));
  b.answer(PEERS, b.written(PEERS).find((m) => m.class === "request")!);
  b.run(60);
  const ours = b.dial(0).conn;
  return { b, ours };
}
const data = (b: Bench) => b.outs("data").map((d) => d.bytes[5]);

Deno.test("[connection 26] data may move to another proven connection while both sides settle", () => {
  const { b, ours } = settled();
  b.feed({ type: "connected", conn: ours });
  const check = b.written(ours)[0]!;
  b.stun(PEERS, b.check({ nominate: true }));
  b.feed({ type: "bytes", conn: PEERS, bytes: frameData(record(1)) });
  b.answer(ours, check);
  b.feed({ type: "bytes", conn: ours, bytes: frameData(record(2)) });
  strictEqual(data(b).join(), "1,2");
  b.run(ICE.spareMs + 1000);
  b.feed({ type: "bytes", conn: PEERS, bytes: frameData(record(3)) }); // by then it has settled
  strictEqual(data(b).filter((byte) => byte === 3).length, 0);
});

Deno.test("[connection 26] a connection of ours that comes up after nomination is not checked", () => {
  const { b, ours } = settled();
  b.stun(PEERS, b.check({ nominate: true }));
  b.feed({ type: "connected", conn: ours });
  strictEqual(b.written(ours).length, 0);
  strictEqual(b.outs("close").some(({ conn }) => conn === ours), true);
});
