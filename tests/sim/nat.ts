/** NAT boxes in the words of RFC 4787: mapping and filtering behaviour, hairpin, port preservation, expiry. */
import type { Endpoint } from "../../core/base/mod.ts";
import { type Access, Attachment, type Gateway, Segment } from "./net.ts";
import type { Packet, Proto } from "./packet.ts";
import type { Seeded } from "./random.ts";

/** How much of the far end matters: nothing, its address, its address and port. */
export type Dependence = "none" | "address" | "port";

/** The four classic kinds. */
export const NAT_KINDS = {
  "full-cone": { mapping: "none", filtering: "none" },
  "address-restricted": { mapping: "none", filtering: "address" },
  "port-restricted": { mapping: "none", filtering: "port" },
  "symmetric": { mapping: "port", filtering: "port" },
} as const satisfies Record<string, { mapping: Dependence; filtering: Dependence }>;
export type NatKind = keyof typeof NAT_KINDS;

export interface NatOptions {
  readonly kind: NatKind;
  /** Outer IPv4 address. */
  readonly ip: string;
  /** The link to the outer segment. */
  readonly link?: Access;
  /** Inside hosts reach each other by outer addresses. Default true. */
  readonly hairpin?: boolean;
  /** Outer port = inner port where it is free. Default true. */
  readonly preserve?: boolean;
  /** New outer ports: one after the other, or anywhere. Default random. */
  readonly ports?: "sequential" | "random";
  /** Idle life of a UDP mapping, of an opening TCP one, of an established one, of a closing one, ms. */
  readonly udpMs?: number;
  readonly tcpOpeningMs?: number;
  readonly tcpMs?: number;
  readonly tcpClosingMs?: number;
  /** Packets from outside prolong a mapping too. Default false. */
  readonly inboundRefreshes?: boolean;
  /** IPv6 from inside passes a stateful firewall of the same box. Default: it opens pinholes outwards only. */
  readonly firewall6?: "stateful" | "open";
}

interface Mapping {
  readonly proto: Proto;
  readonly key: string;
  readonly inner: Endpoint;
  readonly outer: Endpoint;
  /** Far ends we sent to, by the filter's key: until when they may answer. */
  readonly allowed: Map<string, number>;
  expires: number;
  established: boolean;
  /** Both: closing. A half-closed connection lives on. */
  finOut: boolean;
  finIn: boolean;
  /** Asked for by a port mapping protocol or by hand: everyone may use it. */
  readonly fixed: boolean;
}

const FIRST_PORT = 1024, PORTS = 65536 - FIRST_PORT;

const PASS6_MS = 120_000;

export class Nat implements Gateway {
  readonly inside: Segment;
  readonly outer: Attachment;
  readonly options: Required<Omit<NatOptions, "link">>;
  #ip: string;
  #byInner = new Map<string, Mapping>();
  #byOuter = new Map<string, Mapping>();
  #pinholes = new Map<string, number>();
  #nextPort: number;
  readonly #luck: Seeded;

  constructor(readonly name: string, outside: Segment, options: NatOptions) {
    const { link = {}, ...rest } = options;
    this.options = {
      hairpin: true,
      preserve: true,
      ports: "random",
      udpMs: 120_000,
      tcpOpeningMs: 240_000,
      tcpMs: 7_440_000,
      tcpClosingMs: 10_000,
      inboundRefreshes: false,
      firewall6: "stateful",
      ...rest,
    };
    this.#ip = options.ip;
    this.#luck = outside.world.stream(`nat ${name}`);
    this.#nextPort = FIRST_PORT + this.#luck.below(PORTS);
    this.inside = new Segment(outside.world, name);
    this.inside.gateway = this;
    this.outer = new Attachment(outside, name, link, (packet) => this.#inward(packet));
    outside.claim(this.#ip, this.outer);
  }

  /** The outer address now. */
  get ip(): string {
    return this.#ip;
  }

  transparent(ip: string): boolean {
    return ip.includes(":");
  }

  /** The provider gives us another address: every mapping dies. */
  readdress(ip: string): void {
    this.outer.segment.release(this.#ip);
    this.#ip = ip;
    this.outer.segment.claim(ip, this.outer);
    this.reboot();
  }

  /** Power off and on: every mapping and pinhole dies, fixed ones too. */
  reboot(): void {
    this.#byInner.clear(), this.#byOuter.clear(), this.#pinholes.clear();
  }

  /** A mapping that stays and lets everyone in, as UPnP or PCP make it. Gives the outer endpoint. */
  forward(proto: Proto, outerPort: number, inner: Endpoint): Endpoint {
    const key = `${proto} ${inner.ip} ${inner.port}`, outer = { ip: this.#ip, port: outerPort };
    if (this.#live(this.#byOuter, `${proto} ${outerPort}`)) {
      throw new RangeError(`port ${outerPort} is mapped`);
    }
    const mapping = this.#add({ proto, key, inner, outer, fixed: true });
    mapping.expires = Infinity;
    return outer;
  }

  /** Live mappings, for tests. */
  get mappings(): readonly { proto: Proto; inner: Endpoint; outer: Endpoint }[] {
    const now = this.inside.world.now;
    return [...this.#byOuter.values()].filter((m) => m.expires > now);
  }

  outward(packet: Packet): void {
    if (packet.dst.ip.includes(":")) return this.#outward6(packet);
    const world = this.inside.world, { dst } = packet;
    const mapping = this.#mappingFor(packet);
    if (!mapping) return world.drop("nat-no-mapping"); // a TCP connection the box has forgotten
    if (!mapping.fixed) mapping.allowed.set(this.#peerKey(dst), world.now + this.#life(mapping));
    if (packet.tcp?.fin) mapping.finOut = true;
    if (packet.tcp?.rst) mapping.finOut = mapping.finIn = true;
    this.#prolong(mapping);
    const translated = { ...packet, src: mapping.outer };
    if (dst.ip !== this.#ip) return this.outer.transmit(translated);
    if (!this.options.hairpin) return world.drop("nat-hairpin");
    this.#inward(translated);
  }

  #inward(packet: Packet): void {
    if (packet.dst.ip.includes(":")) return this.#inward6(packet);
    const world = this.inside.world;
    const mapping = this.#live(this.#byOuter, `${packet.proto} ${packet.dst.port}`);
    if (!mapping) return world.drop("nat-unmapped");
    if (!mapping.fixed && NAT_KINDS[this.options.kind].filtering !== "none") {
      if (!((mapping.allowed.get(this.#peerKey(packet.src)) ?? -1) > world.now)) {
        return world.drop("nat-filtered");
      }
    }
    if (packet.proto === "tcp" && !packet.tcp!.rst) mapping.established = true;
    if (packet.tcp?.fin) mapping.finIn = true;
    if (packet.tcp?.rst) mapping.finOut = mapping.finIn = true;
    if (this.options.inboundRefreshes || packet.proto === "tcp") this.#prolong(mapping);
    this.inside.carry({ ...packet, dst: mapping.inner }, world.now);
  }

  #mappingFor(packet: Packet): Mapping | undefined {
    const { proto, src, dst } = packet, dependence = NAT_KINDS[this.options.kind].mapping;
    const fixed = this.#live(this.#byInner, `${proto} ${src.ip} ${src.port}`);
    if (fixed) return fixed;
    const key = dependence === "none"
      ? `${proto} ${src.ip} ${src.port}`
      : `${proto} ${src.ip} ${src.port} ${dst.ip} ${dst.port}`;
    const known = this.#live(this.#byInner, key);
    if (known) return known;
    if (packet.tcp && !packet.tcp.syn) return undefined;
    const port = this.#freePort(proto, src.port);
    if (port === undefined) return undefined;
    return this.#add({ proto, key, inner: src, outer: { ip: this.#ip, port }, fixed: false });
  }

  #add(facts: Pick<Mapping, "proto" | "key" | "inner" | "outer" | "fixed">): Mapping {
    const mapping = {
      ...facts,
      allowed: new Map(),
      expires: 0,
      established: false,
      finOut: false,
      finIn: false,
    };
    this.#byInner.set(facts.key, mapping);
    this.#byOuter.set(`${facts.proto} ${facts.outer.port}`, mapping);
    return mapping;
  }

  #live(table: Map<string, Mapping>, key: string): Mapping | undefined {
    const mapping = table.get(key);
    if (!mapping || mapping.expires > this.inside.world.now) return mapping;
    if (this.#byInner.get(mapping.key) === mapping) this.#byInner.delete(mapping.key);
    this.#byOuter.delete(`${mapping.proto} ${mapping.outer.port}`);
    return undefined;
  }

  #prolong(mapping: Mapping): void {
    if (!mapping.fixed) mapping.expires = this.inside.world.now + this.#life(mapping);
  }

  #life(mapping: Mapping): number {
    const o = this.options;
    if (mapping.proto === "udp") return o.udpMs;
    return mapping.finOut && mapping.finIn ? o.tcpClosingMs : mapping.established ? o.tcpMs : o.tcpOpeningMs;
  }

  #peerKey(peer: Endpoint): string {
    return NAT_KINDS[this.options.kind].filtering === "port" ? `${peer.ip} ${peer.port}` : peer.ip;
  }

  #freePort(proto: Proto, inner: number): number | undefined {
    const free = (port: number) => !this.#live(this.#byOuter, `${proto} ${port}`);
    if (this.options.preserve && free(inner)) return inner;
    for (let i = 0; i < PORTS; i++) {
      const port = this.options.ports === "random" && i < 64
        ? FIRST_PORT + this.#luck.below(PORTS)
        : FIRST_PORT + (this.#nextPort++ - FIRST_PORT) % PORTS;
      if (free(port)) return port;
    }
    return undefined;
  }

  #outward6(packet: Packet): void {
    const key = `${packet.proto} ${packet.src.ip} ${packet.src.port} ${packet.dst.ip} ${packet.dst.port}`;
    this.#pinholes.set(key, this.inside.world.now + (packet.tcp ? this.options.tcpMs : PASS6_MS));
    this.outer.transmit(packet);
  }

  #inward6(packet: Packet): void {
    const world = this.inside.world;
    const key = `${packet.proto} ${packet.dst.ip} ${packet.dst.port} ${packet.src.ip} ${packet.src.port}`;
    if (this.options.firewall6 === "stateful" && !((this.#pinholes.get(key) ?? -1) > world.now)) {
      return world.drop("firewall");
    }
    this.inside.carry(packet, world.now);
  }
}
