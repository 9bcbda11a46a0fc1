/** TCP of one process: who listens, who is connected, and a reset for everyone else. */
import { CoreError, type Endpoint, formatEndpoint } from "../../core/base/mod.ts";
import type { ConnectOptions, TcpListener, TcpListenOptions, TcpSocket } from "../../core/net/socket.ts";
import type { Process } from "./host.ts";
import type { Packet } from "./packet.ts";
import { TcpConnection } from "./tcp_stream.ts";

/** Beyond what rooms ask for: a local address and port of our choice. */
export interface SimConnectOptions extends ConnectOptions {
  readonly ip?: string;
  readonly port?: number;
}

const BACKLOG = 128, NOTHING = new Uint8Array(0);

export class TcpStack {
  #listeners = new Map<number, Listener>();
  #connections = new Map<string, TcpConnection>();
  constructor(readonly process: Process) {}

  async connect(to: Endpoint, { ip, port = 0, signal }: SimConnectOptions = {}): Promise<TcpConnection> {
    signal?.throwIfAborted();
    const { host } = this.process, way = host.sourceFor(to.ip);
    const refuse = (code: string) => new CoreError("net/connect", { to: to.ip, port: to.port, code });
    if (!way || to.port === 0 || (ip && !host.owns(ip))) throw refuse("ENETUNREACH");
    if (port && (this.#listeners.has(port) || this.#inUse(port))) throw refuse("EADDRINUSE");
    const source = ip ?? way.ip,
      plug = way.plug && ip ? host.plugs.find((p) => p.ips.includes(ip)) : way.plug;
    const bound = port || host.ephemeralPort((p) => this.#listeners.has(p) || this.#inUse(p));
    if (!bound) throw refuse("EADDRNOTAVAIL");
    const connection = new TcpConnection(this, { ip: source, port: bound }, to, plug, false);
    this.#connections.set(keyOf(connection.local, to), connection);
    const opened = Promise.withResolvers<void>();
    connection.onOpen = opened.resolve;
    connection.onFail = (code) => opened.reject(refuse(code));
    const abort = () => {
      opened.reject(signal!.reason);
      connection.reset();
    };
    signal?.addEventListener("abort", abort, { once: true });
    connection.open();
    try {
      await opened.promise;
    } finally {
      signal?.removeEventListener("abort", abort);
    }
    return connection;
  }

  // deno-lint-ignore require-await -- a bind that fails rejects
  async listen(
    { port = 0, ip }: TcpListenOptions,
    accept: (socket: TcpSocket) => void,
  ): Promise<TcpListener> {
    const { host } = this.process, local = ip ?? (host.has(6) ? "::" : "0.0.0.0");
    if (ip && local !== "::" && local !== "0.0.0.0" && !host.owns(ip)) {
      throw new CoreError("net/bind", { ip });
    }
    const taken = (p: number) => this.#listeners.has(p) || this.#inUse(p);
    if (port && taken(port)) throw new CoreError("net/port-in-use", { port });
    const bound = port || host.ephemeralPort(taken);
    if (!bound) throw new CoreError("net/bind", { code: "EADDRINUSE" });
    const listener = new Listener(this, { ip: local, port: bound }, accept);
    this.#listeners.set(bound, listener);
    return listener;
  }

  receive(packet: Packet): void {
    const { host } = this.process, { world } = host;
    const known = this.#connections.get(keyOf(packet.dst, packet.src));
    if (known) {
      world.record(packet);
      if (known.state === "closed") known.afterlife(packet);
      else known.receive(packet);
      return;
    }
    const listener = this.#listeners.get(packet.dst.port);
    if (packet.tcp!.syn && packet.tcp!.ack < 0 && listener?.takes(packet.dst.ip)) {
      if (listener.opening >= BACKLOG) return world.drop("backlog");
      world.record(packet);
      const way = host.sourceFor(packet.src.ip);
      const connection = new TcpConnection(this, packet.dst, packet.src, way?.plug, true);
      this.#connections.set(keyOf(packet.dst, packet.src), connection);
      listener.opening++;
      connection.onOpen = () => (listener.opening--, listener.opened(connection));
      connection.onFail = () => listener.opening--;
      return connection.receive(packet);
    }
    world.drop("tcp-closed");
    if (!packet.tcp!.rst) this.#refuse(packet);
  }

  remove(connection: TcpConnection): void {
    const key = keyOf(connection.local, connection.remote);
    if (this.#connections.get(key) === connection) this.#connections.delete(key);
  }

  /** Keeps a finished connection for a while, to answer late packets. */
  linger(connection: TcpConnection, ms: number): void {
    this.process.at(this.process.host.world.now + ms, () => this.remove(connection));
  }

  removeListener(listener: Listener): void {
    if (this.#listeners.get(listener.local.port) === listener) this.#listeners.delete(listener.local.port);
  }

  /** Connections alive, lingering ones included; for leak checks in tests. */
  get open(): readonly TcpConnection[] {
    return [...this.#connections.values()];
  }

  #inUse(port: number): boolean {
    for (const connection of this.#connections.values()) if (connection.local.port === port) return true;
    return false;
  }

  #refuse(packet: Packet): void {
    const { host } = this.process, { src, dst, tcp } = packet;
    const head = {
      syn: false,
      fin: false,
      rst: true,
      seq: Math.max(0, tcp!.ack),
      ack: tcp!.seq + 1,
      window: 0,
    };
    const way = host.sourceFor(src.ip);
    if (way) {
      host.send({ proto: "tcp", src: dst, dst: src, bytes: NOTHING, tcp: head, origin: host }, way.plug);
    }
  }
}

class Listener implements TcpListener {
  opening = 0;
  #closed = false;
  constructor(
    readonly stack: TcpStack,
    readonly local: Endpoint,
    readonly accept: (socket: TcpSocket) => void,
  ) {}

  takes(ip: string): boolean {
    const own = this.local.ip;
    return own === "::" || own === ip || (own === "0.0.0.0" && !ip.includes(":"));
  }

  opened(socket: TcpConnection): void {
    const { process } = this.stack;
    process.at(process.host.world.now, () => this.#closed ? socket.reset() : this.accept(socket));
  }

  // deno-lint-ignore require-await -- the real one waits
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    this.stack.removeListener(this);
  }
}

const keyOf = (local: Endpoint, remote: Endpoint): string =>
  `${formatEndpoint(local)} ${formatEndpoint(remote)}`;
