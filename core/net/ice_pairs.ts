/** The check list: which of our candidates meets which of theirs, in what order, and how each pair fares. Spec: connection §2.4, RFC 8445 §6.1. */
import { type Endpoint, familyOf } from "../base/mod.ts";
import { type Candidate, pairPriority } from "./ice_candidate.ts";
import type { IceRole } from "./ice_check.ts";
import { ICE } from "./limits.ts";

/** A candidate of ours and where its packets leave. */
export interface LocalCandidate extends Candidate {
  /** Number of the listener, socket or relay it belongs to; unique in a session. */
  readonly socket: number;
}

export type PairState = "frozen" | "waiting" | "connecting" | "checking" | "succeeded" | "failed";

export interface Pair {
  readonly id: number;
  readonly local: LocalCandidate;
  remote: Candidate;
  readonly component: number;
  readonly foundation: string;
  priority: bigint;
  state: PairState;
  /** TCP: the connection it lives on, once there is one. */
  conn: number | undefined;
  /** Put in front of the ordinary checks, because the other side was heard on it. */
  triggered: boolean;
  /** The peer nominated it before our own check succeeded. */
  nominateLater: boolean;
  /** A refused relay is dialled again at this time, this many times more. */
  retryAt: number;
  retries: number;
}

/** Pairs of one session, best first. At most `ICE.pairs`. */
export class CheckList {
  readonly pairs: Pair[] = [];
  #nextId = 1;
  constructor(public role: IceRole) {}

  /** Pairs every remote candidate with every local one that can start a check towards it. */
  addAll(locals: readonly LocalCandidate[], remotes: readonly Candidate[]): void {
    for (const remote of remotes) {
      for (const local of locals) if (this.#canDial(local, remote)) this.add(local, remote, "frozen");
    }
    this.thaw();
  }

  /** One pair, or the existing one with the same way out and the same goal. Undefined when the list is full. */
  add(local: LocalCandidate, remote: Candidate, state: PairState, conn?: number): Pair | undefined {
    if (conn === undefined) {
      const same = this.find(local.component, local.socket, remote, local.transport);
      if (same) return same;
    }
    if (this.pairs.length >= ICE.pairs) return undefined;
    const pair: Pair = {
      id: this.#nextId++,
      local,
      remote,
      component: local.component,
      foundation: `${local.foundation}:${remote.foundation}`,
      priority: 0n,
      state,
      conn,
      triggered: false,
      nominateLater: false,
      retryAt: Infinity,
      retries: remote.type === "relay" && remote.transport === "tcp" ? ICE.relayRetries : 0,
    };
    pair.priority = this.#priority(pair);
    this.pairs.push(pair);
    this.#sort();
    return pair;
  }

  /** The pair with this way out and this goal. A TCP check is routed by the system: one per remote address is enough. */
  find(component: number, socket: number, remote: Endpoint, transport: "udp" | "tcp"): Pair | undefined {
    return this.pairs.find((p) =>
      p.component === component && p.remote.port === remote.port && p.remote.ip === remote.ip &&
      (transport === "tcp" ? p.local.tcpType === "active" : p.local.socket === socket)
    );
  }

  /** After a change of role every priority is another. */
  switchRole(role: IceRole): void {
    this.role = role;
    for (const pair of this.pairs) pair.priority = this.#priority(pair);
    this.#sort();
  }

  /** The next pair to check, or undefined. Spec: RFC 8445 §6.1.4.2. */
  next(): Pair | undefined {
    const triggered = this.pairs.find((p) => p.triggered && p.state === "waiting");
    if (triggered) return triggered;
    // Freezing is a matter of order here: a dead address must not hold up another that looks alike.
    return this.pairs.find((p) => p.state === "waiting") ?? this.pairs.find((p) => p.state === "frozen");
  }

  /** Makes one pair of each foundation ready that has none ready, running or done. Spec: RFC 8445 §6.1.2.6. */
  thaw(): void {
    const awake = new Set(this.pairs.filter((p) => p.state !== "frozen").map((p) => p.foundation));
    const order = [...this.pairs].sort((a, b) =>
      a.component - b.component || compare(b.priority, a.priority)
    );
    for (const pair of order) {
      if (pair.state !== "frozen" || awake.has(pair.foundation)) continue;
      pair.state = "waiting", awake.add(pair.foundation);
    }
  }

  /** A success makes the pairs of the same foundation ready. */
  succeeded(pair: Pair): void {
    pair.state = "succeeded";
    for (const other of this.pairs) {
      if (other.state === "frozen" && other.foundation === pair.foundation) other.state = "waiting";
    }
  }

  /** True when no pair of the component can still change by itself. */
  settled(component: number): boolean {
    return this.pairs.every((p) =>
      p.component !== component || p.state === "succeeded" || p.state === "failed"
    );
  }

  /** The best pair of a component that has succeeded. */
  best(component: number): Pair | undefined {
    return this.pairs.find((p) => p.component === component && p.state === "succeeded");
  }

  /** True when no open pair of the component could become better than its best. */
  bestIsFinal(component: number): boolean {
    const first = this.pairs.find((p) => p.component === component && p.state !== "failed");
    return first?.state === "succeeded";
  }

  #canDial(local: LocalCandidate, remote: Candidate): boolean {
    if (local.component !== remote.component || local.transport !== remote.transport) return false;
    if (familyOf(local.ip) !== familyOf(remote.ip)) return false;
    if (local.type !== "host" && local.type !== "relay") return false; // replaced by its base, which is in the list
    if (local.transport === "udp") return true;
    return local.tcpType === "active" && remote.tcpType === "passive";
  }

  #priority(p: Pair): bigint {
    const ours = p.local.priority, theirs = p.remote.priority;
    return this.role === "controlling" ? pairPriority(ours, theirs) : pairPriority(theirs, ours);
  }

  #sort(): void {
    this.pairs.sort((a, b) => compare(b.priority, a.priority) || a.id - b.id);
  }
}

const compare = (a: bigint, b: bigint) => a < b ? -1 : a > b ? 1 : 0;
