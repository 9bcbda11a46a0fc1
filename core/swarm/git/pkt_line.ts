/** Pkt-lines: git's framing, four hex digits of length in front of each piece. Spec: swarm §4.3. */
import { concat, CoreError, DecodeError, utf8 } from "../../base/mod.ts";
import { LIMITS } from "../limits.ts";

/** A flush has no payload. Views into the bytes fed: copy what you keep. */
export type Pkt = Uint8Array | "flush";

const HEAD = 4, EMPTY = new Uint8Array();

/** Cuts a byte stream into pkt-lines, however it is split. */
export class PktReader {
  #rest: Uint8Array = EMPTY;

  /** Bytes waiting for the rest of their line. */
  get waiting(): number {
    return this.#rest.length;
  }

  /**
   * The lines completed by `bytes`.
   * @throws {DecodeError} `swarm/pkt-line`: not hex, length 1–3 or above the limit.
   */
  push(bytes: Uint8Array): Pkt[] {
    const all = this.#rest.length ? concat(this.#rest, bytes) : bytes, lines: Pkt[] = [];
    let at = 0;
    while (all.length - at >= HEAD) {
      const length = lengthOf(all, at);
      if (length === 0) {
        lines.push("flush");
        at += HEAD;
      } else if (length < HEAD || length > LIMITS.pktBytes) {
        throw new DecodeError("swarm/pkt-line", { length });
      } else if (all.length - at < length) break;
      else lines.push(all.subarray(at + HEAD, at += length));
    }
    this.#rest = all.slice(at);
    return lines;
  }
}

/** One pkt-line. @throws {CoreError} `swarm/pkt-line` if the payload is too long for one. */
export function pktLine(payload: Uint8Array | string): Uint8Array {
  const bytes = typeof payload === "string" ? utf8(payload) : payload, length = bytes.length + HEAD;
  if (length > LIMITS.pktBytes) throw new CoreError("swarm/pkt-line", { length });
  return concat(utf8(length.toString(16).padStart(HEAD, "0")), bytes);
}

export const FLUSH: Uint8Array = utf8("0000");

/** The text of a payload without its line end, or `undefined` when it is not text. */
export function pktText(payload: Uint8Array): string {
  let out = "";
  for (const byte of payload) out += String.fromCharCode(byte);
  return out.endsWith("\n") ? out.slice(0, -1) : out;
}

function lengthOf(bytes: Uint8Array, at: number): number {
  let value = 0;
  for (let i = at; i < at + HEAD; i++) {
    const c = bytes[i]!,
      digit = c >= 48 && c <= 57 ? c - 48 : c >= 97 && c <= 102 ? c - 87 : c >= 65 && c <= 70 ? c - 55 : -1;
    if (digit < 0) throw new DecodeError("swarm/pkt-line", { byte: c });
    value = value * 16 + digit;
  }
  return value;
}
