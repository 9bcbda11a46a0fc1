/** The home folder: one writing process at a time, its databases and its files. */
import { CoreError } from "../base/mod.ts";
import { DiskFiles, fileError, syncFolder } from "./files_io.ts";
import { SqliteRows } from "./rows_io.ts";
import { checkName, type Fault, type Files, type Home, type Rows, type Schema } from "./store.ts";

export interface HomeOptions {
  /** Look only: takes no lock, so it works beside a running node. */
  readOnly?: boolean;
  /** Called around every durable step. */
  fault?: Fault;
}

/**
 * Opens the home at `folder` (absolute), making it if it is not there (mode 0700).
 * @throws {CoreError} `storage/home-in-use` with the other process's `pid`, `storage/no-home` (read-only and not
 * there), `storage/disk-full`, `storage/file-write`.
 */
export async function openHome(folder: string, options: HomeOptions = {}): Promise<Home> {
  const { readOnly = false, fault = () => {} } = options;
  if (readOnly) {
    if (!await isFolder(folder)) throw new CoreError("storage/no-home", { folder });
    return new DiskHome(folder, true, fault, undefined);
  }
  try {
    if (!await isFolder(folder)) {
      fault("mkdir");
      await Deno.mkdir(folder, { recursive: true, mode: 0o700 });
      await syncFolder(folder.slice(0, folder.lastIndexOf("/")) || "/");
    }
    return new DiskHome(folder, false, fault, await lock(`${folder}/lock`));
  } catch (error) {
    throw fileError(error);
  }
}

class DiskHome implements Home {
  readonly files: Files;
  #open = new Map<string, SqliteRows>();

  constructor(
    readonly folder: string,
    readonly readOnly: boolean,
    readonly fault: Fault,
    readonly held: Deno.FsFile | undefined,
  ) {
    this.files = new DiskFiles(`${folder}/files`, readOnly, fault);
    if (!readOnly) Deno.mkdirSync(`${folder}/files`, { recursive: true, mode: 0o700 });
  }

  rows(name: string, schema: Schema): Rows {
    const known = this.#open.get(name);
    if (known) return known;
    const path = `${this.folder}/${checkName(name)}.db`;
    try { // the write-ahead files take over the database's mode
      if (!this.readOnly) Deno.openSync(path, { create: true, write: true, mode: 0o600 }).close();
    } catch (error) {
      throw fileError(error);
    }
    const rows = SqliteRows.open(path, schema, this.readOnly, this.fault);
    this.#open.set(name, rows);
    return rows;
  }

  [Symbol.asyncDispose](): Promise<void> {
    for (const rows of this.#open.values()) rows[Symbol.dispose]();
    this.#open.clear();
    try {
      this.held?.close();
    } catch (error) {
      if (!(error instanceof Deno.errors.BadResource)) return Promise.reject(error); // disposed before
    }
    return Promise.resolve();
  }
}

/** An exclusive lock of the system: it goes with the process, however that ends. The file names the holder. */
async function lock(path: string): Promise<Deno.FsFile> {
  const file = await Deno.open(path, { create: true, read: true, write: true, mode: 0o600 });
  try {
    if (!await file.tryLock(true)) {
      throw new CoreError("storage/home-in-use", { pid: Number(await Deno.readTextFile(path)) || 0 });
    }
    await file.truncate();
    await file.write(new TextEncoder().encode(String(Deno.pid)));
    return file;
  } catch (error) {
    file.close();
    throw error;
  }
}

async function isFolder(path: string): Promise<boolean> {
  try {
    return (await Deno.stat(path)).isDirectory;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
