/** The distributed hash table: packets, routing table, searches, stored values, secure layer, proxy client. Floor 4. */
export { type CompactNode, readCompact } from "./compact.ts";
export { Dht, type DhtEvent, type DhtOptions, parseHost, type Row, type Verifier } from "./dht.ts";
export { FIELD, type Query, type Where } from "./kernel.ts";
export { LIMITS as DHT_LIMITS, TIMES as DHT_TIMES } from "./limits.ts";
export type { DhtIn, DhtInfo, DhtOut, DhtStatus, FamilyInfo, Host } from "./messages.ts";
export { DhtNode } from "./node.ts";
export type { DhtNodeOptions } from "./node_options.ts";
export { DhtPort, type PortOptions } from "./port_io.ts";
export { ANY, formatQuery, matches, parseQuery, satisfiedBy } from "./query.ts";
export { exportState, importState } from "./state.ts";
export * from "./access.ts";
export * from "./value_types.ts";
export * from "./certificate.ts";
export * from "./lan.ts";
export { LanPort, type LanPortOptions } from "./lan_io.ts";
export { parseProxyUrl, type ProxyInfo } from "./proxy.ts";
export { ProxyDht, type ProxyOptions } from "./proxy_io.ts";
export * from "./secure.ts";
export type { CertificateSources, DeviceRef } from "./secure_certificates.ts";
export {
  decodeValue,
  encodeValue,
  makeValue,
  ownerId,
  sameValue,
  signedBytes,
  type Value,
  type ValueFields,
  valueSize,
  variantOf,
} from "./value.ts";
export * from "./value_limits.ts";
export * from "./value_payloads.ts";
