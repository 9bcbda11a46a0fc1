/** What people an account has to do with are called: names a name server vouched for, and names they gave themselves. */
import type { AccountId } from "../base/mod.ts";
import type { Rows, Schema } from "../storage/mod.ts";

export const NAMES_SCHEMA: Schema = {
  durability: "normal",
  migrations: [
    "create table names (account text primary key, name text, card text) strict, without rowid",
  ],
};

/** `name` is registered and leads to the account; `card` is only what they say of themselves. */
export interface KnownNames {
  readonly name?: string;
  readonly card?: string;
}

export class NodeNames {
  constructor(readonly rows: Rows) {}

  of(account: AccountId): KnownNames {
    const row = this.rows.get("select name, card from names where account = ?", account);
    return {
      ...(typeof row?.name === "string" && { name: row.name }),
      ...(typeof row?.card === "string" && { card: row.card }),
    };
  }
  /** Accounts whose registered name this is. Names people give themselves lead nowhere. */
  find(name: string): AccountId[] {
    return this.rows.all("select account from names where name = ?", name.toLowerCase())
      .map((row) => row.account as AccountId);
  }
  keep(account: AccountId, { name, card }: KnownNames): void {
    if (name === undefined && card === undefined) return;
    this.rows.run(
      `insert into names values (?1, ?2, ?3) on conflict (account) do update
       set name = coalesce(?2, name), card = coalesce(?3, card)`,
      account,
      name?.toLowerCase() ?? null,
      card ?? null,
    );
  }
}
