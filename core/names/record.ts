/** Names and what a server says about them: the rules, and the checks of every answer. Pure. Spec: account §7. */
import { type AccountId, accountId, CoreError, equal, utf8 } from "../base/mod.ts";
import { importPublicKey, type PublicKey, verifySignature } from "../crypto/mod.ts";
import { LIMITS } from "./limits.ts";

const { min, max } = LIMITS.nameLength;
const NAME = new RegExp(`^[a-z0-9_-]{${min},${max}}$`);

/** The registered form of a name: lower case. @throws {CoreError} `names/bad-name`. */
export function normalName(name: string): string {
  const lower = name.toLowerCase();
  if (!NAME.test(lower)) throw new CoreError("names/bad-name", { length: name.length });
  return lower;
}

/** `name`, or `name@server` for another server. @throws {CoreError} `names/bad-name`, `names/bad-server`. */
export function parseName(text: string): { name: string; server?: string } {
  const at = text.indexOf("@");
  if (at < 0) return { name: normalName(text) };
  return { name: normalName(text.slice(0, at)), server: serverUrl(text.slice(at + 1)) };
}

/** Origin and path of a name server without a final slash; `https` unless said. @throws {CoreError} `names/bad-server`. */
export function serverUrl(text: string): string {
  try {
    const url = new URL(/^[a-z]+:\/\//i.test(text) ? text : `https://${text}`);
    if (/^https?:$/.test(url.protocol) && !url.username && !url.search && !url.hash) {
      return (url.origin + url.pathname).replace(/\/+$/, "");
    }
  } catch { /* no URL at all */ }
  throw new CoreError("names/bad-server", { length: text.length });
}

/** An account id as servers write it, with or without `0x`; `undefined` for anything else and for zero. */
export function readAddress(value: unknown): AccountId | undefined {
  if (typeof value !== "string" || !/^(0x)?[0-9a-f]{40}$/i.test(value)) return undefined;
  const id = accountId(value.slice(-40));
  return /^0+$/.test(id) ? undefined : id;
}

/** What was found. `verified`: the account's own key signed the name. */
export interface NameRecord {
  readonly name: string;
  readonly jamiId: AccountId;
  readonly verified: boolean;
}

/**
 * Checks the answer to a question for `name`: the same name, an address, and if key and signature are there, that
 * the key is the address's and signed this name. Spec: account §7.2, checklist 44.
 * @throws {CoreError} `names/lying-server` with `why`: `shape`, `name`, `address`, `key`, `signature`.
 */
export async function checkNameReply(name: string, reply: unknown): Promise<NameRecord> {
  const fields = object(reply), jamiId = readAddress(fields.addr);
  if (typeof fields.name !== "string" || fields.name.toLowerCase() !== name) throw lying("name");
  if (!jamiId) throw lying("address");
  const { publickey, signature } = fields;
  if (publickey === undefined && signature === undefined) return { name, jamiId, verified: false };
  const key = decodeKey(publickey);
  if (!key || key.shortId as string !== jamiId) throw lying("key");
  const bytes = decodeBase64(signature);
  if (!bytes || !await verifySignature(key.der, utf8(name), bytes)) throw lying("signature");
  return { name, jamiId, verified: true };
}

/** The name in the answer to a question for an address. @throws {CoreError} `names/lying-server`. */
export function checkAddressReply(jamiId: AccountId, reply: unknown): string {
  const fields = object(reply);
  if (fields.addr !== undefined && readAddress(fields.addr) !== jamiId) throw lying("address");
  if (typeof fields.name !== "string" || !NAME.test(fields.name.toLowerCase())) throw lying("name");
  return fields.name.toLowerCase();
}

/** A registration as it is posted. */
export interface Registration {
  readonly addr: AccountId;
  /** Ethereum address of the account, 40 hex digits. */
  readonly owner: string;
  /** Base64 of the account key's signature over the lower-case name. */
  readonly signature: string;
  /** Base64 of the account's public key as PEM. */
  readonly publickey: string;
}

/** The key inside base64 of a PEM; a NUL at its end, as old daemons write it, is tolerated. */
export function decodeKey(value: unknown): PublicKey | undefined {
  const pem = decodeBase64(value);
  if (!pem) return undefined;
  try {
    const key = importPublicKey(pem.at(-1) === 0 ? pem.subarray(0, -1) : pem);
    return equal(key.der, pem) ? undefined : key; // only PEM counts here
  } catch {
    return undefined;
  }
}

export function decodeBase64(value: unknown): Uint8Array | undefined {
  if (typeof value !== "string" || value.length > LIMITS.requestBytes) return undefined;
  try {
    return Uint8Array.fromBase64(value);
  } catch {
    return undefined;
  }
}

function object(reply: unknown): Record<string, unknown> {
  if (typeof reply !== "object" || reply === null || Array.isArray(reply)) throw lying("shape");
  return reply as Record<string, unknown>;
}

const lying = (why: string) => new CoreError("names/lying-server", { why });
