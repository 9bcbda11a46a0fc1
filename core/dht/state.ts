/** The state file: good nodes and stored values, as other nodes write and read it. Pure. Spec: dht §4.13. */
import { DecodeError, type Endpoint, formatIp, parseIp } from "../base/mod.ts";
import { Ext, Reader, timestamp, timestampNanos, Writer } from "../codec/mod.ts";
import { readValue } from "./incoming.ts";
import { LIMITS } from "./limits.ts";
import type { Kept } from "./storage.ts";
import { encodeValue } from "./value.ts";
import { lifetimeOf } from "./value_types.ts";

/** What a state file holds. Its times are wall clock; here they are monotonic, `wallOffset` apart. */
export interface State {
  /** 20 bytes. */
  readonly id: Uint8Array;
  readonly nodes: readonly { readonly id: Uint8Array; readonly address: Endpoint }[];
  readonly values: Iterable<Kept>;
}

const MS = 1_000_000n;

export function exportState({ id, nodes, values, wallOffset }: State & { wallOffset: number }): Uint8Array {
  const w = new Writer().map(4).str("v").uint(1).str("id").bin(id).str("nodes").array(nodes.length);
  for (const node of nodes) w.map(2).str("id").bin(node.id).str("addr").bin(encodeSockaddr(node.address));
  const keys = new Map<string, Kept[]>();
  for (const kept of values) {
    const key = kept.key.toHex(), list = keys.get(key);
    list ? list.push(kept) : keys.set(key, [kept]);
  }
  const time = (monotonic: number) => BigInt(Math.round(monotonic + wallOffset)) * MS;
  w.str("values").array(keys.size);
  for (const list of keys.values()) {
    const blob = new Writer().array(list.length);
    for (const { value, from, created, expires } of list) {
      const until = expires === Infinity ? created + lifetimeOf(value.type) : expires;
      writeTime(blob.array(4), time(created)).raw(encodeValue(value));
      writeTime(blob.bin(from ? encodeSockaddr(from) : new Uint8Array(0)), time(until));
    }
    w.array(2).bin(list[0]!.key).bin(blob.finish());
  }
  return w.finish();
}

/**
 * Reads what we or others have written; single entries that make no sense are left out. Values whose date only their
 * writer's own clock could explain count as new.
 * @throws {DecodeError} `dht/state`, `codec/msgpack-…` for a file that is none.
 */
export function importState(bytes: Uint8Array, wallOffset: number, now: number): State {
  if (bytes.length > LIMITS.stateBytes) throw new DecodeError("dht/state", { size: bytes.length });
  const r = new Reader(bytes), nodes: State["nodes"][number][] = [], values: Kept[] = [];
  let id: Uint8Array | undefined;
  for (let n = r.map(); n > 0; n--) {
    switch (r.str()) {
      case "id":
        id = r.bin().slice();
        break;
      case "nodes":
        for (let i = r.array(); i > 0; i--) {
          const node = attempt(r.raw(), readNode);
          if (node && nodes.length < LIMITS.stateNodes) nodes.push(node);
        }
        break;
      case "values":
        for (let i = r.array(); i > 0; i--) {
          values.push(...attempt(r.raw(), (entry) => readKey(entry, wallOffset, now)) ?? []);
        }
        break;
      default:
        r.skip();
    }
  }
  if (id?.length !== 20) throw new DecodeError("dht/state", { field: "id" });
  return { id, nodes, values };
}

/** The id in a state file, before a node is made of it. @throws {DecodeError} as {@linkcode importState}. */
export function stateId(bytes: Uint8Array): Uint8Array {
  return importState(bytes, 0, 0).id;
}

/** A Linux `sockaddr_in` or `sockaddr_in6`. */
export function encodeSockaddr({ ip, port }: Endpoint): Uint8Array {
  const address = parseIp(ip), four = address.length === 4, bytes = new Uint8Array(four ? 16 : 28);
  bytes[0] = four ? 2 : 10;
  bytes[2] = port >> 8, bytes[3] = port & 255;
  bytes.set(address, four ? 4 : 8);
  return bytes;
}

/** Inverse of {@linkcode encodeSockaddr}; the family follows from the length, whatever number a system gives it. */
export function decodeSockaddr(bytes: Uint8Array): Endpoint {
  if (bytes.length !== 16 && bytes.length !== 28) throw new DecodeError("dht/state", { field: "addr" });
  const ip = bytes.length === 16 ? bytes.subarray(4, 8) : bytes.subarray(8, 24);
  return { ip: formatIp(ip), port: (bytes[2]! << 8) | bytes[3]! };
}

function readNode(r: Reader): State["nodes"][number] {
  let id: Uint8Array | undefined, address: Endpoint | undefined;
  for (let n = r.map(); n > 0; n--) {
    const key = r.str();
    if (key === "id") id = r.bin().slice();
    else if (key === "addr") address = decodeSockaddr(r.bin());
    else r.skip();
  }
  if (id?.length !== 20 || !address?.port) throw new DecodeError("dht/state", { field: "nodes" });
  return { id, address };
}

function readKey(r: Reader, wallOffset: number, now: number): Kept[] {
  if (r.array() !== 2) throw new DecodeError("dht/state", { field: "values" });
  const key = r.bin().slice(), list = new Reader(r.blob()), kept: Kept[] = [];
  if (key.length !== 20) throw new DecodeError("dht/state", { field: "values" });
  for (let n = list.array(); n > 0; n--) {
    const entry = attempt(list.raw(), (e) => readEntry(e, key, wallOffset, now));
    if (entry) kept.push(entry);
  }
  return kept;
}

function readEntry(r: Reader, key: Uint8Array, wallOffset: number, now: number): Kept | undefined {
  const fields = r.array(), dated = r.kind() === "ext";
  const time = () => Number(timestampNanos(readExt(r)) / MS) - wallOffset;
  let created = now;
  if (dated) created = Math.min(now, time());
  else r.skip();
  const value = readValue(r.raw()), owner = fields > 2 ? r.blob() : new Uint8Array(0);
  const expires = fields > 3 && dated ? time() : Infinity;
  return value && { key, value, from: owner.length ? decodeSockaddr(owner) : undefined, created, expires };
}

function attempt<T>(bytes: Uint8Array, read: (r: Reader) => T): T | undefined {
  try {
    return read(new Reader(bytes));
  } catch (error) {
    if (error instanceof DecodeError) return undefined;
    throw error;
  }
}
function writeTime(w: Writer, nanos: bigint): Writer {
  const { type, data } = timestamp(nanos);
  return w.ext(type, data);
}
function readExt(r: Reader): Ext {
  const { type, data } = r.ext();
  return new Ext(type, data);
}
