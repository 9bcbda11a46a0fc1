/** The little HTTP a gateway's control needs: one request, one bounded answer. Spec: RFC 9112 §6, §7.1. */
import { concat, DecodeError, text, utf8 } from "../base/mod.ts";
import { NAT } from "./limits.ts";
import type { UpnpUrl } from "./nat_upnp.ts";

export interface HttpRequest {
  readonly to: UpnpUrl;
  readonly method: "GET" | "POST";
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
}

export function encodeHttp({ to, method, headers = {}, body }: HttpRequest): Uint8Array {
  const host = to.ip.includes(":") ? `[${to.ip}]` : to.ip;
  const lines = [
    `${method} ${to.path} HTTP/1.1`,
    `Host: ${host}:${to.port}`,
    "Connection: close",
    ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
    ...(body ? [`Content-Length: ${body.length}`] : []),
  ];
  return concat(utf8(lines.join("\r\n") + "\r\n\r\n"), body ?? new Uint8Array(0));
}

export interface HttpAnswer {
  readonly status: number;
  readonly body: Uint8Array;
}

/** Collects one answer. `push` and `end` return it once it is whole. */
export class HttpReader {
  #bytes = new Uint8Array(0) as Uint8Array;
  #pieces = 0;

  /** @throws {DecodeError} `net/http-size`, `net/http-head`, `net/http-chunk`. */
  push(bytes: Uint8Array): HttpAnswer | undefined {
    this.#bytes = concat(this.#bytes, bytes);
    if (++this.#pieces > NAT.httpPieces || this.#bytes.length > NAT.httpHead + 2 * NAT.httpBody) {
      throw new DecodeError("net/http-size");
    }
    return this.#read(false);
  }
  /** The other side is done. @throws {DecodeError} also `net/http-short`. */
  end(): HttpAnswer {
    const answer = this.#read(true);
    if (!answer) throw new DecodeError("net/http-short", { length: this.#bytes.length });
    return answer;
  }

  #read(ended: boolean): HttpAnswer | undefined {
    const end = find(this.#bytes, [13, 10, 13, 10]);
    if (end > NAT.httpHead || (end < 0 && this.#bytes.length > NAT.httpHead)) {
      throw new DecodeError("net/http-head");
    }
    if (end < 0) return undefined;
    const lines = (text(this.#bytes.subarray(0, end)) ?? "").split("\r\n"),
      body = this.#bytes.subarray(end + 4);
    const status = /^HTTP\/1\.[01] (\d{3})\b/.exec(lines[0]!)?.[1];
    if (!status) throw new DecodeError("net/http-head");
    const header = (name: string) =>
      lines.find((line) => line.toLowerCase().startsWith(`${name}:`))?.slice(name.length + 1).trim()
        .toLowerCase();
    const whole = header("transfer-encoding") === "chunked"
      ? dechunk(body)
      : fixed(body, header("content-length"), ended);
    if (whole && whole.length > NAT.httpBody) throw new DecodeError("net/http-size");
    return whole && { status: Number(status), body: whole };
  }
}

function fixed(body: Uint8Array, said: string | undefined, ended: boolean): Uint8Array | undefined {
  if (said === undefined) return ended ? body : undefined;
  if (!/^\d{1,9}$/.test(said)) throw new DecodeError("net/http-head");
  const length = Number(said);
  if (length > NAT.httpBody) throw new DecodeError("net/http-size");
  return body.length >= length ? body.subarray(0, length) : undefined;
}

/** Undefined while chunks are missing. */
function dechunk(body: Uint8Array): Uint8Array | undefined {
  const parts: Uint8Array[] = [];
  for (let at = 0;;) {
    const line = find(body.subarray(at, at + 64), [13, 10]);
    if (line < 0 && body.length - at < 64) return undefined;
    const size = /^([0-9a-fA-F]{1,6})(;|$)/.exec(text(body.subarray(at, at + Math.max(0, line))) ?? "")?.[1];
    if (line < 0 || size === undefined) throw new DecodeError("net/http-chunk");
    const length = parseInt(size, 16), start = at + line + 2;
    if (length === 0) return concat(...parts);
    if (body.length < start + length + 2) return undefined;
    parts.push(body.subarray(start, start + length));
    at = start + length + 2;
  }
}

function find(bytes: Uint8Array, needle: readonly number[]): number {
  for (let at = 0; at + needle.length <= bytes.length; at++) {
    if (needle.every((byte, i) => bytes[at + i] === byte)) return at;
  }
  return -1;
}
