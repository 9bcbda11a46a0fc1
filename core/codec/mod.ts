/** Formats that belong to no protocol, each with its limits. Floor 1. */
export {
  bytesLike,
  decode,
  decodeFirst,
  type DecodeOptions,
  type Encodable,
  encode,
  Ext,
  type MsgpackKey,
  type MsgpackValue,
  RawStr,
  Reader,
  skim,
  type SkimOptions,
  timestamp,
  timestampNanos,
  Writer,
} from "./msgpack.ts";
export type { MsgpackKind } from "./msgpack_reader.ts";
export { MSGPACK_LIMITS } from "./limits.ts";
export { formatJsoncpp, type Json, type JsonObject, jsonText, parseJsoncpp } from "./jsoncpp.ts";
export * from "./der.ts";
export { formatPem, looksLikePem, parsePem, type PemBlock } from "./pem.ts";
export { DER_LIMITS, PEM_LIMITS } from "./limits.ts";
export { formatSip, SIP_LIMITS, sipHeader, type SipMessage, SipReader } from "./sip.ts";
