/** One ICE agent under virtual time; the test is the other side. */
import { strictEqual } from "node:assert/strict";
import type { Endpoint, Random } from "../core/base/mod.ts";
import { FrameReader, frameStun } from "../core/net/framing.ts";
import { IceAgent } from "../core/net/ice_agent.ts";
import type { Candidate, IceOffer } from "../core/net/ice_candidate.ts";
import { encodeCheck, encodeSuccess, type IceRole } from "../core/net/ice_check.ts";
import type { LocalCandidate } from "../core/net/ice_pairs.ts";
import type { IceIn, IceOptions, IceOut } from "../core/net/ice_words.ts";
import { decodeStun, type StunMessage } from "../core/net/stun.ts";

export const ours = { ufrag: "aaaaaaaa", pwd: "a".repeat(24) },
  theirs = { ufrag: "bbbbbbbb", pwd: "b".repeat(24) };
export const from: Endpoint = { ip: "10.77.0.2", port: 50123 };
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
export const passive = local("passive", 34873), active = local("active", 9);
export const remote = (n: number, more: Partial<Candidate> = {}): Candidate => ({
  ...tcp,
  tcpType: "passive",
  type: "host",
  ip: `10.77.0.${n}`,
  port: 40000 + n,
  priority: 2130706431 - n,
  ...more,
});

/** One agent under virtual time; the test is the other side. */
export class Bench {
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
