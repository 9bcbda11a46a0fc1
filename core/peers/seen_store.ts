/** Handled request ids on disk. Without a row nothing of the account is lost, so a crash of the machine may cost the last ones. */
import type { Home } from "../storage/mod.ts";
import type { SeenStore } from "./seen.ts";

/** The ids of one account; `account` is its local id. @throws {CoreError} as `Home.rows`. */
export function seenStore(home: Home, account: string): SeenStore {
  const rows = home.rows("peers", {
    durability: "normal",
    migrations: [
      "create table seen (account text not null, id integer not null, wall integer not null, primary key (account, id)) strict",
    ],
  });
  return {
    load: () =>
      rows.all("select cast(id as text) as id, wall from seen where account = ?", account)
        .map(({ id, wall }) => [BigInt(String(id)), Number(wall)] as const),
    add: (id, wall) =>
      void rows.run("insert or replace into seen values (?, ?, ?)", account, id, Math.round(wall)),
    prune: (before) =>
      void rows.run("delete from seen where account = ? and wall < ?", account, Math.round(before)),
  };
}
