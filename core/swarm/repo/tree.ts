/** A conversation's tree as a flat map of checked paths, and back. Nothing is ever checked out. Spec: swarm §1.2, §3.2. */
import { DecodeError } from "../../base/mod.ts";
import { LIMITS } from "../limits.ts";
import {
  formatTree,
  type GitObject,
  MODE,
  type ObjectId,
  objectId,
  parseTree,
  type TreeEntry,
} from "../git/objects.ts";
import { parsePath } from "./paths.ts";

/** Where objects come from: the repository, a pack still in quarantine, or both. */
export interface Objects {
  get(id: ObjectId): Promise<GitObject | undefined>;
}

/** Path → blob id, all of them plain files in known places. */
export type Files = ReadonlyMap<string, ObjectId>;

const bad = (reason: string, data: Record<string, unknown> = {}): never => {
  throw new DecodeError("swarm/tree", { reason, ...data });
};

/** Reads whole trees, remembering folders it has seen: from commit to commit nearly all of them stay. */
export class Trees {
  #folders = new Map<ObjectId, readonly TreeEntry[]>();
  #whole = new Map<ObjectId, Files>();

  constructor(readonly objects: Objects, readonly remembered: number = 4096) {}

  /**
   * Every file of the tree `id`.
   * @throws {DecodeError} `swarm/tree`: missing object, a mode other than 100644, a path no conversation may hold,
   * too many entries, too deep, an empty folder.
   */
  async files(id: ObjectId): Promise<Files> {
    const known = this.#whole.get(id);
    if (known) return known;
    const files = new Map<string, ObjectId>();
    await this.#walk(id, "", 0, files);
    remember(this.#whole, id, files, 64);
    return files;
  }

  async #walk(id: ObjectId, prefix: string, depth: number, files: Map<string, ObjectId>): Promise<void> {
    const entries = await this.#folder(id);
    if (!entries.length && depth) bad("empty folder", { folder: prefix });
    for (const { mode, name, id } of entries) {
      const path = prefix + name;
      if (mode === MODE.folder) {
        if (depth >= LIMITS.treeDepth) bad("too deep");
        await this.#walk(id, `${path}/`, depth + 1, files);
      } else {
        if (mode !== MODE.file) bad("mode", { mode });
        if (!parsePath(path)) bad("path", { path: path.slice(0, 200) });
        files.set(path, id);
        if (files.size > LIMITS.treeEntries) bad("too many entries");
      }
    }
  }

  async #folder(id: ObjectId): Promise<readonly TreeEntry[]> {
    const known = this.#folders.get(id);
    if (known) return known;
    const object = await this.objects.get(id);
    if (object?.type !== "tree") return bad("missing", { id });
    const entries = parseTree(object.body);
    remember(this.#folders, id, entries, this.remembered);
    return entries;
  }
}

/** A path that differs between two trees; an id missing on one side means the file is not there. */
export interface Change {
  readonly path: string;
  readonly before: ObjectId | undefined;
  readonly after: ObjectId | undefined;
}

/** What turns `before` into `after`, in path order. */
export function changes(before: Files, after: Files): Change[] {
  const found: Change[] = [];
  for (const [path, id] of after) {
    if (before.get(path) !== id) found.push({ path, before: before.get(path), after: id });
  }
  for (const [path, id] of before) if (!after.has(path)) found.push({ path, before: id, after: undefined });
  return found.sort((a, b) => (a.path < b.path ? -1 : 1));
}

/** The tree objects that hold `files`, folders before what holds them; the last one is the root. */
export function buildTrees(files: Files): { root: ObjectId; objects: (GitObject & { id: ObjectId })[] } {
  const objects: (GitObject & { id: ObjectId })[] = [];
  const build = (rows: (readonly [string[], ObjectId])[]): ObjectId => {
    const entries: TreeEntry[] = [], folders = new Map<string, (readonly [string[], ObjectId])[]>();
    for (const [[name, ...rest], id] of rows) {
      if (!rest.length) entries.push({ mode: MODE.file, name: name!, id });
      else folders.set(name!, [...folders.get(name!) ?? [], [rest, id]]);
    }
    for (const [name, inside] of folders) entries.push({ mode: MODE.folder, name, id: build(inside) });
    const body = formatTree(entries), id = objectId("tree", body);
    objects.push({ id, type: "tree", body });
    return id;
  };
  const root = build([...files].map(([path, id]) => [path.split("/"), id] as const));
  return { root, objects };
}

function remember<K, V>(map: Map<K, V>, key: K, value: V, most: number): void {
  map.set(key, value);
  if (map.size > most) map.delete(map.keys().next().value!);
}
