/** Handled request ids, kept in the account's database. Spec: connection §1.5. */
import type { SeenStore } from "../peers/mod.ts";
import type { Rows, Schema } from "../storage/mod.ts";

export const SEEN_SCHEMA: Schema = {
  durability: "normal",
  migrations: ["create table seen (id text primary key, wall integer not null) strict, without rowid"],
};

export const seenRows = (rows: Rows): SeenStore => ({
  load: () =>
    rows.all("select id, wall from seen").map((row) => [BigInt(String(row.id)), Number(row.wall)] as const),
  add: (id, wall) => void rows.run("insert or replace into seen values (?, ?)", String(id), Math.floor(wall)),
  prune: (before) => void rows.run("delete from seen where wall < ?", Math.floor(before)),
});
