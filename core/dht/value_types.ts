/** Value types: how long each lives, who may store it, who may change it. Pure. Spec: dht §2.5. */
import { readSpki } from "../crypto/mod.ts";
import { type Endpoint, equal } from "../base/mod.ts";
import { CERTIFICATE_TYPE, certificatePlaces, decodeCertificate } from "./certificate.ts";
import { makeValue, sameValue, signedBytes, type Value, valueSize } from "./value.ts";
import { CERTIFICATE_LIMITS, VALUE_LIMITS } from "./value_limits.ts";
import { decodeDhtMessage, decodeIpService, encodeIpService } from "./value_payloads.ts";

export const VALUE_TYPE = {
  userData: 0,
  dhtMessage: 1,
  ipService: 2,
  imMessage: 3,
  trustRequest: 4,
  iceCandidates: 5,
  certificate: CERTIFICATE_TYPE,
} as const;

/** Why a value is not taken. Put requests are acknowledged all the same. */
export type Refusal =
  | "size"
  | "empty-service"
  | "no-port"
  | "certificate"
  | "certificate-key"
  | "not-editable"
  | "not-rsa"
  | "unsigned-edit"
  | "other-owner"
  | "old-seq"
  | "same-seq";

/** `value` is what to keep: a store policy may rewrite it. A question is answered by checking one signature. */
export type Verdict =
  | { readonly type: "accept"; readonly value: Value }
  | { readonly type: "refuse"; readonly why: Refusal }
  | { readonly type: "verify"; readonly value: Value; readonly question: Question };

/** Does `signature` over `data` belong to `owner` (SubjectPublicKeyInfo DER; RSA, SHA-512)? */
export interface Question {
  readonly owner: Uint8Array;
  readonly data: Uint8Array;
  readonly signature: Uint8Array;
}

const MINUTE = 60_000, WEEK = 7 * 24 * 60 * MINUTE;
const LIFETIMES: Readonly<Record<number, number>> = {
  [VALUE_TYPE.dhtMessage]: 5 * MINUTE,
  [VALUE_TYPE.ipService]: 15 * MINUTE,
  [VALUE_TYPE.imMessage]: 5 * MINUTE,
  [VALUE_TYPE.trustRequest]: WEEK,
  [VALUE_TYPE.iceCandidates]: MINUTE,
  [VALUE_TYPE.certificate]: WEEK,
};

/** Types whose signed values are checked where they are stored, and which their owner may change. */
const SECURE: ReadonlySet<number> = new Set([
  VALUE_TYPE.userData,
  VALUE_TYPE.dhtMessage,
  VALUE_TYPE.imMessage,
  VALUE_TYPE.trustRequest,
  VALUE_TYPE.iceCandidates,
]);

/** Milliseconds a value of `type` lives after it was created or refreshed; 10 min unless the type says otherwise. */
export const lifetimeOf = (type: number): number => LIFETIMES[type] ?? 10 * MINUTE;

/** The question whether `value` was signed by its owner; `undefined` if it is not signed. */
export function questionOf(value: Value): Question | undefined {
  const { owner, signature } = value;
  return owner && signature ? { owner, signature, data: signedBytes(value) } : undefined;
}

/** True for the SubjectPublicKeyInfo of an RSA key. */
export const isRsa = (spki: Uint8Array): boolean => attempt(() => readSpki(spki))?.kind === "rsa";

/** May `value`, whose id is new at `key` (20 bytes), be kept? `from`: who sent it. */
export function judgeStore(value: Value, key: Uint8Array, from: Endpoint): Verdict {
  if (SECURE.has(value.type)) {
    const question = questionOf(value);
    if (question) return ask(value, question);
  }
  switch (value.type) {
    case VALUE_TYPE.dhtMessage:
      if (attempt(() => decodeDhtMessage(value.data))?.service === "") return refuse("empty-service");
      return judgeSize(value);
    case VALUE_TYPE.ipService: {
      const announced = attempt(() => decodeIpService(value.data));
      if (!announced?.port) return refuse("no-port");
      const data = encodeIpService({ ip: from.ip, port: announced.port });
      return { type: "accept", value: makeValue({ id: value.id, type: value.type, data }) };
    }
    case VALUE_TYPE.certificate: {
      if (value.data.length > CERTIFICATE_LIMITS.bytes) return refuse("size");
      const published = attempt(() => decodeCertificate(value.data));
      if (!published) return refuse("certificate");
      const there = certificatePlaces(published.publicKey).some((place) => equal(place, key));
      return there ? { type: "accept", value } : refuse("certificate-key");
    }
    default:
      return judgeSize(value);
  }
}

/** May `value` take the place of `stored`, which has the same id and is not {@linkcode sameValue}? */
export function judgeEdit(stored: Value, value: Value): Verdict {
  if (sameValue(stored, value)) return { type: "accept", value };
  if (stored.type === VALUE_TYPE.certificate && !stored.encrypted) return judgeCertificateEdit(stored, value);
  if (!SECURE.has(stored.type) || !stored.owner) return refuse("not-editable");
  const question = questionOf(value);
  if (!question) return refuse("unsigned-edit");
  if (!equal(stored.owner, question.owner)) return refuse("other-owner");
  if (value.seq < stored.seq) return refuse("old-seq");
  if (value.seq === stored.seq && !equal(signedBytes(stored), question.data)) return refuse("same-seq");
  return ask(value, question);
}

/** Only RSA keys sign values: what others signed is wrong without looking. */
function ask(value: Value, question: Question): Verdict {
  return isRsa(question.owner) ? { type: "verify", value, question } : refuse("not-rsa");
}

function judgeCertificateEdit(stored: Value, value: Value): Verdict {
  if (value.type !== VALUE_TYPE.certificate || value.encrypted) return refuse("not-editable");
  if (value.data.length > CERTIFICATE_LIMITS.bytes) return refuse("size");
  const [old, fresh] = [stored, value].map(({ data }) => attempt(() => decodeCertificate(data)));
  if (!old || !fresh) return refuse("certificate");
  return old.publicKey.longId === fresh.publicKey.longId
    ? { type: "accept", value }
    : refuse("certificate-key");
}

function judgeSize(value: Value): Verdict {
  return valueSize(value) <= VALUE_LIMITS.bytes ? { type: "accept", value } : refuse("size");
}

const refuse = (why: Refusal): Verdict => ({ type: "refuse", why });

function attempt<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined; // what cannot be read is judged as such by the caller
  }
}
