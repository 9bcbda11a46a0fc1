/**
 * A conversation's repository on disk: an ordinary git folder without a work tree, which the `git` program opens.
 * Objects are loose or in packs; `main` is the only branch. A crash leaves old or new, never half.
 */
import {
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { type CommitId, concat, CoreError, DecodeError, hex, text, utf8 } from "../../base/mod.ts";
import { LIMITS } from "../limits.ts";
import { applyDelta } from "./delta.ts";
import { type GitObject, type ObjectId, objectId, type ObjectType } from "./objects.ts";
import { indexEntry, PackIndex, writeIndex } from "./pack_index.ts";
import { inflateAt, type PackSource, readHead, readPack } from "./pack_read.ts";
import { deflate, inflate } from "./zlib_io.ts";

const CONFIG = "[core]\n\trepositoryformatversion = 0\n\tfilemode = false\n\tbare = true\n";
/** Packs of at most this many objects become loose objects: a message is one or two. */
const UNPACK = 100;
/** Bytes of object bodies remembered. */
const REMEMBERED = 8 << 20;

export class GitFolder implements Disposable {
  #packs: Pack[] = [];
  #cache = new Map<ObjectId, GitObject>();
  #cached = 0;

  private constructor(readonly path: string) {
    this.#openPacks();
  }

  /** Opens the repository at `path`. @throws {CoreError} `swarm/no-repository`. */
  static open(path: string): GitFolder {
    if (!exists(`${path}/HEAD`)) throw new CoreError("swarm/no-repository");
    for (const name of readdirSync(`${path}/objects/pack`)) {
      if (name.startsWith("tmp-")) rmSync(`${path}/objects/pack/${name}`, { force: true }); // a crash left it
    }
    return new GitFolder(path);
  }

  /** Makes an empty one. */
  static create(path: string): GitFolder {
    for (const folder of ["objects/pack", "objects/info", "refs/heads"]) {
      mkdirSync(`${path}/${folder}`, { recursive: true, mode: 0o700 });
    }
    writeDurably(`${path}/config`, utf8(CONFIG));
    writeDurably(`${path}/HEAD`, utf8("ref: refs/heads/main\n"));
    return new GitFolder(path);
  }

  /** The tip of `main`. @throws {DecodeError} `swarm/ref` if the file holds no id. */
  head(): CommitId | undefined {
    const file = readIf(`${this.path}/refs/heads/main`);
    if (!file) return undefined;
    const id = text(file)?.trim() ?? "";
    if (!/^[0-9a-f]{40}$/.test(id)) throw new DecodeError("swarm/ref", { length: file.length });
    return id as CommitId;
  }

  /** Moves `main`; on return it survives a power cut. The commit must be there. */
  setHead(id: CommitId): void {
    if (!this.has(id)) throw new CoreError("swarm/missing-object", { id });
    writeDurably(`${this.path}/refs/heads/main`, utf8(`${id}\n`));
  }

  has(id: ObjectId): boolean {
    return this.#cache.has(id) || this.#packs.some((pack) => pack.index.find(id) !== undefined) ||
      exists(this.#loose(id));
  }

  /** An object, verified against its id when it is read from a loose file. @throws {DecodeError} `swarm/object`. */
  read(id: ObjectId): GitObject | undefined {
    const known = this.#cache.get(id);
    if (known) return known;
    const found = this.#readPacked(id) ?? this.#readLoose(id);
    if (found) this.#remember(id, found);
    return found;
  }
  get = (id: ObjectId): Promise<GitObject | undefined> => Promise.resolve(this.read(id));

  /** Writes objects that are not there yet; on return they survive a power cut. */
  write(objects: Iterable<GitObject & { readonly id: ObjectId }>): void {
    for (const { id, type, body } of objects) {
      if (this.has(id)) continue;
      const path = this.#loose(id);
      mkdirSync(path.slice(0, path.lastIndexOf("/")), { recursive: true, mode: 0o700 });
      writeDurably(path, deflate(concat(utf8(`${type} ${body.length}\0`), body)));
      this.#remember(id, { type, body });
    }
  }

  /** A place for a pack that is still coming in. */
  incoming(): Incoming {
    return new Incoming(`${this.path}/objects/pack/tmp-${crypto.randomUUID()}`);
  }

  /** Takes over everything of a pack that came in: loose when it is little, as a pack otherwise. */
  adopt(incoming: Quarantine): void {
    if (incoming.size <= UNPACK) {
      this.write(incoming.objects());
      return incoming[Symbol.dispose]();
    }
    const base = `${this.path}/objects/pack/pack-${hex(incoming.checksum)}`;
    if (!exists(`${base}.pack`)) {
      renameSync(incoming.path, `${base}.pack`);
      writeDurably(`${base}.idx`, incoming.index.bytes); // git believes in a pack once its index is there
    }
    incoming[Symbol.dispose]();
    this.#packs.push(new Pack(`${base}.pack`, new PackIndex(readFileSync(`${base}.idx`))));
  }

  [Symbol.dispose](): void {
    for (const pack of this.#packs.splice(0)) pack[Symbol.dispose]();
    this.#cache.clear();
  }

  #openPacks(): void {
    const folder = `${this.path}/objects/pack`;
    for (const name of readdirSync(folder).filter((name) => name.endsWith(".idx"))) {
      const pack = `${folder}/${name.slice(0, -4)}.pack`;
      if (exists(pack)) this.#packs.push(new Pack(pack, new PackIndex(readFileSync(`${folder}/${name}`))));
    }
  }

  #readPacked(id: ObjectId): GitObject | undefined {
    for (const pack of this.#packs) {
      const at = pack.index.find(id);
      if (at !== undefined) return pack.object(at);
    }
    return undefined;
  }

  #readLoose(id: ObjectId): GitObject | undefined {
    const file = readIf(this.#loose(id));
    if (!file) return undefined;
    const bad = () => new DecodeError("swarm/object", { id });
    const { data } = inflate(file, LIMITS.objectBytes + 32), end = data.indexOf(0);
    const match = /^(commit|tree|blob|tag) (\d+)$/.exec(end < 0 ? "" : text(data.subarray(0, end)) ?? "");
    if (!match) throw bad();
    const type = match[1] as ObjectType, body = data.subarray(end + 1);
    if (body.length !== Number(match[2]) || objectId(type, body) !== id) throw bad();
    return { type, body };
  }

  #remember(id: ObjectId, object: GitObject): void {
    if (object.body.length > REMEMBERED / 8) return;
    this.#cache.set(id, object);
    this.#cached += object.body.length;
    for (const [old, { body }] of this.#cache) {
      if (this.#cached <= REMEMBERED) break;
      this.#cache.delete(old);
      this.#cached -= body.length;
    }
  }

  #loose = (id: ObjectId): string => `${this.path}/objects/${id.slice(0, 2)}/${id.slice(2)}`;
}

/** A pack in the making: bytes go to a temporary file until `finish` checks it. */
export class Incoming implements Disposable {
  #file: number | undefined;
  #length = 0;

  constructor(readonly path: string) {
    this.#file = openSync(path, "wx+", 0o600);
  }
  write(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length;) at += writeSync(this.#file!, bytes, at);
    this.#length += bytes.length;
  }
  /** Reads and checks the whole pack. @throws {DecodeError} as {@linkcode readPack}; the file is gone then. */
  finish(): Quarantine {
    try {
      const quarantine = new Quarantine(this.path, this.#file!, this.#length);
      this.#file = undefined;
      return quarantine;
    } catch (error) {
      this[Symbol.dispose]();
      throw error;
    }
  }
  [Symbol.dispose](): void {
    if (this.#file === undefined) return;
    closeSync(this.#file);
    this.#file = undefined;
    rmSync(this.path, { force: true });
  }
}

/** A whole pack, checked, but nowhere visible yet. */
export class Quarantine implements Disposable {
  readonly index: PackIndex;
  readonly checksum: Uint8Array;
  readonly #pack: Pack;
  #closed = false;

  constructor(readonly path: string, file: number, length: number) {
    fsyncSync(file);
    const source = fileSource(file, length), entries = new Map<ObjectId, ReturnType<typeof indexEntry>>();
    for (const { id, from, to } of readPack(source)) {
      if (!entries.has(id)) entries.set(id, indexEntry(id, from, source.slice(from, to)));
    }
    this.checksum = source.slice(length - 20, length).slice();
    this.index = new PackIndex(writeIndex([...entries.values()], this.checksum));
    this.#pack = new Pack(file, this.index, length);
  }
  get size(): number {
    return this.index.count;
  }
  get(id: ObjectId): GitObject | undefined {
    const at = this.index.find(id);
    return at === undefined ? undefined : this.#pack.object(at);
  }
  *objects(): Generator<GitObject & { id: ObjectId }> {
    for (const id of this.index.ids()) yield { id, ...this.get(id)! };
  }
  [Symbol.dispose](): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#pack[Symbol.dispose]();
    rmSync(this.path, { force: true });
  }
}

/** Random access to a pack that was checked when it came. */
class Pack implements Disposable {
  readonly #file: number;
  readonly #source: PackSource;

  constructor(pack: string | number, readonly index: PackIndex, length?: number) {
    this.#file = typeof pack === "string" ? openSync(pack, "r") : pack;
    this.#source = fileSource(this.#file, length ?? statSync(pack as string).size);
  }
  object(at: number, depth = 0): GitObject {
    const entry = readHead(this.#source, at),
      { data } = inflateAt(this.#source, entry, { left: LIMITS.objectBytes });
    if (entry.base === undefined) return { type: entry.type, body: data };
    const from = typeof entry.base === "number" ? entry.base : this.index.find(entry.base);
    if (from === undefined || depth > LIMITS.deltaChain) {
      throw new DecodeError("swarm/pack", { reason: "delta" });
    }
    const base = this.object(from, depth + 1);
    return { type: base.type, body: applyDelta(base.body, data, LIMITS.objectBytes) };
  }
  [Symbol.dispose](): void {
    closeSync(this.#file);
  }
}

function fileSource(file: number, length: number): PackSource {
  return {
    length,
    slice(from, to) {
      const bytes = new Uint8Array(Math.max(0, Math.min(to, length) - from));
      for (let at = 0; at < bytes.length;) {
        const got = readSync(file, bytes, at, bytes.length - at, from + at);
        if (!got) throw new DecodeError("swarm/pack", { reason: "truncated" });
        at += got;
      }
      return bytes;
    },
  };
}

/** Temporary name, fsync, rename, fsync of the folder. @throws {CoreError} `storage/disk-full`. */
function writeDurably(path: string, bytes: Uint8Array): void {
  const part = `${path}.tmp-${crypto.randomUUID()}`, folder = path.slice(0, path.lastIndexOf("/"));
  try {
    writeFileSync(part, bytes, { flag: "wx", mode: 0o600, flush: true });
    renameSync(part, path);
    const handle = openSync(folder, "r");
    try {
      fsyncSync(handle);
    } finally {
      closeSync(handle);
    }
  } catch (error) {
    rmSync(part, { force: true });
    if (["ENOSPC", "EDQUOT"].includes((error as { code?: string }).code ?? "")) {
      throw new CoreError("storage/disk-full", {}, { cause: error });
    }
    throw error;
  }
}

function readIf(path: string): Uint8Array | undefined {
  try {
    return readFileSync(path);
  } catch (error) {
    if ((error as { code?: string }).code === "ENOENT") return undefined;
    throw error;
  }
}
const exists = (path: string): boolean => statSync(path, { throwIfNoEntry: false }) !== undefined;

/** Deletes a repository, if it is there. */
export const removeFolder = (path: string): void => rmSync(path, { recursive: true, force: true });
