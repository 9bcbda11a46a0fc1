/** Port mapping on sockets: one UDP socket towards the gateway, short HTTP conversations, and where the gateway is. */
import { readFile } from "node:fs/promises";
import { CoreError, Driver, type Endpoint, formatIp } from "../base/mod.ts";
import type { IceEnv } from "./ice_runner_io.ts";
import { NAT } from "./limits.ts";
import { encodeHttp, type HttpAnswer, HttpReader, type HttpRequest } from "./nat_http.ts";
import { type NatIn, NatMapper, type NatMethod, type NatOut } from "./nat_mapper.ts";
import type { MapProtocol } from "./nat_pmp.ts";

export interface PortMapperOptions {
  /** Default: all, in this order: `pcp`, `pmp`, `upnp`. */
  readonly methods?: readonly NatMethod[];
  /** The gateway and our address towards it; default: {@linkcode defaultRoute}. */
  readonly route?: () => Promise<Route | undefined>;
}

export interface Route {
  readonly gateway: string;
  readonly local: string;
}

/** A way in, as long as it is not disposed. */
export interface Mapping extends AsyncDisposable {
  readonly external: Endpoint;
  readonly by: NatMethod;
}

interface Waiting {
  mapped: PromiseWithResolvers<{ external: Endpoint; by: NatMethod } | undefined>;
}

/** Keeps mappings alive until disposed. `map` fits {@linkcode MapPort}. */
export class PortMapper implements AsyncDisposable {
  readonly #driver: Driver<NatIn, NatOut>;
  readonly #waiting = new Map<number, Waiting>();
  readonly #pending = new Set<Promise<unknown>>();
  readonly #owned = new AsyncDisposableStack();
  readonly drops = new Map<string, number>();
  #send: (to: Endpoint, bytes: Uint8Array) => void = () => {};
  #nextId = 1;
  #closing: Promise<void> | undefined;

  private constructor(readonly env: IceEnv, readonly options: PortMapperOptions) {
    const machine = new NatMapper(env.random, options);
    this.#driver = new Driver<NatIn, NatOut>(machine, env.clock, (out) => this.#act(out));
  }

  /** Finds the gateway; asks it nothing before the first `map`. @throws {CoreError} `net/bind`. */
  static async open(env: IceEnv, options: PortMapperOptions = {}): Promise<PortMapper> {
    const mapper = new PortMapper(env, options);
    await mapper.networkChanged();
    return mapper;
  }

  /** Looks for the gateway anew; mappings that still stand are asked for again. */
  async networkChanged(): Promise<void> {
    const route = await (this.options.route ?? defaultRoute)();
    if (!route || this.#closing) return;
    const socket = await this.env.net.udp({ ip: route.local }); // bound to the address, so multicast leaves by its interface
    const done = socket.run({
      datagram: (bytes, from) => this.#driver.feed({ type: "datagram", from, bytes: bytes.slice() }),
    });
    this.#owned.defer(() => done);
    this.#owned.use(socket);
    this.#send = (to, bytes) => socket.send(bytes, to);
    this.#driver.feed({ type: "network", gateway: route.gateway, local: route.local });
  }

  /**
   * Opens `port` to the outside; undefined if no gateway does that. Disposing the mapping gives it back.
   * @throws the signal's reason; then nothing stays open.
   */
  readonly map = async (
    protocol: MapProtocol,
    port: number,
    { signal }: { signal?: AbortSignal } = {},
  ): Promise<Mapping | undefined> => {
    signal?.throwIfAborted();
    if (this.#closing) throw new CoreError("net/closed");
    const id = this.#nextId++, mapped: Waiting["mapped"] = Promise.withResolvers();
    this.#waiting.set(id, { mapped });
    const release = () => void (this.#waiting.delete(id), this.#driver.feed({ type: "release", id }));
    const stop = () => mapped.reject(signal!.reason);
    signal?.addEventListener("abort", stop);
    try {
      this.#driver.feed({ type: "want", id, protocol, port });
      const found = await mapped.promise;
      if (!found) return release(), undefined;
      return { ...found, [Symbol.asyncDispose]: () => Promise.resolve(release()) };
    } catch (error) {
      release();
      throw error;
    } finally {
      signal?.removeEventListener("abort", stop);
    }
  };

  [Symbol.asyncDispose](): Promise<void> {
    return this.#closing ??= this.#close();
  }
  async #close(): Promise<void> {
    for (const { mapped } of this.#waiting.values()) mapped.resolve(undefined);
    this.#driver.feed({ type: "stop" });
    while (this.#pending.size) await Promise.allSettled([...this.#pending]); // what we opened is given back first
    this.#driver[Symbol.dispose]();
    await this.#owned.disposeAsync();
  }

  #act(out: NatOut): void {
    switch (out.type) {
      case "send":
        return this.#send(out.to, out.bytes);
      case "http": {
        const done = this.#http(out.http).then(
          (answer) => answer,
          (error) => void this.env.log.debug("gateway did not answer", { error }),
        ).then((answer) =>
          this.#driver.feed({ type: "http", request: out.request, answer: answer ?? undefined })
        );
        this.#pending.add(done);
        done.finally(() => this.#pending.delete(done));
        return;
      }
      case "mapped":
        return this.#waiting.get(out.id)?.mapped.resolve({ external: out.external, by: out.by });
      case "unmapped":
        this.env.log.debug("no port mapping", { why: out.why });
        return this.#waiting.get(out.id)?.mapped.resolve(undefined);
      case "drop":
        this.drops.set(out.why, (this.drops.get(out.why) ?? 0) + 1);
    }
  }

  async #http(request: HttpRequest): Promise<HttpAnswer> {
    const abort = new AbortController();
    using _deadline = this.env.clock.at(
      this.env.clock.now() + NAT.httpMs,
      () => abort.abort(new CoreError("net/http-timeout")),
    );
    const socket = await this.env.net.connect(request.to, { signal: abort.signal });
    const reader = new HttpReader(),
      answer = Promise.withResolvers<HttpAnswer>(),
      closed = Promise.withResolvers<void>();
    const attempt = (read: () => HttpAnswer | undefined) => {
      try {
        const whole = read();
        if (whole) answer.resolve(whole);
      } catch (error) {
        answer.reject(error);
      }
    };
    abort.signal.addEventListener("abort", () => answer.reject(abort.signal.reason));
    socket.run({
      data: (bytes) => attempt(() => reader.push(bytes)),
      end: () => attempt(() => reader.end()),
      drain: () => {},
      closed: (code) => {
        answer.reject(new CoreError("net/http-lost", { code }));
        closed.resolve();
      },
    });
    socket.write(encodeHttp(request));
    try {
      return await answer.promise;
    } finally {
      socket.destroy();
      await closed.promise;
    }
  }
}

/** The default IPv4 route of this host (Linux); undefined where there is none or the system does not tell. */
export async function defaultRoute(): Promise<Route | undefined> {
  const table = await readFile("/proc/net/route", "utf8").catch(() => ""); // another system
  for (const line of table.split("\n").slice(1)) {
    const [name, destination, gateway, flags] = line.split(/\s+/);
    if (destination !== "00000000" || !gateway || gateway === "00000000" || !(parseInt(flags!, 16) & 2)) {
      continue;
    }
    const ip = formatIp(Uint8Array.fromHex(gateway).reverse()); // the table is in host order: little-endian everywhere we run
    const local = Deno.networkInterfaces().find((i) => i.name === name && i.family === "IPv4")?.address;
    if (local) return { gateway: ip, local };
  }
  return undefined;
}
