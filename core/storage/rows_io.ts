/** Rows on node:sqlite: one connection, WAL, migrations on opening. */
import { DatabaseSync, type StatementSync } from "node:sqlite";
import { CoreError } from "../base/mod.ts";
import { LIMITS } from "./limits.ts";
import type { Cell, Fault, Row, Rows, Schema } from "./store.ts";

export class SqliteRows implements Rows, Disposable {
  #statements = new Map<string, StatementSync>();
  #inside = false;

  private constructor(readonly db: DatabaseSync, readonly fault: Fault) {}

  /** `path` may be `:memory:`. @throws {CoreError} `storage/newer-home`, `storage/damaged`, `storage/sql`. */
  static open(path: string, schema: Schema, readOnly: boolean, fault: Fault): SqliteRows {
    return translated(() => {
      const rows = new SqliteRows(new DatabaseSync(path, { readOnly, timeout: LIMITS.busyMs }), fault);
      try {
        rows.#prepare(schema, readOnly);
        return rows;
      } catch (error) {
        rows[Symbol.dispose]();
        throw error;
      }
    });
  }

  run(sql: string, ...cells: Cell[]): number {
    if (!this.#inside) return this.transaction(() => this.run(sql, ...cells));
    this.fault("run");
    const { changes } = translated(() => this.#statement(sql).run(...cells));
    this.fault("run done");
    return Number(changes);
  }

  get(sql: string, ...cells: Cell[]): Row | undefined {
    return translated(() => this.#statement(sql).get(...cells) as Row | undefined);
  }

  all(sql: string, ...cells: Cell[]): Row[] {
    return translated(() => this.#statement(sql).all(...cells) as Row[]);
  }

  transaction<T>(work: () => T): T {
    if (this.#inside) return work();
    this.#exec("begin immediate");
    this.#inside = true;
    try {
      const result = work();
      if (result instanceof Promise) throw new TypeError("a transaction is synchronous");
      this.#exec("commit");
      return result;
    } catch (error) {
      if (this.db.isTransaction) this.db.exec("rollback");
      throw error;
    } finally {
      this.#inside = false;
    }
  }

  scrub(): void {
    this.fault("scrub");
    translated(() => this.db.exec("pragma wal_checkpoint(truncate)"));
  }

  [Symbol.dispose](): void {
    this.#statements.clear();
    if (this.db.isOpen) this.db.close();
  }

  #prepare(schema: Schema, readOnly: boolean): void {
    const wanted = schema.migrations.length;
    this.db.exec("pragma foreign_keys=on; pragma trusted_schema=off; pragma secure_delete=on");
    const version = Number(this.db.prepare("pragma user_version").get()!.user_version);
    if (version > wanted) throw new CoreError("storage/newer-home", { version, known: wanted });
    if (readOnly) {
      if (version < wanted) throw new CoreError("storage/older-home", { version, known: wanted });
      return;
    }
    this.db.exec(`pragma journal_mode=wal; pragma synchronous=${schema.durability}`);
    if (version === wanted) return;
    this.transaction(() => {
      for (const step of schema.migrations.slice(version)) this.#exec(step);
      this.#exec(`pragma user_version=${wanted}`);
    });
  }

  #exec(sql: string): void {
    const point = sql.split(" ")[0]!;
    this.fault(point);
    translated(() => this.db.exec(sql));
    this.fault(`${point} done`);
  }

  #statement(sql: string): StatementSync {
    const known = this.#statements.get(sql);
    if (known) {
      this.#statements.delete(sql);
      this.#statements.set(sql, known);
      return known;
    }
    const statement = this.db.prepare(sql);
    if (this.#statements.size >= LIMITS.statements) {
      this.#statements.delete(this.#statements.keys().next().value!);
    }
    this.#statements.set(sql, statement);
    return statement;
  }
}

/** SQLite says what happened only in words, so the words are read here and nowhere else. */
const CODES: readonly [RegExp, string][] = [
  [/disk is full/, "storage/disk-full"],
  [/disk I\/O error/, "storage/disk-error"],
  [/readonly database/, "storage/read-only"],
  [/database (table )?is locked/, "storage/busy"],
  [/malformed|not a database/, "storage/damaged"],
  [/unable to open database/, "storage/no-home"],
  [/constraint failed/, "storage/constraint"],
];

function translated<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof CoreError || !(error instanceof Error) || !("code" in error)) throw error;
    const code = CODES.find(([words]) => words.test(error.message))?.[1] ?? "storage/sql";
    throw new CoreError(code, { message: error.message }, { cause: error });
  }
}
