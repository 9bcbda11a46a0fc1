/** Our own candidates, as gathering finds them. Spec: connection §2.2, §2.3, §9 H33. */
import { type Endpoint, familyOf } from "../base/mod.ts";
import {
  type Candidate,
  type DialPolicy,
  foundationOf,
  isRoutable,
  kindOf,
  priorityOf,
} from "./ice_candidate.ts";
import type { LocalCandidate } from "./ice_pairs.ts";
import { ICE } from "./limits.ts";

/** A listener (TCP) or a bound socket (UDP), with the addresses it is reached at. */
export interface BoundSocket {
  /** Below 1000. */
  readonly socket: number;
  readonly component: number;
  readonly port: number;
  readonly ips: readonly string[];
}

export interface OwnOptions {
  readonly transport: "udp" | "tcp";
  readonly policy?: DialPolicy;
  /** Our public addresses as other nodes see them. */
  readonly published?: readonly string[];
  /** Offer and accept relayed and mapped addresses that are not routable: laboratories. */
  readonly anyAddress?: boolean;
}

/** Where real peers begin to count reflexive candidates. */
const REFLEXIVE_INDEX = 2;

export class OwnCandidates {
  readonly #all: LocalCandidate[] = [];
  constructor(readonly options: OwnOptions) {}

  /** What is offered: a bounded number per component. */
  get offered(): LocalCandidate[] {
    const count = new Map<number, number>();
    return this.#all.filter(({ component }) => {
      const n = (count.get(component) ?? 0) + 1;
      count.set(component, n);
      return n <= ICE.offered;
    });
  }
  get plain(): Candidate[] {
    return this.offered.map(({ socket: _, ...candidate }) => candidate);
  }

  hosts({ socket, component, port, ips }: BoundSocket): void {
    let index = 0;
    for (const ip of ips.filter((ip) => this.#mayOffer(ip)).slice(0, ICE.hosts)) {
      const common = { component, ip, type: "host", foundation: foundationOf("host", ip), socket } as const;
      const next = () => priorityOf("host", index++, component);
      if (this.options.transport === "tcp") {
        this.#all.push({ ...common, transport: "tcp", tcpType: "passive", port, priority: next() });
        this.#all.push({ ...common, transport: "tcp", tcpType: "active", port: 9, priority: next() });
      } else this.#all.push({ ...common, transport: "udp", port, priority: next() });
    }
  }
  #mayOffer(ip: string): boolean {
    const kind = kindOf(ip);
    if (kind === "loopback") return this.options.policy?.loopback === true;
    return kind !== "link-local" || familyOf(ip) === 4;
  }

  /** For links only: the line tells the peer which of our addresses its relay should let in. Spec: connection §3.2. */
  publish(): void {
    if (this.options.transport !== "tcp") return;
    for (const [index, ip] of (this.options.published ?? []).entries()) {
      const base = this.#all.find((l) => familyOf(l.ip) === familyOf(ip));
      if (base) this.#reflexive({ ip, port: 9 }, base, "active", index);
    }
  }

  /** False if the mapped address is not worth an offer: not routable, or not how others see us. */
  map(socket: number, external: Endpoint): boolean {
    const { published = [], anyAddress } = this.options;
    const seen = published.filter((ip) => familyOf(ip) === familyOf(external.ip));
    const unlike = seen.length > 0 && !seen.includes(external.ip); // another NAT lies behind that gateway
    const bad = unlike || external.port === 0 || !(anyAddress || isRoutable(external.ip));
    const base = this.#all.find((l) => l.socket === socket && familyOf(l.ip) === familyOf(external.ip));
    if (bad || !base) return false;
    this.#reflexive(external, base, "passive", 0);
    return true;
  }

  /** How a relay sees the socket through which we talk to it: over UDP that is an address of ours. */
  reflect(socket: number, seen: Endpoint, index: number): void {
    const base = this.#all.find((l) => l.socket === socket && l.type === "host");
    if (!base || seen.ip === base.ip || !(this.options.anyAddress || isRoutable(seen.ip))) return;
    this.#reflexive(seen, base, "passive", index);
  }

  #reflexive(
    { ip, port }: Endpoint,
    base: LocalCandidate,
    tcpType: "active" | "passive",
    index: number,
  ): void {
    const { component, socket, transport } = base, type = "srflx", foundation = foundationOf(type, base.ip);
    const priority = priorityOf(type, REFLEXIVE_INDEX + index, component);
    const common = { ip, port, component, socket, transport, type, foundation, priority } as const;
    this.#all.push(transport === "tcp" ? { ...common, tcpType } : common);
  }

  relay(
    relayed: Endpoint,
    server: Endpoint,
    component: number,
    index: number,
    socket: number,
  ): LocalCandidate {
    const type = "relay",
      foundation = foundationOf(type, server.ip),
      priority = priorityOf(type, index, component);
    const common = { ...relayed, component, type, foundation, priority, socket } as const;
    const made: LocalCandidate = this.options.transport === "tcp"
      ? { ...common, transport: "tcp", tcpType: "passive" }
      : { ...common, transport: "udp" };
    this.#all.push(made);
    return made;
  }

  /** The passive candidate at which a connection to `local` arrived. */
  passiveOf(socket: number, local: Endpoint): LocalCandidate | undefined {
    const own = this.#all.filter((l) => l.socket === socket && l.tcpType === "passive" && l.type === "host");
    return own.find((l) => l.ip === local.ip) ?? own.find((l) => familyOf(l.ip) === familyOf(local.ip)) ??
      own[0];
  }
}
