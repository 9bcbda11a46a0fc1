/** Puts an account on line over a DHT node: its keys make the secure layer, its announcement goes out. */
import { CoreError, type Env } from "../base/mod.ts";
import { type Dht, SecureDht } from "../dht/mod.ts";
import {
  type Account,
  type AccountDht,
  AccountOnline,
  decodeCertificate,
  type OnlineEvent,
  verifyChain,
} from "../identity/mod.ts";

/** An account on line and the secure layer that speaks for it. */
export interface OnlineAccount extends AsyncDisposable {
  readonly online: AccountOnline;
  readonly secure: SecureDht;
}

/**
 * Several accounts may share one node. Certificates found on the network count only if their whole chain verifies.
 * @param onEvent is told what happens, first `presence` of the account itself as away.
 */
export function bringOnline(
  dht: Dht,
  account: Account,
  env: Pick<Env, "clock" | "random" | "log">,
  onEvent: (event: OnlineEvent) => void,
): OnlineAccount {
  const identity = { key: account.deviceKey, chain: account.chain.map(({ der }) => der) };
  const trusted = async ({ chain }: { chain: readonly Uint8Array[] }) => {
    try {
      await verifyChain(chain.map(decodeCertificate), { wall: env.clock.wall() });
      return true;
    } catch (error) {
      if (error instanceof CoreError) return false; // whatever is wrong with a stranger's chain: it does not count
      throw error;
    }
  };
  const secure = new SecureDht(dht, { random: env.random, identity, trusted });
  const own: AccountDht = {
    connected: (signal) => dht.connected(signal),
    publishCertificate: (signal) => secure.publishCertificate(signal),
    put: (key, value, options) => secure.put(key, value, options),
    listen: (key, options) => secure.listen(key, options),
  };
  const online = AccountOnline.open(account, { ...env, dht: own, onEvent });
  return { online, secure, [Symbol.asyncDispose]: () => online[Symbol.asyncDispose]() };
}
