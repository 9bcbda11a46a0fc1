/** One ICE session on sockets: what links and media share. */
import {
  type Clock,
  CoreError,
  Driver,
  type Endpoint,
  type Log,
  type Random,
  type UdpSocket,
  type Wake,
} from "../base/mod.ts";
import type { IceOffer } from "./ice_candidate.ts";
import { IceSession, type SessionIn, type SessionOptions, type SessionOut } from "./ice_session.ts";
import type { BoundSocket } from "./ice_own.ts";
import type { StreamNet, TcpListener, TcpSocket } from "./socket.ts";

/** What ICE asks of the world. */
export interface IceEnv {
  readonly clock: Clock;
  readonly random: Random;
  readonly net: StreamNet;
  readonly log: Log;
}

/** Asks a gateway for a way in to `port`; undefined if there is none. Disposing gives it back. */
export type MapPort = (
  protocol: "tcp" | "udp",
  port: number,
  options: { signal: AbortSignal },
) => Promise<({ readonly external: Endpoint } & AsyncDisposable) | undefined>;

export interface OpenOptions extends Omit<SessionOptions, "transport" | "mappings"> {
  readonly mapPort?: MapPort;
  /** Steps of the attempt as they happen, for the "why is it slow?" page. */
  readonly note?: (note: IceNote) => void;
}

export interface IceNote {
  /** Monotonic milliseconds. */
  readonly at: number;
  readonly what: string;
  readonly pair?: string;
  readonly detail?: string;
}

/** A selected pair, for display and traces. */
export interface IcePath {
  readonly local: Endpoint & { readonly type: string };
  readonly remote: Endpoint & { readonly type: string };
}

/** What link and media share: one session, its driver, its sockets. */
export class Runner implements AsyncDisposable {
  readonly session: IceSession;
  readonly #driver: Driver<SessionIn, SessionOut>;
  readonly #sockets = new Map<number, TcpSocket>();
  readonly #dials = new Map<number, AbortController>();
  readonly #listeners: TcpListener[] = [];
  readonly #udp = new Map<number, UdpSocket>();
  readonly #pending = new Set<Promise<unknown>>();
  readonly #offer = Promise.withResolvers<IceOffer>();
  readonly #abort = new AbortController();
  readonly drops = new Map<string, number>();

  constructor(
    readonly env: IceEnv,
    readonly options: OpenOptions,
    transport: "tcp" | "udp",
    sockets: number,
    readonly act: (out: SessionOut) => void,
  ) {
    const mappings = options.mapPort ? sockets : 0;
    this.session = new IceSession({ ...options, transport, mappings }, env.random);
    this.#driver = new Driver<SessionIn, SessionOut>(this.session, env.clock, (out) => this.#act(out));
    this.#offer.promise.catch(() => {});
  }

  get offer(): Promise<IceOffer> {
    return this.#offer.promise;
  }

  feed(input: SessionIn | Wake): void {
    this.#driver.feed(input);
  }

  async listen(): Promise<void> {
    const accept = (socket: TcpSocket) => {
      const conn = this.session.agent.newConn();
      this.#run(conn, socket);
      this.feed({ type: "accepted", conn, socket: 0, local: socket.local, from: socket.remote });
    };
    const listener = await this.env.net.listen({}, accept);
    this.#listeners.push(listener);
    this.#opened(
      [{ socket: 0, component: 1, port: listener.local.port, ips: this.#ips(listener.local.ip) }],
      "tcp",
    );
  }

  async bind(components: readonly number[]): Promise<void> {
    const bound: BoundSocket[] = [];
    for (const [socket, component] of components.entries()) {
      const udp = await this.env.net.udp();
      this.#udp.set(socket, udp);
      bound.push({ socket, component, port: udp.local.port, ips: this.#ips(udp.local.ip) });
      const datagram = (bytes: Uint8Array, from: Endpoint) =>
        this.feed({ type: "datagram", socket, from, bytes: bytes.slice() });
      this.#track(udp.run({ datagram }));
    }
    this.#opened(bound, "udp");
  }

  /** Addresses a socket bound to `ip` is reached at. */
  #ips(ip: string): string[] {
    const all = this.env.net.addresses().map((a) => a.ip);
    if (ip === "::") return all;
    return ip === "0.0.0.0" ? all.filter((a) => !a.includes(":")) : [ip];
  }

  #opened(sockets: BoundSocket[], protocol: "tcp" | "udp"): void {
    this.feed({ type: "open", sockets });
    if (this.options.mapPort) {
      for (const bound of sockets) this.#track(this.#map(this.options.mapPort, bound, protocol));
    }
  }

  async #map(mapPort: MapPort, { socket, port }: BoundSocket, protocol: "tcp" | "udp"): Promise<void> {
    let external: Endpoint | undefined;
    try {
      const mapped = await mapPort(protocol, port, { signal: this.#abort.signal });
      if (mapped) this.#mapped.push(mapped), external = mapped.external;
    } catch (error) {
      this.env.log.debug("no port mapping", { error });
    }
    this.feed({ type: "mapped", socket, external });
  }
  readonly #mapped: AsyncDisposable[] = [];

  #track(work: PromiseLike<unknown>): void {
    const task = Promise.resolve(work);
    this.#pending.add(task);
    task.finally(() => this.#pending.delete(task)).catch((error) =>
      this.env.log.error("ice door failed", { error })
    );
  }

  #act(out: SessionOut): void {
    switch (out.type) {
      case "connect":
        return this.#dial(out.conn, out.to);
      case "write":
        return void this.#sockets.get(out.conn)?.write(out.bytes);
      case "close":
        this.#dials.get(out.conn)?.abort();
        this.#sockets.get(out.conn)?.destroy();
        this.#sockets.delete(out.conn);
        return;
      case "send":
        return this.#udp.get(out.socket)?.send(out.bytes, out.to);
      case "unlisten":
        for (const listener of this.#listeners.splice(0)) this.#track(listener[Symbol.asyncDispose]());
        return;
      case "offer":
        return this.#offer.resolve(out.offer);
      case "drop":
        this.drops.set(out.why, (this.drops.get(out.why) ?? 0) + 1);
        return this.env.log.debug("dropped", { why: out.why });
      case "note": {
        const { type: _, ...note } = out;
        return this.options.note?.({ at: this.env.clock.now(), ...note });
      }
      default:
        return this.act(out);
    }
  }

  #dial(conn: number, to: Endpoint): void {
    const abort = new AbortController();
    this.#dials.set(conn, abort);
    const done = this.env.net.connect(to, { signal: abort.signal }).then((socket) => {
      this.#dials.delete(conn);
      if (abort.signal.aborted) return socket.destroy();
      this.#run(conn, socket);
      this.feed({ type: "connected", conn });
    }, (error) => {
      this.#dials.delete(conn);
      if (abort.signal.aborted) return;
      const code = error instanceof CoreError ? String(error.data.code ?? error.code) : "unknown";
      this.feed({ type: "refused", conn, code });
    });
    this.#track(done);
  }

  #run(conn: number, socket: TcpSocket): void {
    this.#sockets.set(conn, socket);
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#track(promise);
    socket.run({
      data: (bytes) => this.feed({ type: "bytes", conn, bytes }),
      end: () => this.#gone(conn, undefined),
      drain: () => this.drained?.(conn),
      closed: (code) => {
        this.#gone(conn, code);
        resolve();
      },
    });
  }
  drained: ((conn: number) => void) | undefined;

  #gone(conn: number, code: string | undefined): void {
    const socket = this.#sockets.get(conn);
    if (!socket) return;
    this.feed({ type: "closed", conn, code });
    this.#sockets.delete(conn);
    socket.destroy();
  }

  socket(conn: number | undefined): TcpSocket | undefined {
    return conn === undefined ? undefined : this.#sockets.get(conn);
  }
  udp(socket: number): UdpSocket | undefined {
    return this.#udp.get(socket);
  }
  /** Runs outputs of a direct call into the session. */
  perform(outs: readonly SessionOut[]): void {
    for (const out of outs) this.#act(out);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#abort.abort();
    this.feed({ type: "stop" });
    this.#driver[Symbol.dispose]();
    this.#offer.reject(new CoreError("net/ice-closed"));
    for (const dial of this.#dials.values()) dial.abort();
    for (const socket of this.#sockets.values()) socket.destroy();
    this.#sockets.clear();
    for (const listener of this.#listeners.splice(0)) this.#track(listener[Symbol.asyncDispose]());
    for (const udp of this.#udp.values()) this.#track(udp[Symbol.asyncDispose]());
    while (this.#pending.size) await Promise.allSettled([...this.#pending]);
    for (const mapped of this.#mapped.splice(0)) await mapped[Symbol.asyncDispose]();
  }
}
