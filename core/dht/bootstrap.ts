/** Joining the network: known hosts are asked at 0, 10, 30, 70 s … until somebody answers. Pure. Spec: dht §4.4. */
import { canonicalIp, type Endpoint, type Family, familyOf, formatEndpoint, isIp } from "../base/mod.ts";
import { LIMITS, TIMES } from "./limits.ts";
import type { Host } from "./messages.ts";
import type { Timer } from "./timers.ts";
import type { World } from "./world.ts";

export class Bootstrap {
  #hosts: Host[] = [];
  #period: number = TIMES.bootstrap;
  #timer: Timer;
  #pinging = new Set<string>();
  /** Asked for, and the first round has not begun. */
  #pending = false;

  /** `connected`: no need to go on. */
  constructor(readonly world: World, readonly connected: () => boolean) {
    this.#timer = world.timers.at(Infinity, () => this.#round());
  }

  /** True while a round is about to begin or a host may still answer. */
  busy(family: Family): boolean {
    if (this.#pending) return true;
    for (const text of this.#pinging) if (text.startsWith("[") === (family === 6)) return true;
    return false;
  }
  get active(): boolean {
    return this.#timer.slot >= 0;
  }
  /** Adds hosts and begins anew. */
  add(hosts: readonly Host[]): void {
    for (const host of hosts) {
      const known = this.#hosts.some((h) => h.host === host.host && h.port === host.port);
      if (!known && this.#hosts.length < LIMITS.bootstrapHosts) this.#hosts.push(host);
    }
    this.start();
  }
  start(): void {
    if (!this.#hosts.length || this.connected()) return;
    this.#period = TIMES.bootstrap;
    this.#pending = true;
    this.world.stale = true;
    this.world.timers.move(this.#timer, this.world.now);
  }
  stop(): void {
    this.#pending = false;
    this.#period = TIMES.bootstrap;
    this.world.timers.cancel(this.#timer);
  }
  resolved(host: string, port: number, ips: readonly string[]): void {
    if (!this.#hosts.some((h) => h.host === host && h.port === port)) return;
    for (const ip of ips.slice(0, LIMITS.bootstrapAddresses)) this.#ping({ ip: canonicalIp(ip), port });
    this.world.stale = true;
  }

  #round(): void {
    const { world } = this;
    this.#pending = false;
    world.stale = true;
    if (this.connected()) return;
    for (const { host, port } of this.#hosts) {
      if (isIp(host)) this.#ping({ ip: canonicalIp(host), port });
      else world.emit({ type: "resolve", host, port });
    }
    world.timers.move(this.#timer, world.now + this.#period);
    this.#period = Math.min(2 * this.#period, TIMES.bootstrapLongest);
  }
  #ping(to: Endpoint): void {
    const { world } = this, name = formatEndpoint(to);
    if (!world.families.includes(familyOf(to.ip)) || this.#pinging.has(name) || this.connected()) return;
    const over = () => {
      this.#pinging.delete(name);
      world.stale = true;
    };
    const write = (tid: number) => world.packets.ping(tid);
    if (world.ask({ query: "ping", node: undefined, to, write, reply: over, expired: over })) {
      this.#pinging.add(name);
    }
  }
}
