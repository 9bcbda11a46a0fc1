/** Writes packs: whole objects, no deltas, so that any reader of any age takes them. Spec: swarm §4.3. */
import { concat } from "../../base/mod.ts";
import { type GitObject } from "./objects.ts";
import { deflate, RunningSha1 } from "./zlib_io.ts";

const KIND = { commit: 1, tree: 2, blob: 3, tag: 4 } as const;

/** The pack in pieces, one per object, with header and checksum; `count` must be the number of `objects`. */
export function* packPieces(count: number, objects: Iterable<GitObject>): Generator<Uint8Array> {
  const sum = new RunningSha1(), head = new Uint8Array(12), view = new DataView(head.buffer);
  view.setUint32(0, 0x5041434b);
  view.setUint32(4, 2);
  view.setUint32(8, count);
  sum.update(head);
  yield head;
  let written = 0;
  for (const { type, body } of objects) {
    const piece = concat(entryHead(KIND[type], body.length), deflate(body));
    sum.update(piece);
    yield piece;
    written++;
  }
  if (written !== count) throw new RangeError(`pack of ${count} objects was given ${written}`);
  yield sum.digest();
}

/** The whole pack as one array. */
export function writePack(objects: readonly GitObject[]): Uint8Array {
  return concat(...packPieces(objects.length, objects));
}

function entryHead(kind: number, size: number): Uint8Array {
  const bytes = [kind << 4 | (size & 15)];
  for (let rest = Math.floor(size / 16); rest > 0; rest = Math.floor(rest / 128)) {
    bytes[bytes.length - 1]! |= 0x80;
    bytes.push(rest & 0x7f);
  }
  return Uint8Array.from(bytes);
}
