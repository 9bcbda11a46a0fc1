/** TCP connections of a session: who may come in, how long a silent one stays, which one carries the stream. Spec: connection §2.5, §9 H15. */
import type { Endpoint } from "../base/mod.ts";
import { FrameReader } from "./framing.ts";
import type { LocalCandidate } from "./ice_pairs.ts";
import type { Conn } from "./ice_words.ts";
import { ICE } from "./limits.ts";

export class Conns {
  readonly #all = new Map<number, Conn>();
  #incoming = 0;
  #listening = true;
  #spareEnds = Infinity;
  /** The one data comes on: nodes of 2023 may move to another proven one while both sides settle, then nothing else is read. */
  #carrier: Conn | undefined;

  get wakeAt(): number {
    let soonest = this.#spareEnds;
    for (const conn of this.#all.values()) soonest = Math.min(soonest, conn.deadline);
    return soonest;
  }
  get listening(): boolean {
    return this.#listening;
  }
  get ids(): number[] {
    return [...this.#all.keys()];
  }
  get(id: number): Conn | undefined {
    return this.#all.get(id);
  }

  /** Why the connection is not let in, or undefined. */
  accept(now: number, id: number, from: Endpoint, local: LocalCandidate): string | undefined {
    if (!this.#listening) return "connection-late";
    if (this.#incoming >= ICE.accepted) return "connection-excess";
    this.#incoming++;
    this.#add({ id, from, local, outgoing: false, deadline: now + ICE.silentAcceptMs });
    return undefined;
  }
  dial(now: number, id: number, to: Endpoint, local: LocalCandidate): void {
    this.#add({ id, from: to, local, outgoing: true, deadline: now + ICE.connectMs });
  }
  #add(conn: Pick<Conn, "id" | "from" | "local" | "outgoing" | "deadline">): void {
    const fresh = { reader: new FrameReader(), valid: false, used: false, unauthorized: 0 };
    this.#all.set(conn.id, { ...conn, ...fresh });
  }

  delete(id: number): Conn | undefined {
    const conn = this.#all.get(id);
    if (conn && !conn.outgoing) this.#incoming--;
    this.#all.delete(id);
    return conn;
  }
  clear(): void {
    this.#all.clear();
    this.#listening = false, this.#spareEnds = Infinity;
  }

  /** Data came on `conn`: why it does not count, or undefined. */
  carry(conn: Conn): string | undefined {
    const other = this.#carrier && this.#carrier !== conn;
    if (other && (!this.#listening || !conn.valid)) return "data-second-connection";
    if (!conn.valid) return "data-unvalidated";
    if (other) this.#carrier!.used = false;
    conn.used = true, this.#carrier = conn;
    return undefined;
  }

  /** Those whose time is over: no connection yet, or no signed check yet. */
  overdue(now: number): Conn[] {
    return [...this.#all.values()].filter((conn) => conn.deadline <= now);
  }

  completed(now: number): void {
    this.#spareEnds = now + ICE.spareMs;
  }
  /** Some time after nomination, once: the connections that are neither kept nor used. They are forgotten. */
  spares(now: number, kept: ReadonlySet<number | undefined>): Conn[] | undefined {
    if (this.#spareEnds > now) return undefined;
    this.#spareEnds = Infinity, this.#listening = false;
    const spare = [...this.#all.values()].filter((conn) => !kept.has(conn.id) && !conn.used);
    for (const { id } of spare) this.delete(id);
    return spare;
  }
}
