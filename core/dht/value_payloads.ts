/** What typed values carry in `data`. Pure. Spec: dht §2.5. */
import { DecodeError, type Endpoint, formatIp, parseIp } from "../base/mod.ts";
import { bytesLike, decode, encode, type MsgpackValue } from "../codec/mod.ts";

/** Type 1. */
export interface DhtMessage {
  readonly service: string;
  readonly data: Uint8Array;
}
/** Type 3: a text message over the DHT, as nodes of 2023 fall back to. */
export interface ImMessage {
  /** 64 bits. */
  readonly id: bigint;
  readonly text: string;
  /** Seconds since 1970. */
  readonly date: number;
  readonly status: number;
  /** `text/plain` … */
  readonly dataType: string;
  readonly metadata: Readonly<Record<string, string>>;
}
/** Type 4. */
export interface TrustRequest {
  /** Always `cx.ring` for Jami. */
  readonly service: string;
  readonly conversationId: string;
  /** A vCard. */
  readonly payload: Uint8Array;
  readonly confirm: boolean;
  /** When the invitation was written, ms since 1970; only from daemons of 2026. */
  readonly invitedMs: number | undefined;
}
/** Type 5. */
export interface IceCandidates {
  readonly id: bigint;
  readonly data: Uint8Array;
}

/** @throws {DecodeError} `dht/payload`, `codec/msgpack-…`; the same for every reader below. */
export function decodeDhtMessage(data: Uint8Array): DhtMessage {
  const [service, content] = list(data, "DhtMessage");
  return { service: str(service), data: blob(content) };
}
export const encodeDhtMessage = ({ service, data }: DhtMessage): Uint8Array => encode([service, data]);

export function decodeImMessage(data: Uint8Array): ImMessage {
  const map = table(data, "ImMessage"), metadata: Record<string, string> = {};
  const given = map.get("metadatas");
  if (given instanceof Map) { for (const [name, value] of given) metadata[str(name)] = str(value); }
  return {
    id: u64(map.get("id")),
    text: str(map.get("msg")),
    date: whole(map.get("date") ?? 0),
    status: whole(map.get("status") ?? 0),
    dataType: str(map.get("datatype") ?? ""),
    metadata,
  };
}
export const encodeImMessage = (m: ImMessage): Uint8Array =>
  encode({
    id: m.id,
    msg: m.text,
    date: m.date,
    status: m.status,
    datatype: m.dataType,
    metadatas: new Map(Object.entries(m.metadata)),
  });

export function decodeTrustRequest(data: Uint8Array): TrustRequest {
  const map = table(data, "TrustRequest"),
    confirm = map.get("confirm") ?? false,
    invited = map.get("invitedMs");
  if (typeof confirm !== "boolean") throw bad("confirm");
  return {
    service: str(map.get("service") ?? ""),
    conversationId: str(map.get("conversationId") ?? ""),
    payload: blob(map.get("payload") ?? new Uint8Array(0)),
    confirm,
    invitedMs: invited === undefined ? undefined : whole(invited),
  };
}
export const encodeTrustRequest = (t: TrustRequest): Uint8Array =>
  encode({
    service: t.service,
    conversationId: t.conversationId,
    payload: t.payload,
    confirm: t.confirm,
    invitedMs: t.invitedMs,
  });

export function decodeIceCandidates(data: Uint8Array): IceCandidates {
  const [id, content] = list(data, "IceCandidates");
  return { id: u64(id), data: blob(content) };
}
export const encodeIceCandidates = ({ id, data }: IceCandidates): Uint8Array => encode([id, data]);

const INET = 2, INET6 = [10, 23, 28, 30], SIZE4 = 16, SIZE6 = 28;

/** Type 2: a socket address as the host's C library lays it out. Port 0 is possible. */
export function decodeIpService(data: Uint8Array): Endpoint {
  return decodeSockaddr(blob(decode(data)));
}
export const encodeIpService = (endpoint: Endpoint): Uint8Array => encode(encodeSockaddr(endpoint));

/** A raw socket address of Linux (IPv6 also of other hosts), 16 or 28 bytes. @throws {DecodeError} `dht/payload`. */
export function decodeSockaddr(bytes: Uint8Array): Endpoint {
  const family = (bytes[0] ?? 0) | (bytes[1] ?? 0) << 8;
  const start = family === INET && bytes.length === SIZE4
    ? 4
    : INET6.includes(family) && bytes.length === SIZE6
    ? 8
    : 0;
  if (!start) throw bad("sockaddr");
  return { ip: formatIp(bytes.subarray(start, start === 4 ? 8 : 24)), port: bytes[2]! << 8 | bytes[3]! };
}
/** Inverse of {@linkcode decodeSockaddr}, as Linux has it. */
export function encodeSockaddr({ ip, port }: Endpoint): Uint8Array<ArrayBuffer> {
  const address = parseIp(ip), v4 = address.length === 4, bytes = new Uint8Array(v4 ? SIZE4 : SIZE6);
  bytes.set([v4 ? INET : INET6[0]!, 0, port >> 8, port & 255]);
  bytes.set(address, v4 ? 4 : 8);
  return bytes;
}

function list(data: Uint8Array, what: string): MsgpackValue[] {
  const value = decode(data);
  if (!Array.isArray(value)) throw bad(what);
  return value;
}
function table(data: Uint8Array, what: string): Map<unknown, MsgpackValue> {
  const value = decode(data);
  if (!(value instanceof Map)) throw bad(what);
  return value;
}
function str(value: unknown): string {
  if (typeof value !== "string") throw bad("text");
  return value;
}
function blob(value: MsgpackValue | undefined): Uint8Array {
  const bytes = bytesLike(value);
  if (!bytes) throw bad("bytes");
  return bytes;
}
function u64(value: MsgpackValue | undefined): bigint {
  if (
    typeof value === "bigint"
      ? value < 0n
      : !(typeof value === "number" && value >= 0 && Number.isInteger(value))
  ) {
    throw bad("id");
  }
  return BigInt(value as bigint | number);
}
function whole(value: MsgpackValue): number {
  if (typeof value !== "number" || !Number.isSafeInteger(value)) throw bad("number");
  return value;
}
const bad = (field: string) => new DecodeError("dht/payload", { field });
