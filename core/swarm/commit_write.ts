/** Making commits of our own. Spec: swarm §1.3, §10.2. */
import { type CommitId, CoreError, utf8 } from "../base/mod.ts";
import type { Ground, Put } from "./conversation.ts";
import { signedCommit, unsignedCommit } from "./git/commit.ts";
import { type ObjectId, objectId } from "./git/objects.ts";
import { LIMITS } from "./limits.ts";
import { buildTrees, type Files } from "./repo/tree.ts";
import type { ValidCommit } from "./validate/validator.ts";

/** Commits of `valid` that no other of them stands on. */
export function heads(valid: readonly ValidCommit[]): CommitId[] {
  const below = new Set(valid.flatMap((commit) => commit.parents));
  return valid.filter((commit) => !below.has(commit.id)).map((commit) => commit.id);
}

/** The objects of a new commit of ours, signed; nothing is stored yet. `notBefore`: seconds, the youngest parent's time. */
export async function build(
  ground: Pick<Ground, "me" | "wall">,
  parents: readonly ObjectId[],
  from: Files,
  put: Put,
  message: string,
  notBefore = 0,
) {
  const { me, wall } = ground,
    files = new Map(from),
    objects: { id: ObjectId; type: "blob" | "tree" | "commit"; body: Uint8Array }[] = [];
  for (const [path, content] of Object.entries(put)) {
    if (content === null) {
      files.delete(path);
      continue;
    }
    const body = typeof content === "string" ? utf8(content) : content, id = objectId("blob", body);
    objects.push({ id, type: "blob", body });
    files.set(path, id);
  }
  const trees = buildTrees(files),
    time = Math.max(Math.floor(wall() / 1000), notBefore);
  const unsigned = unsignedCommit({
    tree: trees.root,
    parents,
    author: { name: me.name, email: me.device, time },
    message,
  });
  const body = signedCommit(unsigned, await me.sign(unsigned)), id = objectId("commit", body) as CommitId;
  return {
    id,
    objects: [...objects, ...trees.objects as typeof objects, { id, type: "commit" as const, body }],
  };
}

/** @throws {CoreError} `swarm/text-size`. */
export function checkText(words: string): void {
  const size = utf8(words).length;
  if (size < 1 || size > LIMITS.textBytes) {
    throw new CoreError("swarm/text-size", { size, limit: LIMITS.textBytes });
  }
}
