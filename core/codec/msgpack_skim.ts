/** The guard in front of every decoder: walks over one MessagePack object without building anything. Spec: dht §1.1, §9. */
import { DecodeError } from "../base/mod.ts";
import { MSGPACK_LIMITS } from "./limits.ts";

export interface SkimOptions {
  /** Containers inside containers. Default 16. */
  readonly depth?: number;
  /** Items of one container or bytes of one string a header may claim. Default 16 Mi. */
  readonly length?: number;
  /** True: extension objects are allowed. */
  readonly ext?: boolean;
  /** Where to begin. Default 0. */
  readonly from?: number;
}

/** Bytes of the length that follow the types 0xc0…0xdf. */
const LENGTH_BYTES = [
  ...[0, 0, 0, 0, 1, 2, 4, 1, 2, 4, 0, 0, 0, 0, 0, 0],
  ...[0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 4, 2, 4, 2, 4],
];
/** Bytes that follow the types 0xca…0xd8 besides those of a claimed length: numbers, then fixed extensions with their type. */
const FIXED_BYTES = [4, 8, 1, 2, 4, 8, 1, 2, 4, 8, 2, 3, 5, 9, 17];

/**
 * Length of the object that begins at `from`, or −1 when more bytes are needed. On a stream keep the bytes and ask
 * again only after they have at least doubled, or a slow sender makes this quadratic.
 * @throws {DecodeError} `codec/msgpack-depth`, `-length`, `-ext`, `-reserved`.
 */
export function skim(bytes: Uint8Array, options: SkimOptions = {}): number {
  const depth = options.depth ?? MSGPACK_LIMITS.depth, most = options.length ?? MSGPACK_LIMITS.length;
  const from = options.from ?? 0, end = bytes.length;
  const owed = [1]; // objects still to come, per level
  let at = from;
  for (;;) {
    while (owed.length && owed[owed.length - 1] === 0) owed.pop();
    if (!owed.length) return at - from;
    if (at >= end) return -1;
    owed[owed.length - 1]!--;
    const type = bytes[at++]!;
    let skip = 0, items = 0;
    if (type < 0x80 || type >= 0xe0) continue;
    if (type < 0x90) items = 2 * (type & 15);
    else if (type < 0xa0) items = type & 15;
    else if (type < 0xc0) skip = type & 31;
    else {
      const size = LENGTH_BYTES[type - 0xc0]!;
      if (at + size > end) return -1;
      let claimed = 0;
      for (let i = 0; i < size; i++) claimed = claimed * 256 + bytes[at++]!;
      if (claimed > most) throw new DecodeError("codec/msgpack-length", { claimed, most });
      const ext = (type >= 0xc7 && type <= 0xc9) || (type >= 0xd4 && type <= 0xd8);
      if (ext && !options.ext) throw new DecodeError("codec/msgpack-ext");
      if (type === 0xc1) throw new DecodeError("codec/msgpack-reserved");
      if (type >= 0xde) items = 2 * claimed;
      else if (type >= 0xdc) items = claimed;
      else if (size) skip = claimed + (ext ? 1 : 0);
      else skip = FIXED_BYTES[type - 0xca] ?? 0;
    }
    if (items) {
      if (owed.length > depth) throw new DecodeError("codec/msgpack-depth", { depth });
      owed.push(items);
    }
    at += skip;
    if (at > end) return -1;
  }
}
