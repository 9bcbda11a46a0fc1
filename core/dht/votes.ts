/** Our public address, as the nodes that answer us see it. Nobody is believed alone. Pure. Spec: dht §4.11. */
import { type Endpoint, type Family, familyOf, formatIp } from "../base/mod.ts";
import { LIMITS } from "./limits.ts";
import { addressBlock } from "./listeners.ts";

export class AddressVotes {
  /** By address: who saw it. One voter has one vote per family, the latest. */
  #claims = new Map<string, Set<string>>();
  #voters = new Map<string, string>();
  #believed: string[] = [];

  /** A reply from `voter` saw us as `ip`. True if what we believe has changed. */
  vote(voter: Endpoint, ip: Uint8Array): boolean {
    if (ip.length !== 4 && ip.length !== 16) return false;
    const text = formatIp(ip), family = familyOf(text), name = `${family} ${addressBlock(voter)}`;
    if (this.#voters.get(name) === text) return false;
    this.#withdraw(name);
    while (this.#voters.size >= 2 * LIMITS.addressVotes) this.#withdraw(this.#voters.keys().next().value!);
    this.#voters.set(name, text);
    const claim = this.#claims.get(text);
    claim ? claim.add(name) : this.#claims.set(text, new Set([name]));
    return this.#count();
  }
  /** Addresses that enough independent nodes agree about, most votes first. */
  get believed(): readonly string[] {
    return this.#believed;
  }
  get claims(): { ip: string; votes: number }[] {
    return [...this.#claims].map(([ip, voters]) => ({ ip, votes: voters.size }))
      .sort((a, b) => b.votes - a.votes);
  }
  clear(family: Family): void {
    for (const [voter, ip] of [...this.#voters]) if (familyOf(ip) === family) this.#withdraw(voter);
    this.#count();
  }

  #withdraw(voter: string): void {
    const ip = this.#voters.get(voter);
    if (ip === undefined) return;
    this.#voters.delete(voter);
    const claim = this.#claims.get(ip)!;
    claim.delete(voter);
    if (!claim.size) this.#claims.delete(ip);
  }
  #count(): boolean {
    const believed = this.claims.filter(({ votes }) => votes >= LIMITS.addressAgree).map(({ ip }) => ip);
    const changed = believed.join() !== this.#believed.join();
    this.#believed = believed;
    return changed;
  }
}
