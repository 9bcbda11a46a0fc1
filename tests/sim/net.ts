/** Wires: segments that know who owns which address, attachments with a link each, and the box on the way out. */
import type { Packet } from "./packet.ts";
import { type LinkOptions, Pipe } from "./link.ts";
import type { World } from "./world.ts";

/** A link as seen from its owner; `up` and `down` override what both share. */
export interface Access extends LinkOptions {
  readonly up?: LinkOptions;
  readonly down?: LinkOptions;
}

/** A box between an inner and an outer segment: a NAT, a firewall. It may rewrite a packet or swallow it. */
export interface Gateway {
  readonly name: string;
  /** From inside; sends on by itself. */
  outward(packet: Packet): void;
  /** Does the outer side see the inner addresses of this family? Then routes to them lead through the box. */
  transparent(ip: string): boolean;
  /** The box's plug on the outer segment. */
  readonly outer: Attachment;
}

/** One broadcast domain: the internet's core, a provider's inner network, a home. */
export class Segment {
  /** The way out, if there is one. */
  gateway: Gateway | undefined;
  readonly #routes = new Map<string, Attachment>();

  constructor(readonly world: World, readonly name: string) {}

  lookup(ip: string): Attachment | undefined {
    return this.#routes.get(ip);
  }

  /** @throws {RangeError} if somebody has this address. */
  claim(ip: string, owner: Attachment): void {
    const now = this.#routes.get(ip);
    if (now && now !== owner) throw new RangeError(`${ip} is taken on ${this.name}`);
    this.#routes.set(ip, owner);
    if (this.gateway?.transparent(ip)) this.gateway.outer.segment.claim(ip, this.gateway.outer);
  }

  release(ip: string): void {
    this.#routes.delete(ip);
    if (this.gateway?.transparent(ip)) this.gateway.outer.segment.release(ip);
  }

  /** Moves a packet that is on this segment's wire at `time` towards its address. */
  carry(packet: Packet, time: number): void {
    const target = this.#routes.get(packet.dst.ip), world = this.world;
    if (!target) {
      if (!this.gateway) return world.drop("no-route");
      const gateway = this.gateway;
      world.schedule(time, () => gateway.outward(packet));
    } else if (target.down.free) target.arrive(packet, time);
    else world.schedule(time, () => target.arrive(packet, world.now));
  }
}

/** A plug: one owner, one link, one segment. */
export class Attachment {
  readonly up: Pipe;
  readonly down: Pipe;
  /** Unplugged, nothing passes. */
  plugged = true;

  constructor(
    readonly segment: Segment,
    name: string,
    link: Access,
    /** Takes a packet that came down the link; time is the world's now. */
    readonly receive: (packet: Packet) => void,
  ) {
    const { up, down, ...both } = link;
    this.up = new Pipe({ ...both, ...up }, segment.world.stream(`${name} up`));
    this.down = new Pipe({ ...both, ...down }, segment.world.stream(`${name} down`));
  }

  /** Sends `packet` up the link now. */
  transmit(packet: Packet): void {
    this.#launch(packet);
    if (this.up.options.duplicate > 0 && this.up.doubles(packet)) {
      this.#launch({ ...packet, bytes: packet.bytes.slice() });
    }
  }

  /** Brings a packet down the link, beginning at `time`. */
  arrive(packet: Packet, time: number): void {
    const world = this.segment.world;
    this.#bring(packet, time);
    if (this.down.options.duplicate > 0 && this.down.doubles(packet)) {
      world.count("duplicated");
      this.#bring({ ...packet, bytes: packet.bytes.slice() }, time);
    }
  }

  #launch(packet: Packet): void {
    const world = this.segment.world;
    if (!this.plugged) return world.drop("unplugged");
    const out = this.up.exit(world.now, packet);
    if (out < 0) return world.drop(this.up.why);
    this.segment.carry(packet, out);
  }

  #bring(packet: Packet, time: number): void {
    const world = this.segment.world, out = this.down.exit(time, packet);
    if (out < 0) return world.drop(this.down.why);
    world.schedule(out, () => {
      if (!this.plugged) return world.drop("unplugged");
      this.receive(packet);
    });
  }
}
