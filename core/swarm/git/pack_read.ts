/** Reads a pack from a stranger: every size, count and chain is checked before anything is inflated. Spec: swarm §4.3, §12. */
import { DecodeError, equal, hex } from "../../base/mod.ts";
import { LIMITS } from "../limits.ts";
import { applyDelta, deltaSizes } from "./delta.ts";
import { type ObjectId, objectId, type ObjectType } from "./objects.ts";
import { inflate, RunningSha1 } from "./zlib_io.ts";

/** Where the pack lies: memory or a file. `slice` may give fewer bytes only at the end. */
export interface PackSource {
  readonly length: number;
  slice(from: number, to: number): Uint8Array;
}
export const memoryPack = (bytes: Uint8Array): PackSource => ({
  length: bytes.length,
  slice: (from, to) => bytes.subarray(from, to),
});

export interface PackObject {
  readonly id: ObjectId;
  readonly type: ObjectType;
  readonly body: Uint8Array;
  /** Where its entry begins and ends in the pack. */
  readonly from: number;
  readonly to: number;
}
export type PackLimits = Readonly<
  Record<"packBytes" | "packObjects" | "packInflatedBytes" | "objectBytes" | "deltaChain", number>
>;

const HEADER = 12, TRAILER = 20, ENTRY_HEAD = 32, STEP = 64 << 10;
const TYPES: Record<number, ObjectType> = { 1: "commit", 2: "tree", 3: "blob", 4: "tag" };
const OFS = 6, REF = 7;

type Place = { readonly head: number; readonly at: number; readonly size: number; readonly end: number };
/** Bytes that may still be inflated. */
export type Budget = { left: number };
const bad = (reason: string, data: Record<string, unknown> = {}): never => {
  throw new DecodeError("swarm/pack", { reason, ...data });
};

/**
 * Every object of a pack, each once, bases before what leans on them; ids are computed, never believed.
 * @throws {DecodeError} `swarm/pack` with a `reason`; `swarm/zlib`, `swarm/delta`. What came before stays valid.
 */
export function* readPack(pack: PackSource, limits: PackLimits = LIMITS): Generator<PackObject> {
  const count = checkFrame(pack, limits), budget: Budget = { left: limits.packInflatedBytes };
  const whole: (Place & { id: ObjectId; type: ObjectType })[] = [];
  const leaning = new Map<ObjectId | number, Place[]>(); // by base: its id, or where its entry begins
  let head = HEADER, waiting = 0;
  for (let i = 0; i < count; i++) {
    const entry = readHead(pack, head, limits);
    const { data, used } = inflateAt(pack, entry, budget), end = entry.at + used;
    const place = { head, at: entry.at, size: entry.size, end };
    if (entry.base === undefined) {
      const id = objectId(entry.type, data);
      whole.push({ ...place, id, type: entry.type });
      yield { id, type: entry.type, body: data, from: head, to: end };
    } else {
      if (deltaSizes(data).result > limits.objectBytes) bad("object too large");
      const siblings = leaning.get(entry.base);
      if (siblings) siblings.push(place);
      else leaning.set(entry.base, [place]);
      waiting++;
    }
    head = end;
  }
  if (head !== pack.length - TRAILER) bad("bytes behind the last object");
  for (const base of whole) {
    if (!leaning.size) break;
    if (!leaning.has(base.id) && !leaning.has(base.head)) continue;
    const { data } = inflateAt(pack, base, budget);
    yield* resolve(base.id, base.head, base.type, data, 1, data.length);
  }
  if (waiting) bad("delta without its base", { waiting });

  function* resolve(
    id: ObjectId,
    head: number,
    type: ObjectType,
    body: Uint8Array,
    depth: number,
    held: number,
  ): Generator<PackObject> {
    const children = [...leaning.get(id) ?? [], ...leaning.get(head) ?? []];
    if (!children.length) return;
    if (depth > limits.deltaChain) bad("delta chain too long");
    if (held > limits.packInflatedBytes / 4) bad("delta chain too heavy");
    leaning.delete(id);
    leaning.delete(head);
    for (const child of children) {
      const { data: delta } = inflateAt(pack, child, budget);
      spend(budget, deltaSizes(delta).result);
      const made = applyDelta(body, delta, limits.objectBytes), madeId = objectId(type, made);
      waiting--;
      yield { id: madeId, type, body: made, from: child.head, to: child.end };
      yield* resolve(madeId, child.head, type, made, depth + 1, held + made.length);
    }
  }
}

/** Header, trailer and totals. @returns the number of objects announced. */
function checkFrame(pack: PackSource, limits: PackLimits): number {
  if (pack.length > limits.packBytes) bad("pack too large", { bytes: pack.length });
  if (pack.length < HEADER + TRAILER) bad("truncated");
  const start = pack.slice(0, HEADER), view = new DataView(start.buffer, start.byteOffset, HEADER);
  if (view.getUint32(0) !== 0x5041434b) bad("not a pack");
  if (view.getUint32(4) !== 2) bad("version", { version: view.getUint32(4) });
  const count = view.getUint32(8), end = pack.length - TRAILER, sum = new RunningSha1();
  if (count > limits.packObjects) bad("too many objects", { count });
  for (let at = 0; at < end; at += STEP) sum.update(pack.slice(at, Math.min(end, at + STEP)));
  if (!equal(sum.digest(), pack.slice(end, pack.length))) bad("checksum");
  return count;
}

type Head =
  & { at: number; size: number }
  & (
    | { type: ObjectType; base: undefined }
    | { type: undefined; base: ObjectId | number }
  );

/** The head of the entry at `from`: what it is, what it leans on, where its data begins. */
export function readHead(pack: PackSource, from: number, limits: PackLimits = LIMITS): Head {
  const bytes = pack.slice(from, Math.min(pack.length - TRAILER, from + ENTRY_HEAD));
  let at = 0;
  const next = (): number => at < bytes.length ? bytes[at++]! : bad("truncated");
  let byte = next(), scale = 16;
  const kind = (byte >> 4) & 7;
  let size = byte & 15;
  while (byte & 0x80) {
    byte = next();
    size += (byte & 0x7f) * scale;
    scale *= 128;
    if (scale > 2 ** 42) bad("size too long");
  }
  if (size > limits.objectBytes) bad("object too large", { size });
  const type = TYPES[kind];
  if (type) return { at: from + at, size, type, base: undefined };
  if (kind === REF) {
    if (at + 20 > bytes.length) bad("truncated");
    return { at: from + at + 20, size, type: undefined, base: hex(bytes.subarray(at, at + 20)) };
  }
  if (kind !== OFS) return bad("object type", { kind });
  byte = next();
  let back = byte & 0x7f;
  while (byte & 0x80) {
    byte = next();
    back = (back + 1) * 128 + (byte & 0x7f);
    if (back > from) bad("offset before the pack");
  }
  if (back === 0 || from - back < HEADER) bad("offset before the pack");
  return { at: from + at, size, type: undefined, base: from - back };
}

/** The data of one entry, exactly as long as it was announced. */
export function inflateAt(
  pack: PackSource,
  place: { readonly at: number; readonly size: number },
  budget: Budget,
): { data: Uint8Array; used: number } {
  spend(budget, place.size);
  const end = pack.length - TRAILER;
  // Deflated data is rarely larger than its source: try a window of that size first, then all there is.
  for (let window = place.size + 1024;; window *= 16) {
    const last = place.at + window >= end;
    try {
      const result = inflate(pack.slice(place.at, last ? end : place.at + window), place.size);
      if (result.data.length !== place.size) bad("size differs from its announcement");
      return result;
    } catch (error) {
      if (last || (error instanceof DecodeError && error.code !== "swarm/zlib")) throw error;
    }
  }
}

function spend(budget: Budget, bytes: number): void {
  if ((budget.left -= bytes) < 0) bad("inflates to too much");
}
