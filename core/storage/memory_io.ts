/** A home in memory: the same databases without a file, and files in a map. For tests and the simulation. */
import { CoreError } from "../base/mod.ts";
import { SqliteRows } from "./rows_io.ts";
import { checkName, checkSize, type Fault, type Files, type Home, type Rows, type Schema } from "./store.ts";

export function memoryHome({ fault = () => {} }: { fault?: Fault } = {}): Home {
  return new MemoryHome(fault);
}

class MemoryHome implements Home {
  readonly folder = undefined;
  readonly readOnly = false;
  readonly files: Files;
  #open = new Map<string, { rows: SqliteRows; version: number }>();

  constructor(readonly fault: Fault) {
    this.files = new MemoryFiles(fault);
  }

  rows(name: string, schema: Schema): Rows {
    const open = this.#open.get(checkName(name)), known = schema.migrations.length;
    if (open && open.version > known) {
      throw new CoreError("storage/newer-home", { version: open.version, known });
    }
    if (open) return open.rows;
    const rows = SqliteRows.open(":memory:", schema, false, this.fault);
    this.#open.set(name, { rows, version: known });
    return rows;
  }

  [Symbol.asyncDispose](): Promise<void> {
    for (const { rows } of this.#open.values()) rows[Symbol.dispose]();
    this.#open.clear();
    return Promise.resolve();
  }
}

class MemoryFiles implements Files {
  #content = new Map<string, Uint8Array>();
  constructor(readonly fault: Fault) {}

  read(name: string): Promise<Uint8Array | undefined> {
    return Promise.resolve(this.#content.get(checkName(name))?.slice());
  }
  // deno-lint-ignore require-await -- a refusal is a rejection, as on disk
  async write(name: string, bytes: Uint8Array): Promise<void> {
    checkSize(bytes.length);
    this.fault("rename");
    this.#content.set(checkName(name), bytes.slice());
    this.fault("rename done");
  }
  remove(name: string): Promise<boolean> {
    return Promise.resolve(this.#content.delete(checkName(name)));
  }
  list(): Promise<string[]> {
    return Promise.resolve([...this.#content.keys()].sort());
  }
}
