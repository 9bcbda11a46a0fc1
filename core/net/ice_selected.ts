/** Selected pairs: keepalives, and the question whether a silent one still lives. Spec: connection §2.7. */
import { hex, type Random } from "../base/mod.ts";
import { encodeKeepalive } from "./ice_check.ts";
import type { Pair } from "./ice_pairs.ts";
import type { Wire } from "./ice_words.ts";
import { ICE } from "./limits.ts";

interface Selected {
  readonly pair: Pair;
  keepalive: number;
  heard: number;
  asks: number;
  askAt: number;
}

export class SelectedPairs {
  readonly #pairs = new Map<number, Selected>();
  /** Questions to silent peers, by transaction. */
  readonly #probes = new Map<string, Selected>();
  #paused = false;

  /** `ask` makes an ordinary check of the pair that nominates nothing. */
  constructor(
    readonly wire: Wire,
    readonly random: Random,
    readonly ask: (pair: Pair, id: Uint8Array) => Uint8Array,
  ) {}

  get wakeAt(): number {
    let soonest = Infinity;
    for (const s of this.#pairs.values()) {
      soonest = Math.min(soonest, s.keepalive, this.#paused ? Infinity : this.#askDue(s));
    }
    return soonest;
  }
  get(component: number): Pair | undefined {
    return this.#pairs.get(component)?.pair;
  }
  get all(): Pair[] {
    return [...this.#pairs.values()].map((s) => s.pair);
  }

  set(now: number, pair: Pair): void {
    this.#pairs.set(pair.component, {
      pair,
      keepalive: now + this.#gap(),
      heard: now,
      asks: 0,
      askAt: Infinity,
    });
  }
  clear(): void {
    this.#pairs.clear(), this.#probes.clear();
  }

  /** Something came from the peer; of one component, or of the only one. */
  heard(now: number, component?: number): void {
    for (const [id, s] of this.#pairs) {
      if (component === undefined || id === component) s.heard = now, s.asks = 0;
    }
  }
  /** While we do not read, silence means nothing. */
  pause(now: number, paused: boolean): void {
    this.#paused = paused;
    this.heard(now);
  }

  /** The pair that was asked by this transaction (hex). */
  asked(id: string): Pair | undefined {
    return this.#probes.get(id)?.pair;
  }
  answered(now: number, id: string): void {
    const s = this.#probes.get(id);
    this.#probes.delete(id);
    if (s) this.heard(now, s.pair.component);
  }

  /** Sends what is due; gives a pair that answered nothing for too long. */
  wake(now: number): Pair | undefined {
    for (const s of this.#pairs.values()) {
      if (s.keepalive <= now) {
        s.keepalive = now + this.#gap();
        this.wire.transmit(s.pair, encodeKeepalive(this.random.bytes(12)));
      }
      if (this.#paused || this.#askDue(s) > now) continue;
      if (s.asks++ >= ICE.quietAsks) return s.pair;
      s.askAt = now + ICE.quietGapMs;
      this.#probe(s);
    }
    return undefined;
  }

  #probe(s: Selected): void {
    const id = this.random.bytes(12);
    if (s.asks === 1) { for (const [key, other] of this.#probes) if (other === s) this.#probes.delete(key); }
    this.#probes.set(hex(id), s);
    this.wire.note("probing", s.pair);
    this.wire.transmit(s.pair, this.ask(s.pair, id));
  }
  #askDue = (s: Selected) => s.asks ? s.askAt : s.heard + ICE.quietMs;
  #gap = () => ICE.keepaliveMs + this.random.float() * ICE.keepaliveJitterMs;
}
