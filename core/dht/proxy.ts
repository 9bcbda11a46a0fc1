/** The language of DHT proxies: values as JSON, one per line, whatever chunks they come in. Pure. Spec: dht §6. */
import { CoreError, text, unhex } from "../base/mod.ts";
import { formatPem } from "../codec/mod.ts";
import { importPublicKey } from "../crypto/mod.ts";
import { makeValue, type Value, type ValueFields, variantOf } from "./value.ts";
import { PROXY_LIMITS } from "./value_limits.ts";

/** One line of a proxy's answer. */
export interface ProxyLine {
  readonly value: Value;
  /** Only while listening: the value is gone. */
  readonly expired: boolean;
}

/**
 * Cuts a stream into lines. A line longer than the limit is skipped to its end and counted; so is one that is not UTF-8.
 */
export class Lines {
  /** Lines skipped. */
  skipped = 0;
  #parts: Uint8Array[] = [];
  #held = 0;
  #skipping = false;
  constructor(readonly limit: number = PROXY_LIMITS.lineBytes) {}

  /** Whole lines that `chunk` completes, without empty ones. The chunk is copied where it must be kept. */
  feed(chunk: Uint8Array): string[] {
    const lines: string[] = [];
    for (let at = 0; at < chunk.length;) {
      const end = chunk.indexOf(10, at), piece = chunk.subarray(at, end < 0 ? chunk.length : end);
      if (this.#held + piece.length > this.limit) this.#forget(), this.#skipping = true;
      if (!this.#skipping) this.#parts.push(new Uint8Array(piece)), this.#held += piece.length;
      if (end < 0) break;
      at = end + 1;
      lines.push(...this.end());
    }
    return lines;
  }

  /** What is left when the stream ends without a newline. */
  end(): string[] {
    const skipping = this.#skipping, whole = new Uint8Array(this.#held);
    let at = 0;
    for (const part of this.#parts) whole.set(part, at), at += part.length;
    this.#forget();
    this.#skipping = false;
    const line = skipping ? undefined : text(whole);
    if (line === undefined) return this.skipped++, [];
    return line.trim() ? [line] : [];
  }

  #forget(): void {
    this.#parts = [], this.#held = 0;
  }
}

/** Reads one line. @throws {CoreError} `dht/proxy-value`, and what a value may throw. */
export function parseProxyLine(line: string): ProxyLine {
  let json: unknown;
  try {
    json = JSON.parse(line);
  } catch {
    throw bad("json");
  }
  if (typeof json !== "object" || json === null || Array.isArray(json)) throw bad("json");
  const record = json as Record<string, unknown>;
  return { value: valueFromJson(record), expired: record.expired === true };
}

/** A value from its JSON form; `owner` may end with a NUL. @throws {CoreError} `dht/proxy-value`, `codec/…`, `crypto/…`. */
export function valueFromJson(json: Record<string, unknown>): Value {
  const fields: { -readonly [K in keyof ValueFields]: ValueFields[K] } = { id: readId(json.id) };
  if (json.prio !== undefined) fields.priority = whole(json, "prio");
  if (json.pt !== undefined) fields.pushType = str(json, "pt");
  if (json.cypher !== undefined) {
    fields.encrypted = base64(json, "cypher");
    if (fields.encrypted.length) return make(fields);
  }
  fields.type = json.type === undefined ? 0 : whole(json, "type");
  fields.data = json.data === undefined ? new Uint8Array(0) : base64(json, "data");
  if (json.utype !== undefined) fields.userType = str(json, "utype");
  if (json.owner === undefined) return make(fields);
  fields.owner = importPublicKey(str(json, "owner")).der;
  fields.signature = base64(json, "sig");
  fields.seq = json.seq === undefined ? 0 : whole(json, "seq");
  if (json.to !== undefined && json.to !== "") {
    const to = str(json, "to");
    if (!/^[0-9a-f]{40}$/i.test(to)) throw bad("to");
    fields.to = unhex(to);
  }
  return make(fields);
}

/** The JSON form of `value`, as it is posted. */
export function valueToJson(value: Value): Record<string, unknown> {
  const { encrypted, owner, signature, to, userType, priority, pushType } = value;
  const outside = {
    id: String(value.id),
    ...(priority && { prio: priority }),
    ...(pushType && { pt: pushType }),
  };
  if (encrypted) return { ...outside, cypher: encrypted.toBase64() };
  return {
    ...outside,
    type: value.type,
    data: value.data.toBase64(),
    ...(userType && { utype: userType }),
    ...(owner && { seq: value.seq, owner: formatPem("PUBLIC KEY", owner), sig: signature!.toBase64() }),
    ...(to && { to: to.toHex() }),
  };
}

/** What a proxy says of the node behind it. */
export interface ProxyInfo {
  /** 40 hex digits. */
  readonly nodeId: string;
  /** Good nodes per family. */
  readonly good4: number;
  readonly good6: number;
}

/** @throws {CoreError} `dht/proxy-value`. */
export function parseProxyInfo(json: unknown): ProxyInfo {
  const record = json as Record<string, Record<string, unknown>> | null;
  const nodeId: unknown = record?.node_id, good = (family: string) => Number(record?.[family]?.good ?? 0);
  if (typeof nodeId !== "string" || !/^[0-9a-f]{40}$/.test(nodeId)) throw bad("node_id");
  return { nodeId, good4: good("ipv4") || 0, good6: good("ipv6") || 0 };
}

/** The proxy's base address: a URL without scheme is http on port 80. @throws {CoreError} `dht/proxy-url`. */
export function parseProxyUrl(address: string): URL {
  const url = URL.parse(/^[a-z][a-z0-9+.-]*:\/\//i.test(address) ? address : `http://${address}`);
  if (!url || !["http:", "https:"].includes(url.protocol) || !url.hostname) {
    throw new CoreError("dht/proxy-url");
  }
  url.pathname = url.pathname.replace(/\/*$/, "/");
  url.search = url.hash = "";
  return url;
}

/** What one listener knows: which values are there, so that each comes and goes once across reconnections. */
export class ProxyView {
  #live = new Map<string, Value>();

  /** `changed`: the caller has not seen this value or edition before. */
  saw(value: Value): { changed: boolean } {
    const name = variantOf(value), before = this.#live.get(name);
    if (before && sameEdition(before, value)) return { changed: false };
    if (!before && this.#live.size >= PROXY_LIMITS.values) return { changed: false };
    if (before && value.seq < before.seq) return { changed: false };
    this.#live.set(name, value);
    return { changed: true };
  }
  /** The value as it was last seen, if it was there. */
  lost(value: Value): Value | undefined {
    const name = variantOf(value), before = this.#live.get(name);
    this.#live.delete(name);
    return before;
  }
  /** After a whole list was read: what is there no longer. */
  keepOnly(present: Iterable<Value>): Value[] {
    const names = new Set([...present].map(variantOf)), gone: Value[] = [];
    for (const [name, value] of this.#live) if (!names.has(name)) gone.push(value), this.#live.delete(name);
    return gone;
  }
}

const sameEdition = (a: Value, b: Value): boolean =>
  a.seq === b.seq && a.type === b.type && a.userType === b.userType &&
  a.data.length === b.data.length && a.data.every((byte, i) => byte === b.data[i]);

/** Decimal text, or a number that lost nothing. */
function readId(id: unknown): bigint {
  if (typeof id === "string" && /^\d{1,20}$/.test(id)) return BigInt(id);
  if (typeof id === "number" && Number.isSafeInteger(id) && id >= 0) return BigInt(id);
  throw bad("id");
}
function whole(json: Record<string, unknown>, name: string): number {
  const value = json[name];
  if (typeof value !== "number" || !Number.isInteger(value)) throw bad(name);
  return value;
}
function str(json: Record<string, unknown>, name: string): string {
  const value = json[name];
  if (typeof value !== "string") throw bad(name);
  return value;
}
function base64(json: Record<string, unknown>, name: string): Uint8Array {
  try {
    return Uint8Array.fromBase64(str(json, name));
  } catch {
    throw bad(name);
  }
}
function make(fields: ValueFields): Value {
  try {
    return makeValue(fields);
  } catch {
    throw bad("number");
  }
}
const bad = (field: string) => new CoreError("dht/proxy-value", { field });
