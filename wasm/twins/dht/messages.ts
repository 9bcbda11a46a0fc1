/** Lists of values, fragments, and the big actions made of a message. Spec: dht §1.5, §1.7. */
import type { Endpoint } from "../../../core/base/mod.ts";
import { Reader } from "../../../core/codec/mod.ts";
import type { KernelAction } from "../../bindings/dht_kernel.ts";
import { KERNEL_LIMITS as L } from "../../limits.ts";
import type { Body } from "./body.ts";
import { Drop } from "./drop.ts";
import type { Announced, Piece } from "./fragments.ts";
import { malformed, type Packet, placesAt } from "./packet.ts";

/** The list `values`: packed values and sizes of others. Entries that are neither are left out, and so are sizes beyond the limit. */
export function readList(bytes: Uint8Array, at: number): { list: Announced[]; tooLarge: number } {
  const r = new Reader(bytes, at), count = r.array(), list: Announced[] = [];
  if (count > L.valuesPerMessage) throw new Drop("too-many-values");
  let tooLarge = 0;
  for (let index = 0; index < count; index++) {
    const kind = r.kind();
    if (kind === "map") {
      const packed = r.raw();
      list.push({ index, size: packed.length, bytes: packed });
    } else if (kind === "int") {
      const size = r.int();
      if (size > L.packedBytes) tooLarge++;
      else if (size > 0) list.push({ index, size: Number(size), bytes: undefined });
    } else r.skip();
  }
  return { list, tooLarge };
}

/** The map `p` of a fragment packet. */
export function readPieces(bytes: Uint8Array, at: number): Piece[] {
  const r = new Reader(bytes, at), count = r.map(), pieces: Piece[] = [];
  if (count < 1 || count > L.piecesPerPacket) throw malformed("p");
  for (let n = count; n > 0; n--) {
    const index = r.uint(0xffffffff),
      places = placesAt(bytes, r.at),
      o = places.get("o"),
      d = places.get("d");
    if (o === undefined || d === undefined) throw malformed("p");
    pieces.push({ index, offset: new Reader(bytes, o).uint(0xffffffff), data: new Reader(bytes, d).blob() });
    r.skip();
  }
  return pieces;
}

const usable = (token: Uint8Array | undefined) =>
  token && token.length > 0 && token.length <= L.tokenBytes ? token : undefined;

export function putAction(
  packet: Packet,
  id: Uint8Array,
  body: Body,
  values: readonly Uint8Array[],
  from: Endpoint,
): KernelAction {
  return { type: "put", id, from, tid: packet.tid, key: body.key, created: body.created, values };
}

export function updateAction(
  packet: Packet,
  id: Uint8Array,
  body: Body,
  values: readonly Uint8Array[],
  from: Endpoint,
): KernelAction {
  const { expired, refreshed } = body, socket = body.socket ?? 0, token = usable(body.token);
  return { type: "update", id, from, tid: packet.tid, socket, token, values, expired, refreshed };
}

export function replyAction(
  { tid, client }: Packet,
  id: Uint8Array,
  body: Body,
  values: readonly Uint8Array[] | undefined,
  from: Endpoint,
): KernelAction {
  const { seenAs, nodes4, nodes6, value, rows, expired, refreshed } = body, token = usable(body.token);
  return {
    type: "reply",
    id,
    from,
    tid,
    client,
    seenAs,
    nodes4,
    nodes6,
    token,
    value,
    values,
    rows,
    expired,
    refreshed,
  };
}
