/**
 * Merging two tips: every path is taken whole from one parent or the other, never made up, and whatever concerns one
 * account is taken from one side together. So the result is the same whoever merges. Spec: swarm §2.3, §3.5.
 */
import type { ObjectId } from "../git/objects.ts";
import { parsePath } from "./paths.ts";
import type { Files } from "./tree.ts";

export interface Side {
  /** Commit id: decides what nothing else decides. */
  readonly tip: ObjectId;
  readonly files: Files;
}

/** How an account stands in a tree; a later one beats an earlier one when both sides changed. */
const STANDINGS = ["absent", "invited", "member", "left", "banned"] as const;
type Standing = typeof STANDINGS[number];

/** @param later of two blobs that are both a renewal of one certificate, the one that expires later. */
export type Later = (a: ObjectId, b: ObjectId) => ObjectId;

/** The merged files. `base`: the common ancestor both sides are compared with. */
export function mergeFiles(base: Files, a: Side, b: Side, later: Later): Map<string, ObjectId> {
  const greater = a.tip > b.tip ? a : b,
    merged = new Map<string, ObjectId>(),
    winners = new Map<string, Side | undefined>();
  for (const path of new Set([...a.files.keys(), ...b.files.keys()])) {
    const was = base.get(path), mine = a.files.get(path), theirs = b.files.get(path);
    const account = accountOf(path);
    if (account !== undefined && !winners.has(account)) winners.set(account, winner(account, base, a, b));
    const side = account === undefined ? undefined : winners.get(account);
    let chosen: ObjectId | undefined;
    if (side) chosen = side.files.get(path);
    else if (mine === theirs || theirs === was) chosen = mine;
    else if (mine === was) chosen = theirs;
    else if (mine === undefined || theirs === undefined) chosen = undefined; // one took away what the other changed
    else chosen = isCertificate(path) ? later(mine, theirs) : greater.files.get(path);
    if (chosen !== undefined) merged.set(path, chosen);
  }
  return merged;
}

/** The side that decides about `account`, or `undefined` when its standing is the same on both. */
function winner(account: string, base: Files, a: Side, b: Side): Side | undefined {
  const was = standing(account, base),
    mine = against(was, standing(account, a.files)),
    theirs = against(was, standing(account, b.files));
  if (mine === theirs) return undefined;
  if (theirs === was) return a;
  if (mine === was) return b;
  return STANDINGS.indexOf(mine) > STANDINGS.indexOf(theirs) ? a : b;
}

const against = (
  was: Standing,
  is: Standing,
): Standing => (is === "absent" && was !== "absent" ? "left" : is);

function standing(account: string, files: Files): Standing {
  if (
    ["members", "admins"].some((kind) => files.has(`banned/${kind}/${account}.crt`)) ||
    files.has(`banned/invited/${account}`)
  ) {
    return "banned";
  }
  if (files.has(`admins/${account}.crt`) || files.has(`members/${account}.crt`)) return "member";
  return files.has(`invited/${account}`) ? "invited" : "absent";
}

function accountOf(path: string): string | undefined {
  const parsed = parsePath(path);
  switch (parsed?.kind) {
    case "admins":
    case "members":
    case "invited":
    case "banned":
      return parsed.account;
  }
  return undefined;
}

const isCertificate = (path: string) => path.endsWith(".crt");
