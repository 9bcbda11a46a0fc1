/** Network addresses as text and as bytes. IPv6 text is the short form of RFC 5952. */
import { DecodeError } from "./errors.ts";

/** `ip` is dotted IPv4 or RFC 5952 IPv6 without zone; an IPv4-mapped address is written as the IPv4 it holds. */
export interface Endpoint {
  readonly ip: string;
  readonly port: number;
}

export type Family = 4 | 6;

/** Family of a well-formed address text. */
export const familyOf = (ip: string): Family => (ip.includes(":") ? 6 : 4);
/** True when both name the same address and port. */
export const sameEndpoint = (a: Endpoint, b: Endpoint): boolean => a.port === b.port && a.ip === b.ip;
/** `192.0.2.1:4222` or `[2001:db8::1]:4222`. */
export const formatEndpoint = (e: Endpoint): string =>
  e.ip.includes(":") ? `[${e.ip}]:${e.port}` : `${e.ip}:${e.port}`;

/** 4 or 16 bytes of an address text (a zone after `%` is ignored). @throws {DecodeError} `base/address`. */
export function parseIp(ip: string): Uint8Array {
  const zone = ip.indexOf("%"), plain = zone < 0 ? ip : ip.slice(0, zone);
  const bytes = plain.includes(":") ? parse6(plain) : parse4(plain);
  if (!bytes) throw new DecodeError("base/address", { ip: ip.slice(0, 64) });
  return bytes;
}

/** True if `text` is an IPv4 or IPv6 address. */
export function isIp(text: string): boolean {
  return (text.includes(":") ? parse6(text) : parse4(text)) !== undefined;
}

/** Text of 4 or 16 address bytes; an IPv4-mapped IPv6 address becomes IPv4. @throws {DecodeError} `base/address`. */
export function formatIp(bytes: Uint8Array): string {
  if (bytes.length === 4) return `${bytes[0]}.${bytes[1]}.${bytes[2]}.${bytes[3]}`;
  if (bytes.length !== 16) throw new DecodeError("base/address", { length: bytes.length });
  if (isMapped(bytes)) return formatIp(bytes.subarray(12));
  const groups = Array.from({ length: 8 }, (_, i) => (bytes[2 * i]! << 8) | bytes[2 * i + 1]!);
  let best = -1, length = 1; // the first longest run of two or more zero groups is shortened
  for (let i = 0; i < 8; i++) {
    let n = 0;
    while (i + n < 8 && groups[i + n] === 0) n++;
    if (n > length) best = i, length = n;
  }
  const text = (part: number[]) => part.map((g) => g.toString(16)).join(":");
  return best < 0 ? text(groups) : `${text(groups.slice(0, best))}::${text(groups.slice(best + length))}`;
}

/** The canonical text of any address text: mapped addresses become IPv4, zones go, IPv6 is shortened. */
export function canonicalIp(ip: string): string {
  return ip.includes(":") ? formatIp(parseIp(ip)) : ip;
}

function isMapped(b: Uint8Array): boolean {
  for (let i = 0; i < 10; i++) if (b[i] !== 0) return false;
  return b[10] === 255 && b[11] === 255;
}

function parse4(text: string): Uint8Array | undefined {
  const parts = text.split(".");
  if (parts.length !== 4) return undefined;
  const bytes = new Uint8Array(4);
  for (let i = 0; i < 4; i++) {
    const part = parts[i]!, value = Number(part);
    if (!/^\d{1,3}$/.test(part) || value > 255) return undefined;
    bytes[i] = value;
  }
  return bytes;
}

function parse6(text: string): Uint8Array | undefined {
  const halves = text.split("::");
  if (halves.length > 2) return undefined;
  const [head, tail] = halves.map(groupsOf);
  if (!head || (halves.length === 2 && !tail)) return undefined;
  const given = head.length + (tail?.length ?? 0);
  if (tail ? given > 14 : given !== 16) return undefined;
  const bytes = new Uint8Array(16);
  bytes.set(head);
  if (tail) bytes.set(tail, 16 - tail.length);
  return bytes;
}

function groupsOf(text: string): number[] | undefined {
  if (text === "") return [];
  const bytes: number[] = [], groups = text.split(":");
  for (const [i, group] of groups.entries()) {
    if (i === groups.length - 1 && group.includes(".")) {
      const four = parse4(group);
      if (!four) return undefined;
      bytes.push(...four);
    } else {
      if (!/^[0-9a-fA-F]{1,4}$/.test(group)) return undefined;
      const value = parseInt(group, 16);
      bytes.push(value >> 8, value & 255);
    }
  }
  return bytes;
}
