/** Every account of a home on line over one DHT node. One that cannot be loaded does not keep the others away. */
import { CoreError, type Env } from "../base/mod.ts";
import type { Dht } from "../dht/mod.ts";
import type { Accounts, OnlineEvent, RevocationList } from "../identity/mod.ts";
import { bringOnline, type OnlineAccount } from "./account_online.ts";

export type AccountEvent =
  | OnlineEvent
  /** Its papers do not hold; `code` says what is wrong. */
  | { readonly type: "refused"; readonly code: string };

export class AccountsOnline implements AsyncDisposable {
  /** By local id. */
  readonly accounts: ReadonlyMap<string, OnlineAccount>;

  private constructor(accounts: ReadonlyMap<string, OnlineAccount>) {
    this.accounts = accounts;
  }

  /** Loads all side by side and starts announcing. A revocation list that arrives is kept. */
  static async open(
    dht: Dht,
    accounts: Accounts,
    env: Pick<Env, "clock" | "random" | "log">,
    onEvent: (id: string, event: AccountEvent) => void,
  ): Promise<AccountsOnline> {
    const online = new Map<string, OnlineAccount>();
    const keep = (id: string, list: RevocationList) => {
      try {
        accounts.keepRevocations(id, list);
      } catch (error) { // a full disk, for instance: the list comes again with the next start
        if (!(error instanceof CoreError)) throw error;
        env.log.error("revocation list not kept", { account: id, code: error.code });
      }
    };
    await Promise.all(
      accounts.list().map(async ({ id }) => {
        try {
          const account = await accounts.load(id);
          online.set(
            id,
            bringOnline(dht, account, env, (event) => {
              if (event.type === "revocation") keep(id, event.list);
              onEvent(id, event);
            }),
          );
        } catch (error) {
          if (!(error instanceof CoreError)) throw error;
          env.log.error("account refused", { account: id, code: error.code, ...error.data });
          onEvent(id, { type: "refused", code: error.code });
        }
      }),
    );
    return new AccountsOnline(online);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.accounts.values()].map((account) => account[Symbol.asyncDispose]()));
  }
}
