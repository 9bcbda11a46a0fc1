/**
 * The multiplexed socket's bytes: `[channel, bytes]` values back to back, and the messages of the two reserved
 * channels. Bodies of application channels pass through as views, piece by piece as they arrive. Spec: connection §5.1, §5.2.
 */
import { concat, CoreError } from "../base/mod.ts";
import { bytesLike, decode, decodeFirst, type MsgpackValue, RawStr, skim, Writer } from "../codec/mod.ts";
import { MUX_LIMITS } from "./limits.ts";

/** Channel of requests and answers; channel of version and beacons. Neither is ever an application's. */
export const CONTROL = 0, PROTOCOL = 0xffff;

/** A channel's name: text, or bytes that are no UTF-8 and are only good for being declined. */
export type WireName = string | RawStr;
export type ChannelState = "request" | "accept" | "decline";
export type ControlMessage =
  | { readonly type: "request"; readonly name: WireName; readonly channel: number }
  | { readonly type: "accept"; readonly name: WireName; readonly channel: number }
  | { readonly type: "decline"; readonly name: WireName; readonly channel: number }
  | { readonly type: "version"; readonly version: number }
  | { readonly type: "beacon" }
  | { readonly type: "beaconReply" }
  | { readonly type: "unknown" };

export type MuxFrame =
  /** Part of an application channel's value. */
  | { readonly type: "data"; readonly channel: number; readonly bytes: Uint8Array }
  /** An empty value: the channel is over. */
  | { readonly type: "end"; readonly channel: number }
  | { readonly type: "control"; readonly messages: readonly ControlMessage[] }
  /** A value of another shape, skipped. */
  | { readonly type: "bad"; readonly why: string };

const HEADER_MOST = 1 + 9 + 5, STATES: readonly ChannelState[] = ["request", "accept", "decline"];

/** Cuts the plaintext of one direction into frames. */
export class FrameReader {
  #kept: Uint8Array = new Uint8Array(0); // start of a header, or of a value that is not the usual shape
  #body: { channel: number; left: number; parts: Uint8Array[] | undefined } | undefined;

  /** True in the middle of a value. */
  get partial(): boolean {
    return this.#kept.length > 0 || this.#body !== undefined;
  }

  /**
   * Frames in order.
   * @throws {CoreError} `net/mux-value-size`, `net/mux-value` for bytes after which no next value can be found.
   */
  push(bytes: Uint8Array): MuxFrame[] {
    const frames: MuxFrame[] = [];
    for (let rest = bytes; rest.length;) {
      rest = this.#body ? this.#more(rest, frames) : this.#begin(rest, frames);
    }
    return frames;
  }

  /** Body of the current value; returns what follows. */
  #more(bytes: Uint8Array, frames: MuxFrame[]): Uint8Array {
    const body = this.#body!, n = Math.min(body.left, bytes.length), piece = bytes.subarray(0, n);
    body.left -= n;
    if (!body.parts) frames.push({ type: "data", channel: body.channel, bytes: piece });
    else body.parts.push(piece.slice());
    if (body.left === 0) {
      this.#body = undefined;
      if (body.parts) frames.push({ type: "control", messages: parseControl(concat(...body.parts)) });
    }
    return bytes.subarray(n);
  }

  /** Start of a value; returns what follows what was understood. */
  #begin(bytes: Uint8Array, frames: MuxFrame[]): Uint8Array {
    const kept = this.#kept.length;
    if (kept > HEADER_MOST) return this.#unusual(bytes, frames);
    const head = kept ? concat(this.#kept, bytes.subarray(0, HEADER_MOST)) : bytes, header = readHeader(head);
    if (header === "more") {
      this.#kept = head.slice();
      return bytes.subarray(bytes.length);
    }
    if (header === "unusual") return this.#unusual(bytes, frames);
    this.#kept = new Uint8Array(0);
    const { channel, length, size } = header;
    if (length > MUX_LIMITS.receivedValueBytes) throw new CoreError("net/mux-value-size", { length });
    const reserved = channel === CONTROL || channel === PROTOCOL;
    if (length) this.#body = { channel, left: length, parts: reserved ? [] : undefined };
    else if (!reserved) frames.push({ type: "end", channel });
    return bytes.subarray(size - kept);
  }

  /** Collects a value of any other shape to its end and reads it as real peers would. */
  #unusual(bytes: Uint8Array, frames: MuxFrame[]): Uint8Array {
    const before = this.#kept.length,
      value = concat(this.#kept, bytes.subarray(0, MUX_LIMITS.unusualBytes - before));
    const length = value[0] === 0xc1 ? 1 : skimmed(value);
    if (length < 0) {
      if (value.length >= MUX_LIMITS.unusualBytes) {
        throw new CoreError("net/mux-value-size", { length: value.length });
      }
      this.#kept = value;
      return bytes.subarray(bytes.length);
    }
    this.#kept = new Uint8Array(0);
    frames.push(...readUnusual(value.subarray(0, length)));
    return bytes.subarray(length - before);
  }
}

/** The usual shape: `92`, any unsigned integer below 65536, a bin or str header. */
function readHeader(
  bytes: Uint8Array,
): { channel: number; length: number; size: number } | "more" | "unusual" {
  if (bytes[0] !== 0x92) return "unusual";
  const type = bytes[1];
  if (type === undefined) return "more";
  const width = type < 0x80 ? 0 : type >= 0xcc && type <= 0xcf ? 1 << (type - 0xcc) : -1;
  if (width < 0) return "unusual";
  if (bytes.length < 3 + width) return "more";
  const channel = width ? bigEndian(bytes, 2, width) : type;
  if (channel > 0xffff) return "unusual";
  const at = 2 + width, body = bytes[at]!;
  if (body >= 0xa0 && body < 0xc0) return { channel, length: body & 31, size: at + 1 };
  const digits = body >= 0xc4 && body <= 0xc6
    ? 1 << (body - 0xc4)
    : body >= 0xd9 && body <= 0xdb
    ? 1 << (body - 0xd9)
    : 0;
  if (!digits) return "unusual";
  if (bytes.length < at + 1 + digits) return "more";
  return { channel, length: bigEndian(bytes, at + 1, digits), size: at + 1 + digits };
}

function bigEndian(bytes: Uint8Array, at: number, width: number): number {
  let value = 0;
  for (let i = 0; i < width; i++) value = value * 256 + bytes[at + i]!;
  return value;
}

function skimmed(bytes: Uint8Array): number {
  try {
    return skim(bytes, { depth: MUX_LIMITS.depth, length: MUX_LIMITS.receivedValueBytes });
  } catch (cause) {
    throw new CoreError("net/mux-value", {}, { cause });
  }
}

/** A whole value that is not the usual shape: more than two items are fine, everything else is skipped. */
function readUnusual(bytes: Uint8Array): MuxFrame[] {
  if (bytes[0] === 0xc1) return [{ type: "bad", why: "reserved" }];
  const value = decode(bytes, { depth: MUX_LIMITS.depth });
  if (!Array.isArray(value)) return [{ type: "bad", why: "no-array" }];
  const channel = value[0], data = value[1];
  if (!isChannel(channel)) return [{ type: "bad", why: "channel" }];
  const body = Array.isArray(data) ? undefined : bytesLike(data);
  if (!body) return [{ type: "bad", why: "body" }];
  if (channel === CONTROL || channel === PROTOCOL) return [{ type: "control", messages: parseControl(body) }];
  return [body.length ? { type: "data", channel, bytes: body } : { type: "end", channel }];
}

const isChannel = (value: MsgpackValue | undefined): value is number =>
  typeof value === "number" && Number.isInteger(value) && value >= 0 && value <= 0xffff;

/** The messages in a value of a reserved channel; what is not understood becomes one `unknown`. Never throws. */
export function parseControl(bytes: Uint8Array): ControlMessage[] {
  const messages: ControlMessage[] = [];
  try {
    for (let at = 0; at < bytes.length;) {
      if (messages.length === MUX_LIMITS.controlMessages) return [...messages, { type: "unknown" }];
      const { value, length } = decodeFirst(bytes.subarray(at), { depth: MUX_LIMITS.depth });
      messages.push(readControl(value));
      at += length;
    }
  } catch {
    messages.push({ type: "unknown" }); // counted by whoever reads it
  }
  return messages;
}

function readControl(value: MsgpackValue): ControlMessage {
  if (value instanceof Map) {
    const version = value.get("v"), probe = value.get("p");
    if (typeof version === "number" && Number.isInteger(version) && version >= 0) {
      return { type: "version", version };
    }
    if (typeof probe === "boolean") return { type: probe ? "beacon" : "beaconReply" };
    return { type: "unknown" };
  }
  if (!Array.isArray(value)) return { type: "unknown" };
  const [name, channel, state = 0] = value, text = name instanceof Uint8Array ? new RawStr(name) : name;
  if ((typeof text !== "string" && !(text instanceof RawStr)) || !isChannel(channel)) {
    return { type: "unknown" };
  }
  const type = typeof state === "number" ? STATES[state] : undefined;
  return type ? { type, name: text, channel } : { type: "unknown" };
}

/** Header of a value with `length` bytes for `channel`. */
export function valueHeader(channel: number, length: number): Uint8Array {
  const wide = channel < 0x80 ? 1 : channel < 0x100 ? 2 : 3,
    digits = length < 0x100 ? 1 : length < 0x10000 ? 2 : 4;
  const header = new Uint8Array(2 + wide + digits);
  header[0] = 0x92;
  if (wide === 1) header[1] = channel;
  else header[1] = wide === 2 ? 0xcc : 0xcd;
  if (wide === 2) header[2] = channel;
  if (wide === 3) header[2] = channel >> 8, header[3] = channel & 255;
  let at = 1 + wide;
  header[at++] = digits === 1 ? 0xc4 : digits === 2 ? 0xc5 : 0xc6;
  for (let i = digits - 1; i >= 0; i--) header[at++] = (length >>> (8 * i)) & 255;
  return header;
}

/** A whole value. */
export function encodeValue(channel: number, data: Uint8Array): Uint8Array {
  return concat(valueHeader(channel, data.length), data);
}

/** A request for, or an answer about, `channel`. A name that is too long to be one is not echoed whole. */
export function encodeChannel(type: ChannelState, name: WireName, channel: number): Uint8Array {
  const echo = (typeof name === "string" ? name : name.bytes).slice(0, MUX_LIMITS.nameBytes);
  return encodeValue(
    CONTROL,
    new Writer().array(3).str(echo).uint(channel).uint(STATES.indexOf(type)).finish(),
  );
}
export const encodeVersion = (version: number): Uint8Array =>
  encodeValue(PROTOCOL, new Writer().map(1).str("v").uint(version).finish());
export const encodeBeacon = (reply: boolean): Uint8Array =>
  encodeValue(PROTOCOL, new Writer().map(1).str("p").bool(!reply).finish());
