/** SIP messages on a byte stream: framing by Content-Length, headers in order, nothing interpreted. Spec: calls §1, swarm §5.2. */
import { concat, DecodeError, text, utf8 } from "../base/mod.ts";

export const SIP_LIMITS = {
  /** Start line and headers. */
  headBytes: 16 << 10,
  headers: 64,
  /** A body; the biggest honest one is an SDP or a card. */
  bodyBytes: 256 << 10,
  /** Blank lines between messages (keep-alives). */
  blankBytes: 256,
} as const;

export interface SipMessage {
  /** `METHOD uri` of a request, or code and phrase of a response. */
  readonly start:
    | { readonly method: string; readonly uri: string }
    | { readonly status: number; readonly phrase: string };
  /** Full names as they came, in order; compact forms are written out. */
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly body: Uint8Array;
}

const COMPACT: Record<string, string> = {
  i: "Call-ID",
  m: "Contact",
  e: "Content-Encoding",
  l: "Content-Length",
  c: "Content-Type",
  f: "From",
  s: "Subject",
  k: "Supported",
  t: "To",
  v: "Via",
};
const ONCE = ["from", "to", "call-id", "cseq", "content-length", "content-type"];
const TOKEN = /^[A-Za-z0-9.!%*_+`'~-]+$/;

const bad = (why: string): never => {
  throw new DecodeError("codec/sip", { why });
};

/** First value of a header, whatever the case. */
export function sipHeader(message: SipMessage, name: string): string | undefined {
  const wanted = name.toLowerCase();
  return message.headers.find(([other]) => other.toLowerCase() === wanted)?.[1];
}

/** Bytes of a message; `Content-Length` is added. @throws {TypeError} if a header would break the lines. */
export function formatSip(message: SipMessage): Uint8Array {
  const { start, headers, body } = message;
  const lines = [
    "method" in start ? `${start.method} ${start.uri} SIP/2.0` : `SIP/2.0 ${start.status} ${start.phrase}`,
  ];
  for (const [name, value] of headers) {
    if (name.toLowerCase() !== "content-length") lines.push(`${name}: ${value}`);
  }
  lines.push(`Content-Length: ${body.length}`);
  if (lines.some((line) => /[\r\n]/.test(line))) throw new TypeError("line break in a SIP header");
  return concat(utf8(lines.join("\r\n") + "\r\n\r\n"), body);
}

/** Cuts a stream into messages, however it is split. */
export class SipReader {
  #rest: Uint8Array = new Uint8Array();
  #searched = 0;

  /** @throws {DecodeError} `codec/sip`: the stream cannot be followed any further. */
  push(bytes: Uint8Array): SipMessage[] {
    this.#rest = this.#rest.length ? concat(this.#rest, bytes) : bytes.slice();
    const found: SipMessage[] = [];
    for (let message = this.#next(); message; message = this.#next()) found.push(message);
    return found;
  }

  #next(): SipMessage | undefined {
    let blank = 0;
    while (this.#rest[blank] === 13 || this.#rest[blank] === 10) blank++;
    if (blank > SIP_LIMITS.blankBytes) bad("blank");
    if (blank) this.#rest = this.#rest.subarray(blank), this.#searched = 0;
    const end = this.#endOfHead();
    if (end < 0) return this.#rest.length > SIP_LIMITS.headBytes ? bad("head size") : undefined;
    if (end > SIP_LIMITS.headBytes) bad("head size");
    const { start, headers } = parseHead(text(this.#rest.subarray(0, end)) ?? bad("not UTF-8"));
    const given = headers.find(([name]) => name.toLowerCase() === "content-length")?.[1] ?? bad("no length");
    if (!/^\d{1,9}$/.test(given)) bad("length");
    const length = Number(given);
    if (length > SIP_LIMITS.bodyBytes) bad("body size");
    if (this.#rest.length < end + 4 + length) return undefined;
    const body = this.#rest.slice(end + 4, end + 4 + length);
    this.#rest = this.#rest.slice(end + 4 + length);
    this.#searched = 0;
    return { start, headers, body };
  }

  #endOfHead(): number {
    const rest = this.#rest;
    for (let at = rest.indexOf(13, this.#searched); at >= 0; at = rest.indexOf(13, at + 1)) {
      if (at + 4 > rest.length) break;
      if (rest[at + 1] === 10 && rest[at + 2] === 13 && rest[at + 3] === 10) return at;
    }
    this.#searched = Math.max(0, rest.length - 3);
    return -1;
  }
}

function parseHead(head: string): Pick<SipMessage, "start" | "headers"> {
  const [first, ...lines] = head.replace(/\r\n[ \t]+/g, " ").split("\r\n"),
    headers: [string, string][] = [],
    seen = new Set<string>();
  if (lines.length > SIP_LIMITS.headers) bad("headers");
  for (const line of lines) {
    const colon = line.indexOf(":"),
      short = line.slice(0, Math.max(0, colon)).trim(),
      name = COMPACT[short.toLowerCase()] ?? short;
    if (colon < 1 || !TOKEN.test(name) || /[\r\n]/.test(line)) bad("header");
    const key = name.toLowerCase();
    if (ONCE.includes(key) && seen.has(key)) bad("header twice");
    seen.add(key);
    headers.push([name, line.slice(colon + 1).trim()]);
  }
  const response = /^SIP\/2\.0 (\d{3}) ([^\r\n]*)$/.exec(first!),
    request = /^([A-Z]{1,20}) (\S{1,1024}) SIP\/2\.0$/.exec(first!);
  if (response) return { start: { status: Number(response[1]), phrase: response[2]! }, headers };
  return request ? { start: { method: request[1]!, uri: request[2]! }, headers } : bad("start line");
}
