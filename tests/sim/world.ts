/**
 * The world: one seed, one heap of events, one hash. Nothing in it waits for real time.
 *
 * `run`, `until` and `finish` move virtual time; between two events every promise settles (see `settle.ts`).
 * Errors thrown by an event end the run and carry seed and virtual time.
 */
import type { LogFields, LogLevel } from "../../core/base/mod.ts";
import { Firewall, type FirewallOptions } from "./firewall.ts";
import { guardGlobals } from "./guard.ts";
import { Host, type HostOptions } from "./host.ts";
import { Nat, type NatOptions } from "./nat.ts";
import { Segment } from "./net.ts";
import type { Packet } from "./packet.ts";
import { EventQueue, type SimEvent } from "./queue.ts";
import { Seeded } from "./random.ts";
import { inFreshTurn, settle } from "./settle.ts";
import { TraceHash } from "./trace.ts";

export interface WorldOptions {
  readonly seed: number | string;
  /** Wall-clock milliseconds since 1970 when the world begins. Default: a fixed day in 2026. */
  readonly wall?: number;
  /** Refuses real clocks, timers and randomness while running. Default true. */
  readonly guard?: boolean;
  /** Overwrites a datagram's bytes when its handler returns, as a real socket's buffer is reused. Default true. */
  readonly poison?: boolean;
  /** Every delivered packet as a line. */
  readonly onPacket?: (time: number, packet: Packet) => void;
  readonly onLog?: (host: string, level: LogLevel, sentence: string, fields: LogFields) => void;
}

const WALL = 1_780_000_000_000;

export class World {
  readonly seed: string;
  readonly hash = new TraceHash();
  /** The segment every public address lives on. */
  readonly internet: Segment;
  readonly hosts = new Map<string, Host>();
  /** What the name service knows: name to addresses. */
  readonly names = new Map<string, readonly string[]>();
  readonly poison: boolean;
  /** Events run so far. */
  events = 0;
  /** Datagrams handed to sockets for sending, and packets of all kinds that reached one. */
  sent = 0;
  delivered = 0;
  #now = 0;
  #queue = new EventQueue();
  #counts = new Map<string, number>();
  #names = new Set<string>();
  #outside: (() => Promise<() => void>)[] = [];
  #cuts = 0;
  #running = false;

  constructor(readonly options: WorldOptions) {
    this.seed = String(options.seed);
    this.poison = options.poison ?? true;
    this.internet = new Segment(this, "internet");
  }

  /** Virtual milliseconds since the world began. */
  get now(): number {
    return this.#now;
  }

  /** True wall-clock time; hosts may believe otherwise. */
  get wall(): number {
    return (this.options.wall ?? WALL) + this.#now;
  }

  /** A stream of luck of its own. @throws {RangeError} if `name` is taken. */
  stream(name: string): Seeded {
    if (this.#names.has(name)) throw new RangeError(`two streams are called ${name}`);
    this.#names.add(name);
    return new Seeded(this.seed, name);
  }

  /** A host plugged in where `options` say; it is booted. */
  host(name: string, options: HostOptions): Host {
    if (this.hosts.has(name)) throw new RangeError(`two hosts are called ${name}`);
    const host = new Host(this, name, options);
    this.hosts.set(name, host);
    return host;
  }

  /** A NAT box on `outside` (default: the internet); hosts plug into its `inside`. */
  nat(name: string, options: NatOptions, outside: Segment = this.internet): Nat {
    return new Nat(name, outside, options);
  }

  firewall(name: string, options: FirewallOptions = {}, outside: Segment = this.internet): Firewall {
    return new Firewall(name, outside, options);
  }

  /** Nothing passes between these two groups until the result is disposed. At most 31 cuts at a time. */
  cut(left: Iterable<Host>, right: Iterable<Host>): Disposable {
    let bit = 1;
    while (this.#cuts & bit) bit <<= 1;
    if (bit === 0) throw new RangeError("32 cuts at a time");
    this.#cuts |= bit;
    const a = [...left], b = [...right];
    for (const host of a) host.leftOf |= bit;
    for (const host of b) host.rightOf |= bit;
    return {
      [Symbol.dispose]: () => {
        for (const host of a) host.leftOf &= ~bit;
        for (const host of b) host.rightOf &= ~bit;
        this.#cuts &= ~bit;
      },
    };
  }

  /** Runs `run` at virtual `time`, or now if that has passed, never synchronously. */
  schedule(time: number, run: () => void): SimEvent {
    return this.#queue.push(time > this.#now ? time : this.#now, run);
  }

  cancel(event: SimEvent): void {
    this.#queue.cancel(event);
  }

  /** Resolves after `ms` of virtual time. */
  sleep(ms: number): Promise<void> {
    return new Promise((resolve) => void this.schedule(this.#now + ms, resolve));
  }

  /**
   * Work that really happens outside (a key operation on another thread): virtual time stands still until all such
   * work is done, then the answers come in the order of asking, whichever was faster, `ms` of virtual time later.
   */
  outside<T>(work: () => Promise<T>, ms = 0): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#outside.push(async () => {
        try {
          const value = await work();
          return () => void this.schedule(this.#now + ms, () => resolve(value));
        } catch (error) {
          return () => void this.schedule(this.#now + ms, () => reject(error));
        }
      });
    });
  }

  drop(why: string): void {
    this.count(`drop ${why}`);
  }

  count(what: string): void {
    this.#counts.set(what, (this.#counts.get(what) ?? 0) + 1);
  }

  /** How often something was counted; drops are `drop loss`, `drop nat-filtered` … */
  counted(what: string): number {
    return this.#counts.get(what) ?? 0;
  }

  get counts(): ReadonlyMap<string, number> {
    return this.#counts;
  }

  /** A packet reached a socket: the transcript. */
  record(packet: Packet): void {
    const { hash } = this;
    this.delivered++;
    hash.time(this.#now);
    hash.endpoint(packet.src.ip, packet.src.port);
    hash.endpoint(packet.dst.ip, packet.dst.port);
    if (packet.tcp) hash.word(packet.tcp.seq), hash.word(packet.tcp.ack);
    hash.bytes(packet.bytes);
    this.options.onPacket?.(this.#now, packet);
  }

  /** Lets `ms` pass. */
  async run(ms: number): Promise<void> {
    const end = this.#now + ms;
    await this.#go(end, () => false);
    this.#now = end;
  }

  /** Runs until `done()` holds after an event; false if it did not within `ms`. */
  async until(done: () => boolean, ms: number): Promise<boolean> {
    const end = this.#now + ms;
    if (await this.#go(end, done)) return true;
    this.#now = end;
    return false;
  }

  /** Runs until `promise` settles and gives its value. @throws whatever it rejects with; `Error` after `ms`. */
  async finish<T>(promise: Promise<T>, ms = 600_000): Promise<T> {
    let settled = false;
    const end = () => void (settled = true);
    promise.then(end, end);
    if (!await this.until(() => settled, ms)) {
      throw new Error(`${this.#where()}: not finished after ${ms} ms`);
    }
    return await promise;
  }

  async #go(end: number, done: () => boolean): Promise<boolean> {
    if (this.#running) throw new Error("this world is already running");
    this.#running = true;
    try {
      for (;;) {
        const result = await inFreshTurn(() => this.#burst(end, done));
        if (result !== "outside") return result === "done";
        for (const answer of await Promise.all(this.#outside.splice(0).map((work) => work()))) answer();
      }
    } finally {
      this.#running = false;
    }
  }

  /** Events one after the other until something says stop. */
  #burst(end: number, done: () => boolean): "done" | "end" | "outside" {
    using _fence = this.options.guard === false ? undefined : guardGlobals();
    const queue = this.#queue;
    settle();
    for (;;) {
      if (this.#outside.length) return "outside";
      if (done()) return "done";
      const next = queue.next;
      if (next > end || next === Infinity) return "end";
      this.#now = next;
      this.events++;
      try {
        queue.pop()();
      } catch (error) {
        throw new Error(`${this.#where()}: ${error instanceof Error ? error.message : error}`, {
          cause: error,
        });
      }
      settle();
    }
  }

  #where(): string {
    return `seed ${this.seed}, ${this.#now.toFixed(3)} ms, event ${this.events}`;
  }
}
