/** The devices of an account, as its own signatures say: announcements, certificates, revocations. Spec: account §1.3, §1.5, §4.1. */
import { type AccountId, CoreError, type DeviceId, type InfoHash, isError } from "../base/mod.ts";
import { bytesLike, decode } from "../codec/mod.ts";
import type { DeviceRef, SecureDht } from "../dht/mod.ts";
import {
  decodeAnnouncement,
  decodeCertificate,
  type RevocationList,
  type VerifiedChain,
  verifyChain,
  verifyCrl,
} from "../identity/mod.ts";
import { LIMITS } from "./limits.ts";

/** What it asks: the secure DHT, or whoever stands in for it. */
export type DirectoryDht = Pick<SecureDht, "get" | "findCertificate">;

/** Finds devices and judges who they belong to. Nothing is taken from a chain that was not verified. */
export class DeviceDirectory {
  readonly #crls = new Map<AccountId, Map<string, RevocationList>>();

  /** @param wall milliseconds since 1970. */
  constructor(readonly dht: DirectoryDht, readonly wall: () => number) {}

  /** Every device that `account` announces now, as it is found; revoked and forged ones are left out. */
  async *devices(account: AccountId, signal?: AbortSignal): AsyncGenerator<VerifiedChain> {
    const devices = new Map<InfoHash, DeviceRef>(), lists: Uint8Array[] = [];
    for await (const { value, sender, encrypted } of this.dht.get(account, signal && { signal })) {
      if (encrypted || value.type !== 0) continue;
      if (!sender) lists.push(value.data.slice());
      else if (sender.shortId === (account as InfoHash) && devices.size < LIMITS.devices) {
        const announced = announcementOf(value.data);
        if (announced) {
          devices.set(announced.legacyDevice, {
            shortId: announced.legacyDevice,
            ...(announced.deviceKey && { longId: announced.deviceKey.longId }),
          });
        }
      }
    }
    const waiting = [...devices.values()];
    while (waiting.length) {
      const found = await Promise.all(
        waiting.splice(0, LIMITS.lookups).map((device) =>
          this.device(device, { account, lists, ...(signal && { signal }) })
        ),
      );
      for (const chain of found) if (chain) yield chain;
    }
  }

  /**
   * One device with its verified chain; `undefined` if its certificate is not found, does not hold, is revoked, or
   * belongs to another account than the one expected.
   */
  async device(
    device: DeviceRef,
    expected: { account?: AccountId; lists?: readonly Uint8Array[]; signal?: AbortSignal } = {},
  ): Promise<VerifiedChain | undefined> {
    const published = await this.dht.findCertificate(device, expected.signal);
    if (!published) return undefined;
    try {
      const chain = published.chain.map((der) => decodeCertificate(der)), issuer = chain[1];
      if (!issuer) throw new CoreError("identity/chain", { why: "length", at: 1 });
      const account = issuer.id as AccountId,
        known = this.#crls.get(account) ?? new Map<string, RevocationList>();
      for (const packed of expected.lists ?? []) {
        const der = crlBytes(packed), name = der?.toHex();
        if (!der || !name || known.has(name)) continue;
        const list = await verifyCrl(der, issuer).catch(() => undefined);
        if (list) known.set(name, list);
      }
      if (known.size) this.#crls.set(account, known);
      const verified = await verifyChain(chain, { wall: this.wall(), crls: [...known.values()] });
      return expected.account !== undefined && verified.account !== expected.account ? undefined : verified;
    } catch (error) {
      if (isError(error, "identity/")) return undefined;
      throw error;
    }
  }

  /** The account behind a device that signed something, its chain verified. */
  async accountOf(
    device: { longId: DeviceId; shortId: InfoHash },
    signal?: AbortSignal,
  ): Promise<VerifiedChain | undefined> {
    const chain = await this.device(device, signal && { signal });
    return chain?.device === device.longId ? chain : undefined;
  }
}

function announcementOf(data: Uint8Array) {
  try {
    return decodeAnnouncement(data);
  } catch (error) {
    if (isError(error, "identity/announcement")) return undefined;
    throw error;
  }
}

function crlBytes(data: Uint8Array): Uint8Array | undefined {
  try {
    const der = bytesLike(decode(data));
    return der?.[0] === 0x30 ? der.slice() : undefined;
  } catch (error) {
    if (isError(error, "codec/")) return undefined;
    throw error;
  }
}
