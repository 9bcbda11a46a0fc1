/** A path to one device over TCP, as a byte stream. */
import { CoreError } from "../base/mod.ts";
import { ByteQueue } from "./byte_queue.ts";
import { frameData } from "./framing.ts";
import type { IceOffer } from "./ice_candidate.ts";
import { type IceEnv, type IcePath, type OpenOptions, Runner } from "./ice_runner_io.ts";
import type { SessionOut } from "./ice_session.ts";
import { ICE } from "./limits.ts";
import type { ByteStream } from "./stream.ts";

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
