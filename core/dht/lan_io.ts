/** The door of LAN discovery: one multicast socket per family and one timer. Decides nothing. Spec: dht §4.12. */
import { Buffer } from "node:buffer";
import { createSocket, type RemoteInfo, type Socket } from "node:dgram";
import { canonicalIp, type Clock, CoreError, Driver, type Family, type Log } from "../base/mod.ts";
import {
  LAN_GROUPS,
  LAN_PORT,
  LanDiscovery,
  type LanIn,
  type LanOptions,
  type LanOut,
  type Link,
} from "./lan.ts";
import { LAN_LIMITS } from "./value_limits.ts";

export interface LanPortOptions extends LanOptions {
  readonly clock: Clock;
  readonly log: Log;
  /** UDP ports of the node as they are now, announced per family. */
  readonly ports: () => Readonly<Partial<Record<Family, number>>>;
  /** Nodes and accounts found, accounts gone, packets dropped. */
  readonly heard: (event: Exclude<LanOut, { type: "send" }>) => void;
}

type Interface = { name: string; address: string };

export class LanPort implements AsyncDisposable {
  readonly #sockets = new Map<Family, Socket>();
  readonly #queues = new Map<Family, Promise<void>>();
  readonly #joined = new Set<string>();
  readonly #zones = new Map<string, string>();
  readonly #driver: Driver<LanIn, LanOut>;
  #interfaces: readonly (Interface & { family: Family })[] = [];

  private constructor(readonly options: LanPortOptions) {
    const machine = new LanDiscovery(options);
    this.#driver = new Driver<LanIn, LanOut>(machine, options.clock, (out) => this.#act(out));
  }

  /** Binds port 8888 in both families (shared with others on this host) and speaks. @throws {CoreError} `dht/lan-bind` if neither can be had. */
  static async open(options: LanPortOptions): Promise<LanPort> {
    const port = new LanPort(options);
    for (const family of [4, 6] as const) {
      try {
        port.#sockets.set(family, await bind(family));
      } catch (error) {
        options.log.debug("no LAN discovery in this family", { family, error });
      }
    }
    if (!port.#sockets.size) throw new CoreError("dht/lan-bind", { port: LAN_PORT });
    for (const [family, socket] of port.#sockets) {
      socket.on("message", (bytes, from) => port.#receive(family, bytes, from));
      socket.on("error", (error) => options.log.debug("LAN socket", { family, error }));
    }
    port.changed();
    return port;
  }

  /** The host's network changed, or the node's ports did: looks at the interfaces again and speaks. */
  changed(): void {
    const links: Link[] = [], interfaces: (Interface & { family: Family })[] = [];
    for (const { name, family: kind, address, cidr } of Deno.networkInterfaces()) {
      const family = kind === "IPv4" ? 4 : 6;
      if (!this.#sockets.has(family)) continue;
      links.push({
        ip: canonicalIp(address),
        prefix: Number(cidr?.split("/")[1] ?? (family === 4 ? 32 : 128)),
      });
      if (interfaces.some((known) => known.name === name && known.family === family)) continue;
      if (this.#join(family, name, address)) interfaces.push({ name, address, family });
    }
    this.#interfaces = interfaces;
    this.#driver.feed({ type: "changed", links, ports: this.options.ports() });
  }

  /** Announces an account too, or no longer. @throws {CoreError} `dht/lan-name` for a name above 256 bytes. */
  announceAccount(account: { id: string; name: string } | undefined): void {
    this.#driver.feed({ type: "account", account });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#driver[Symbol.dispose]();
    await Promise.all(this.#queues.values());
    await Promise.all(
      [...this.#sockets.values()].map((socket) => new Promise<void>((done) => socket.close(() => done()))),
    );
  }

  #receive(family: Family, bytes: Buffer, { address, port }: RemoteInfo): void {
    const ip = canonicalIp(address);
    if (ip !== address) {
      this.#zones.delete(ip), this.#zones.set(ip, address);
      if (this.#zones.size > LAN_LIMITS.accounts) this.#zones.delete(this.#zones.keys().next().value!);
    }
    if (family === (ip.includes(":") ? 6 : 4)) {
      {
        this.#driver.feed({ type: "packet", bytes: new Uint8Array(bytes), from: { ip, port } });
      }
    }
  }

  #act(out: LanOut): void {
    if (out.type !== "send") return this.options.heard(out);
    const { family, bytes, to } = out, before = this.#queues.get(family) ?? Promise.resolve();
    this.#queues.set(
      family,
      before.then(() =>
        to
          ? this.#send(family, bytes, to.port, this.#zones.get(to.ip) ?? to.ip)
          : this.#toGroup(family, bytes)
      ),
    );
  }

  /** Once out of each interface: the socket remembers which one, so one after the other. */
  async #toGroup(family: Family, bytes: Uint8Array): Promise<void> {
    for (const { name, address } of this.#interfaces.filter((one) => one.family === family)) {
      try {
        this.#sockets.get(family)!.setMulticastInterface(family === 4 ? address : `::%${name}`);
      } catch (error) {
        this.options.log.debug("interface does not multicast", { family, name, error });
        continue;
      }
      await this.#send(family, bytes, LAN_PORT, LAN_GROUPS[family]);
    }
  }

  #send(family: Family, bytes: Uint8Array, port: number, ip: string): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#sockets.get(family)!.send(Buffer.from(bytes), port, ip, (error) => {
      if (error) this.options.log.debug("LAN packet not sent", { family, ip, error });
      resolve();
    });
    return promise;
  }

  /** True if the group is joined there. IPv6 is joined once, where the host routes it. */
  #join(family: Family, name: string, address: string): boolean {
    const where = family === 4 ? address : "";
    if (this.#joined.has(`${family} ${where}`)) return true;
    try {
      this.#sockets.get(family)!.addMembership(LAN_GROUPS[family], where || undefined);
      this.#joined.add(`${family} ${where}`);
      return true;
    } catch (error) {
      this.options.log.debug("interface does not join the group", { family, name, error });
      return false;
    }
  }
}

function bind(family: Family): Promise<Socket> {
  const socket = createSocket(
    family === 4 ? { type: "udp4", reuseAddr: true } : { type: "udp6", reuseAddr: true, ipv6Only: true },
  );
  const { promise, resolve, reject } = Promise.withResolvers<Socket>();
  socket.once("error", (error) => (socket.close(), reject(error)));
  socket.bind(LAN_PORT, () => {
    socket.removeAllListeners("error");
    resolve(socket);
  });
  return promise;
}
