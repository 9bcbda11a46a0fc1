/** Bounds of the peers room. Times in milliseconds. Spec: connection §1.8, §6.2, §9. */
export const LIMITS = {
  /** Text of the value in a request: the ICE text and what belongs to it. */
  requestBytes: 16 << 10,
  connTypeLength: 200,
  /** Request ids are uniform in 1 … 2⁵³. */
  idMost: 2n ** 53n,
  /** Values live ten minutes; their ids are remembered for longer than any clock is wrong. */
  seenMs: 24 * 3600_000,
  seenIds: 100_000,
  /** Listening for requests ended: first and longest gap before it is begun again. */
  listenAgainMs: { first: 1_000, most: 60_000 },
  /** From our put to the answer. */
  answerMs: 30_000,
  /** Attempts of one peer at once; of all peers; new ones per account. */
  attemptsPerDevice: 3,
  attempts: 16,
  attemptBurst: 30,
  attemptsPerSecond: 1,
  /** Accounts whose rate is remembered. */
  rates: 1024,
  /** Certificate lookups for requests of strangers at once, and how long a fruitless one is remembered. */
  lookups: 4,
  lookupMs: 15_000,
  noCertificateMs: 30_000,
  noCertificates: 1024,
  /** Links to one device. */
  linksPerDevice: 4,
  /** Attempts remembered for the "why is it slow?" page, and steps of each. */
  traces: 100,
  traceSteps: 200,
  /** Devices whose key form is remembered. */
  forms: 4096,
  /** Keeping in touch: first and longest gap between attempts, and how far it is spread. */
  retryFirstMs: 5_000,
  retryMostMs: 600_000,
  retryJitter: 0.25,
  /** A device asked to be reached, at most this many. */
  kept: 1024,
  keptAtOnce: 8,
} as const;
