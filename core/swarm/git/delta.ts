/** Git deltas: copy and insert instructions over a base object. Spec: swarm §4.3 (REF_DELTA), §12 row 30. */
import { DecodeError } from "../../base/mod.ts";

const bad = (reason: string): never => {
  throw new DecodeError("swarm/delta", { reason });
};

/** Sizes a delta announces: of the base it wants and of what it makes. @throws {DecodeError} `swarm/delta`. */
export function deltaSizes(delta: Uint8Array): { base: number; result: number; at: number } {
  const base = size(delta, 0), result = size(delta, base.at);
  return { base: base.value, result: result.value, at: result.at };
}

/**
 * The object a delta makes of `base`.
 * @throws {DecodeError} `swarm/delta`: wrong base size, copy beyond the base, result of another size, above `limit`.
 */
export function applyDelta(base: Uint8Array, delta: Uint8Array, limit: number): Uint8Array {
  const sizes = deltaSizes(delta);
  if (sizes.base !== base.length) bad("base size");
  if (sizes.result > limit) bad("result too large");
  const out = new Uint8Array(sizes.result);
  let at = sizes.at, to = 0;
  while (at < delta.length) {
    const op = delta[at++]!;
    if (op & 0x80) {
      let offset = 0, length = 0;
      for (let i = 0; i < 4; i++) if (op & (1 << i)) offset += byte(delta, at++) * 2 ** (8 * i);
      for (let i = 0; i < 3; i++) if (op & (16 << i)) length += byte(delta, at++) * 2 ** (8 * i);
      if (length === 0) length = 0x10000;
      if (offset + length > base.length) bad("copy beyond the base");
      if (to + length > out.length) bad("result overflow");
      out.set(base.subarray(offset, offset + length), to);
      to += length;
    } else {
      if (op === 0) bad("reserved instruction");
      if (at + op > delta.length) bad("insert beyond the delta");
      if (to + op > out.length) bad("result overflow");
      out.set(delta.subarray(at, at + op), to);
      at += op;
      to += op;
    }
  }
  if (to !== out.length) bad("result too short");
  return out;
}

const byte = (bytes: Uint8Array, at: number): number => at < bytes.length ? bytes[at]! : bad("truncated");

function size(bytes: Uint8Array, at: number): { value: number; at: number } {
  let value = 0;
  for (let shift = 0; shift < 42; shift += 7) {
    const next = byte(bytes, at++);
    value += (next & 0x7f) * 2 ** shift;
    if (!(next & 0x80)) return { value, at };
  }
  return bad("size too long");
}
