/** ICE on sockets: runs a session, and hands over what it selected as a byte stream (links) or as datagrams (media). */
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
import { ByteQueue } from "./byte_queue.ts";
import { frameData } from "./framing.ts";
import type { IceOffer } from "./ice_candidate.ts";
import {
  type BoundSocket,
  IceSession,
  type SessionIn,
  type SessionOptions,
  type SessionOut,
} from "./ice_session.ts";
import { ICE } from "./limits.ts";
import type { StreamNet, TcpListener, TcpSocket } from "./socket.ts";
import type { ByteStream } from "./stream.ts";

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
class Runner implements AsyncDisposable {
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

/** How long a closing stream waits for its last bytes to leave. */
const LINGER_MS = 2000;

/**
 * A path to one device over TCP. `open` gathers; put `offer` into the request or the answer; `connect` with the other
 * side's half. Until then connections of the peer are accepted and its checks answered. Spec: connection §2.
 */
export class IceLink implements ByteStream {
  readonly #runner: Runner;
  readonly #selected = Promise.withResolvers<void>();
  readonly #gone = Promise.withResolvers<void>();
  readonly #queue = new ByteQueue(() => this.#flow());
  #conn: number | undefined;
  #readConn: number | undefined;
  #path: IcePath | undefined;
  #broken: Error | undefined;
  #drained: PromiseWithResolvers<void> | undefined;
  #paused = false;
  #closing: Promise<void> | undefined;

  private constructor(readonly env: IceEnv, options: OpenOptions, readonly offer: IceOffer) {
    this.#runner = new Runner(env, options, "tcp", 1, (out) => this.#act(out));
    this.#runner.drained = (conn) => conn === this.#conn && this.#release();
    this.#selected.promise.catch(() => {});
  }

  /**
   * Opens a listener and gathers candidates; takes at most `ICE.gatherMs` longer than the listener.
   * @throws {CoreError} `net/bind`; the signal's reason.
   */
  static async open(env: IceEnv, options: OpenOptions, signal?: AbortSignal): Promise<IceLink> {
    signal?.throwIfAborted();
    const link = new IceLink(env, options, { ufrag: "", pwd: "", candidates: [] });
    const stop = () => void link[Symbol.asyncDispose]();
    signal?.addEventListener("abort", stop);
    try {
      await link.#runner.listen();
      Object.assign(link.offer, await link.#runner.offer);
    } catch (error) {
      await link[Symbol.asyncDispose]();
      signal?.throwIfAborted();
      throw error;
    } finally {
      signal?.removeEventListener("abort", stop);
    }
    return link;
  }

  /** Counted reasons for which something from outside was ignored. */
  get drops(): ReadonlyMap<string, number> {
    return this.#runner.drops;
  }
  /** The selected pair, once there is one. */
  get path(): IcePath | undefined {
    return this.#path;
  }

  /**
   * Starts the checks; resolves when a pair is selected and the stream may be used.
   * @throws {CoreError} `net/ice-failed`; the signal's reason, then the link is closed.
   */
  async connect(remote: IceOffer, { signal }: { signal?: AbortSignal } = {}): Promise<this> {
    signal?.throwIfAborted();
    const stop = () => this.abort(signal?.reason);
    signal?.addEventListener("abort", stop);
    try {
      this.#runner.feed({ type: "remote", offer: remote });
      await this.#selected.promise;
      return this;
    } finally {
      signal?.removeEventListener("abort", stop);
    }
  }

  read(): Promise<Uint8Array | undefined> {
    return this.#queue.read();
  }

  /** @throws {CoreError} what broke the link: `net/ice-lost`, `net/ice-silent`, `net/ice-closed`. */
  async write(bytes: Uint8Array): Promise<void> {
    if (this.#broken) throw this.#broken;
    const socket = this.#runner.socket(this.#conn);
    if (!socket) throw new CoreError("net/ice-not-selected");
    if (this.#drained) throw new TypeError("a write is already waiting");
    if (socket.write(frameData(bytes))) return;
    this.#drained = Promise.withResolvers();
    await this.#drained.promise;
    if (this.#broken) throw this.#broken;
  }

  close(): Promise<void> {
    return this.#closing ??= this.#close();
  }
  async #close(): Promise<void> {
    this.#queue.end();
    const socket = this.#runner.socket(this.#conn);
    if (socket && !this.#broken) {
      socket.end();
      this.#broken = new CoreError("net/ice-closed");
      const { promise, resolve } = Promise.withResolvers<void>();
      using _linger = this.env.clock.at(this.env.clock.now() + LINGER_MS, resolve);
      await Promise.race([promise, this.#gone.promise]);
    }
    await this.#end(new CoreError("net/ice-closed"));
  }

  abort(reason: Error = new CoreError("net/ice-aborted")): void {
    this.#queue.fail(reason, true);
    this.#closing ??= this.#end(reason);
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.abort(new CoreError("net/ice-closed"));
    return this.#closing!;
  }

  async #end(reason: Error): Promise<void> {
    this.#break(reason);
    await this.#runner[Symbol.asyncDispose]();
  }

  #act(out: SessionOut): void {
    if (out.type === "data") {
      this.#readConn = out.conn;
      this.#queue.push(out.bytes);
      this.#flow();
    } else if (out.type === "selected") {
      const { local, remote } = out;
      this.#conn = out.conn;
      this.#path = { local, remote };
      this.env.log.debug("path selected", { local: local.type, remote: remote.type, peer: remote.ip });
    } else if (out.type === "completed") this.#selected.resolve();
    else if (out.type === "ended") {
      this.#queue.end();
      this.#break(new CoreError("net/ice-ended"));
    } else if (out.type === "failed") {
      const error = new CoreError(out.code, { why: out.why });
      this.#queue.fail(error);
      this.#break(error);
    }
  }

  #break(reason: Error): void {
    this.#broken ??= reason;
    this.#selected.reject(reason);
    this.#gone.resolve();
    this.#release();
  }
  #release(): void {
    this.#drained?.resolve();
    this.#drained = undefined;
  }

  /** Who does not read, slows the sender down. */
  #flow(): void {
    const paused = this.#paused ? this.#queue.length > ICE.early / 2 : this.#queue.length > ICE.early;
    if (paused === this.#paused) return;
    this.#paused = paused;
    const socket = this.#runner.socket(this.#readConn);
    if (paused) socket?.pause();
    else socket?.resume();
    this.#runner.feed({ type: "paused", paused });
  }
}

/** What a call gets: one selected pair per component. Spec: connection §2, calls §3. */
export interface MediaOptions extends OpenOptions {
  /** Global numbers: stream i uses 2i+1 (RTP) and 2i+2 (RTCP). */
  readonly components: readonly number[];
}

export class IceMedia implements AsyncDisposable {
  readonly #runner: Runner;
  readonly #ready = Promise.withResolvers<void>();
  readonly #pairs = new Map<number, { socket: number; to: Endpoint; path: IcePath }>();
  #over: Error | undefined;
  #closing: Promise<void> | undefined;
  /** A datagram of the peer; `bytes` belong to the handler. Set before `connect`. */
  onData: (component: number, bytes: Uint8Array) => void = () => {};
  /** The paths are gone after they were ready. */
  onLost: (error: Error) => void = () => {};

  private constructor(readonly env: IceEnv, options: MediaOptions, readonly offer: IceOffer) {
    this.#runner = new Runner(env, options, "udp", options.components.length, (out) => this.#act(out));
    this.#ready.promise.catch(() => {});
  }

  /** Binds one socket per component and gathers. @throws {RangeError} too many components. @throws {CoreError} `net/bind`. */
  static async open(env: IceEnv, options: MediaOptions): Promise<IceMedia> {
    const { components } = options;
    if (!components.length || components.length > ICE.components) {
      throw new RangeError(`${components.length} components`);
    }
    const media = new IceMedia(env, options, { ufrag: "", pwd: "", candidates: [] });
    try {
      await media.#runner.bind(components);
      Object.assign(media.offer, await media.#runner.offer);
    } catch (error) {
      await media[Symbol.asyncDispose]();
      throw error;
    }
    return media;
  }

  get drops(): ReadonlyMap<string, number> {
    return this.#runner.drops;
  }
  path(component: number): IcePath | undefined {
    return this.#pairs.get(component)?.path;
  }

  /** Resolves when every component the other side offers has its pair. @throws {CoreError} `net/ice-failed`; the signal's reason. */
  async connect(remote: IceOffer, { signal }: { signal?: AbortSignal } = {}): Promise<void> {
    signal?.throwIfAborted();
    const stop = () => this.#break(signal?.reason);
    signal?.addEventListener("abort", stop);
    try {
      this.#runner.feed({ type: "remote", offer: remote });
      await this.#ready.promise;
    } finally {
      signal?.removeEventListener("abort", stop);
    }
  }

  /** Sends one datagram on a component; false if it has no pair (yet, or any more). */
  send(component: number, bytes: Uint8Array): boolean {
    const pair = this.#pairs.get(component);
    if (!pair || this.#over) return false;
    const udp = this.#runner.udp(pair.socket);
    if (udp) udp.send(bytes, pair.to);
    else this.#runner.perform(this.#runner.session.sendTo(this.env.clock.now(), pair.socket, pair.to, bytes));
    return true;
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#break(new CoreError("net/ice-closed"));
    return this.#closing ??= this.#runner[Symbol.asyncDispose]();
  }

  #act(out: SessionOut): void {
    if (out.type === "data") this.onData(out.component, out.bytes);
    else if (out.type === "selected") {
      const { component, local, remote } = out;
      this.#pairs.set(component, {
        socket: local.socket,
        to: { ip: remote.ip, port: remote.port },
        path: { local, remote },
      });
    } else if (out.type === "completed") this.#ready.resolve();
    else if (out.type === "failed") {
      const error = new CoreError(out.code, { why: out.why }), ready = this.#pairs.size > 0 && !this.#over;
      this.#break(error);
      if (ready) this.onLost(error);
    }
  }

  #break(reason: Error): void {
    this.#over ??= reason;
    this.#ready.reject(reason);
  }
}
