/** The links there are, by device: which one carries new channels, and which go when there are too many. Spec: connection §1.7, §9 H36. */
import type { Link } from "../net/mod.ts";
import { LIMITS } from "./limits.ts";
import type { Peer } from "./words.ts";

export interface PeerLink extends Link<Peer> {
  readonly device: string;
  readonly account: string;
  readonly direction: "in" | "out";
  /** Milliseconds since 1970. */
  readonly since: number;
  /** Where it leads, as text. */
  readonly path: string;
}

export class Links {
  #byDevice = new Map<string, PeerLink[]>(); // oldest first

  /** The oldest living one. */
  best(device: string): PeerLink | undefined {
    return this.of(device).find(({ mux }) => mux.alive);
  }
  of(device: string): readonly PeerLink[] {
    return this.#byDevice.get(device) ?? [];
  }
  all(): PeerLink[] {
    return [...this.#byDevice.values()].flat();
  }

  /** Adds a link; tells whether it is the device's first, and which one has to go for it. */
  add(link: PeerLink): { first: boolean; surplus: PeerLink | undefined } {
    const links = this.#byDevice.get(link.device) ?? [];
    this.#byDevice.set(link.device, links);
    links.push(link);
    const idle = links.slice(0, -1).find(({ mux }) => mux.info().channels.length === 0);
    const surplus = links.length > LIMITS.linksPerDevice ? idle ?? links[0] : undefined;
    return { first: links.length === 1, surplus };
  }
  /** Removes it; true if it was the device's last. */
  remove(link: PeerLink): boolean {
    const left = this.of(link.device).filter((other) => other !== link);
    if (left.length) return this.#byDevice.set(link.device, left), false;
    return this.#byDevice.delete(link.device);
  }
}
