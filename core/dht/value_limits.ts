/** Bounds of values, certificates, LAN discovery and the proxy client. */

/** `bytes`: ciphertext, data, signature and texts of an unsigned or encrypted value; `packed`: any value. Spec: dht §2.4. */
export const VALUE_LIMITS = { bytes: 65536, packed: 65568 } as const;

/** A published chain. */
export const CERTIFICATE_LIMITS = { bytes: 65536, chain: 16 } as const;

/** The secure layer. `ahead`: values of one stream checked at a time; the rest: entries remembered. */
export const SECURE_LIMITS = { ahead: 4, sequences: 4096, keys: 4096, certificates: 1024 } as const;

/** LAN discovery: one packet, packets looked at, a display name, accounts remembered. */
export const LAN_LIMITS = {
  packetBytes: 4096,
  packetsPerSecond: 256,
  nameBytes: 256,
  accounts: 256,
} as const;

/** The proxy client: one line, values and bytes of one answer, redirects followed. */
export const PROXY_LIMITS = {
  lineBytes: 1 << 18,
  values: 65536,
  answerBytes: 64 << 20,
  redirects: 5,
} as const;
/** When the proxy is asked again. Spec: dht §6. */
export const PROXY_TIMES = {
  /** A short answer must be there by then. */
  answerMs: 60_000,
  statusMs: 15 * 60_000,
  statusDownMs: 60_000,
  /** Permanent values are kept 24 h by the proxy. */
  repostMs: 22 * 3_600_000,
  /** After a listening connection broke, doubled up to the second. */
  retryMs: 1000,
  retryMostMs: 60_000,
  /** A listening connection is made anew this often: it may have died silently. */
  renewMs: 30 * 60_000,
} as const;
