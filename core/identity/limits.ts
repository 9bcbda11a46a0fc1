/** Every bound of the identity room. */
const DAY_MS = 86_400_000;

export const LIMITS = {
  /** One DER certificate, bytes. */
  certificateBytes: 16_384,
  /** Certificates in one chain; Jami makes three. */
  chainLength: 4,
  /** Smallest RSA modulus and EC field that counts, bits. */
  rsaBits: 2048,
  ecBits: 256,
  /** How far another clock may run ahead of ours before its fresh certificate counts as not yet valid, ms. */
  clockSkewMs: 5 * 60_000,
  /** Life of the certificates we make, ms (3650 days). */
  certificateLifeMs: 3650 * DAY_MS,
  /** One revocation list, bytes; entries in it. */
  crlBytes: 262_144,
  crlEntries: 4096,
  /** Revocation lists remembered per account. */
  crlsPerAccount: 8,
  /** Receipt text and the announcement inside it, bytes. */
  receiptBytes: 16_384,
  announcementBytes: 8192,
  /** Archive as stored, its JSON once inflated, gzip layers around the JSON. */
  archiveBytes: 16 * 2 ** 20,
  archiveJsonBytes: 64 * 2 ** 20,
  archiveLayers: 2,
  /** Password of an archive, bytes of UTF-8. */
  passwordBytes: 1024,
  /** Contacts, conversations and requests taken from one archive. */
  archiveEntries: 100_000,
  /** Name of an account or a device, characters. */
  nameLength: 128,
  /** Devices of one account whose announcements are followed. */
  devicesPerAccount: 64,
  /** Announcements of one account looked at within one minute; the rest is junk. */
  announcementsPerMinute: 256,
  /** Gap before going on line is tried again, doubled each time, ms. */
  retryMs: { first: 2000, longest: 60_000 },
  /** Accounts in one home. */
  accounts: 64,
} as const;

/** Facts of the protocol, not bounds. */
export const RSA_BITS = 4096;
/** Lifetime of a device announcement on the DHT, ms. Spec: account §1.6. */
export const ANNOUNCEMENT_LIFE_MS = 10 * 60_000;
