/** Which objects a peer lacks: everything behind one tip and not behind the commits it has. Spec: swarm §4.3. */
import { CoreError } from "../../base/mod.ts";
import { parseCommit } from "../git/commit.ts";
import { MODE, type ObjectId, parseTree } from "../git/objects.ts";
import type { Objects } from "./tree.ts";

/**
 * Ids of all objects reachable from `want` that are not in the history of `haves` (unknown ones are ignored), commits
 * first, newest first; then trees and blobs.
 * @throws {CoreError} `swarm/missing-object`: our own history has a hole.
 */
export async function lacking(
  objects: Objects,
  want: ObjectId,
  haves: readonly ObjectId[],
): Promise<ObjectId[]> {
  const theirs = new Set<ObjectId>(), seen = new Set<ObjectId>();
  for (const have of haves) await history(objects, have, theirs, true);
  for (const id of theirs) await contents(objects, (await commit(objects, id, true))?.tree, seen, true);
  const fresh = new Set<ObjectId>();
  await history(objects, want, fresh, false, theirs);
  const rest: ObjectId[] = [];
  for (const id of fresh) {
    rest.push(...await contents(objects, (await commit(objects, id, false))!.tree, seen, false));
  }
  return [...fresh, ...rest];
}

/** Is `id` the tip or one of its ancestors? */
export async function isBehind(objects: Objects, id: ObjectId, tip: ObjectId): Promise<boolean> {
  const seen = new Set<ObjectId>();
  await history(objects, tip, seen, true, undefined, id);
  return seen.has(id);
}

async function history(
  objects: Objects,
  tip: ObjectId,
  seen: Set<ObjectId>,
  lenient: boolean,
  except?: ReadonlySet<ObjectId>,
  until?: ObjectId,
): Promise<void> {
  const todo = [tip];
  while (todo.length) {
    const id = todo.shift()!;
    if (seen.has(id) || except?.has(id)) continue;
    const found = await commit(objects, id, lenient);
    if (!found) continue;
    seen.add(id);
    if (id === until) return;
    todo.push(...found.parents);
  }
}

/** Objects below a tree that were not seen before, the tree itself included. */
async function contents(
  objects: Objects,
  tree: ObjectId | undefined,
  seen: Set<ObjectId>,
  lenient: boolean,
): Promise<ObjectId[]> {
  if (tree === undefined || seen.has(tree)) return [];
  seen.add(tree);
  const found = [tree], object = await objects.get(tree);
  if (object?.type !== "tree") return lenient ? [] : hole(tree);
  for (const entry of parseTree(object.body)) {
    if (entry.mode === MODE.folder) found.push(...await contents(objects, entry.id, seen, lenient));
    else if (!seen.has(entry.id)) {
      seen.add(entry.id);
      found.push(entry.id);
    }
  }
  return found;
}

async function commit(objects: Objects, id: ObjectId, lenient: boolean) {
  const object = await objects.get(id);
  if (object?.type !== "commit") return lenient ? undefined : hole(id);
  return parseCommit(object.body);
}

function hole(id: ObjectId): never {
  throw new CoreError("swarm/missing-object", { id });
}
