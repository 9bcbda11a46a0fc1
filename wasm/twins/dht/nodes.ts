/** Nodes listed in answers, one family. Spec: dht §1.6, §4.2. */
import { compareXor } from "../../../core/base/mod.ts";
import { KERNEL_LIMITS as L } from "../../limits.ts";

interface Listed {
  /** id ‖ ip ‖ port, as it goes on the wire. */
  readonly entry: Uint8Array;
  goodUntil: number;
}

export class Nodes {
  #listed = new Map<string, Listed>();
  get size(): number {
    return this.#listed.size;
  }

  /** False: every place is taken. */
  list(id: Uint8Array, ip: Uint8Array, port: number, goodUntil: number): boolean {
    const name = id.toHex(), old = this.#listed.get(name);
    if (!old && this.#listed.size === L.nodesListed) return false;
    this.#listed.set(name, { entry: Uint8Array.of(...id, ...ip, port >> 8, port & 255), goodUntil });
    return true;
  }

  unlist(id: Uint8Array): void {
    this.#listed.delete(id.toHex());
  }

  /** Entries of the `count` nodes nearest to `target` that are good at `now`, nearest first. */
  closest(now: number, target: Uint8Array, count: number): Uint8Array[] {
    const best: Uint8Array[] = [], most = Math.min(count, L.nodesPerQuestion);
    for (const { entry, goodUntil } of this.#listed.values()) {
      if (now >= goodUntil) continue;
      let at = best.length;
      while (at > 0 && compareXor(target, entry, best[at - 1]!) < 0) at--;
      if (at === most) continue;
      best.splice(at, 0, entry);
      if (best.length > most) best.pop();
    }
    return best;
  }
}
