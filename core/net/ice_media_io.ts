/** Paths for the media of a call: datagrams, one selected pair per component. */
import { CoreError, type Endpoint } from "../base/mod.ts";
import type { IceOffer } from "./ice_candidate.ts";
import { type IceEnv, type IcePath, type OpenOptions, Runner } from "./ice_runner_io.ts";
import type { SessionOut } from "./ice_session.ts";
import { ICE } from "./limits.ts";

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
