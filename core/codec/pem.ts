/** PEM text: labelled base64 blocks. What stands between blocks is ignored, as everybody does. Spec: RFC 7468. */
import { DecodeError, utf8 } from "../base/mod.ts";
import { PEM_LIMITS } from "./limits.ts";

export interface PemBlock {
  /** `CERTIFICATE`, `PRIVATE KEY` … */
  readonly label: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

const BEGIN = "-----BEGIN ", END = "-----END ", DASHES = "-----";

/**
 * All blocks of `text` (or of ASCII `bytes`), in order; none if there is no PEM in it.
 * @throws {DecodeError} `codec/pem` if it is too long, has too many blocks, or a block is broken or carries headers.
 */
export function parsePem(text: string | Uint8Array): PemBlock[] {
  if (text.length > PEM_LIMITS.bytes) throw bad("size");
  const source = typeof text === "string" ? text : ascii.decode(text), blocks: PemBlock[] = [];
  for (let at = source.indexOf(BEGIN); at >= 0; at = source.indexOf(BEGIN, at)) {
    if (blocks.length === PEM_LIMITS.blocks) throw bad("blocks");
    const labelAt = at + BEGIN.length, labelEnd = source.indexOf(DASHES, labelAt);
    const label = source.slice(labelAt, labelEnd);
    if (labelEnd < 0 || !/^[A-Z0-9][A-Z0-9 ]{0,63}$/.test(label)) throw bad("label");
    const bodyAt = labelEnd + DASHES.length, bodyEnd = source.indexOf(END + label + DASHES, bodyAt);
    if (bodyEnd < 0) throw bad("end");
    try {
      blocks.push({ label, bytes: Uint8Array.fromBase64(source.slice(bodyAt, bodyEnd)) });
    } catch {
      throw bad("base64");
    }
    at = bodyEnd;
  }
  return blocks;
}

/** One block with lines of 64 characters and a final newline, as OpenSSL and GnuTLS write it. */
export function formatPem(label: string, bytes: Uint8Array): string {
  const lines = bytes.toBase64().replace(/.{64}(?=.)/g, "$&\n");
  return `${BEGIN}${label}${DASHES}\n${lines}${lines && "\n"}${END}${label}${DASHES}\n`;
}

const DASH = 0x2d, BEGIN_BYTES = utf8(BEGIN);

/** True if a PEM block seems to start somewhere in `bytes`. */
export function looksLikePem(bytes: Uint8Array): boolean {
  const last = Math.min(bytes.length, PEM_LIMITS.bytes) - BEGIN_BYTES.length;
  for (let at = bytes.indexOf(DASH); at >= 0 && at <= last; at = bytes.indexOf(DASH, at + 1)) {
    if (BEGIN_BYTES.every((byte, i) => bytes[at + i] === byte)) return true;
  }
  return false;
}

/** One character per byte; which one matters for ASCII only. */
const ascii = new TextDecoder("latin1");

const bad = (what: string) => new DecodeError("codec/pem", { what });
