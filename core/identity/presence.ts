/**
 * Who of the accounts we follow is there, and through which devices: what was heard on the DHT, what is connected,
 * and when the last sign of life was. Pure. Spec: account §1.6, §9.
 */
import { type AccountId, type DeviceId, type InfoHash, isError } from "../base/mod.ts";
import { bytesLike, decode } from "../codec/mod.ts";
import { sha1 } from "../crypto/mod.ts";
import { decodeAnnouncement, type DeviceAnnouncement } from "./announcement.ts";
import { LIMITS } from "./limits.ts";

/**
 * `connected`: a channel to one of its devices is open. `seen`: an announcement of it lives on the DHT; a device that
 * ended without a word stays so for up to ten minutes. `away`: neither.
 */
export type PresenceState = "connected" | "seen" | "away";

export interface PresenceReport {
  readonly type: "presence";
  readonly account: AccountId;
  readonly state: PresenceState;
  /** Devices announced or connected, sorted; a device from before mid-2021 announces too little to be named. */
  readonly devices: readonly DeviceId[];
  /** Milliseconds since 1970 of the last sign of life; absent if there never was one. */
  readonly lastSeen: number | undefined;
}

/** A value at an account's key; `sender` is whose signature was verified, absent for plain values. */
export interface HeardValue {
  readonly id: bigint;
  readonly type: number;
  readonly data: Uint8Array;
  readonly sender: InfoHash | undefined;
  readonly encrypted: boolean;
}

/** `wall`: milliseconds since 1970. */
type HeardInput = {
  readonly type: "value" | "expired";
  readonly account: AccountId;
  readonly value: HeardValue;
  readonly wall: number;
};
type ChannelInput = {
  readonly type: "connected" | "disconnected";
  readonly account: AccountId;
  readonly device: DeviceId;
  readonly wall: number;
};
/** `lost`: nobody listens at the account's key any more, so what was announced is not known until it is heard again. */
export type PresenceIn =
  | { readonly type: "follow" | "unfollow" | "lost"; readonly account: AccountId }
  | HeardInput
  | ChannelInput;

export type PresenceOut =
  | PresenceReport
  /** A device of the account announced itself for the first time since we follow. */
  | { readonly type: "device"; readonly account: AccountId; readonly device: DeviceId }
  /** Something that may be the account's revocation list; who has the certificate must verify it. */
  | { readonly type: "crl"; readonly account: AccountId; readonly der: Uint8Array }
  | {
    readonly type: "drop";
    readonly account: AccountId;
    readonly why: "flood" | "junk" | "stranger" | "full";
  };

/** `ids`: live announcements, several for ten minutes after the device's restart. Spec: account §1.3. */
type Announced = { readonly device: DeviceId | undefined; readonly ids: Set<bigint> };
type Followed = {
  readonly announced: Map<InfoHash, Announced>;
  readonly connected: Map<DeviceId, number>;
  readonly named: Set<DeviceId>;
  readonly crls: Set<string>;
  lastSeen: number | undefined;
  told: string;
  minute: number;
  heard: number;
};

const USER_DATA = 0, MINUTE_MS = 60_000;

export class Presence {
  readonly wakeAt = Infinity;
  readonly #followed = new Map<AccountId, Followed>();

  /** What is known of an account we follow. */
  of(account: AccountId): PresenceReport | undefined {
    const followed = this.#followed.get(account);
    return followed && report(account, followed);
  }

  /** The SHA-1 id of a device that `account` announces: under it devices of 2023 are found. */
  legacyDevice(account: AccountId, device: DeviceId): InfoHash | undefined {
    for (const [legacy, announced] of this.#followed.get(account)?.announced ?? []) {
      if (announced.device === device) return legacy;
    }
    return undefined;
  }

  step(now: number, input: PresenceIn): PresenceOut[] {
    if (input.type === "follow") return this.#follow(input.account);
    if (input.type === "unfollow") return this.#followed.delete(input.account), [];
    const followed = this.#followed.get(input.account);
    if (!followed) return [];
    const outs: PresenceOut[] = [];
    if ("device" in input) connect(followed, input);
    else if (input.type === "lost") followed.announced.clear();
    else if (input.type === "value") outs.push(...hear(now, followed, input));
    else if (input.type === "expired") expire(followed, input.value);
    const next = report(input.account, followed), told = next.state + next.devices.join();
    if (told !== followed.told) followed.told = told, outs.push(next);
    return outs;
  }

  #follow(account: AccountId): PresenceOut[] {
    if (this.#followed.has(account)) return [];
    const followed: Followed = {
      announced: new Map(),
      connected: new Map(),
      named: new Set(),
      crls: new Set(),
      lastSeen: undefined,
      told: "away",
      minute: -Infinity,
      heard: 0,
    };
    this.#followed.set(account, followed);
    return [report(account, followed)];
  }
}

function hear(now: number, followed: Followed, { account, value, wall }: HeardInput): PresenceOut[] {
  const drop = (
    why: "flood" | "junk" | "stranger" | "full",
  ): PresenceOut[] => [{ type: "drop", account, why }];
  if (now - followed.minute >= MINUTE_MS) followed.minute = now, followed.heard = 0;
  if (++followed.heard > LIMITS.announcementsPerMinute) return drop("flood");
  if (value.type !== USER_DATA || value.encrypted) return drop("junk");
  if (!value.sender) return hearList(account, followed, value);
  if (value.sender !== account as InfoHash) return drop("stranger");
  let announcement: DeviceAnnouncement;
  try {
    announcement = decodeAnnouncement(value.data);
  } catch (error) {
    if (isError(error, "identity/announcement")) return drop("junk");
    throw error;
  }
  const { legacyDevice } = announcement, device = announcement.deviceKey?.longId;
  let known = followed.announced.get(legacyDevice);
  if (!known) {
    if (followed.announced.size >= LIMITS.devicesPerAccount) return drop("full");
    followed.announced.set(legacyDevice, known = { device, ids: new Set() });
  }
  if (known.ids.size < LIMITS.announcementsPerMinute) known.ids.add(value.id);
  followed.lastSeen = wall;
  if (!device || followed.named.has(device) || followed.named.size >= LIMITS.devicesPerAccount) return [];
  followed.named.add(device);
  return [{ type: "device", account, device }];
}

/** A plain value may be a revocation list: a msgpack bin around DER. Anybody can put one, so each counts once. */
function hearList(account: AccountId, followed: Followed, { data }: HeardValue): PresenceOut[] {
  const junk: PresenceOut[] = [{ type: "drop", account, why: "junk" }];
  if (data.length > LIMITS.crlBytes) return junk;
  let der: Uint8Array | undefined;
  try {
    der = bytesLike(decode(data));
  } catch (error) {
    if (isError(error, "codec/")) return junk;
    throw error;
  }
  if (der?.[0] !== 0x30) return junk;
  const name = sha1(der).toHex();
  if (followed.crls.has(name)) return [];
  if (followed.crls.size >= LIMITS.crlsPerAccount) return [{ type: "drop", account, why: "full" }];
  followed.crls.add(name);
  return [{ type: "crl", account, der: der.slice() }];
}

function expire(followed: Followed, { id }: HeardValue): void {
  for (const [device, { ids }] of followed.announced) {
    if (ids.delete(id) && ids.size === 0) followed.announced.delete(device);
  }
}

function connect(followed: Followed, { type, device, wall }: ChannelInput): void {
  const channels = (followed.connected.get(device) ?? 0) + (type === "connected" ? 1 : -1);
  if (channels > 0) followed.connected.set(device, channels);
  else followed.connected.delete(device);
  followed.lastSeen = wall; // also the end of a channel shows that it was there until now
}

function report(account: AccountId, { announced, connected, lastSeen }: Followed): PresenceReport {
  const named = [...announced.values()].flatMap(({ device }) => device ?? []);
  const devices = [...new Set([...named, ...connected.keys()])].sort();
  const state = connected.size ? "connected" : announced.size ? "seen" : "away";
  return { type: "presence", account, state, devices, lastSeen };
}
