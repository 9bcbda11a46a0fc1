/** The maps `a`, `r` and `u`: every known field that is there must have its shape. Spec: dht §1.3. */
import { Reader } from "../../../core/codec/mod.ts";
import type { Query, Rows } from "../../bindings/dht_kernel.ts";
import { KERNEL_LIMITS as L } from "../../limits.ts";
import { readFilter, readRows, WHOLE } from "./filter.ts";
import { malformed, type Places } from "./packet.ts";

export const NO_BYTES = new Uint8Array(0);
const IPV4_FAMILY = 2, IPV6_FAMILIES = [10, 23, 28, 30];

export interface Body {
  /** Zero when absent. */
  readonly target: Uint8Array;
  readonly key: Uint8Array;
  /** Wanted families; absent: that of the packet. */
  readonly wanted: { readonly four: boolean; readonly six: boolean } | undefined;
  readonly query: Query;
  readonly token: Uint8Array | undefined;
  readonly nodes4: Uint8Array;
  readonly nodes6: Uint8Array;
  readonly seenAs: Uint8Array | undefined;
  readonly created: number | undefined;
  readonly value: bigint | undefined;
  readonly socket: number | undefined;
  readonly version: number;
  readonly expired: readonly bigint[];
  readonly refreshed: readonly bigint[];
  readonly rows: Rows | undefined;
  /** Where the list `values` begins. */
  readonly valuesAt: number | undefined;
}

/** @throws {DecodeError} if a field is not what it must be. */
export function readBody(bytes: Uint8Array, places: Places): Body {
  const at = <T>(key: string, read: (r: Reader, at: number) => T): T | undefined => {
    const place = places.get(key);
    return place === undefined ? undefined : read(new Reader(bytes, place), place);
  };
  const valuesAt = places.get("values");
  const body: Body = {
    target: at("target", hash) ?? ZERO_ID,
    key: at("h", hash) ?? ZERO_ID,
    wanted: at("w", wanted),
    query: at("q", (_, place) => readFilter(bytes, place)) ?? WHOLE,
    token: at("token", (r) => r.blob()),
    nodes4: at("n4", (r) => nodes(r, 26)) ?? NO_BYTES,
    nodes6: at("n6", (r) => nodes(r, 38)) ?? NO_BYTES,
    seenAs: at("sa", seenAs),
    created: at("c", created),
    value: at("vid", (r) => r.uint64()),
    socket: at("sid", (r) => r.uint(0xffffffff)),
    version: at("ve", (r) => r.uint(0xffffffff)) ?? 0,
    expired: at("exp", ids) ?? [],
    refreshed: at("re", ids) ?? [],
    rows: at("fileds", (_, place) => readRows(bytes, place)),
    valuesAt,
  };
  if (valuesAt !== undefined) new Reader(bytes, valuesAt).array();
  return body;
}

const ZERO_ID = new Uint8Array(20);

function hash(r: Reader): Uint8Array {
  const bytes = r.bin();
  if (bytes.length !== 20) throw malformed("hash");
  return bytes;
}

function wanted(r: Reader): { four: boolean; six: boolean } {
  const list = { four: false, six: false };
  for (let n = r.array(); n > 0; n--) {
    const family = Number(r.int());
    if (family === IPV4_FAMILY) list.four = true;
    if (IPV6_FAMILIES.includes(family)) list.six = true;
  }
  return list;
}

function nodes(r: Reader, size: number): Uint8Array {
  const bytes = r.blob();
  if (bytes.length % size) throw malformed("nodes");
  return bytes.subarray(0, L.nodesPerReply * size);
}

function seenAs(r: Reader): Uint8Array | undefined {
  const bytes = r.bin();
  return bytes.length === 4 || bytes.length === 16 ? bytes : undefined;
}

function created(r: Reader): number {
  const seconds = r.int();
  if (BigInt(seconds) >= 2n ** 63n) throw malformed("c");
  return Number(seconds);
}

function ids(r: Reader): bigint[] {
  const count = r.array(), list: bigint[] = [];
  if (count > L.idsPerMessage) throw malformed("ids");
  for (let n = count; n > 0; n--) list.push(r.uint64());
  return list;
}
