/** Our candidates by socket, and the far ends of each socket that have proved who they are. */
import { type Endpoint, familyOf } from "../base/mod.ts";
import type { LocalCandidate } from "./ice_pairs.ts";
import { ICE } from "./limits.ts";

export class Locals {
  readonly all: LocalCandidate[] = [];
  /** Addresses that sent a signed message: their data counts even before a check of ours succeeded. */
  readonly #trusted = new Set<string>();

  get components(): Set<number> {
    return new Set(this.all.map((l) => l.component));
  }
  indexOf(local: LocalCandidate): number {
    return Math.max(0, this.all.indexOf(local));
  }
  /** The candidate at which something from `from` arrived. */
  at(socket: number, from: Endpoint): LocalCandidate | undefined {
    const own = this.all.filter((l) => l.socket === socket);
    const alike = own.filter((l) => familyOf(l.ip) === familyOf(from.ip));
    return alike.find((l) => l.type !== "srflx") ?? alike[0] ?? own[0]; // the base, not what it looks like from outside
  }

  /** False when too many far ends are known already. */
  trust(socket: number, from: Endpoint): boolean {
    if (this.#trusted.size >= ICE.remotes && !this.trusts(socket, from)) return false;
    this.#trusted.add(`${socket} ${from.ip} ${from.port}`);
    return true;
  }
  trusts(socket: number, from: Endpoint): boolean {
    return this.#trusted.has(`${socket} ${from.ip} ${from.port}`);
  }
}
