/** NAT-PMP and PCP packets: what a home gateway is asked on port 5351. Spec: connection §3.4, RFC 6886 §3, RFC 6887 §7, §11. */
import { concat, familyOf, formatIp, parseIp } from "../base/mod.ts";

export const GATEWAY_PORT = 5351;
export type MapProtocol = "tcp" | "udp";

export interface MapRequest {
  readonly protocol: MapProtocol;
  readonly internalPort: number;
  /** Wish; 0 = any. */
  readonly externalPort: number;
  /** 0 removes the mapping. */
  readonly lifetimeS: number;
}

export type PmpAnswer =
  | { kind: "external"; result: number; epoch: number; ip: string }
  | {
    kind: "map";
    result: number;
    epoch: number;
    protocol: MapProtocol;
    internalPort: number;
    externalPort: number;
    lifetimeS: number;
  }
  /** The gateway speaks NAT-PMP but not what it was asked, e.g. PCP. */
  | { kind: "unsupported" };

/** Asks for the public address. */
export const encodePmpExternal = (): Uint8Array => new Uint8Array([0, 0]);

export function encodePmpMap({ protocol, internalPort, externalPort, lifetimeS }: MapRequest): Uint8Array {
  const out = new Uint8Array(12), view = new DataView(out.buffer);
  out[1] = protocol === "udp" ? 1 : 2;
  view.setUint16(4, internalPort), view.setUint16(6, externalPort), view.setUint32(8, lifetimeS);
  return out;
}

/** Undefined if these bytes are no NAT-PMP answer. */
export function decodePmp(bytes: Uint8Array): PmpAnswer | undefined {
  if (bytes.length < 4 || bytes[0] !== 0 || !(bytes[1]! & 0x80)) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length),
    result = view.getUint16(2),
    op = bytes[1]! & 0x7f;
  if (result === 1 || op > 2) return { kind: "unsupported" };
  const epoch = bytes.length >= 8 ? view.getUint32(4) : 0;
  if (op === 0) {
    if (result !== 0) return { kind: "external", result, epoch, ip: "0.0.0.0" };
    return bytes.length === 12
      ? { kind: "external", result, epoch, ip: formatIp(bytes.subarray(8, 12)) }
      : undefined;
  }
  if (bytes.length !== 16) return undefined;
  return {
    kind: "map",
    result,
    epoch,
    protocol: op === 1 ? "udp" : "tcp",
    internalPort: view.getUint16(8),
    externalPort: view.getUint16(10),
    lifetimeS: view.getUint32(12),
  };
}

export interface PcpRequest extends MapRequest {
  /** 12 bytes; the same for every packet about this mapping. */
  readonly nonce: Uint8Array;
  /** Our address as the gateway sees it. */
  readonly client: string;
  /** The external address we had, for renewals. */
  readonly externalIp?: string;
}

export interface PcpAnswer {
  /** 0 success; RFC 6887 §7.4. */
  readonly result: number;
  readonly lifetimeS: number;
  readonly epoch: number;
  /** Absent for other opcodes than MAP. */
  readonly map?: {
    readonly nonce: Uint8Array;
    readonly protocol: MapProtocol;
    readonly internalPort: number;
    readonly externalPort: number;
    readonly externalIp: string;
  };
}

const mapped = (ip: string) =>
  familyOf(ip) === 6 ? parseIp(ip) : concat(new Uint8Array(10), new Uint8Array([255, 255]), parseIp(ip));

/** ANNOUNCE: who speaks PCP answers. */
export function encodePcpAnnounce(client: string): Uint8Array {
  return pcpHeader(0, 0, client);
}
function pcpHeader(opcode: number, lifetimeS: number, client: string): Uint8Array {
  const out = new Uint8Array(24);
  out[0] = 2, out[1] = opcode;
  new DataView(out.buffer).setUint32(4, lifetimeS);
  out.set(mapped(client), 8);
  return out;
}

export function encodePcpMap(r: PcpRequest): Uint8Array {
  const body = new Uint8Array(36), view = new DataView(body.buffer);
  body.set(r.nonce);
  body[12] = r.protocol === "tcp" ? 6 : 17;
  view.setUint16(16, r.internalPort), view.setUint16(18, r.externalPort);
  const any = familyOf(r.client) === 6 ? "::" : "0.0.0.0";
  body.set(r.externalIp || familyOf(r.client) === 4 ? mapped(r.externalIp ?? any) : new Uint8Array(16), 20);
  return concat(pcpHeader(1, r.lifetimeS, r.client), body);
}

/** Undefined if these bytes are no PCP answer. */
export function decodePcp(bytes: Uint8Array): PcpAnswer | undefined {
  if (bytes.length < 24 || bytes.length > 1100 || bytes.length % 4 || bytes[0] !== 2 || !(bytes[1]! & 0x80)) {
    return undefined;
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length), op = bytes[1]! & 0x7f;
  const head = { result: bytes[3]!, lifetimeS: view.getUint32(4), epoch: view.getUint32(8) };
  if (op !== 1) return head;
  if (bytes.length < 60) return head.result === 0 ? undefined : head;
  const protocol = bytes[36] === 6 ? "tcp" : bytes[36] === 17 ? "udp" : undefined;
  if (!protocol) return undefined;
  const ports = { internalPort: view.getUint16(40), externalPort: view.getUint16(42) };
  const externalIp = formatIp(bytes.subarray(44, 60));
  return { ...head, map: { nonce: bytes.slice(24, 36), protocol, ...ports, externalIp } };
}
