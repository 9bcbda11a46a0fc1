/** Pack indexes, version 2 of git's format: which object lies where. */
import { compare, concat, DecodeError, hex, unhex } from "../../base/mod.ts";
import type { ObjectId } from "./objects.ts";
import { crc32, RunningSha1 } from "./zlib_io.ts";

export interface IndexEntry {
  readonly id: ObjectId;
  readonly offset: number;
  readonly crc: number;
}

const MAGIC = 0xff744f63, FANOUT = 256 * 4, HEAD = 8 + FANOUT;

/** @param pack checksum at the end of the pack, 20 bytes. Packs stay below 2 GiB here, so no long offsets. */
export function writeIndex(entries: readonly IndexEntry[], pack: Uint8Array): Uint8Array {
  const rows = entries.map((entry) => ({ ...entry, key: unhex(entry.id) })).sort((a, b) =>
    compare(a.key, b.key)
  );
  const bytes = new Uint8Array(HEAD + rows.length * 28),
    view = new DataView(bytes.buffer),
    count = rows.length;
  view.setUint32(0, MAGIC);
  view.setUint32(4, 2);
  rows.forEach(({ key, crc, offset }, i) => {
    for (let first = key[0]!; first < 256; first++) view.setUint32(8 + 4 * first, i + 1);
    bytes.set(key, HEAD + 20 * i);
    view.setUint32(HEAD + 20 * count + 4 * i, crc);
    view.setUint32(HEAD + 24 * count + 4 * i, offset);
  });
  const body = concat(bytes, pack);
  return concat(body, new RunningSha1().update(body).digest());
}

/** Looks things up in an index held in memory. */
export class PackIndex {
  readonly count: number;
  readonly #view: DataView;

  /** @throws {DecodeError} `swarm/pack-index`. */
  constructor(readonly bytes: Uint8Array) {
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    const good = bytes.length >= HEAD + 40 && this.#view.getUint32(0) === MAGIC &&
      this.#view.getUint32(4) === 2;
    this.count = good ? this.#view.getUint32(HEAD - 4) : -1;
    if (!good || bytes.length !== HEAD + this.count * 28 + 40) {
      throw new DecodeError("swarm/pack-index", { length: bytes.length });
    }
  }

  /** Offset of an object's entry in the pack. */
  find(id: ObjectId): number | undefined {
    const key = unhex(id), first = key[0]!;
    let low = first ? this.#view.getUint32(8 + 4 * (first - 1)) : 0,
      high = this.#view.getUint32(8 + 4 * first);
    while (low < high) {
      const middle = (low + high) >> 1,
        order = compare(this.bytes.subarray(HEAD + 20 * middle, HEAD + 20 * middle + 20), key);
      if (order === 0) return this.#view.getUint32(HEAD + 24 * this.count + 4 * middle);
      if (order < 0) low = middle + 1;
      else high = middle;
    }
    return undefined;
  }

  /** Every id, in order. */
  *ids(): Generator<ObjectId> {
    for (let i = 0; i < this.count; i++) yield hex(this.bytes.subarray(HEAD + 20 * i, HEAD + 20 * i + 20));
  }
}

/** The index entry of the pack bytes `[from, to)`. */
export const indexEntry = (id: ObjectId, offset: number, raw: Uint8Array): IndexEntry => ({
  id,
  offset,
  crc: crc32(raw),
});
