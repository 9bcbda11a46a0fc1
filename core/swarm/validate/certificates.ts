/** Certificates inside a conversation's tree: whose they are, proven by signatures and not by names. Spec: swarm §3.2 (c–h). */
import { type AccountId, CoreError, type DeviceId, text } from "../../base/mod.ts";
import { type Certificate, decodeChain, isSignedBy } from "../../identity/mod.ts";
import type { ObjectId } from "../git/objects.ts";
import type { Files, Objects } from "../repo/tree.ts";

/** A commit is refused; `why` names the rule it broke. */
export function invalid(why: string, data: Record<string, unknown> = {}): never {
  throw new CoreError("swarm/invalid-commit", { why, ...data });
}

/** Who stands behind a device, and until when the certificates are good (ms since 1970). */
export interface Owner {
  readonly account: AccountId;
  readonly device: Certificate;
  readonly notAfter: number;
}

/** Reads and checks certificates, each pair once. */
export class Certificates {
  #parsed = new Map<ObjectId, readonly Certificate[]>();
  #signed = new Map<string, boolean>();

  constructor(readonly objects: Objects) {}

  /** The certificates of a file, leaf first. */
  async read(blob: ObjectId): Promise<readonly Certificate[]> {
    const known = this.#parsed.get(blob);
    if (known) return known;
    const object = await this.objects.get(blob);
    if (object?.type !== "blob") return invalid("missing-blob", { blob });
    if (!text(object.body)?.trimStart().startsWith("-----BEGIN CERTIFICATE-----")) {
      invalid("certificate-not-pem");
    }
    let chain: readonly Certificate[];
    try {
      chain = decodeChain(object.body);
    } catch (error) {
      if (!(error instanceof CoreError)) throw error;
      return invalid("certificate-unreadable", { code: error.code });
    }
    this.#parsed.set(blob, chain);
    if (this.#parsed.size > 2048) this.#parsed.delete(this.#parsed.keys().next().value!);
    return chain;
  }

  /** The account certificate in a member's file: its key is the account, and the chain above it holds. */
  async account(blob: ObjectId, account: AccountId): Promise<Certificate> {
    const chain = await this.read(blob);
    if (chain[0]!.id !== account) invalid("account-certificate-of-another");
    for (let i = 0; i + 1 < chain.length; i++) {
      if (!await this.#isSigned(`${blob}:${i}`, chain[i]!, chain[i + 1]!)) invalid("account-chain-signature");
    }
    return chain[0]!;
  }

  /**
   * Proves that `device` (a certificate among `devices`) belongs to a member or admin of `members`: file name is key
   * id, and that member's key signed it.
   */
  async owner(device: DeviceId, devices: Files, members: Files): Promise<Owner> {
    const blob = devices.get(`devices/${device}.crt`) ?? invalid("device-unknown", { device });
    const chain = await this.read(blob), leaf = chain[0]!;
    if (chain.length !== 1) invalid("device-file-holds-a-chain");
    if (leaf.longId !== device) invalid("device-name-is-not-its-key");
    const named = leaf.issuer.userId?.toLowerCase();
    const accounts = named && /^[0-9a-f]{40}$/.test(named) ? [named] : memberAccounts(members);
    for (const account of accounts as AccountId[]) {
      const file = memberFile(account, members);
      if (!file) continue;
      const certificate = await this.account(file, account);
      if (!certificate.isAuthority) invalid("account-is-no-authority");
      if (await this.#isSigned(`${blob}<${file}`, leaf, certificate)) {
        return { account, device: leaf, notAfter: Math.min(leaf.notAfter, certificate.notAfter) };
      }
    }
    return invalid("device-of-no-member", { device });
  }

  async #isSigned(key: string, certificate: Certificate, issuer: Certificate): Promise<boolean> {
    const known = this.#signed.get(key);
    if (known !== undefined) return known;
    const good = await isSignedBy(certificate, issuer);
    this.#signed.set(key, good);
    if (this.#signed.size > 4096) this.#signed.delete(this.#signed.keys().next().value!);
    return good;
  }
}

/** Blob of a joined member's or admin's certificate. */
export const memberFile = (account: string, files: Files): ObjectId | undefined =>
  files.get(`admins/${account}.crt`) ?? files.get(`members/${account}.crt`);

export const isAdmin = (account: string, files: Files): boolean => files.has(`admins/${account}.crt`);

/** Joined accounts, admins included. */
export function memberAccounts(files: Files): AccountId[] {
  const found = new Set<string>();
  for (const path of files.keys()) {
    const match = /^(?:admins|members)\/([0-9a-f]{40})\.crt$/.exec(path);
    if (match) found.add(match[1]!);
  }
  return [...found] as AccountId[];
}

/** Banned in any of the ways an account can be. */
export const isBanned = (account: string, files: Files): boolean =>
  files.has(`banned/members/${account}.crt`) || files.has(`banned/admins/${account}.crt`) ||
  files.has(`banned/invited/${account}`);
