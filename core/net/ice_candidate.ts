/** Candidates: their lines, their numbers, and which addresses may be dialled or offered. Spec: connection §2.1–2.3. */
import { canonicalIp, DecodeError, type Endpoint, familyOf, isIp, parseIp } from "../base/mod.ts";
import { ICE } from "./limits.ts";

export type CandidateType = "host" | "srflx" | "prflx" | "relay";
export type TcpType = "active" | "passive" | "so";

/** One address where a side may be reached. */
export interface Candidate extends Endpoint {
  readonly foundation: string;
  /** 1 for a peer link; calls number over all streams (calls §3). */
  readonly component: number;
  readonly transport: "udp" | "tcp";
  /** Only for TCP. An active candidate carries port 9: it cannot be dialled. */
  readonly tcpType?: TcpType;
  readonly type: CandidateType;
  /** Unsigned 32 bits. */
  readonly priority: number;
}

/** Who a side says it is: the fragment and the password of its checks. */
export interface IceCredentials {
  readonly ufrag: string;
  readonly pwd: string;
}

/** One side's half of a session. */
export interface IceOffer extends IceCredentials {
  readonly candidates: readonly Candidate[];
}

/** What we agree to dial. Multicast, broadcast, unspecified addresses and port 0 are never dialled. */
export interface DialPolicy {
  /** Loopback addresses, for nodes on one machine. Default false. */
  readonly loopback?: boolean;
  /** Ports below 1024. Default false. */
  readonly lowPorts?: boolean;
}

/**
 * Reads the text of a connection request. Bad lines are skipped, candidates beyond `ICE.remotes` too.
 * @param text At most 8 KiB and 64 lines (`ICE.text`, `ICE.lines`).
 * @throws {DecodeError} `net/ice-text-size`, `net/ice-credentials`, `net/ice-no-candidates`.
 * Spec: connection §2.1, §9 H1–H3.
 */
export function parseIceText(text: string): IceOffer {
  const lines = text.length <= ICE.text ? text.split("\n") : [];
  if (lines.at(-1) === "") lines.pop();
  if (text.length > ICE.text || lines.length > ICE.lines) {
    throw new DecodeError("net/ice-text-size", { length: text.length, lines: lines.length });
  }
  const filled = lines.map((line) => line.replace(/\r$/, "")).filter((line) => line !== "");
  const [ufrag = "", pwd = "", ...rest] = filled;
  checkCredentials({ ufrag, pwd });
  const candidates = rest.map(parseCandidate).filter((c) => c !== undefined);
  if (!candidates.length) throw new DecodeError("net/ice-no-candidates", { lines: lines.length });
  return { ufrag, pwd, candidates };
}

/** Inverse of {@linkcode parseIceText}: every line ends with LF. */
export function formatIceText(offer: IceOffer): string {
  return [offer.ufrag, offer.pwd, ...offer.candidates.map(formatCandidate)].map((line) => line + "\n").join(
    "",
  );
}

/** @throws {DecodeError} `net/ice-credentials`: lengths or alphabet (ice-char of RFC 8839 §5.4) are wrong. */
export function checkCredentials({ ufrag, pwd }: IceCredentials): void {
  const ok = (text: string, min: number, max: number) =>
    text.length >= min && text.length <= max && /^[A-Za-z0-9+/]*$/.test(text);
  if (!ok(ufrag, ICE.ufragMin, ICE.ufragMax) || !ok(pwd, ICE.pwdMin, ICE.pwdMax)) {
    throw new DecodeError("net/ice-credentials", { ufrag: ufrag.length, pwd: pwd.length });
  }
}

const TYPES: readonly string[] = ["host", "srflx", "prflx", "relay"];
const TCP_TYPES: readonly string[] = ["active", "passive", "so"];

/** One line, without `a=candidate:`; words behind the known ones are ignored. Undefined if it is no usable candidate. */
export function parseCandidate(line: string): Candidate | undefined {
  const words = line.split(/[ \t]+/),
    [foundation, component, transport, priority, ip, port, typ, type] = words;
  if (type === undefined || words.length > 32 || typ !== "typ" || !TYPES.includes(type)) return undefined;
  if (!foundation || foundation.length > ICE.foundation || !isIp(ip!) || ip!.includes("%")) return undefined;
  const numbers = {
    component: number(component!, 1, 256),
    priority: number(priority!, 0, 0xffffffff),
    port: number(port!, 0, 65535),
  };
  if (Object.values(numbers).includes(-1)) return undefined;
  const base = { ...numbers, foundation, ip: canonicalIp(ip!), type: type as CandidateType };
  if (transport === "UDP") return { ...base, transport: "udp" };
  const tcpType = words[8] === "tcptype" ? words[9] : undefined;
  if (transport !== "TCP" || !tcpType || !TCP_TYPES.includes(tcpType)) return undefined;
  return { ...base, transport: "tcp", tcpType: tcpType as TcpType };
}

/** The line of a candidate, without `a=candidate:` and without line end. */
export function formatCandidate(c: Candidate): string {
  const tail = c.tcpType ? ` tcptype ${c.tcpType}` : "";
  return `${c.foundation} ${c.component} ${c.transport.toUpperCase()} ${c.priority} ${c.ip} ${c.port} typ ${c.type}${tail}`;
}

const PREFERENCE = { host: 126, prflx: 110, srflx: 100, relay: 0 } as const;
const LETTER = { host: "H", srflx: "S", prflx: "P", relay: "R" } as const;

/** Spec: connection §2.3. @param index Position among the candidates of its kind. */
export const priorityOf = (type: CandidateType, index: number, component: number): number =>
  PREFERENCE[type] * 2 ** 24 + (65535 - index) * 256 + (256 - component);

/** Letter of the type and the base address as hex; an IPv6 base is folded to 32 bits. */
export function foundationOf(type: CandidateType, baseIp: string): string {
  const bytes = parseIp(baseIp), view = new DataView(bytes.buffer, bytes.byteOffset);
  let sum = view.getUint32(0);
  if (bytes.length === 16) { for (let i = 0; i < 16; i++) sum = (Math.imul(sum, 33) + bytes[i]!) >>> 0; }
  return LETTER[type] + sum.toString(16);
}

/** Priority of a pair: 64 bits. `controlling` and `controlled` are the candidate priorities of those sides. */
export function pairPriority(controlling: number, controlled: number): bigint {
  const [low, high] = controlling < controlled ? [controlling, controlled] : [controlled, controlling];
  return (BigInt(low) << 32n) + 2n * BigInt(high) + (controlling > controlled ? 1n : 0n);
}

/** Why an address is not dialled, or undefined if it may be. Spec: connection §2.9, §9 H4. */
export function whyNotDial(to: Endpoint, policy: DialPolicy): string | undefined {
  const kind = kindOf(to.ip);
  if (to.port === 0) return "port-zero";
  if (to.port < 1024 && !policy.lowPorts) return "low-port";
  if (kind === "loopback") return policy.loopback ? undefined : "loopback";
  return kind === "public" || kind === "private" || kind === "shared" || kind === "link-local"
    ? undefined
    : kind;
}

/** True for an address that means the same everywhere: not private, shared, link-local or reserved. */
export const isRoutable = (ip: string): boolean => kindOf(ip) === "public";

export type AddressKind =
  | "public"
  | "private"
  | "shared"
  | "link-local"
  | "loopback"
  | "unspecified"
  | "multicast"
  | "reserved";

/** What an address is for, after the special-purpose registries (RFC 6890). */
export function kindOf(ip: string): AddressKind {
  const b = parseIp(ip), [a, c] = [b[0]!, b[1]!];
  if (familyOf(ip) === 6 && b.length === 16) {
    const head = b.subarray(0, 15).every((byte) => byte === 0);
    if (head && b[15]! < 2) return b[15] ? "loopback" : "unspecified";
    if (a === 0xff) return "multicast";
    if ((a & 0xfe) === 0xfc) return "private";
    if (a === 0xfe && (c & 0xc0) === 0x80) return "link-local";
    return (a & 0xe0) === 0x20 || (a === 0 && c === 0x64 && b[2] === 0xff && b[3] === 0x9b)
      ? "public"
      : "reserved";
  }
  if (a === 0) return "unspecified";
  if (a === 127) return "loopback";
  if (a === 10 || (a === 172 && (c & 0xf0) === 16) || (a === 192 && c === 168)) return "private";
  if (a === 100 && (c & 0xc0) === 64) return "shared";
  if (a === 169 && c === 254) return "link-local";
  if (a >= 224 && a < 240) return "multicast";
  // Documentation ranges count as public: outside of laboratories nobody has them.
  return a >= 240 || (a === 198 && (c & 0xfe) === 18) ? "reserved" : "public";
}

function number(text: string, min: number, max: number): number {
  const value = /^\d{1,10}$/.test(text) ? Number(text) : -1;
  return value >= min && value <= max ? value : -1;
}
