/**
 * Kith as a library: a node of the DHT that Jami uses, in your own program.
 *
 * ```ts
 * import { infoHash, makeValue, openDht } from "./mod.ts";
 *
 * await using alice = await openDht();
 * await using bob = await openDht({ bootstrap: [`127.0.0.1:${alice.local.port}`] });
 * await bob.connected();
 * const key = infoHash("0beec7b5ea3f0fdbc95d0dd47f3c5bc275da8a33");
 * await bob.put(key, makeValue({ data: new TextEncoder().encode("hello"), userType: "text/plain" }));
 * for await (const value of alice.get(key)) {
 *   if (new TextDecoder().decode(value.data) !== "hello") throw new Error("that was not what bob said");
 * }
 * ```
 */
import { type Env, type Log, realClock, realNet, realRandom, silentLog } from "./core/base/mod.ts";
import { Dht, type DhtOptions } from "./core/dht/mod.ts";

export * from "./core/base/mod.ts";
export { Dht, type DhtInfo, type DhtOptions, type DhtStatus } from "./core/dht/mod.ts";
export { makeValue, parseQuery, type Query, type Value } from "./core/dht/mod.ts";

/** The real world: this computer's clock, randomness and network. `log` forgets everything unless given. */
export const realEnv = (log: Log = silentLog): Env => ({
  clock: realClock,
  random: realRandom,
  net: realNet,
  log,
});

/** Opens a DHT node in the real world. @throws {CoreError} `net/port-in-use`, `net/bind`, `dht/bootstrap-name`, `dht/state`. */
export const openDht = (options: DhtOptions = {}, env: Env = realEnv()): Promise<Dht> =>
  Dht.open(env, options);
