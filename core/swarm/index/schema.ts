/** The tables that make conversations quick to read. Everything in them can be rebuilt from the repositories. Spec: swarm §2.4. */
import type { Schema } from "../../storage/mod.ts";

/**
 * commits: one row per validated commit. `position`: place in reading order, 1 = oldest. `ordering`: the time that
 * counts for it. `payload`: id of the signed bytes, equal for twins. `target`: the commit an edit or reaction is about.
 * texts: what is shown and found, one row per message, by the row number of its commit.
 */
export const SCHEMA: Schema = {
  durability: "normal",
  migrations: [`
    create table commits (
      n integer primary key,
      conversation text not null,
      id text not null,
      parents text not null,
      time integer not null,
      ordering integer not null,
      position integer not null,
      account text not null,
      device text not null,
      type text not null,
      body text not null,
      payload text not null,
      target text,
      kind text not null,
      unique (conversation, id)
    ) strict;
    create index commits_by_position on commits (conversation, position);
    create index commits_by_target on commits (conversation, target, position);
    create index commits_by_payload on commits (conversation, payload);
    create table tips (conversation text primary key, tip text not null) strict, without rowid;
    create virtual table texts using fts5 (text, conversation unindexed, tokenize = "unicode61 remove_diacritics 2");
  `],
};
