/** Compact node lists: the bytes behind `n4` and `n6`. Pure. Spec: dht §1.6. */
import { type Endpoint, type Family, familyOf, formatIp } from "../base/mod.ts";
import { LIMITS } from "./limits.ts";

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
  for (let i = 0; i < count; i++) {
    const entry = bytes.subarray(i * size, (i + 1) * size), id = entry.subarray(0, 20);
    const ip = entry.subarray(20, size - 2), port = (entry[size - 2]! << 8) | entry[size - 1]!;
    if (port === 0 || isMartian(ip)) continue;
    if (!isLoopback(ip)) nodes.push({ id, address: { ip: formatIp(ip), port } });
    else if (familyOf(from.ip) === family) nodes.push({ id, address: { ip: from.ip, port } });
  }
  return nodes;
}

/** Addresses that no node can have. Spec: dht §1.6. */
export function isMartian(ip: Uint8Array): boolean {
  if (ip.length === 4) return ip[0] === 0 || ip[0]! >= 224;
  const zeros = ip.findIndex((byte) => byte !== 0);
  return ip[0] === 0xff || zeros === -1 || (zeros === 10 && ip[10] === 0xff && ip[11] === 0xff);
}

function isLoopback(ip: Uint8Array): boolean {
  if (ip.length === 4) return ip[0] === 127;
  return ip[15] === 1 && ip.findIndex((byte) => byte !== 0) === 15;
}
