/** Any bytes as an offer, as STUN, as a peer's stream and as a relay's stream: refused, dropped or served, within every bound. */
import { ok, strictEqual } from "node:assert/strict";
import { concat, type Random, Secret, text, utf8 } from "../base/mod.ts";
import { measured } from "../../tests/vectors/net/stun.ts";
import { sample } from "../../tests/vectors/net/ice_text.ts";
import { frameData, frameStun } from "./framing.ts";
import { IceAgent } from "./ice_agent.ts";
import { formatIceText, parseIceText } from "./ice_candidate.ts";
import { encodeCheck, encodeKeepalive } from "./ice_check.ts";
import type { LocalCandidate } from "./ice_pairs.ts";
import { ICE } from "./limits.ts";
import { decodeStun, encodeStun, shortTermKey, verifyIntegrity } from "./stun.ts";
import { TurnClient } from "./turn_client.ts";

export const name = "ice";
export const guide = ["/core/net/ice_", "/core/net/stun", "/core/net/framing", "/core/net/turn_"];

const ours = { ufrag: "aaaaaaaa", pwd: "a".repeat(24) }, theirs = { ufrag: "bbbbbbbb", pwd: "b".repeat(24) };
const check = (nominate: boolean) =>
  encodeCheck({
    id: new Uint8Array(12).fill(nominate ? 1 : 2),
    role: "controlling",
    tieBreaker: new Uint8Array(8),
    local: theirs,
    remote: ours,
    component: 1,
    index: 0,
    nominate,
  });
export const seeds: readonly Uint8Array[] = [
  utf8(sample),
  Uint8Array.fromHex(measured.request.slice(4)),
  Uint8Array.fromHex(measured.response),
  concat(frameStun(check(false)), frameStun(check(true)), frameStun(encodeKeepalive(new Uint8Array(12)))),
  concat(frameStun(check(false)), frameData(Uint8Array.of(0x16, 3, 3, 0, 1, 9))),
  Uint8Array.fromHex("400000050102030405000000"),
];

let state = 1;
const random: Random = {
  bytes: (n) => Uint8Array.from({ length: n }, () => (state = Math.imul(state, 1664525) + 1013904223) >>> 24),
  float: () => 0.5,
  uint32: () => 1,
};
const local: LocalCandidate = {
  transport: "tcp",
  tcpType: "passive",
  type: "host",
  ip: "10.77.0.1",
  port: 4000,
  component: 1,
  foundation: "H1",
  priority: 1,
  socket: 0,
};
const codeOf = (error: unknown) => (error as { code?: string }).code ?? String(error);

export function run(bytes: Uint8Array): void {
  const words = text(bytes);
  if (words !== undefined) offer(words);
  stun(bytes);
  stream(bytes);
  relay(bytes);
}

function offer(words: string): void {
  try {
    const read = parseIceText(words), again = parseIceText(formatIceText(read));
    strictEqual(formatIceText(again), formatIceText(read));
    ok(read.candidates.length <= ICE.lines);
  } catch (error) {
    ok(codeOf(error).startsWith("net/ice-"), codeOf(error));
  }
}

function stun(bytes: Uint8Array): void {
  try {
    const m = decodeStun(bytes), key = shortTermKey("x");
    const again = decodeStun(encodeStun({ ...m, key: m.integrityAt === undefined ? undefined : key }));
    strictEqual(again.attributes.length, m.attributes.length);
    strictEqual(verifyIntegrity(again, key), m.integrityAt !== undefined);
  } catch (error) {
    ok(codeOf(error).startsWith("net/stun-"), codeOf(error));
  }
}

/** The first byte says how the stream is cut and whether the other half is known. */
function stream(bytes: Uint8Array): void {
  const agent = new IceAgent({ ...ours, transport: "tcp", role: "controlled" }, random),
    first = bytes[0] ?? 0;
  agent.step(0, { type: "local", candidates: [local] });
  if (first & 1) agent.step(0, { type: "remote", offer: { ...theirs, candidates: [] } });
  agent.step(0, { type: "accepted", conn: 1, from: { ip: "10.77.0.2", port: 5000 }, local });
  const size = 1 + (first >> 1);
  let got = 0, now = 0;
  for (let at = 0; at < bytes.length; at += size) {
    const input = { type: "bytes", conn: 1, bytes: bytes.slice(at, at + size) } as const;
    for (const out of agent.step(now += 100, input)) if (out.type === "data") got += out.bytes.length;
  }
  ok(got <= bytes.length);
  agent.step(now, { type: "stop" });
  strictEqual(agent.wakeAt, Infinity);
}

function relay(bytes: Uint8Array): void {
  const account = { user: "ring", password: new Secret("ring") };
  const client = new TurnClient({ ...account, transport: "tcp", relay: "tcp" }, random);
  client.step(0, { type: "start" });
  const outs = client.step(1, { type: "bytes", bytes });
  ok(!outs.some((out) => out.type === "allocated" || out.type === "attempt"), "nothing here was signed");
}
