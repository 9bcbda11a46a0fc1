/** A device's announcement: the value, signed by the account, that says "this device is mine". Spec: account §1.3. */
import { DecodeError, type DeviceId, equal, hex, type InfoHash, infoHash } from "../base/mod.ts";
import { bytesLike, decode, encode, type MsgpackValue } from "../codec/mod.ts";
import { importPublicKey, type PrivateKey, type PublicKey, verifySignature } from "../crypto/mod.ts";
import { LIMITS } from "./limits.ts";

/** What the value's data says. */
export interface DeviceAnnouncement {
  /** SHA-1 id of the device key. */
  readonly legacyDevice: InfoHash;
  /** Absent in announcements from before mid-2021. */
  readonly deviceKey?: PublicKey;
}

const TYPE = 0; // user data
/** Priority "normal" of the push extension; outside the signature. */
const PRIORITY = 1;

/** The data field: `{dev, pk}`, 583 bytes for RSA-4096. */
export const encodeAnnouncement = (device: PublicKey): Uint8Array =>
  encode({ dev: Uint8Array.fromHex(device.shortId), pk: device.der });

/**
 * Reads the data field and checks that `dev` is the id of `pk`.
 * @throws {DecodeError} `identity/announcement`.
 */
export function decodeAnnouncement(data: Uint8Array): DeviceAnnouncement {
  const map = field(data), dev = map.get("dev"), pk = map.get("pk");
  if (!(dev instanceof Uint8Array) || dev.length !== 20) throw bad("dev");
  const legacyDevice = infoHash(hex(dev));
  if (pk === undefined) return { legacyDevice };
  const deviceKey = pk instanceof Uint8Array ? readKey(pk) : undefined;
  if (!deviceKey || deviceKey.shortId as string !== legacyDevice) throw bad("pk");
  return { legacyDevice, deviceKey };
}

/** The exact bytes the account signs: the body map in its canonical order. Spec: dht §2.2. */
export const announcementBody = (account: PublicKey, device: PublicKey): Uint8Array =>
  encode({ seq: 0, owner: account.der, type: TYPE, data: encodeAnnouncement(device) });

/** The packed value as it stands in the receipt: id 0, `p` = 1. */
export async function signAnnouncement(accountKey: PrivateKey, device: PublicKey): Promise<Uint8Array> {
  const account = accountKey.publicKey;
  const body = { seq: 0, owner: account.der, type: TYPE, data: encodeAnnouncement(device) };
  const sig = await accountKey.sign(announcementBody(account, device));
  return encode({ id: 0, dat: { body, sig }, p: PRIORITY });
}

/** A packed announcement whose signature was checked. */
export interface SignedAnnouncement extends DeviceAnnouncement {
  readonly owner: PublicKey;
  readonly data: Uint8Array;
  readonly seq: number;
  readonly signature: Uint8Array;
}

/**
 * Reads a packed value, with or without `p`, and verifies its signature over the canonical body.
 * @throws {DecodeError} `identity/announcement` with `what`: `size`, `shape`, `owner`, `dev`, `pk`, `signature`.
 */
export async function verifyAnnouncement(packed: Uint8Array): Promise<SignedAnnouncement> {
  if (packed.length > LIMITS.announcementBytes) throw bad("size");
  const dat = field(packed).get("dat");
  const body = dat instanceof Map ? dat.get("body") : undefined,
    sig = dat instanceof Map ? dat.get("sig") : undefined;
  if (!(body instanceof Map) || !(sig instanceof Uint8Array)) throw bad("shape");
  const ownerBytes = body.get("owner"), seq = body.get("seq"), data = bytesLike(body.get("data"));
  if (body.get("type") !== TYPE || typeof seq !== "number" || !data || body.has("to")) throw bad("shape");
  const owner = ownerBytes instanceof Uint8Array ? readKey(ownerBytes) : undefined;
  if (!owner) throw bad("owner");
  const utype = body.get("utype");
  if (utype !== undefined && typeof utype !== "string") throw bad("shape");
  const signed = encode({ seq, owner: owner.der, type: TYPE, data, utype });
  if (!await verifySignature(owner.der, signed, sig)) throw bad("signature");
  return { ...decodeAnnouncement(data), owner, data: data.slice(), seq, signature: sig.slice() };
}

/** True if both say the same of the same device. */
export const sameAnnouncement = (a: SignedAnnouncement, b: SignedAnnouncement): boolean =>
  a.owner.longId === b.owner.longId && equal(a.data, b.data);

/** The device a valid announcement speaks of, if it says enough to reach it. */
export const announcedDevice = (a: DeviceAnnouncement): DeviceId | undefined => a.deviceKey?.longId;

function field(bytes: Uint8Array): Map<unknown, MsgpackValue> {
  let value: MsgpackValue;
  try {
    value = decode(bytes, { depth: 5 });
  } catch (error) {
    throw new DecodeError("identity/announcement", { what: "shape" }, { cause: error });
  }
  if (!(value instanceof Map)) throw bad("shape");
  return value;
}

function readKey(der: Uint8Array): PublicKey | undefined {
  try {
    const key = importPublicKey(der);
    return equal(key.der, der) ? key : undefined; // a PEM would hash to another id than the bytes that came
  } catch {
    return undefined;
  }
}

const bad = (what: string) => new DecodeError("identity/announcement", { what });
