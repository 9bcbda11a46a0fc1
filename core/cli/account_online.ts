/** Shows a new device to the network once: a short visit that leaves its announcement behind. */
import { CoreError, type Env } from "../base/mod.ts";
import { Dht } from "../dht/mod.ts";
import type { Account } from "../identity/mod.ts";
import { bringOnline } from "../node/mod.ts";
import type { HostPort } from "./host_port.ts";
import { DEFAULTS } from "./limits.ts";

export interface Visit {
  readonly bootstrap: readonly HostPort[];
  readonly network: number;
  /** Seconds. */
  readonly timeout: number;
}
/** @throws {CoreError} `cli/not-announced` when `timeout` is over, `net/…`; the signal's reason. */
export type Announce = (
  account: Account,
  visit: Visit,
  env: Env,
  signal: AbortSignal,
) => Promise<{ nodes: number }>;

export const announceOnce: Announce = async (account, { bootstrap, network, timeout }, env, signal) => {
  const hosts = bootstrap.map(({ host, port }) =>
    host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`
  );
  const { promise, resolve, reject } = Promise.withResolvers<{ nodes: number }>();
  const seconds = timeout, late = () => reject(new CoreError("cli/not-announced", { seconds }));
  using _late = env.clock.at(env.clock.now() + 1000 * seconds, late);
  const stop = () => reject(signal.reason);
  signal.addEventListener("abort", stop, { once: true });
  await using dht = await Dht.open(env, { network, bootstrap: hosts.length ? hosts : [DEFAULTS.bootstrap] });
  await using _account = bringOnline(dht, account, env, (event) => {
    if (event.type === "announced") resolve({ nodes: event.nodes });
  });
  try {
    return await promise;
  } finally {
    signal.removeEventListener("abort", stop);
  }
};
