/** Compact node lists: the bytes behind `n4` and `n6`. Pure. Spec: dht §1.6. */
import { type Endpoint, type Family, familyOf, formatIp } from "../base/mod.ts";
import { LIMITS } from "./limits.ts";

const LOOPBACK = "loopback";

export interface CompactNode {
  /** A view. */
  readonly id: Uint8Array;
  readonly address: Endpoint;
}

/**
 * The usable entries of a list whose length the kernel has checked: not more than `LIMITS.compactNodes`, no martians.
 * A loopback address means the machine that told us of it.
 */
export function readCompact(bytes: Uint8Array, family: Family, from: Endpoint): CompactNode[] {
  const ipBytes = family === 4 ? 4 : 16, size = 20 + ipBytes + 2, nodes: CompactNode[] = [];
  const count = Math.min(Math.floor(bytes.length / size), LIMITS.compactNodes);
  for (let at = 0; at < count * size; at += size) {
    const port = (bytes[at + size - 2]! << 8) | bytes[at + size - 1]!;
    if (port === 0) continue;
    const ip = family === 4 ? readIp4(bytes, at + 20) : readIp6(bytes.subarray(at + 20, at + 36));
    if (ip === "") continue;
    if (ip !== LOOPBACK) nodes.push({ id: bytes.subarray(at, at + 20), address: { ip, port } });
    else if (familyOf(from.ip) === family) {
      nodes.push({ id: bytes.subarray(at, at + 20), address: { ip: from.ip, port } });
    }
  }
  return nodes;
}

/** Addresses that no node can have. Spec: dht §1.6. */
export function isMartian(ip: Uint8Array): boolean {
  if (ip.length === 4) return ip[0] === 0 || ip[0]! >= 224;
  const zeros = ip.findIndex((byte) => byte !== 0);
  return ip[0] === 0xff || zeros === -1 || (zeros === 10 && ip[10] === 0xff && ip[11] === 0xff);
}

/** Text of a usable address, `LOOPBACK`, or nothing for one that no node can have. */
function readIp4(b: Uint8Array, at: number): string {
  const first = b[at]!;
  if (first === 127) return LOOPBACK;
  return first === 0 || first >= 224 ? "" : `${first}.${b[at + 1]!}.${b[at + 2]!}.${b[at + 3]!}`;
}
function readIp6(ip: Uint8Array): string {
  if (isMartian(ip)) return "";
  return ip[15] === 1 && ip.findIndex((byte) => byte !== 0) === 15 ? LOOPBACK : formatIp(ip);
}
