/** Simulated UDP sockets: what `Net.udp` promises, on virtual wires. */
import {
  CoreError,
  type Endpoint,
  type UdpHandler,
  type UdpOptions,
  type UdpSocket,
} from "../../core/base/mod.ts";
import type { Process } from "./host.ts";
import { copyOf, type Packet } from "./packet.ts";

/** The longest datagram, and how many bytes wait for a socket that does not run yet. */
const LONGEST = 65507, WAITING_BYTES = 212_992;

export class UdpStack {
  #ports = new Map<number, SimUdp[]>();
  constructor(readonly process: Process) {}

  // deno-lint-ignore require-await -- a bind that fails rejects
  async bind({ port = 0, ip }: UdpOptions = {}): Promise<UdpSocket> {
    const { host } = this.process, six = host.has(6);
    const local = ip ?? (six ? "::" : "0.0.0.0");
    if (!isAny(local) && !host.owns(local)) {
      throw new CoreError("net/bind", { ip: local, code: "EADDRNOTAVAIL" });
    }
    if (port < 0 || port > 65535) throw new CoreError("net/bind", { port });
    const taken = (p: number) => this.#ports.get(p)?.some((s) => clash(s.local.ip, local)) ?? false;
    if (port && taken(port)) throw new CoreError("net/port-in-use", { port });
    const bound = port || host.ephemeralPort(taken);
    if (!bound) throw new CoreError("net/bind", { code: "EADDRINUSE" });
    const socket = new SimUdp(this, { ip: local, port: bound });
    this.#ports.set(bound, [...(this.#ports.get(bound) ?? []), socket]);
    return socket;
  }

  receive(packet: Packet): void {
    const { world } = this.process.host;
    const sockets = this.#ports.get(packet.dst.port), { ip } = packet.dst;
    const socket = sockets?.length === 1 && sockets[0]!.takes(ip)
      ? sockets[0]
      : sockets?.find((s) => s.takes(ip));
    if (!socket) return world.drop("port-closed");
    socket.receive(packet);
  }

  remove(socket: SimUdp): void {
    const left = this.#ports.get(socket.local.port)?.filter((s) => s !== socket);
    if (left?.length) this.#ports.set(socket.local.port, left);
    else this.#ports.delete(socket.local.port);
  }
}

class SimUdp implements UdpSocket {
  #waiting: Packet[] = [];
  #waitingBytes = 0;
  #handler: UdpHandler | undefined;
  #end: { resolve: () => void; reject: (error: unknown) => void } | undefined;
  #closed = false;
  #froms: Endpoint[] = [];

  constructor(readonly stack: UdpStack, readonly local: Endpoint) {}

  send(bytes: Uint8Array, to: Endpoint): void {
    const { process } = this.stack, { host } = process, { world } = host;
    if (this.#closed || !process.alive) return;
    if (bytes.length > LONGEST) return this.#fail(to, "EMSGSIZE");
    const any = isAny(this.local.ip), four = this.local.ip === "0.0.0.0";
    if (to.ip.includes(":") ? four : !any && this.local.ip.includes(":")) {
      return this.#fail(to, "EAFNOSUPPORT");
    }
    const way = host.sourceFor(to.ip);
    if (!way || to.port === 0) return this.#fail(to, way ? "EINVAL" : "ENETUNREACH");
    if (!any && !host.owns(this.local.ip)) return this.#fail(to, "EADDRNOTAVAIL");
    const ip = any ? way.ip : this.local.ip;
    const plug = any || !way.plug ? way.plug : host.plugs.find((p) => p.ips.includes(ip)) ?? way.plug;
    world.sent++;
    const packet: Packet = {
      proto: "udp",
      src: this.#from(ip),
      dst: to,
      bytes: copyOf(bytes),
      tcp: undefined,
      origin: host,
    };
    host.send(packet, plug);
  }

  run(handler: UdpHandler): Promise<void> {
    if (this.#end) throw new TypeError("a socket runs once");
    if (this.#closed) return Promise.resolve();
    const done = new Promise<void>((resolve, reject) => this.#end = { resolve, reject });
    const waiting = this.#waiting;
    this.#waiting = [];
    this.#handler = handler;
    const world = this.stack.process.host.world;
    for (const packet of waiting) this.stack.process.at(world.now, () => this.receive(packet));
    return done;
  }

  // deno-lint-ignore require-await -- the real one waits
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.stack.remove(this);
    this.#end?.resolve();
  }

  takes(ip: string): boolean {
    if (this.local.ip === "::") return true;
    return this.local.ip === "0.0.0.0" ? !ip.includes(":") : this.local.ip === ip;
  }

  receive(packet: Packet): void {
    const { world } = this.stack.process.host;
    if (this.#closed) return world.drop("port-closed");
    if (!this.#handler) {
      if (this.#waitingBytes + packet.bytes.length > WAITING_BYTES) return world.drop("receive-buffer");
      this.#waitingBytes += packet.bytes.length;
      this.#waiting.push(packet);
      return;
    }
    world.record(packet);
    try {
      this.#handler.datagram(packet.bytes, packet.src);
    } catch (error) {
      this.#closed = true;
      this.stack.remove(this);
      this.#end!.reject(error);
    }
    if (world.poison) packet.bytes.fill(0xdd);
  }

  #from(ip: string): Endpoint {
    for (const from of this.#froms) if (from.ip === ip) return from;
    const from = { ip, port: this.local.port };
    this.#froms.push(from);
    return from;
  }

  #fail(to: Endpoint, code: string): void {
    const { process } = this.stack, { world } = process.host;
    world.count(`failed ${code}`);
    process.at(world.now, () => this.#closed || this.#handler?.failed?.(to, code));
  }
}

const isAny = (ip: string): boolean => ip === "::" || ip === "0.0.0.0";
const clash = (a: string, b: string): boolean =>
  a === b || a === "::" || b === "::" ||
  (a === "0.0.0.0" && !b.includes(":")) || (b === "0.0.0.0" && !a.includes(":"));
