/** The first commit: it names the conversation, its mode and its founders. Spec: swarm §1.5, §3.2 (m), §3.3. */
import type { AccountId, DeviceId } from "../../base/mod.ts";
import type { JsonObject } from "../../codec/mod.ts";
import type { Files } from "../repo/tree.ts";
import { invalid } from "./certificates.ts";
import { EMPTY_BLOB } from "./rules.ts";

export interface Foundation {
  readonly mode: 0 | 1 | 2 | 3 | 4;
  /** The creator, and in a one-to-one the other one. */
  readonly founders: readonly AccountId[];
}

/** What the body of a first commit says. @throws {CoreError} `swarm/invalid-commit`. */
export function readFoundation(body: JsonObject, creator: AccountId): Foundation {
  const { type, mode, invited } = body;
  if (type !== "initial") invalid("initial-type");
  if (typeof mode !== "number" || ![0, 1, 2, 3, 4].includes(mode)) return invalid("initial-mode");
  if (mode !== 0) return { mode: mode as Foundation["mode"], founders: [creator] };
  if (typeof invited !== "string" || !/^[0-9a-f]{40}$/.test(invited)) return invalid("initial-invited");
  return { mode: 0, founders: [...new Set([creator, invited as AccountId])] };
}

/** Exactly the creator's certificate, their device, and in a one-to-one the invitation. */
export function checkFirstTree(files: Files, foundation: Foundation, device: DeviceId): void {
  const [creator, other] = foundation.founders,
    allowed = new Set([`admins/${creator}.crt`, `devices/${device}.crt`]);
  for (const path of allowed) if (!files.has(path)) invalid("initial-tree", { path });
  if (foundation.mode === 0) allowed.add(`invited/${other ?? creator}`);
  for (const [path, id] of files) {
    if (!allowed.has(path)) invalid("initial-tree", { path });
    if (path.startsWith("invited/") && id !== EMPTY_BLOB) invalid("invitation");
  }
}
