/** The door to zlib and to a running SHA-1: what packs are made of. */
import { createHash } from "node:crypto";
import { crc32 as nodeCrc32, deflateSync, inflateSync } from "node:zlib";
import { DecodeError } from "../../base/mod.ts";

/**
 * Inflates the zlib stream at the start of `bytes`, which may go on behind it.
 * @returns the data and how many bytes of input it took.
 * @throws {DecodeError} `swarm/zlib` if it is broken, cut off, or inflates to more than `limit` bytes.
 */
export function inflate(bytes: Uint8Array, limit: number): { data: Uint8Array; used: number } {
  try {
    const result = inflateSync(bytes, { info: true, maxOutputLength: Math.max(1, limit) }) as unknown as {
      buffer: Uint8Array;
      engine: { bytesWritten: number };
    };
    if (result.buffer.length > limit) throw new RangeError("too long");
    return { data: result.buffer, used: result.engine.bytesWritten };
  } catch (cause) {
    throw new DecodeError("swarm/zlib", { limit }, { cause });
  }
}

/** A zlib stream holding `data`. */
export const deflate = (data: Uint8Array): Uint8Array => deflateSync(data);

/** SHA-1 of bytes that come in pieces. */
export class RunningSha1 {
  #hash = createHash("sha1");
  update(bytes: Uint8Array): this {
    this.#hash.update(bytes);
    return this;
  }
  digest(): Uint8Array {
    return new Uint8Array(this.#hash.digest());
  }
}

/** CRC-32 as pack indexes want it. */
export const crc32 = (bytes: Uint8Array): number => nodeCrc32(bytes);
