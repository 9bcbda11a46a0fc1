/** What a merge may look like: nothing made up, nobody revived. Spec: swarm §3.5. */
import { changes, type Files } from "../repo/tree.ts";
import { invalid, isBanned, memberFile } from "./certificates.ts";

/** @param base the files of the best common ancestor. @throws {CoreError} `swarm/invalid-commit`. */
export function checkMerge(base: Files, left: Files, right: Files, merged: Files): void {
  const fromLeft = new Set(changes(left, merged).map((change) => change.path));
  for (const { path } of changes(right, merged)) if (fromLeft.has(path)) invalid("merge-invents", { path });
  for (const account of accountsOf(base, left, right, merged)) {
    const was = standing(account, base), is = standing(account, merged);
    if (is !== "member" && is !== "invited") continue;
    for (const [one, other] of [[left, right], [right, left]] as const) {
      const gone = standing(account, one);
      if (gone !== was && (gone === "banned" || gone === "absent") && standing(account, other) === was) {
        invalid("merge-revives", { account });
      }
    }
  }
}

function standing(account: string, files: Files): "banned" | "member" | "invited" | "absent" {
  if (isBanned(account, files)) return "banned";
  if (memberFile(account, files)) return "member";
  return files.has(`invited/${account}`) ? "invited" : "absent";
}

function accountsOf(...trees: Files[]): Set<string> {
  const found = new Set<string>();
  for (const files of trees) {
    for (const path of files.keys()) {
      const match = /^(?:banned\/)?(?:admins|members|invited)\/([0-9a-f]{40})(?:\.crt)?$/.exec(path);
      if (match) found.add(match[1]!);
    }
  }
  return found;
}
