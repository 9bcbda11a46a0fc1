/** The distributed hash table: packets, routing table, searches, stored values, secure layer, proxy client. Floor 4. */
export { type CompactNode, readCompact } from "./compact.ts";
export { Dht, type DhtEvent, type DhtOptions, parseHost, type Row, type Verifier } from "./dht.ts";
export { FIELD, type Query, type Where } from "./kernel.ts";
export { LIMITS as DHT_LIMITS, TIMES as DHT_TIMES } from "./limits.ts";
export type { DhtIn, DhtInfo, DhtOut, DhtStatus, FamilyInfo, Host } from "./messages.ts";
export { DhtNode, type DhtNodeOptions } from "./node.ts";
export { DhtPort, type PortOptions } from "./port_io.ts";
export { ANY, formatQuery, matches, parseQuery, satisfiedBy } from "./query.ts";
export { exportState, importState } from "./state.ts";
export * from "./access.ts";
export * from "./secure.ts";
export { decodeValue, encodeValue, makeValue, sameValue, type Value, type ValueFields } from "./value.ts";
export * from "./value_types.ts";
