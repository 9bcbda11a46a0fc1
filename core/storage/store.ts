/** What rooms ask of storage: rows (SQLite's language), small files written whole, and one home that holds both. */
import { CoreError } from "../base/mod.ts";
import { LIMITS } from "./limits.ts";

/** What a column can hold. Integers beyond 2^53 go in as bigint and must be read as text or blob. */
export type Cell = null | number | bigint | string | Uint8Array;
export type Row = Readonly<Record<string, Cell>>;

/**
 * The shape of one database as it grew: `migrations[n]` is the SQL that leads from version n to n+1. Entries are
 * never edited once released. Opening runs the missing ones in one transaction.
 */
export interface Schema {
  readonly migrations: readonly string[];
  /** `full`: a finished transaction survives a power cut (identity, keys). `normal`: it survives a crash of ours. */
  readonly durability: "full" | "normal";
}

/** One database. Synchronous; statements are kept prepared. */
export interface Rows {
  /** Number of rows changed. @throws {CoreError} `storage/disk-full`, `storage/read-only`, `storage/busy`, `storage/damaged`, `storage/sql`. */
  run(sql: string, ...cells: Cell[]): number;
  /** First row, or `undefined`. Errors as {@linkcode run}. */
  get(sql: string, ...cells: Cell[]): Row | undefined;
  /** Every row. Errors as {@linkcode run}. */
  all(sql: string, ...cells: Cell[]): Row[];
  /** Runs `work` (synchronous) so that all of it happens or nothing. Inside a transaction it joins the outer one. */
  transaction<T>(work: () => T): T;
  /** Empties the write-ahead log, so that what was replaced or deleted is nowhere on disk any more. */
  scrub(): void;
}

/** Small files of one home, each written whole: readers see the old or the new content, never a part. */
export interface Files {
  /** Content, or `undefined` if there is no such file. @throws {CoreError} `storage/file-size`. */
  read(name: string): Promise<Uint8Array | undefined>;
  /** On return the content survives a power cut. Mode 0600. @throws {CoreError} `storage/disk-full`, `storage/file-size`. */
  write(name: string, bytes: Uint8Array): Promise<void>;
  /** False if there was none. */
  remove(name: string): Promise<boolean>;
  /** Names, sorted; leftovers of interrupted writes are not among them. */
  list(): Promise<string[]>;
}

/** Everything one node keeps. At most one process writes to it. */
export interface Home extends AsyncDisposable {
  /** The folder on disk; `undefined` in memory. */
  readonly folder: string | undefined;
  readonly readOnly: boolean;
  /**
   * Opens (or makes) the database `name`; the same object for the same name, closed with the home.
   * @throws {CoreError} `storage/newer-home` if a newer version of this program wrote it, `storage/no-home` if
   * there is none and the home is read-only, `storage/damaged`.
   */
  rows(name: string, schema: Schema): Rows;
  readonly files: Files;
}

/** Called around every durable step with its name, e.g. `commit` before and `commit done` after. Tests kill here. */
export type Fault = (point: string) => void;

/** Checks a name of a file or database: letters, digits, `-`, `_`, `.`; no dot first. @throws {CoreError} `storage/name`. */
export function checkName(name: string): string {
  if (name.length > LIMITS.nameLength || !/^[A-Za-z0-9_-][A-Za-z0-9._-]*$/.test(name)) {
    throw new CoreError("storage/name", { length: name.length });
  }
  return name;
}

/** @throws {CoreError} `storage/file-size`. */
export function checkSize(size: number): void {
  if (size > LIMITS.fileBytes) throw new CoreError("storage/file-size", { size, limit: LIMITS.fileBytes });
}
