/** Keeps the list of relays that work: names resolved, each address tried with a real allocation that is given back at once. */
import { Driver, type NamedNet } from "../base/mod.ts";
import type { IceEnv } from "./ice_runner_io.ts";
import type { RelayServer } from "./ice_session.ts";
import { TURN } from "./limits.ts";
import { TurnClient, type TurnIn, type TurnOut } from "./turn_client.ts";
import { Relays, type RelaysIn, type RelaysOut } from "./turn_relays.ts";
import type { TurnAccount } from "./turn_requests.ts";

/** One configured relay. */
export interface RelaySetting extends TurnAccount {
  /** A name or an address. */
  readonly host: string;
  readonly port: number;
}
export interface RelayBookOptions {
  readonly servers: readonly RelaySetting[];
  /** Accept relayed addresses that are not routable: laboratories. */
  readonly anyAddress?: boolean;
}
export type RelayEnv = IceEnv & { readonly net: Pick<NamedNet, "resolve"> };

export class RelayBook implements AsyncDisposable {
  readonly #driver: Driver<RelaysIn, RelaysOut>;
  readonly #pending = new Set<Promise<unknown>>();
  readonly #abort = new AbortController();
  #usable: readonly RelayServer[] = [];
  #changed = Promise.withResolvers<void>();

  constructor(readonly env: RelayEnv, readonly options: RelayBookOptions) {
    const machine = new Relays(options.servers.length);
    this.#driver = new Driver<RelaysIn, RelaysOut>(machine, env.clock, (out) => this.#act(out));
  }

  /** For `OpenOptions.relays`: what passed its last trial. */
  get usable(): readonly RelayServer[] {
    return this.#usable;
  }
  /** Resolves at the next change of {@linkcode usable}. */
  get changed(): Promise<void> {
    return this.#changed.promise;
  }
  /** Looks for working relays unless that goes on already or failed a moment ago. */
  refresh(): void {
    this.#driver.feed({ type: "refresh" });
  }
  networkChanged(): void {
    this.#driver.feed({ type: "network" });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#driver[Symbol.dispose]();
    this.#abort.abort();
    while (this.#pending.size) await Promise.allSettled([...this.#pending]);
  }

  #act(out: RelaysOut): void {
    if (out.type === "usable") {
      this.#usable = out.relays.map(({ server, ip }) => {
        const { user, password, port } = this.options.servers[server]!;
        return { server: { ip, port }, user, password };
      });
      this.#changed.resolve();
      this.#changed = Promise.withResolvers();
      return;
    }
    const { server } = out, { host } = this.options.servers[server]!;
    const task = out.type === "resolve"
      ? this.env.net.resolve(host).catch(() => []).then((ips) =>
        this.#driver.feed({ type: "resolved", server, ips })
      )
      : this.#test(server, out.ip).then((ok) =>
        this.#driver.feed({ type: "tested", server, ip: out.ip, ok })
      );
    this.#pending.add(task);
    task.finally(() => this.#pending.delete(task));
  }

  /** True if the relay gives us an allocation of the kind links need. Never rejects. */
  async #test(server: number, ip: string): Promise<boolean> {
    const { user, password, port } = this.options.servers[server]!, { anyAddress } = this.options;
    const abort = new AbortController();
    using _deadline = this.env.clock.at(this.env.clock.now() + TURN.testMs, () => abort.abort());
    const signal = AbortSignal.any([this.#abort.signal, abort.signal]);
    const family = ip.includes(":") ? 6 : 4, path = { transport: "tcp", relay: "tcp" } as const;
    const client = new TurnClient({ user, password, family, anyAddress, ...path }, this.env.random);
    try {
      const socket = await this.env.net.connect({ ip, port }, { signal });
      const verdict = Promise.withResolvers<boolean>(), closed = Promise.withResolvers<void>();
      using driver = new Driver<TurnIn, TurnOut>(client, this.env.clock, (out) => {
        if (out.type === "send") socket.write(out.bytes);
        else if (out.type === "allocated") verdict.resolve(true);
        else if (out.type === "failed") verdict.resolve(false);
      });
      signal.addEventListener("abort", () => verdict.resolve(false));
      socket.run({
        data: (bytes) => driver.feed({ type: "bytes", bytes }),
        end: () => driver.feed({ type: "lost", code: "ended" }),
        drain: () => {},
        closed: () => (verdict.resolve(false), closed.resolve()),
      });
      driver.feed({ type: "start" });
      const ok = await verdict.promise;
      driver.feed({ type: "stop" });
      socket.end();
      using _linger = this.env.clock.at(this.env.clock.now() + TURN.lingerMs, () => socket.destroy());
      await closed.promise;
      return ok;
    } catch (error) {
      this.env.log.debug("relay does not answer", { ip, error });
      return false;
    }
  }
}
