/** What an account archive holds, as one JSON object; read with limits, written as both generations do. Spec: account §2.1. */
import { accountId, CoreError, isError, text as readText, utf8 } from "../base/mod.ts";
import { formatJsoncpp, type Json, type JsonObject } from "../codec/mod.ts";
import { importPrivateKey, type PrivateKey, wipe } from "../crypto/mod.ts";
import { type Certificate, chainPem, decodeChain } from "./certificate.ts";
import { verifyAuthorities } from "./chain.ts";
import { verifyCrl } from "./crl.ts";
import { ethAddress } from "./eth.ts";
import { LIMITS } from "./limits.ts";

/** Records of other rooms that travel in the archive: id → record, as the wire spells it. */
export type Records = Readonly<Record<string, JsonObject>>;

/** Contacts, conversations and conversation requests; checked for shape only. */
export interface Belongings {
  readonly contacts: Records;
  readonly conversations: Records;
  readonly requests: Records;
}

/** An account's secrets and what travels with them. Call {@linkcode disposeArchive} when done. */
export interface Archive extends Belongings {
  readonly accountKey: PrivateKey;
  /** Absent in archives that gave it away; without it the authority certificate cannot be renewed. */
  readonly caKey: PrivateKey | undefined;
  /** Account, then authority. */
  readonly chain: readonly Certificate[];
  /** The chain has expired or is no authority, but both keys are here to make a new one. */
  readonly outdated: boolean;
  /** 32 bytes, or empty in very old archives. */
  readonly ethKey: Uint8Array;
  /** DER of the account's revocation list. */
  readonly crl: Uint8Array | undefined;
  /** Settings that are harmless to take over. */
  readonly settings: Readonly<Record<string, string>>;
  /** Names of settings that were left alone: servers, proxies, permissions. The person may set them by hand. */
  readonly ignored: readonly string[];
}

export const noBelongings: Belongings = { contacts: {}, conversations: {}, requests: {} };

/** Settings an archive may set by itself; whatever leads to servers or opens doors is not among them. Spec: account §10.2 H17. */
const HARMLESS = new Set([
  "Account.displayName",
  "Account.alias",
  "Account.sendReadReceipt",
  "Account.sendComposing",
  "Account.rendezVous",
  "Account.activeCallLimit",
]);
const OWN = {
  caKey: "ringCaKey",
  accountKey: "ringAccountKey",
  certificate: "ringAccountCert",
  ethKey: "ethKey",
  crl: "ringAccountCRL",
  contacts: "ringAccountContacts",
  conversations: "conversations",
  requests: "conversationsRequests",
} as const;
const OWN_KEYS = new Set<string>(Object.values(OWN));

/**
 * Reads the JSON of an archive and checks that keys and certificates belong together.
 * @param wall milliseconds since 1970. @returns an archive the caller disposes of.
 * @throws {CoreError} `identity/archive` with `why`: `syntax`, `account-key`, `certificate`, `size`; `identity/chain`.
 */
export async function parseArchive(json: Uint8Array, wall: number): Promise<Archive> {
  if (json.length > LIMITS.archiveJsonBytes) throw refused("size");
  const object = parseObject(json);
  const accountPem = secret(object, OWN.accountKey);
  if (!accountPem) throw refused("account-key");
  const accountKey = await readKey(accountPem);
  const caPem = secret(object, OWN.caKey), caKey = caPem && await readKey(caPem);
  const pem = secret(object, OWN.certificate);
  if (!pem) throw refused("certificate");
  const chain = decodeChain(pem), [account] = chain;
  if (account!.longId !== accountKey.publicKey.longId) throw refused("certificate");
  if (caKey && chain[1]?.longId !== caKey.publicKey.longId) throw refused("certificate");
  const outdated = await isOutdated(chain, wall, caKey !== undefined);
  const ethKey = secret(object, OWN.ethKey) ?? new Uint8Array();
  const settings: Record<string, string> = {}, ignored: string[] = [];
  for (const [name, value] of Object.entries(object)) {
    if (OWN_KEYS.has(name)) continue;
    if (HARMLESS.has(name) && typeof value === "string" && value.length <= LIMITS.nameLength) {
      settings[name] = value;
    } else ignored.push(name.slice(0, LIMITS.nameLength));
  }
  return {
    accountKey,
    caKey,
    chain,
    outdated,
    ethKey: ethKey.length === 32 && ethAddress(ethKey) ? ethKey : new Uint8Array(),
    crl: await ownCrl(secret(object, OWN.crl), account!),
    contacts: records(object[OWN.contacts], /^(?!0{40}$)[0-9a-f]{40}$/),
    conversations: records(object[OWN.conversations], /^[0-9a-f]{40}$/),
    requests: records(object[OWN.requests], /^[0-9a-f]{40}$/),
    settings,
    ignored: ignored.sort().slice(0, LIMITS.nameLength),
  };
}

/** JSON bytes of an archive: sorted keys, no spaces. Never holds a device key or a TLS file. The caller wipes them. */
export async function formatArchive(archive: Archive, hasPassword: boolean): Promise<Uint8Array> {
  const json: Record<string, Json> = {};
  for (const [name, value] of Object.entries(archive.settings)) if (HARMLESS.has(name)) json[name] = value;
  json["Account.archiveHasPassword"] = String(hasPassword);
  json[OWN.accountKey] = base64(await keyPem(archive.accountKey));
  if (archive.caKey) json[OWN.caKey] = base64(await keyPem(archive.caKey));
  json[OWN.certificate] = base64(utf8(chainPem(archive.chain)));
  json[OWN.ethKey] = base64(archive.ethKey);
  if (archive.crl) json[OWN.crl] = base64(archive.crl);
  for (const part of ["contacts", "conversations", "requests"] as const) {
    if (Object.keys(archive[part]).length) json[OWN[part]] = archive[part];
  }
  return utf8(formatJsoncpp(json));
}

/** Wipes the keys of an archive. */
export function disposeArchive(archive: Archive): void {
  archive.accountKey.dispose();
  archive.caKey?.dispose();
  wipe(archive.ethKey);
}

/** Account id of an archive's key. */
export const archiveAccount = (archive: Archive) => accountId(archive.accountKey.publicKey.shortId);

function parseObject(json: Uint8Array): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(readText(json) ?? "");
    if (typeof value === "object" && value !== null && !Array.isArray(value)) {
      return value as Record<string, unknown>;
    }
  } catch { /* SyntaxError quotes the text, which may be a key: only the fact goes on */ }
  throw refused("syntax");
}

function secret(object: Record<string, unknown>, name: string): Uint8Array | undefined {
  const value = object[name];
  if (typeof value !== "string" || !value) return undefined;
  try {
    return Uint8Array.fromBase64(value);
  } catch {
    throw refused("syntax");
  }
}

async function readKey(pem: Uint8Array): Promise<PrivateKey> {
  try {
    return await importPrivateKey(pem);
  } catch (error) {
    if (isError(error, "crypto/") || isError(error, "codec/")) throw refused("account-key");
    throw error;
  } finally {
    wipe(pem);
  }
}

const keyPem = async (key: PrivateKey): Promise<Uint8Array> => utf8((await key.exportPem()).reveal());

function base64(bytes: Uint8Array): string {
  return bytes.toBase64();
}

/** Whether the chain must be made anew, which takes the authority's key. @throws {CoreError} `identity/chain` when it cannot. */
async function isOutdated(chain: readonly Certificate[], wall: number, renewable: boolean): Promise<boolean> {
  try {
    await verifyAuthorities(chain, { wall });
    return false;
  } catch (error) {
    const why = isError(error, "identity/chain") ? error.data.why : undefined;
    if (renewable && (why === "expired" || why === "not-authority")) return true;
    throw error;
  }
}

/** A list another account signed is left out: it has no say. */
async function ownCrl(der: Uint8Array | undefined, account: Certificate): Promise<Uint8Array | undefined> {
  if (!der) return undefined;
  try {
    return (await verifyCrl(der, account)).der;
  } catch (error) {
    if (isError(error, "identity/crl")) return undefined;
    throw error;
  }
}

/** Members whose name is an id and whose value is an object; the rest is skipped. */
function records(value: unknown, id: RegExp): Records {
  const found: Record<string, JsonObject> = {};
  if (typeof value !== "object" || value === null || Array.isArray(value)) return found;
  const entries = Object.entries(value);
  if (entries.length > LIMITS.archiveEntries) throw refused("size");
  for (const [name, record] of entries) {
    if (id.test(name) && typeof record === "object" && record !== null && !Array.isArray(record)) {
      found[name] = record as JsonObject;
    }
  }
  return found;
}

const refused = (why: string) => new CoreError("identity/archive", { why });
