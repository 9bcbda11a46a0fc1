/** A stateful firewall without translation: inside opens, outside answers. Or harder: no UDP at all. */
import { type Access, Attachment, type Gateway, Segment } from "./net.ts";
import type { Packet } from "./packet.ts";

export interface FirewallOptions {
  readonly link?: Access;
  /** What may come in unasked. Default nothing. */
  readonly inbound?: "open" | "closed";
  /** False: this protocol passes in neither direction. Default true. */
  readonly udp?: boolean;
  readonly tcp?: boolean;
  /** Only these far ports may be reached from inside; default all. */
  readonly ports?: readonly number[];
  /** Idle life of a pinhole, ms. Default 2 min for UDP, 2 h for TCP. */
  readonly udpMs?: number;
  readonly tcpMs?: number;
}

export class Firewall implements Gateway {
  readonly inside: Segment;
  readonly outer: Attachment;
  #pinholes = new Map<string, number>();

  constructor(readonly name: string, outside: Segment, readonly options: FirewallOptions = {}) {
    this.inside = new Segment(outside.world, name);
    this.inside.gateway = this;
    this.outer = new Attachment(outside, name, options.link ?? {}, (packet) => this.#inward(packet));
  }

  transparent(): boolean {
    return true;
  }

  outward(packet: Packet): void {
    const world = this.inside.world, { proto, src, dst } = packet;
    const reachable = this.options.ports?.includes(dst.port) ?? true;
    if (this.options[proto] === false || !reachable) return world.drop("firewall");
    this.#pinholes.set(
      `${proto} ${src.ip} ${src.port} ${dst.ip} ${dst.port}`,
      world.now + this.#life(packet),
    );
    this.outer.transmit(packet);
  }

  #inward(packet: Packet): void {
    const world = this.inside.world, { proto, src, dst } = packet;
    if (this.options[proto] === false) return world.drop("firewall");
    if (this.options.inbound !== "open") {
      const key = `${proto} ${dst.ip} ${dst.port} ${src.ip} ${src.port}`;
      if (!((this.#pinholes.get(key) ?? -1) > world.now)) return world.drop("firewall");
      this.#pinholes.set(key, world.now + this.#life(packet));
    }
    this.inside.carry(packet, world.now);
  }

  #life(packet: Packet): number {
    return packet.proto === "udp" ? this.options.udpMs ?? 120_000 : this.options.tcpMs ?? 7_200_000;
  }
}
