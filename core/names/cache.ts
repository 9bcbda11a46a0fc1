/** Answers of name servers, remembered for a while: what was found, and that nothing was. */
import { type AccountId, accountId } from "../base/mod.ts";
import type { Home, Rows, Schema } from "../storage/mod.ts";
import { LIMITS } from "./limits.ts";
import type { NameRecord } from "./record.ts";

const SCHEMA: Schema = {
  durability: "normal",
  migrations: [
    `create table answer (
      server text not null,
      question text not null,
      name text,
      jami_id text,
      verified integer not null,
      asked integer not null,
      primary key (server, question)
    ) strict;
    create index answer_asked on answer (asked)`,
  ],
};

/** `null`: the server said there is none. `undefined`: not known, ask. */
export type Remembered<T> = T | null | undefined;

export class NameCache {
  readonly #rows: Rows;
  constructor(home: Home) {
    this.#rows = home.rows("names", SCHEMA);
  }

  /** @param wall milliseconds since 1970. */
  name(server: string, name: string, wall: number): Remembered<NameRecord> {
    const row = this.#fresh(server, `name ${name}`, wall);
    if (!row || row.jami_id === null) return row && null;
    return { name, jamiId: accountId(row.jami_id as string), verified: row.verified === 1 };
  }

  address(server: string, jamiId: AccountId, wall: number): Remembered<string> {
    const row = this.#fresh(server, `addr ${jamiId}`, wall);
    return row && (row.name as string | null);
  }

  rememberName(server: string, name: string, found: NameRecord | null, wall: number): void {
    this.#remember(
      server,
      `name ${name}`,
      found && name,
      found?.jamiId ?? null,
      found?.verified ?? false,
      wall,
    );
  }

  rememberAddress(server: string, jamiId: AccountId, name: string | null, wall: number): void {
    this.#remember(server, `addr ${jamiId}`, name, name && jamiId, false, wall);
  }

  /** After a registration nothing old may be said of either. */
  forget(server: string, name: string, jamiId: AccountId): void {
    const sql = "delete from answer where server = ? and question in (?, ?)";
    this.#rows.run(sql, server, `name ${name}`, `addr ${jamiId}`);
  }

  #fresh(server: string, question: string, wall: number) {
    const row = this.#rows.get("select * from answer where server = ? and question = ?", server, question);
    if (!row) return undefined;
    const age = wall - (row.asked as number), life = row.name === null ? LIMITS.missingMs : LIMITS.foundMs;
    return age >= 0 && age < life ? row : undefined; // an answer from the future is none: the clock was wrong
  }

  #remember(
    server: string,
    question: string,
    name: string | null,
    jamiId: string | null,
    verified: boolean,
    wall: number,
  ): void {
    this.#rows.transaction(() => {
      const sql = "insert or replace into answer values (?, ?, ?, ?, ?, ?)";
      this.#rows.run(sql, server, question, name, jamiId, Number(verified), Math.floor(wall));
      this.#rows.run(
        "delete from answer where rowid in (select rowid from answer order by asked desc limit -1 offset ?)",
        LIMITS.cached,
      );
    });
  }
}
