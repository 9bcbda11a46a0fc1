/** Which relays are worth naming: resolved, tried with an allocation of our own, tried again with back-off. Pure. Spec: connection §3.3. */
import type { Machine, Wake } from "../base/mod.ts";
import { familyOf } from "../base/mod.ts";
import { TURN } from "./limits.ts";

export type RelaysIn =
  /** The DHT is connected, the account changed, or a path is wanted and no relay is known. */
  | { type: "refresh" }
  /** The network changed: what was tried there means nothing here. */
  | { type: "network" }
  | { type: "resolved"; server: number; ips: readonly string[] }
  | { type: "tested"; server: number; ip: string; ok: boolean }
  | Wake;
export type RelaysOut =
  | { type: "resolve"; server: number }
  | { type: "test"; server: number; ip: string }
  /** The relays that passed, one address per server and family. */
  | { type: "usable"; relays: readonly { server: number; ip: string }[] };

interface Server {
  readonly usable: Map<4 | 6, string>;
  /** Tests on their way. */
  open: number;
  resolving: boolean;
  passed: boolean;
  backOff: number;
  againAt: number;
}

export class Relays implements Machine<RelaysIn, RelaysOut> {
  readonly #servers: Server[];
  #out: RelaysOut[] = [];

  /** @param count Number of configured servers. */
  constructor(count: number) {
    const fresh = () => ({
      usable: new Map(),
      open: 0,
      resolving: false,
      passed: false,
      backOff: 0,
      againAt: Infinity,
    });
    this.#servers = Array.from({ length: Math.min(count, TURN.servers) }, fresh);
  }

  get wakeAt(): number {
    return Math.min(Infinity, ...this.#servers.map((s) => s.againAt));
  }

  step(now: number, input: RelaysIn): RelaysOut[] {
    this.#out = [];
    if (input.type === "resolved") this.#resolved(now, input.server, input.ips);
    else if (input.type === "tested") this.#tested(now, input.server, input.ip, input.ok);
    else {
      for (const [server, s] of this.#servers.entries()) {
        if (input.type === "network") s.usable.clear(), s.backOff = 0, s.againAt = now;
        const wanted = input.type === "refresh" && s.againAt === Infinity; // a back-off in progress is respected
        if (wanted || s.againAt <= now) this.#try(server);
      }
      if (input.type === "network") this.#tell();
    }
    return this.#out;
  }

  #try(server: number): void {
    const s = this.#servers[server]!;
    if (s.resolving || s.open > 0) return void (s.againAt = Infinity);
    s.resolving = true, s.passed = false, s.againAt = Infinity;
    this.#out.push({ type: "resolve", server });
  }

  #resolved(now: number, server: number, ips: readonly string[]): void {
    const s = this.#servers[server];
    if (!s?.resolving) return;
    s.resolving = false;
    const firsts = ([4, 6] as const).map((family) => ips.find((ip) => familyOf(ip) === family)).filter((ip) =>
      ip !== undefined
    );
    for (const ip of firsts) s.open++, this.#out.push({ type: "test", server, ip });
    if (!firsts.length) this.#done(now, s);
  }

  #tested(now: number, server: number, ip: string, ok: boolean): void {
    const s = this.#servers[server], family = familyOf(ip);
    if (!s || s.open === 0) return;
    s.open--;
    const changed = ok ? s.usable.get(family) !== ip : s.usable.has(family);
    if (ok) s.usable.set(family, ip), s.passed = true;
    else s.usable.delete(family);
    if (changed) this.#tell();
    if (s.open === 0) this.#done(now, s);
  }

  #done(now: number, s: Server): void {
    if (s.passed) {
      s.backOff = 0;
      return;
    }
    s.backOff = Math.min(TURN.backOffMaxMs, s.backOff ? 2 * s.backOff : TURN.backOffMs);
    s.againAt = now + s.backOff;
  }

  #tell(): void {
    const relays = this.#servers.flatMap(({ usable }, server) =>
      [...usable.values()].map((ip) => ({ server, ip }))
    );
    this.#out.push({ type: "usable", relays });
  }
}
