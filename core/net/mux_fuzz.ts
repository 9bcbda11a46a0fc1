/** Plaintext of a link, and commands read from the same bytes: the machine closes, drops or serves, and holds its bounds. */
import { ok, strictEqual } from "node:assert/strict";
import { concat, CoreError } from "../base/mod.ts";
import { MUX_LIMITS as L } from "./limits.ts";
import { Mux } from "./mux.ts";
import { encodeBeacon, encodeChannel, encodeValue, encodeVersion, FrameReader } from "./mux_wire.ts";
import { requireReadableLeaf } from "./tls_leaf.ts";
import { RecordCutter } from "./tls_records.ts";
import type { MuxOut } from "./mux_words.ts";

export const name = "mux";
export const guide = ["/core/net/mux", "/core/net/tls_", "/core/net/tokens"];
const word = (text: string) => new TextEncoder().encode(text);
export const seeds: readonly Uint8Array[] = [
  concat(
    encodeVersion(1),
    encodeChannel("request", "sip", 0x8000),
    encodeValue(0x8000, word("OPTIONS")),
    encodeValue(0x8000, word("")),
  ),
  concat(
    encodeChannel("accept", "a", 1),
    encodeValue(1, word("data")),
    encodeBeacon(false),
    encodeBeacon(true),
  ),
  concat(encodeChannel("request", "x", 1), encodeChannel("decline", "x", 2), encodeValue(77, word("stray"))),
  Uint8Array.fromHex("dc000301c40000"),
  Uint8Array.fromHex("17030300050102030405160301000101"),
  Uint8Array.fromHex("3082010a3081f3a003020102020101300d06092a864886f70d01010b0500"),
];

let link = fresh(), now = 0;
function fresh() {
  const budget = { used: 0, limit: L.accountBuffer },
    mux = new Mux("client", budget),
    keys = new Set<number>();
  mux.step(0, { type: "start" });
  return { mux, budget, keys, next: 1 };
}
export function restart(): void {
  link = fresh(), now = 0;
}

export function run(bytes: Uint8Array): void {
  const { mux, budget, keys } = link,
    feed = (input: Parameters<Mux["step"]>[1]) => take(mux.step(now, input));
  now += 1 + (bytes[0] ?? 0) * 40;
  let closed = false, sent = 0;
  function take(outs: readonly MuxOut[]): void {
    ok(!closed || outs.length === 0, "spoke after closing");
    for (const out of outs) {
      if (out.type === "close") closed = true;
      if (out.type === "asked" || out.type === "opened") keys.add(out.key);
      if (out.type === "send") sent += out.bytes.length;
    }
  }
  feed({ type: "bytes", bytes });
  for (const [i, byte] of bytes.subarray(0, 24).entries()) {
    const key = [...keys][byte % Math.max(1, keys.size)] ?? 0;
    if (byte < 40) feed({ type: "open", key: link.next++, name: "n" });
    else if (byte < 80) feed({ type: "answer", key, accept: byte % 3 !== 0 });
    else if (byte < 120) feed({ type: "write", key, bytes: bytes.subarray(i) });
    else if (byte < 140) feed({ type: byte % 2 ? "finish" : "reset", key });
    else if (byte < 180) feed({ type: "taken", key, bytes: byte });
    else if (byte < 190) feed({ type: "probe" });
    else if (byte < 200 && mux.wakeAt < now + 100_000) {
      now = Math.max(now, mux.wakeAt), feed({ type: "wake" });
    }
    if (sent && byte % 2) feed({ type: "flushed", bytes: sent }), sent = 0;
  }
  if (sent) feed({ type: "flushed", bytes: sent });
  ok(
    budget.used >= 0 && budget.used <= L.linkBuffer + L.receivedValueBytes + bytes.length,
    `${budget.used} held`,
  );
  if (closed || keys.size > 200) {
    take(mux.step(now, { type: "over" }));
    strictEqual(budget.used, 0);
    link = fresh();
  }
  for (
    const total of [
      () => new FrameReader().push(bytes),
      () => new RecordCutter().push(bytes),
      () => requireReadableLeaf(bytes),
    ]
  ) {
    try {
      total();
    } catch (error) {
      ok(error instanceof CoreError, `not a core error: ${error}`);
    }
  }
}
