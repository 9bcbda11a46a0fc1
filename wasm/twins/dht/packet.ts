/** Takes a datagram apart without judging who sent it. A wrong shape throws a {@linkcode DecodeError}. Spec: dht §1.1–1.3. */
import { DecodeError } from "../../../core/base/mod.ts";
import { Reader, skim } from "../../../core/codec/mod.ts";
import { KERNEL_LIMITS as L } from "../../limits.ts";

/** Where the value of each key begins; a key given twice counts as given last. */
export type Places = Map<string, number>;

/** `e`, `r`, `p`, `u`, `a`: the key whose presence, in this order, says what the packet is. */
export const KINDS = ["e", "r", "p", "u", "a"] as const;
export type Kind = typeof KINDS[number];

export interface Packet {
  readonly bytes: Uint8Array;
  readonly places: Places;
  readonly kind: Kind | undefined;
  readonly tid: number;
  readonly client: boolean;
}

export const malformed = (what: string): DecodeError => new DecodeError("dht/malformed", { what });

/** The places of the top level. @throws {DecodeError} for anything but one map within the bounds. */
export function openPacket(bytes: Uint8Array): Places {
  if (bytes.length > L.datagramBytes) throw malformed("size");
  if (skim(bytes, { depth: L.depth, length: L.datagramBytes }) < 0) throw malformed("truncated");
  return placesAt(bytes, 0);
}

/** Network number of an opened packet. */
export function networkOf(bytes: Uint8Array, places: Places): number {
  const at = places.get("n");
  return at === undefined ? 0 : new Reader(bytes, at).uint(0xffffffff);
}

export function readPacket(bytes: Uint8Array, places: Places): Packet {
  const tid = readTid(bytes, places.get("t"));
  const agent = places.get("v"), client = places.get("s");
  if (agent !== undefined && !["str", "bin"].includes(new Reader(bytes, agent).kind())) throw malformed("v");
  return {
    bytes,
    places,
    kind: KINDS.find((key) => places.has(key)),
    tid,
    client: client !== undefined && new Reader(bytes, client).bool(),
  };
}

/** Places of the keys of the map at `at`; keys that are no str are passed over. */
export function placesAt(bytes: Uint8Array, at: number): Places {
  const r = new Reader(bytes, at), places: Places = new Map();
  for (let n = r.map(); n > 0; n--) {
    const key = r.kind() === "str" ? r.strBytes() : r.skip();
    if (key && key.length <= 6) places.set(String.fromCharCode(...key), r.at);
    r.skip();
  }
  return places;
}

/** A uint, or up to four bytes read big-endian and padded with zeros on the right. */
function readTid(bytes: Uint8Array, at: number | undefined): number {
  if (at === undefined) return 0;
  const r = new Reader(bytes, at), kind = r.kind();
  if (kind === "int") return r.uint(0xffffffff);
  const raw = kind === "str" ? r.strBytes() : r.bin();
  if (raw.length > 4) throw malformed("t");
  return new DataView(Uint8Array.of(...raw, 0, 0, 0, 0).buffer).getUint32(0);
}
