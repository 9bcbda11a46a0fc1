/** Git objects as bytes: ids, trees, persons. Spec: swarm §1.2, §1.3. */
import { type CommitId, DecodeError, hex, text, unhex, utf8 } from "../../base/mod.ts";
import { sha1 } from "../../crypto/mod.ts";
import { LIMITS } from "../limits.ts";

export type ObjectType = "commit" | "tree" | "blob" | "tag";
/** 40 hex digits naming any object. */
export type ObjectId = string;
export interface GitObject {
  readonly type: ObjectType;
  readonly body: Uint8Array;
}

/** The id git gives to an object: SHA-1 of `type length NUL body`. */
export function objectId(type: ObjectType, body: Uint8Array): CommitId {
  const head = utf8(`${type} ${body.length}\0`), whole = new Uint8Array(head.length + body.length);
  whole.set(head);
  whole.set(body, head.length);
  return hex(sha1(whole)) as CommitId;
}

export const MODE = { file: "100644", folder: "40000" } as const;

export interface TreeEntry {
  /** Octal text as stored; only {@linkcode MODE} is ever accepted in a conversation. */
  readonly mode: string;
  readonly name: string;
  readonly id: ObjectId;
}

const SPACE = 0x20, NUL = 0;
/** Names no tree may hold whatever the folder: they mean something to git or to a file system. */
const FORBIDDEN_NAME = /^\.{1,2}$|^\.git$|^git~1$|[/\\\p{Cc}]/iu;

/**
 * Entries of a tree object, in stored order.
 * @throws {DecodeError} `swarm/tree` with a `reason`: truncated, mode, name, order, duplicate, too-large.
 */
export function parseTree(body: Uint8Array): TreeEntry[] {
  const bad = (reason: string): never => {
    throw new DecodeError("swarm/tree", { reason });
  };
  if (body.length > LIMITS.treeBytes) bad("too-large");
  const entries: TreeEntry[] = [];
  let last: Uint8Array | undefined;
  for (let at = 0; at < body.length;) {
    const space = body.indexOf(SPACE, at), end = body.indexOf(NUL, space + 1);
    if (space < 0 || space - at > 6 || end < 0 || end + 21 > body.length) bad("truncated");
    const mode = text(body.subarray(at, space)) ?? "", name = text(body.subarray(space + 1, end));
    if (!/^(100644|100755|120000|160000|40000|100664)$/.test(mode)) bad("mode");
    if (name === undefined || name === "" || FORBIDDEN_NAME.test(name)) return bad("name");
    const key = sortKey(name, mode);
    if (last && !before(last, key)) bad("order");
    last = key;
    entries.push({ mode, name, id: hex(body.subarray(end + 1, end + 21)) });
    if (entries.length > LIMITS.treeEntries) bad("too-large");
    at = end + 21;
  }
  if (new Set(entries.map((entry) => entry.name)).size !== entries.length) bad("duplicate");
  return entries;
}

/** Bytes of a tree object; entries in any order. */
export function formatTree(entries: readonly TreeEntry[]): Uint8Array {
  const rows = entries.map((entry) => ({ key: sortKey(entry.name, entry.mode), entry }));
  rows.sort((a, b) => (before(a.key, b.key) ? -1 : 1));
  const parts = rows.map(({ entry }) => ({
    head: utf8(`${entry.mode} ${entry.name}\0`),
    id: unhex(entry.id),
  }));
  const body = new Uint8Array(parts.reduce((sum, part) => sum + part.head.length + 20, 0));
  let at = 0;
  for (const { head, id } of parts) {
    body.set(head, at);
    body.set(id, at + head.length);
    at += head.length + 20;
  }
  return body;
}

/** Git sorts folders as if their names ended with a slash. */
const sortKey = (name: string, mode: string) => utf8(mode === MODE.folder ? `${name}/` : name);

function before(a: Uint8Array, b: Uint8Array): boolean {
  const shared = Math.min(a.length, b.length);
  for (let i = 0; i < shared; i++) if (a[i] !== b[i]) return a[i]! < b[i]!;
  return a.length < b.length;
}
