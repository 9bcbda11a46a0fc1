/** The value by which one device asks another for a path, and where it is put. Spec: connection §1.2, §1.3. */
import { CoreError, type DeviceId, type InfoHash, type Random } from "../base/mod.ts";
import { decode, Writer } from "../codec/mod.ts";
import { sha1 } from "../crypto/mod.ts";
import { LIMITS } from "./limits.ts";

/** User type of the value; others under these keys are not ours. */
export const REQUEST_USER_TYPE = "peer_request";

/** Which id of the target the key is made of: nodes of 2023 know the short one, nodes of 2026 the long one. */
export type KeyForm = "long" | "short";
/** Both ids of one device key. */
export interface DeviceIds {
  readonly longId: DeviceId | string;
  readonly shortId: InfoHash | string;
}

export interface PeerRequest {
  /** Chosen by who asks; the answer carries the same. */
  readonly id: bigint;
  /** As `formatIceText` writes it. */
  readonly ice: string;
  readonly isAnswer: boolean;
  /** Why, for push servers; empty in answers. */
  readonly connType: string;
}

/** DHT key, 40 hex digits, under which a device listens for requests and answers. */
export function peerKey(device: DeviceIds, form: KeyForm): string {
  return sha1(`peer:${form === "long" ? device.longId : device.shortId}`).toHex();
}

/** The body, key for key in the order everybody writes. */
export function encodeRequest({ id, ice, isAnswer, connType }: PeerRequest): Uint8Array {
  const writer = new Writer().map(4).str("id").uint(id).str("ice_msg").str(ice);
  return writer.str("isAnswer").bool(isAnswer).str("connType").str(connType).finish();
}

/**
 * Reads a body: any order of keys, unknown ones ignored, missing ones empty.
 * @throws {CoreError} `peers/request` with `why`; `codec/msgpack-…`.
 */
export function decodeRequest(data: Uint8Array): PeerRequest {
  const bad = (why: string) => new CoreError("peers/request", { why });
  if (data.length > LIMITS.requestBytes) throw bad("size");
  const body = decode(data, { depth: 4, length: LIMITS.requestBytes });
  if (!(body instanceof Map)) throw bad("shape");
  const id = body.get("id"), ice = body.get("ice_msg") ?? "", isAnswer = body.get("isAnswer") ?? false;
  const connType = body.get("connType") ?? "";
  if ((typeof id !== "number" && typeof id !== "bigint") || id < 1 || id > LIMITS.idMost) throw bad("id");
  if (typeof id === "number" && !Number.isInteger(id)) throw bad("id");
  if (typeof ice !== "string") throw bad("ice");
  if (typeof isAnswer !== "boolean") throw bad("isAnswer");
  if (typeof connType !== "string" || connType.length > LIMITS.connTypeLength) throw bad("connType");
  return { id: BigInt(id), ice, isAnswer, connType };
}

/** A fresh id, uniform in 1 … 2⁵³. */
export function newRequestId(random: Random): bigint {
  const bytes = random.bytes(8), high = BigInt(bytes[0]! & 0x1f);
  return bytes.subarray(1, 7).reduce((sum, byte) => sum * 256n + BigInt(byte), high) + 1n;
}
