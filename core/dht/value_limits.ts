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
