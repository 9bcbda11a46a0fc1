/** The DHT as the rest of the program sees it: a node on a socket, asked by promises and iterations. */
import {
  CoreError,
  type Endpoint,
  type Env,
  type InfoHash,
  infoHash,
  isIp,
  type NamedNet,
  unhex,
} from "../base/mod.ts";
import { verifySignature } from "../crypto/mod.ts";
import { createKernel } from "../../wasm/mod.ts";
import type { DhtAccess, GetOptions, Heard, Put, PutOptions } from "./access.ts";
import type { Cell, Query } from "./kernel.ts";
import { LIMITS } from "./limits.ts";
import type { DhtIn, DhtInfo, DhtOut, DhtStatus, Host } from "./messages.ts";
import { DhtNode } from "./node.ts";
import type { DhtNodeOptions } from "./node_options.ts";
import { DhtPort } from "./port_io.ts";
import { ANY } from "./query.ts";
import { EventQueue } from "./queue.ts";
import { stateId } from "./state.ts";
import { makeValue, type Value } from "./value.ts";

/** Does `signature` over `data` belong to the owner of that SubjectPublicKeyInfo? Never throws. */
export type Verifier = (owner: Uint8Array, data: Uint8Array, signature: Uint8Array) => Promise<boolean>;

export interface DhtOptions extends Omit<DhtNodeOptions, "random" | "families"> {
  /** UDP port; 0, the default, is any. */
  readonly port?: number;
  /** Local address; default every address of both families. */
  readonly ip?: string;
  /** `HOST`, `HOST:PORT`, `[IPV6]:PORT`; the port is 4222 unless given. */
  readonly bootstrap?: readonly string[];
  /** A state file's bytes: nodes and values of an earlier run, and its id unless `id` is given. */
  readonly state?: Uint8Array;
  /** Default: RSA with SHA-512, on another thread. */
  readonly verify?: Verifier;
}

/** One row of a `query`. */
export interface Row {
  readonly fields: readonly number[];
  readonly cells: readonly Cell[];
}

/** Changes that can be watched with `onEvent`. */
export type DhtEvent = Extract<DhtOut, { type: "status" | "public-address" | "lookup" }>;

type Op = (out: DhtOut) => void;

export class Dht implements DhtAccess, AsyncDisposable {
  #ops = new Map<number, Op>();
  #nextOp = 1;
  #watchers = new Set<(event: DhtEvent) => void>();
  #closed = false;
  /** Settles when the node ends; if it rejects, the node has a bug. */
  readonly done: Promise<void>;

  private constructor(
    readonly env: Env,
    readonly node: DhtNode,
    readonly port: DhtPort,
    readonly verify: Verifier,
  ) {
    this.done = port.run(node, (out) => this.#act(out));
    this.done.catch((error) => this.#end(error));
  }

  /** Opens the socket and joins. @throws {CoreError} `net/port-in-use`, `net/bind`, `dht/bootstrap-name`, `dht/state`. */
  static async open(env: Env, options: DhtOptions = {}): Promise<Dht> {
    const { port, ip, bootstrap = [], state, verify = verifySignature, ...rest } = options;
    const hosts = bootstrap.map(parseHost);
    const id = rest.id ?? (state && stateId(state));
    const opened = await DhtPort.open(env, { port, ip });
    const { local } = opened.socket, families = local.ip.includes(":") ? [4, 6] as const : [4] as const;
    const { kernel = createKernel } = rest;
    const node = new DhtNode({ ...rest, ...(id && { id }), random: env.random, families, kernel });
    const dht = new Dht(env, node, opened, verify);
    if (state) opened.feed({ type: "import", state, wall: env.clock.wall() });
    if (hosts.length) opened.feed({ type: "bootstrap", hosts });
    return dht;
  }

  /** 40 hex digits. */
  get id(): InfoHash {
    return infoHash(this.node.id.toHex());
  }
  /** Bound address; `ip` may be the any-address. */
  get local(): Endpoint {
    return this.port.socket.local;
  }
  get status(): DhtStatus {
    return this.node.status;
  }
  info(): DhtInfo {
    return this.node.info();
  }
  exportState(): Uint8Array {
    return this.node.exportState();
  }
  /** Calls `watch` for every change until the returned thing is disposed. */
  onEvent(watch: (event: DhtEvent) => void): Disposable {
    this.#watchers.add(watch);
    return { [Symbol.dispose]: () => void this.#watchers.delete(watch) };
  }
  /** Adds bootstrap hosts and begins anew. @throws {CoreError} `dht/bootstrap-name`. */
  bootstrap(hosts: readonly string[]): void {
    this.port.feed({ type: "bootstrap", hosts: hosts.map(parseHost) });
  }
  /** The host has got, or lost, a network. */
  connectivityChanged(): void {
    this.port.feed({ type: "connectivity" });
  }
  /** A node somebody told us of. `id`: 40 hex digits. */
  insertNode(id: string, address: Endpoint): void {
    this.port.feed({ type: "insert", id: unhex(infoHash(id)), address });
  }
  /** Does anybody answer there? */
  ping(address: Endpoint): Promise<boolean> {
    return this.#once<boolean>((op) => ({ type: "ping", op, address }), (out, settle) => {
      if (out.type === "done") settle(out.ok);
    });
  }
  /** Resolves when the node is connected. Rejects with the signal's reason. */
  async connected(signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    if (this.status === "connected") return;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    using _watching = this.onEvent((event) => {
      if (event.type === "status" && event.status === "connected") resolve();
    });
    const abort = () => reject(signal!.reason);
    signal?.addEventListener("abort", abort, { once: true });
    this.done.then(() => reject(new CoreError("dht/closed")), reject);
    try {
      await promise;
    } finally {
      signal?.removeEventListener("abort", abort);
    }
  }

  get(key: string, { query = ANY, signal }: GetOptions = {}): AsyncIterable<Value> {
    const raw = unhex(infoHash(key));
    return this.#iterate<Value>((op) => ({ type: "get", op, key: raw, query }), signal, (out, queue) => {
      if (out.type === "value") queue.push(out.value);
      else if (out.type === "done") queue.finish();
    });
  }
  /** Only the fields that `query` selects, one row per value. */
  query(key: string, query: Query, { signal }: { signal?: AbortSignal } = {}): AsyncIterable<Row> {
    const raw = unhex(infoHash(key));
    return this.#iterate<Row>((op) => ({ type: "query", op, key: raw, query }), signal, (out, queue) => {
      if (out.type === "row") queue.push({ fields: out.fields, cells: out.cells });
      else if (out.type === "done") queue.finish();
    });
  }
  listen(key: string, { query = ANY, signal }: GetOptions = {}): AsyncIterable<Heard> {
    const raw = unhex(infoHash(key));
    return this.#iterate<Heard>((op) => ({ type: "listen", op, key: raw, query }), signal, (out, queue) => {
      if (out.type === "heard") queue.push({ type: out.expired ? "expired" : "value", value: out.value });
    });
  }
  /**
   * Resolves when the nodes around `key` have acknowledged. A permanent value that finds nobody resolves with 0 nodes,
   * is served from here and goes out as soon as there is somebody; it lives until `signal` is aborted.
   */
  put(key: string, value: Value, { permanent = false, created, signal }: PutOptions = {}): Promise<Put> {
    const raw = unhex(infoHash(key)), id = value.id || this.#newId();
    const own = value.id ? value : makeValue({ ...value, id }), wall = this.env.clock.wall();
    return this.#once<Put>(
      (op) => ({ type: "put", op, key: raw, value: own, permanent, created, wall }),
      (out, settle, fail) => {
        if (out.type !== "done") return;
        if (out.ok || permanent) settle({ id, nodes: out.nodes });
        else fail(new CoreError("dht/put-failed", { key }));
      },
      signal,
      permanent,
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    await this.port[Symbol.asyncDispose]();
    this.#end(new CoreError("dht/closed"));
  }

  #act(out: DhtOut): void {
    if ("op" in out) return this.#ops.get(out.op)?.(out);
    switch (out.type) {
      case "resolve":
        return void this.#resolve(out.host, out.port);
      case "verify": {
        const { question, owner, data, signature } = out;
        this.verify(owner, data, signature).then(
          (ok) => this.port.feed({ type: "verified", question, ok }),
          (error) => {
            this.env.log.error("checking a signature failed", { error });
            this.port.feed({ type: "verified", question, ok: false });
          },
        );
        return;
      }
      case "status":
      case "public-address":
      case "lookup":
        for (const watch of [...this.#watchers]) watch(out);
    }
  }
  async #resolve(host: string, port: number): Promise<void> {
    const { net, log } = this.env;
    try {
      if (!("resolve" in net)) throw new CoreError("dht/no-names", { host });
      this.port.feed({ type: "resolved", host, port, ips: await (net as NamedNet).resolve(host) });
    } catch (error) {
      log.warning("bootstrap host not found", { host, error });
    }
  }
  #iterate<T>(
    command: (op: number) => DhtIn,
    signal: AbortSignal | undefined,
    take: (out: DhtOut, queue: EventQueue<T>) => void,
  ): AsyncIterable<T> {
    const begin = () => {
      this.#check(signal);
      const op = this.#nextOp++, abort = () => queue.fail(signal!.reason);
      const queue = new EventQueue<T>(LIMITS.listenQueue, () => {
        signal?.removeEventListener("abort", abort);
        this.#ops.delete(op);
        this.port.feed({ type: "cancel", op });
      });
      signal?.addEventListener("abort", abort, { once: true });
      this.#ops.set(
        op,
        (out) => out.type === "done" && !out.ok && this.#closed ? fail(queue) : take(out, queue),
      );
      this.port.feed(command(op));
      return queue[Symbol.asyncIterator]();
    };
    return { [Symbol.asyncIterator]: begin };
  }
  #once<T>(
    command: (op: number) => DhtIn,
    take: (out: DhtOut, settle: (value: T) => void, fail: (error: unknown) => void) => void,
    signal?: AbortSignal,
    lasting = false,
  ): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>(), op = this.#nextOp++;
    try {
      this.#check(signal);
    } catch (error) {
      return Promise.reject(error);
    }
    const over = () => {
      this.#ops.delete(op);
      if (!lasting) signal?.removeEventListener("abort", abort);
    };
    const abort = () => {
      over();
      this.port.feed({ type: "cancel", op });
      reject(signal!.reason);
    };
    signal?.addEventListener("abort", abort, { once: true });
    this.#ops.set(
      op,
      (out) =>
        out.type === "done" && !out.ok && this.#closed ? reject(new CoreError("dht/closed")) : take(
          out,
          (value) => (over(), resolve(value)),
          (error) => (over(), reject(error)),
        ),
    );
    this.port.feed(command(op));
    return promise;
  }
  #check(signal: AbortSignal | undefined): void {
    signal?.throwIfAborted();
    if (this.#closed) throw new CoreError("dht/closed");
  }
  /** Everything that still waits has waited in vain. */
  #end(error: unknown): void {
    this.#closed = true;
    for (const [op, take] of [...this.#ops]) take({ type: "done", op, ok: false, nodes: 0 });
    this.#ops.clear();
    if (!(error instanceof CoreError)) this.env.log.error("the DHT node has stopped", { error });
  }
  #newId(): bigint {
    for (;;) {
      const { random } = this.env, id = (BigInt(random.uint32()) << 32n) | BigInt(random.uint32());
      if (id) return id;
    }
  }
}

const fail = (queue: EventQueue<never> | EventQueue<unknown>) =>
  (queue as EventQueue<unknown>).fail(new CoreError("dht/closed"));

const DEFAULT_PORT = 4222;

/** Reads `HOST`, `HOST:PORT`, `[IPV6]:PORT` or a bare IPv6 address. @throws {CoreError} `dht/bootstrap-name`. */
export function parseHost(text: string): Host {
  const trimmed = text.trim();
  if (trimmed.includes(":") && isIp(trimmed)) return { host: trimmed, port: DEFAULT_PORT };
  const [, v6, name, digits] = /^(?:\[([^\]]+)\]|([^\s:[\]/]+))(?::(\d{1,5}))?$/.exec(trimmed) ?? [];
  const host = v6 === undefined ? name : v6.includes(":") && isIp(v6) ? v6 : undefined;
  const port = Number(digits ?? DEFAULT_PORT);
  if (!host || host.length > 253 || port < 1 || port > 65535) {
    throw new CoreError("dht/bootstrap-name", { text: text.slice(0, 64) });
  }
  return { host, port };
}
