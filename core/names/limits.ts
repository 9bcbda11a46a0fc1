/** Every bound of the names room. */
export const LIMITS = {
  /** Registered names, characters. */
  nameLength: { min: 3, max: 32 },
  /** What a server may answer, bytes. */
  replyBytes: 65_536,
  /** What a registration may bring, bytes. */
  requestBytes: 16_384,
  /** How long a server may take, ms. */
  replyMs: 10_000,
  /** How long an answer is believed without asking again, ms: found, and not found. */
  foundMs: 24 * 3_600_000,
  missingMs: 5 * 60_000,
  /** Answers remembered; the oldest go first. */
  cached: 10_000,
  /** Requests of one address within a minute to our own server. */
  requestsPerMinute: 600,
  /** Registrations of one address within an hour to our own server. */
  registrationsPerHour: 60,
  /** Addresses whose requests are counted at a time. */
  counted: 10_000,
  /** Names our own server keeps. */
  names: 1_000_000,
  /** A daemon's file of remembered names, bytes; one name in it, characters. */
  daemonCacheBytes: 4 << 20,
  daemonNameLength: 128,
} as const;
/** The server everybody uses unless told otherwise. Spec: account §7. */
export const DEFAULT_NAME_SERVER = "https://ns.jami.net";
