/** The file in which a Jami daemon remembers names: a MessagePack map by address, in two shapes. Spec: account §7.2 (Cache). */
import { type AccountId, accountId, DecodeError, isError } from "../base/mod.ts";
import { decode, type MsgpackValue } from "../codec/mod.ts";
import { LIMITS } from "./limits.ts";

export interface RememberedName {
  readonly jamiId: AccountId;
  readonly name: string;
}

/**
 * Reads `namecache/<host>` of a daemon: of 2023 `address → name`, of 2026 `address → [name, address]`. Entries that are
 * neither are left out; nothing in such a file is proof of anything.
 * @throws {DecodeError} `names/daemon-cache` if it is no such file.
 */
export function readDaemonNames(bytes: Uint8Array): RememberedName[] {
  const bad = (why: string, cause?: unknown) => new DecodeError("names/daemon-cache", { why }, { cause });
  if (bytes.length > LIMITS.daemonCacheBytes) throw bad("size");
  let map: MsgpackValue;
  try {
    map = decode(bytes, { trailing: true });
  } catch (error) {
    if (!isError(error, "codec/")) throw error;
    throw bad("syntax", error);
  }
  if (!(map instanceof Map)) throw bad("shape");
  const found: RememberedName[] = [];
  for (const [key, value] of map) {
    const name = Array.isArray(value) ? value[0] : value, address = Array.isArray(value) ? value[1] : key;
    const id = typeof address === "string" ? /^(?:ring:|0x)?([0-9a-f]{40})$/i.exec(address)?.[1] : undefined;
    if (id && typeof name === "string" && name && name.length <= LIMITS.daemonNameLength) {
      found.push({ jamiId: accountId(id), name });
    }
  }
  return found;
}
