/** Connectivity checks as messages: what we send, and what a received one is worth. Spec: connection §2.6. */
import { type Endpoint, equal } from "../base/mod.ts";
import { type IceCredentials, priorityOf } from "./ice_candidate.ts";
import {
  ATTR,
  attribute,
  attributeText,
  attributeU32,
  encodeStun,
  errorAttribute,
  flagAttribute,
  METHOD,
  shortTermKey,
  type StunAttribute,
  type StunMessage,
  textAttribute,
  u32Attribute,
  unknownAttribute,
  unknownMandatory,
  verifyIntegrity,
  xorAddressAttribute,
} from "./stun.ts";

export type IceRole = "controlling" | "controlled";

export interface CheckParts {
  id: Uint8Array;
  role: IceRole;
  /** 8 bytes. */
  tieBreaker: Uint8Array;
  local: IceCredentials;
  remote: IceCredentials;
  component: number;
  /** Number of the local candidate, for the priority a reflexive one would get. */
  index: number;
  nominate: boolean;
}

const roleAttribute = (role: IceRole) => role === "controlling" ? ATTR.iceControlling : ATTR.iceControlled;

/** A Binding request: PRIORITY, USE-CANDIDATE, role, USERNAME, integrity, fingerprint, in the order real peers send. */
export function encodeCheck(parts: CheckParts): Uint8Array {
  const attributes: StunAttribute[] = [
    u32Attribute(ATTR.priority, priorityOf("prflx", parts.index, parts.component)),
    ...(parts.nominate ? [flagAttribute(ATTR.useCandidate)] : []),
    { type: roleAttribute(parts.role), value: parts.tieBreaker },
    textAttribute(ATTR.username, `${parts.remote.ufrag}:${parts.local.ufrag}`),
  ];
  const key = shortTermKey(parts.remote.pwd);
  return encodeStun({
    class: "request",
    method: METHOD.binding,
    id: parts.id,
    attributes,
    key,
    fingerprint: true,
  });
}

/** The keepalive: a Binding indication of 28 bytes. Spec: connection §2.7. */
export const encodeKeepalive = (id: Uint8Array): Uint8Array =>
  encodeStun({ class: "indication", method: METHOD.binding, id, fingerprint: true });

/** The answer to a good check. `from` is where it came from; the key is our own password. */
export function encodeSuccess(id: Uint8Array, from: Endpoint, local: IceCredentials): Uint8Array {
  const attributes = [xorAddressAttribute(ATTR.xorMappedAddress, from, id)], key = shortTermKey(local.pwd);
  return encodeStun({ class: "success", method: METHOD.binding, id, attributes, key, fingerprint: true });
}

const REASONS = {
  400: "Bad Request",
  401: "Unauthorized",
  420: "Unknown Attribute",
  487: "Role Conflict",
} as const;

/** An error answer; signed only when the asker proved to know our password. */
export function encodeRefusal(refusal: Refusal, id: Uint8Array, local: IceCredentials): Uint8Array {
  const attributes = [
    errorAttribute(refusal.code, REASONS[refusal.code]),
    ...(refusal.unknown ? [unknownAttribute(refusal.unknown)] : []),
  ];
  const key = refusal.signed ? shortTermKey(local.pwd) : undefined;
  return encodeStun({ class: "error", method: METHOD.binding, id, attributes, key, fingerprint: true });
}

export interface Refusal {
  readonly code: keyof typeof REASONS;
  readonly signed: boolean;
  readonly unknown?: readonly number[];
}
/** A check that may be acted upon. */
export interface GoodCheck {
  readonly priority: number;
  readonly nominate: boolean;
  /** Role the asker claims, with its tie-breaker. */
  readonly role: IceRole | undefined;
  readonly tieBreaker: Uint8Array | undefined;
}

const KNOWN: ReadonlySet<number> = new Set([
  ATTR.priority,
  ATTR.useCandidate,
  ATTR.username,
  ATTR.integrity,
  ATTR.realm,
  ATTR.nonce,
]);

/** Judges a Binding request by our own credentials. Spec: connection §2.6 "Rule on reception", RFC 8489 §9.1.3. */
export function judgeCheck(message: StunMessage, local: IceCredentials): GoodCheck | Refusal {
  if (message.method !== METHOD.binding || message.integrityAt === undefined) {
    return { code: 400, signed: false };
  }
  const name = attributeText(message, ATTR.username), [own, other] = name?.split(":") ?? [];
  if (own !== local.ufrag || !other) return { code: 401, signed: false };
  if (!verifyIntegrity(message, shortTermKey(local.pwd))) return { code: 401, signed: false };
  const unknown = unknownMandatory(message, KNOWN).slice(0, 16);
  if (unknown.length) return { code: 420, signed: true, unknown };
  const priority = attributeU32(message, ATTR.priority);
  if (priority === undefined) return { code: 400, signed: true };
  const controlling = attribute(message, ATTR.iceControlling),
    controlled = attribute(message, ATTR.iceControlled);
  const claim = controlling ?? controlled;
  if ((controlling && controlled) || (claim && claim.length !== 8)) return { code: 400, signed: true };
  return {
    priority,
    nominate: attribute(message, ATTR.useCandidate) !== undefined,
    role: controlling ? "controlling" : controlled ? "controlled" : undefined,
    tieBreaker: claim?.slice(),
  };
}

/** True if `a` is not below `b` as an unsigned big-endian number of the same length. Equal ones count as ours winning. */
export function tieWon(a: Uint8Array, b: Uint8Array): boolean {
  if (equal(a, b)) return true;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return a[i]! > (b[i] ?? 0);
  return true;
}
