/** A simulated computer: addresses, clocks of its own, ports, and a process that can crash and start again. */
import type {
  Clock,
  Endpoint,
  Env,
  Family,
  Log,
  LogFields,
  LogLevel,
  NamedNet,
} from "../../core/base/mod.ts";
import { canonicalIp, CoreError, familyOf, isIp, silentLog } from "../../core/base/mod.ts";
import type { LocalAddress, StreamNet } from "../../core/net/socket.ts";
import { type Access, Attachment, type Segment } from "./net.ts";
import type { Packet } from "./packet.ts";
import type { Seeded } from "./random.ts";
import { type SimConnectOptions, TcpStack } from "./tcp_stack.ts";
import type { TcpConnection } from "./tcp_stream.ts";
import { UdpStack } from "./udp.ts";
import type { World } from "./world.ts";

export interface PlugOptions {
  readonly segment?: Segment;
  /** IPv4 and/or IPv6 addresses of this interface. */
  readonly ips: readonly string[];
  readonly link?: Access;
}

export interface HostOptions extends Partial<PlugOptions> {
  /** More interfaces; `ips` and friends describe the first one. */
  readonly plugs?: readonly PlugOptions[];
  /** How wrong the wall clock is. */
  readonly skewMs?: number;
}

export interface SimNet extends StreamNet, NamedNet {
  connect(to: Endpoint, options?: SimConnectOptions): Promise<TcpConnection>;
}

export interface SimEnv extends Env {
  readonly net: SimNet;
}

/** One network interface. */
export class Plug {
  ips: string[];
  readonly wire: Attachment;
  constructor(readonly segment: Segment, ips: readonly string[], wire: Attachment) {
    this.ips = [...ips];
    this.wire = wire;
    for (const ip of ips) segment.claim(ip, wire);
  }
}

const LOOPBACK_MS = 0.02, FIRST_EPHEMERAL = 32768, EPHEMERALS = 28232, RESOLVE_MS = 15;

export class Host {
  readonly plugs: Plug[] = [];
  /** Bits of the cuts this host is on the left or right side of. */
  leftOf = 0;
  rightOf = 0;
  /** Wall clock error in ms; may be changed while running. */
  skewMs: number;
  /** What a crash does not take: a place for tests to keep saved state. */
  readonly disk = new Map<string, Uint8Array>();
  readonly luck: Seeded;
  #boots = 0;
  #process: Process | undefined;

  constructor(readonly world: World, readonly name: string, options: HostOptions) {
    this.skewMs = options.skewMs ?? 0;
    this.luck = world.stream(`host ${name}`);
    const first = options.ips ? [{ segment: options.segment, ips: options.ips, link: options.link }] : [];
    for (const plug of [...first, ...(options.plugs ?? [])]) this.plug(plug);
    this.boot();
  }

  /** What the running process may use. @throws {Error} if the host is down. */
  get env(): SimEnv {
    return this.process.env;
  }

  get process(): Process {
    if (!this.#process) throw new Error(`${this.name} is down`);
    return this.#process;
  }

  get up(): boolean {
    return this.#process !== undefined;
  }

  /** Adds an interface. */
  plug({ segment = this.world.internet, ips, link = {} }: PlugOptions): Plug {
    const name = `${this.name}#${this.plugs.length}`;
    const wire = new Attachment(segment, name, link, (packet) => this.#receive(packet));
    const plug = new Plug(segment, ips, wire);
    this.plugs.push(plug);
    return plug;
  }

  /** Gives an interface other addresses: old ones stop working at once, connections on them hang. */
  readdress(ips: readonly string[], plug: Plug = this.plugs[0]!): void {
    for (const ip of plug.ips) plug.segment.release(ip);
    plug.ips = [...ips];
    for (const ip of ips) plug.segment.claim(ip, plug.wire);
  }

  /** The plug goes out or in again. */
  unplug(plug: Plug = this.plugs[0]!): void {
    plug.wire.plugged = false;
  }
  replug(plug: Plug = this.plugs[0]!): void {
    plug.wire.plugged = true;
  }

  /** Addresses of plugged interfaces. */
  get ips(): string[] {
    return this.plugs.filter((plug) => plug.wire.plugged).flatMap((plug) => plug.ips);
  }

  /** The same with their interfaces, loopback first. */
  get addresses(): LocalAddress[] {
    const lo = ["127.0.0.1", ...(this.has(6) ? ["::1"] : [])].map((ip) => ({ ip, interface: "lo" }));
    const rest = this.plugs.flatMap((plug, i) =>
      plug.wire.plugged ? plug.ips.map((ip) => ({ ip, interface: `eth${i}` })) : []
    );
    return [...lo, ...rest];
  }

  /** Power gone: nothing is said to anyone, no callback of the process runs again. */
  crash(): void {
    this.#process?.kill();
    this.#process = undefined;
  }

  /** A fresh process with fresh ports; crashes the old one if there is one. */
  boot(): SimEnv {
    this.crash();
    this.#process = new Process(this, ++this.#boots);
    return this.#process.env;
  }

  /** Our address for talking to `ip`, or undefined if no interface has that family. */
  sourceFor(ip: string): { plug: Plug | undefined; ip: string } | undefined {
    if (isLoopback(ip)) return { plug: undefined, ip };
    const six = ip.includes(":");
    let found: { plug: Plug; ip: string } | undefined;
    for (const plug of this.plugs) {
      if (!plug.wire.plugged) continue;
      for (const own of plug.ips) {
        if (own === ip) return { plug: undefined, ip };
        if (own.includes(":") !== six) continue;
        if (plug.segment.lookup(ip)) return { plug, ip: own };
        found ??= { plug, ip: own };
      }
    }
    return found;
  }

  /** Puts a packet on its way; `plug` undefined: to ourselves. */
  send(packet: Packet, plug: Plug | undefined): void {
    if (plug) plug.wire.transmit(packet);
    else this.world.schedule(this.world.now + LOOPBACK_MS, () => this.#receive(packet));
  }

  owns(ip: string): boolean {
    for (const plug of this.plugs) if (plug.ips.includes(ip)) return true;
    return isLoopback(ip);
  }

  has(family: Family): boolean {
    return this.plugs.some((plug) => plug.ips.some((ip) => familyOf(ip) === family));
  }

  ephemeralPort(taken: (port: number) => boolean): number | undefined {
    for (let i = 0; i < EPHEMERALS; i++) {
      const port = FIRST_EPHEMERAL + this.luck.below(EPHEMERALS);
      if (!taken(port)) return port;
    }
    return undefined;
  }

  #receive(packet: Packet): void {
    const { world } = this, from = packet.origin;
    if ((from.leftOf & this.rightOf) | (from.rightOf & this.leftOf)) return world.drop("cut");
    if (!this.#process) return world.drop("host-down");
    if (!this.owns(packet.dst.ip)) return world.drop("moved-away");
    if (packet.proto === "udp") this.#process.udp.receive(packet);
    else this.#process.tcp.receive(packet);
  }
}

/** One life of a host, from boot to crash. */
export class Process {
  alive = true;
  readonly env: SimEnv;
  readonly udp: UdpStack;
  readonly tcp: TcpStack;

  constructor(readonly host: Host, readonly boot: number) {
    const { world } = host, random = world.stream(`random ${host.name} ${boot}`);
    this.udp = new UdpStack(this);
    this.tcp = new TcpStack(this);
    this.env = {
      clock: new HostClock(this, Math.floor(random.float() * 1e6)),
      random,
      log: world.options.onLog ? hostLog(host, {}) : silentLog,
      net: {
        udp: (options) => this.udp.bind(options),
        connect: (to, options) => this.tcp.connect(to, options),
        listen: (options, accept) => this.tcp.listen(options, accept),
        addresses: () => host.addresses,
        resolve: (name) => this.#resolve(name),
      },
    };
  }

  /** What the world's name service knows. */
  #resolve(name: string): Promise<readonly string[]> {
    return new Promise((resolve, reject) =>
      void this.at(this.host.world.now + RESOLVE_MS, () => {
        const known = isIp(name)
          ? [canonicalIp(name)]
          : this.host.ips.length
          ? this.host.world.names.get(name)
          : undefined;
        if (known) resolve(known);
        else reject(new CoreError("net/unknown-host", { host: name }));
      })
    );
  }

  kill(): void {
    this.alive = false;
  }

  /** An event that happens only if this process still lives. */
  at(time: number, run: () => void): Disposable {
    const { world } = this.host;
    const event = world.schedule(time, () => {
      if (this.alive) run();
    });
    return { [Symbol.dispose]: () => world.cancel(event) };
  }
}

/** Starts anywhere, so that no room believes two hosts share a monotonic clock. */
class HostClock implements Clock {
  #reached = -Infinity;
  constructor(readonly process: Process, readonly offset: number) {}

  now(): number {
    return Math.max(this.process.host.world.now + this.offset, this.#reached);
  }

  wall(): number {
    return this.process.host.world.wall + this.process.host.skewMs;
  }

  at(time: number, run: () => void): Disposable {
    return this.process.at(time - this.offset, () => {
      if (time > this.#reached) this.#reached = time; // an alarm is never early, whatever rounding says
      run();
    });
  }
}

const isLoopback = (ip: string): boolean => ip.startsWith("127.") || ip === "::1";

function hostLog(host: Host, fixed: LogFields): Log {
  const line = (level: LogLevel) => (sentence: string, fields: LogFields = {}) =>
    host.world.options.onLog!(host.name, level, sentence, { ...fixed, ...fields });
  return {
    child: (fields) => hostLog(host, { ...fixed, ...fields }),
    trace: line("trace"),
    debug: line("debug"),
    info: line("info"),
    warning: line("warning"),
    error: line("error"),
  };
}
