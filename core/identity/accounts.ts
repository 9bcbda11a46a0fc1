/**
 * The accounts of one home: made, brought along, handed out, locked anew, deleted. Each change is one transaction,
 * so that whatever ends the process leaves the old state or the new one. Spec: account §2.3.
 */
import { type Clock, CoreError, type Random } from "../base/mod.ts";
import {
  generateRsaKey,
  importPrivateKey,
  PASSWORD_SALT_BYTES,
  type PrivateKey,
  stretchPassword,
  wipe,
} from "../crypto/mod.ts";
import type { Home } from "../storage/mod.ts";
import { type AccountChange, type AccountRecord, AccountTable } from "./account_table.ts";
import {
  type Archive,
  archiveAccount,
  type Belongings,
  disposeArchive,
  formatArchive,
  noBelongings,
  parseArchive,
} from "./archive.ts";
import { checkPassword, type Lock, packArchive, type Seal, UNLOCKED, unpackArchive } from "./archive_io.ts";
import { makeAuthorities, makeDevice } from "./authority.ts";
import { type Certificate, chainPem, decodeChain } from "./certificate.ts";
import { buildCrl, decodeCrl, type RevocationList, verifyCrl } from "./crl.ts";
import { ethAddress, makeEthKey } from "./eth.ts";
import { LIMITS, RSA_BITS } from "./limits.ts";
import { makeReceipt, type Receipt, type VerifiedIdentity, verifyReceipt } from "./receipt.ts";

/** What keeps a person informed meanwhile; `of` keys take one to three seconds each. */
export type Progress =
  | { readonly step: "keys"; readonly done: number; readonly of: number }
  | { readonly step: "unlocking" | "signing" | "storing" };

export interface NewDevice {
  /** What contacts see; at most `IDENTITY_LIMITS.nameLength` characters. */
  readonly displayName?: string;
  /** What own devices see, usually the host name. */
  readonly deviceName: string;
  readonly onProgress?: (progress: Progress) => void;
  /** Aborted before storing, nothing is left behind. */
  readonly signal?: AbortSignal;
}

/** A loaded account: everything checked, the device key ready. */
export interface Account extends AccountRecord {
  readonly deviceKey: PrivateKey;
  /** Device, account, authority. */
  readonly chain: readonly Certificate[];
  readonly receipt: Receipt;
  readonly identity: VerifiedIdentity;
  readonly crls: readonly RevocationList[];
}

export class Accounts {
  readonly #table: AccountTable;

  private constructor(home: Home, readonly env: { readonly clock: Clock; readonly random: Random }) {
    this.#table = new AccountTable(home);
  }

  /** @throws {CoreError} `storage/newer-home`, `storage/no-home` (read-only), `storage/damaged`. */
  static open(home: Home, env: { readonly clock: Clock; readonly random: Random }): Accounts {
    return new Accounts(home, env);
  }

  /** In the order they were made. */
  list(): AccountRecord[] {
    return this.#table.list();
  }

  /** The account meant by a local id, a Jami id, a registered or a display name. @throws {CoreError} `identity/unknown-account`, `identity/ambiguous-account`. */
  find(word: string): AccountRecord {
    const lower = word.toLowerCase().replace(/^jami:\/*/, ""), all = this.list();
    const exact = all.find((a) => a.id === lower || a.jamiId === lower || a.registeredName === lower);
    const named = all.filter((a) => a.displayName === word);
    if (!exact && named.length > 1) {
      throw new CoreError("identity/ambiguous-account", { count: named.length });
    }
    const found = exact ?? named[0];
    if (!found) throw new CoreError("identity/unknown-account", { id: word.slice(0, 64) });
    return found;
  }

  /**
   * Makes an account: authority, account and device, each RSA-4096, made side by side off the event loop.
   * @param password protects the archive; empty: none.
   * @throws {CoreError} `identity/name-size`, `identity/password-size`, `identity/too-many-accounts`, `storage/disk-full`.
   */
  async create(device: NewDevice, password = ""): Promise<AccountRecord> {
    this.#checkNew(device), checkPassword(password);
    const sealing = this.#newSeal(password); // beside the keys: both take their time
    sealing.catch(() => {}); // awaited below
    const [caKey, accountKey, deviceKey] = await this.#keys(3, device) as [
      PrivateKey,
      PrivateKey,
      PrivateKey,
    ];
    device.onProgress?.({ step: "signing" });
    const chain = await makeAuthorities(caKey, accountKey, this.env);
    const archive: Archive = {
      ...noBelongings,
      accountKey,
      caKey,
      chain,
      outdated: false,
      ethKey: makeEthKey(this.env.random),
      crl: undefined,
      settings: { "Account.displayName": device.displayName ?? "" },
      ignored: [],
    };
    const seal = await sealing;
    try {
      return await this.#store(archive, deviceKey, device, seal);
    } finally {
      disposeArchive(archive);
      wipe(seal?.key);
    }
  }

  /**
   * Makes this home a new device of the account in an archive file, kept under the same password.
   * @throws {CoreError} as `unpackArchive` and `parseArchive`; `identity/account-exists`, `identity/too-many-accounts`.
   */
  async import(file: Uint8Array, device: NewDevice, lock: Lock = UNLOCKED): Promise<AccountRecord> {
    this.#checkNew(device);
    device.onProgress?.({ step: "unlocking" });
    const { json, seal } = await unpackArchive(file, lock);
    let archive: Archive | undefined;
    try {
      archive = await this.#parse(json);
      this.#checkUnknown(archive);
      const [deviceKey] = await this.#keys(1, device);
      device.onProgress?.({ step: "signing" });
      return await this.#store(archive, deviceKey!, device, seal);
    } finally {
      wipe(json, seal?.key);
      if (archive) disposeArchive(archive);
    }
  }

  /**
   * The archive as a file to keep, with what the account owns now; the stored one is renewed too.
   * @param belongings contacts and conversations of the other rooms; default: those the archive came with.
   * @throws {CoreError} `identity/unknown-account`; as `unpackArchive` for a wrong password.
   */
  async export(id: string, lock: Lock = UNLOCKED, belongings?: Belongings): Promise<Uint8Array> {
    const { displayName } = this.#table.record(id);
    return await this.withArchive(id, lock, async (archive, seal) => {
      const settings = { ...archive.settings, "Account.displayName": displayName };
      const file = await this.#pack({ ...archive, ...belongings, settings }, seal);
      this.#table.update(id, { archive: file });
      return file;
    });
  }

  /** Locks the archive anew; an empty `password` takes the lock away. The salt is fresh. @throws as {@linkcode export}. */
  async changePassword(id: string, old: Lock, password: string): Promise<void> {
    checkPassword(password);
    await this.withArchive(id, old, async (archive) => {
      const seal = await this.#newSeal(password);
      try {
        const file = await this.#pack(archive, seal);
        this.#table.update(id, { archive: file, hasPassword: seal !== undefined });
      } finally {
        wipe(seal?.key);
      }
    });
  }

  /**
   * Revokes a device: its certificate goes onto the account's list, which is signed, stored and returned for
   * publication. Spec: account §3.3. @throws {CoreError} `identity/foreign-device`; as {@linkcode export}.
   */
  async revoke(id: string, device: Certificate, lock: Lock = UNLOCKED): Promise<Uint8Array> {
    return await this.withArchive(id, lock, async (archive, seal) => {
      const issuer = archive.chain[0]!, wall = this.env.clock.wall();
      if (device.issuerDer.toHex() !== issuer.subjectDer.toHex()) {
        throw new CoreError("identity/foreign-device");
      }
      const previous = archive.crl && await verifyCrl(archive.crl, issuer);
      const wish = {
        issuer,
        ...(previous && { previous }),
        serial: device.serial,
        wall,
        random: this.env.random.bytes(8),
      };
      const crl = await buildCrl(wish, archive.accountKey);
      const file = await this.#pack({ ...archive, crl }, seal);
      this.#table.update(id, { archive: file, crl });
      return crl;
    });
  }

  /** Opens the archive for `work` and wipes it afterwards. @throws as `unpackArchive`. */
  async withArchive<T>(
    id: string,
    lock: Lock,
    work: (archive: Archive, seal: Seal | undefined) => Promise<T>,
  ): Promise<T> {
    const { json, seal } = await unpackArchive(this.#table.secrets(id).archive, lock);
    let archive: Archive | undefined;
    try {
      archive = await this.#parse(json);
      return await work(archive, seal);
    } finally {
      wipe(json, seal?.key);
      if (archive) disposeArchive(archive);
    }
  }

  /**
   * Everything the account needs to go on line, checked as in account §1.4.
   * @throws {CoreError} `identity/unknown-account`, `identity/chain`, `identity/receipt`.
   */
  async load(id: string): Promise<Account> {
    const record = this.#table.record(id), secrets = this.#table.secrets(id);
    const chain = decodeChain(secrets.chain), deviceKey = await importPrivateKey(secrets.deviceKey);
    wipe(secrets.deviceKey);
    const crls = secrets.crl ? [await verifyCrl(secrets.crl, chain[1]!)] : [];
    const identity = await verifyReceipt(secrets.receipt, chain, { wall: this.env.clock.wall(), crls });
    if (deviceKey.publicKey.longId !== identity.device) {
      throw new CoreError("identity/receipt", { why: "device-key" });
    }
    return { ...record, deviceKey, chain, receipt: secrets.receipt, identity, crls };
  }

  /**
   * Keeps a verified list of the account that is newer than the one we have: from the next {@linkcode load} on our
   * siblings' revocations count. Anything else changes nothing.
   */
  keepRevocations(id: string, list: RevocationList): void {
    const { crl, chain } = this.#table.secrets(id), issuer = decodeChain(chain)[1]!;
    if (list.issuerKey !== issuer.longId) return;
    if (crl && decodeCrl(crl).revoked.length >= list.revoked.length) return; // lists only grow
    this.#table.update(id, { crl: list.der });
  }

  /** Contacts and conversations that came with the archive this device was made from. */
  inherited(id: string): Belongings {
    return this.#table.inherited(id);
  }

  /** @throws {CoreError} `identity/name-size`, `identity/unknown-account`. */
  rename(id: string, change: Pick<AccountChange, "displayName" | "deviceName" | "registeredName">): void {
    checkName(change.displayName), checkName(change.deviceName), checkName(change.registeredName);
    this.#table.update(id, change);
  }

  /** Deletes the account from this home; without an archive elsewhere it is gone for ever. */
  remove(id: string): void {
    this.#table.remove(id);
  }

  async #store(
    archive: Archive,
    deviceKey: PrivateKey,
    device: NewDevice,
    seal: Seal | undefined,
  ): Promise<AccountRecord> {
    const [account] = archive.chain, { accountKey, ethKey, contacts, conversations, requests } = archive;
    const leaf = await makeDevice(deviceKey, accountKey, account!, this.env);
    const receipt = await makeReceipt(accountKey, leaf, ethAddress(ethKey) ?? "");
    const displayName = device.displayName || archive.settings["Account.displayName"] || "";
    const settings = { ...archive.settings, "Account.displayName": displayName };
    const file = await this.#pack({ ...archive, settings }, seal);
    device.signal?.throwIfAborted();
    device.onProgress?.({ step: "storing" });
    const record: AccountRecord = {
      id: this.env.random.bytes(8).toHex(),
      jamiId: archiveAccount(archive),
      deviceId: leaf.longId,
      displayName,
      deviceName: device.deviceName,
      registeredName: undefined,
      hasPassword: seal !== undefined,
      created: this.env.clock.wall(),
    };
    const pkcs8 = deviceKey.export().reveal();
    try {
      const secrets = {
        archive: file,
        deviceKey: pkcs8,
        chain: chainPem([leaf, ...archive.chain]),
        receipt,
        crl: archive.crl,
      };
      this.#table.insert(record, secrets, { contacts, conversations, requests });
    } finally {
      wipe(pkcs8);
      deviceKey.dispose();
    }
    return record;
  }

  async #keys(count: number, { onProgress, signal }: NewDevice): Promise<PrivateKey[]> {
    let done = 0;
    onProgress?.({ step: "keys", done, of: count });
    return await Promise.all(Array.from({ length: count }, async () => {
      const key = await generateRsaKey({ bits: RSA_BITS, ...(signal && { signal }) });
      onProgress?.({ step: "keys", done: ++done, of: count });
      return key;
    }));
  }

  /** Reads an archive; certificates that no longer hold are made anew for the same keys. */
  async #parse(json: Uint8Array): Promise<Archive> {
    const archive = await parseArchive(json, this.env.clock.wall());
    if (!archive.outdated) return archive;
    const chain = await makeAuthorities(archive.caKey!, archive.accountKey, this.env);
    return { ...archive, chain, outdated: false };
  }

  async #pack(archive: Archive, seal: Seal | undefined): Promise<Uint8Array> {
    const json = await formatArchive(archive, seal !== undefined);
    try {
      return await packArchive(json, seal ? { key: seal.key } : UNLOCKED, seal?.salt);
    } finally {
      wipe(json);
    }
  }

  /** A fresh lock: salt and stretched key; `undefined` for no password. */
  async #newSeal(password: string): Promise<Seal | undefined> {
    const salt = this.env.random.bytes(PASSWORD_SALT_BYTES);
    return password ? { key: await stretchPassword(password, salt), salt } : undefined;
  }

  #checkNew({ displayName, deviceName, signal }: NewDevice): void {
    signal?.throwIfAborted();
    checkName(displayName), checkName(deviceName);
    if (this.list().length >= LIMITS.accounts) {
      throw new CoreError("identity/too-many-accounts", { limit: LIMITS.accounts });
    }
  }

  /** Told before the person waits for a key. */
  #checkUnknown(archive: Archive): void {
    const jamiId = archiveAccount(archive), same = this.list().find((a) => a.jamiId === jamiId);
    if (same) throw new CoreError("identity/account-exists", { id: same.id, jamiId });
  }
}

function checkName(name: string | undefined): void {
  if (name === undefined) return;
  if (name.length > LIMITS.nameLength || /\p{Cc}/u.test(name) || !name.isWellFormed()) {
    throw new CoreError("identity/name-size", { length: name.length, limit: LIMITS.nameLength });
  }
}
