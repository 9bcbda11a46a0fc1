/** Files written whole: temporary name, fsync, rename, fsync of the folder. */
import { CoreError } from "../base/mod.ts";
import { checkName, checkSize, type Fault, type Files } from "./store.ts";
import { LIMITS } from "./limits.ts";

const PART = ".part"; // suffix of a write in progress
const FULL = new Set(["ENOSPC", "EDQUOT"]);

/**
 * Writes `bytes` to `path` so that a crash leaves the old file or the new one. The file gets `mode` (default
 * 0600) whatever the umask. A failed write leaves nothing behind.
 * @throws {CoreError} `storage/disk-full`, `storage/file-write`, `storage/file-size`.
 */
export async function writeWhole(
  path: string,
  bytes: Uint8Array,
  { mode = 0o600, fault = () => {} }: { mode?: number; fault?: Fault } = {},
): Promise<void> {
  checkSize(bytes.length);
  const part = path + PART;
  try {
    fault("create");
    await Deno.remove(part).catch(ignoreMissing); // a leftover may have another owner or mode
    {
      using file = await Deno.open(part, { createNew: true, write: true, mode });
      for (let at = 0; at < bytes.length;) at += await file.write(bytes.subarray(at));
      fault("write");
      await file.sync();
    }
    fault("rename");
    await Deno.rename(part, path);
    fault("rename done");
    await syncFolder(path.slice(0, path.lastIndexOf("/")) || (path.startsWith("/") ? "/" : "."));
    fault("sync done");
  } catch (error) {
    await Deno.remove(part).catch(ignoreMissing);
    throw fileError(error);
  }
}

/** Content of a file of at most `limit` bytes, or `undefined` if there is none. @throws {CoreError} `storage/file-size`, `storage/file-read`. */
export async function readWhole(
  path: string,
  limit: number = LIMITS.fileBytes,
): Promise<Uint8Array | undefined> {
  try {
    using file = await Deno.open(path);
    const { size, isFile } = await file.stat();
    if (!isFile || size > limit) throw new CoreError("storage/file-size", { size, limit });
    const bytes = new Uint8Array(size);
    let at = 0;
    while (at < size) {
      const got = await file.read(bytes.subarray(at));
      if (got === null) break;
      at += got;
    }
    return bytes.subarray(0, at);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    if (error instanceof CoreError) throw error;
    throw new CoreError("storage/file-read", { reason: nameOf(error) }, { cause: error });
  }
}

/** The files of one folder. */
export class DiskFiles implements Files {
  constructor(readonly folder: string, readonly readOnly: boolean, readonly fault: Fault) {}

  read(name: string): Promise<Uint8Array | undefined> {
    return readWhole(this.#path(name));
  }
  async write(name: string, bytes: Uint8Array): Promise<void> {
    this.#mayWrite();
    await writeWhole(this.#path(name), bytes, { fault: this.fault });
  }
  async remove(name: string): Promise<boolean> {
    this.#mayWrite();
    try {
      this.fault("remove");
      await Deno.remove(this.#path(name));
      await syncFolder(this.folder);
      return true;
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return false;
      throw fileError(error);
    }
  }
  async list(): Promise<string[]> {
    const names: string[] = [];
    try {
      for await (const { name, isFile } of Deno.readDir(this.folder)) {
        if (isFile && !name.endsWith(PART)) names.push(name);
      }
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw fileError(error);
    }
    return names.sort();
  }

  #path(name: string): string {
    if (checkName(name).endsWith(PART)) throw new CoreError("storage/name", { suffix: PART });
    return `${this.folder}/${name}`;
  }
  #mayWrite(): void {
    if (this.readOnly) throw new CoreError("storage/read-only");
  }
}

/** Makes what was renamed or removed in `folder` survive a power cut. */
export async function syncFolder(folder: string): Promise<void> {
  using opened = await Deno.open(folder);
  await opened.sync();
}

export function fileError(error: unknown): unknown {
  if (!(error instanceof Error) || error instanceof CoreError) return error;
  const errno = (error as { code?: string }).code ?? "";
  if (FULL.has(errno) || /os error (28|122)\b/.test(error.message)) {
    return new CoreError("storage/disk-full", { errno }, { cause: error });
  }
  return error.name in Deno.errors || errno
    ? new CoreError("storage/file-write", { reason: nameOf(error) }, { cause: error })
    : error;
}

const nameOf = (error: unknown) => (error instanceof Error ? error.name : "unknown");
const ignoreMissing = (error: unknown) => {
  if (!(error instanceof Deno.errors.NotFound)) throw error;
};
