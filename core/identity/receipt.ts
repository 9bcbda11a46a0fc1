/** The receipt: one line of JSON, signed by the account, that makes a device one of its own. Spec: account §1.4. */
import {
  type AccountId,
  accountId,
  CoreError,
  type InfoHash,
  infoHash,
  text as readText,
  utf8,
} from "../base/mod.ts";
import { type PrivateKey, verifySignature } from "../crypto/mod.ts";
import { signAnnouncement, type SignedAnnouncement, verifyAnnouncement } from "./announcement.ts";
import type { Certificate } from "./certificate.ts";
import { type ChainOptions, type VerifiedChain, verifyChain } from "./chain.ts";
import { LIMITS } from "./limits.ts";

/** The exact text and the signature over its bytes; never written anew. */
export interface Receipt {
  readonly text: string;
  readonly signature: Uint8Array;
}

/** What a receipt says, read but not yet believed. */
export interface ReceiptFields {
  readonly account: AccountId;
  readonly legacyDevice: InfoHash;
  /** 40 hex digits; empty where an organisation issued the receipt without one. */
  readonly eth: string;
  /** Packed announcement value. */
  readonly announcement: Uint8Array;
}

/** Makes the receipt of a device: announcement signed, text put together, text signed. */
export async function makeReceipt(
  accountKey: PrivateKey,
  device: Certificate,
  eth: string,
): Promise<Receipt> {
  const announcement = await signAnnouncement(accountKey, device.publicKey);
  const fields = { account: accountKey.publicKey.shortId, legacyDevice: device.id, eth, announcement };
  const text = formatReceipt(fields);
  return { text, signature: await accountKey.sign(utf8(text)) };
}

/** Fixed order, no spaces, nothing escaped. */
export const formatReceipt = ({ account, legacyDevice, eth, announcement }: ReceiptFields): string =>
  `{"id":"${account}","dev":"${legacyDevice}","eth":"${eth}","announce":"${announcement.toBase64()}"}`;

/** @throws {CoreError} `identity/receipt` with `why`: `size`, `syntax`, `fields`. */
export function parseReceipt(receipt: string): ReceiptFields {
  if (receipt.length > LIMITS.receiptBytes) throw refused("size");
  let json: unknown;
  try {
    json = JSON.parse(receipt);
  } catch {
    throw refused("syntax");
  }
  if (typeof json !== "object" || json === null || Array.isArray(json)) throw refused("syntax");
  const { id, dev, eth = "", announce } = json as Record<string, unknown>;
  const keys = receipt.match(/"(?:id|dev|eth|announce)"\s*:/g) ?? [];
  if (new Set(keys.map((key) => key.replace(/\s/g, ""))).size !== keys.length) throw refused("fields"); // twice
  if (typeof id !== "string" || typeof dev !== "string" || typeof eth !== "string") throw refused("fields");
  if (typeof announce !== "string" || !/^([0-9a-f]{40})?$/i.test(eth)) throw refused("fields");
  try {
    const announcement = Uint8Array.fromBase64(announce, { lastChunkHandling: "strict" });
    return { account: accountId(id), legacyDevice: infoHash(dev), eth: eth.toLowerCase(), announcement };
  } catch {
    throw refused("fields");
  }
}

/** A device identity that holds together. */
export interface VerifiedIdentity extends VerifiedChain {
  readonly eth: string;
  readonly announcement: SignedAnnouncement;
}

/**
 * All checks made when an identity is loaded, in the order of account §1.4; any failure refuses it.
 * @throws {CoreError} `identity/chain`, `identity/receipt` with `why`: `signature`, `device`, `account`, `announcement`.
 */
export async function verifyReceipt(
  receipt: Receipt,
  chain: readonly Certificate[],
  options: ChainOptions,
): Promise<VerifiedIdentity> {
  const verified = await verifyChain(chain, options);
  const account = chain[1]!;
  if (receipt.text.length > LIMITS.receiptBytes) throw refused("size");
  if (!await verifySignature(account.publicKey.der, utf8(receipt.text), receipt.signature)) {
    throw refused("signature");
  }
  const fields = parseReceipt(receipt.text);
  if (fields.legacyDevice !== verified.legacyDevice) throw refused("device");
  if (fields.account !== verified.account) throw refused("account");
  const announcement = await verifyAnnouncement(fields.announcement).catch(() => undefined);
  if (announcement?.owner.longId !== account.longId || announcement.deviceKey?.longId !== verified.device) {
    throw refused("announcement");
  }
  return { ...verified, eth: fields.eth, announcement };
}

/** Text of receipt bytes, which must be UTF-8. @throws {CoreError} `identity/receipt`. */
export function receiptText(bytes: Uint8Array): string {
  const decoded = readText(bytes);
  if (decoded === undefined) throw refused("syntax");
  return decoded;
}

const refused = (why: string) => new CoreError("identity/receipt", { why });
