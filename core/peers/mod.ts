/** "An open channel to that device": requests over the DHT, paths, proven peers, links, channel names. Floor 5. */
export { LIMITS as PEER_LIMITS } from "./limits.ts";
export { KeptLinks } from "./kept_links.ts";
export { type PeerLink } from "./links.ts";
export { PeerManager } from "./manager.ts";
export { decodeRequest, encodeRequest, type KeyForm, peerKey, type PeerRequest } from "./request.ts";
export { type SeenStore } from "./seen.ts";
export { type Phase, type TraceReport, type TraceStep } from "./trace.ts";
export * from "./words.ts";
