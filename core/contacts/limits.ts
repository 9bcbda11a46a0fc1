/** Every bound of the contacts room. Spec: account §4, §10.2. */
export const LIMITS = {
  /** Contacts, removed and banned ones included. */
  contacts: 20_000,
  /** Requests that wait for an answer; the oldest goes first. */
  requests: 256,
  /** A request's card, bytes: what both generations still send on. */
  payloadBytes: 64_000,
  /** How far ahead of ours an inviter's clock may be, ms. */
  aheadMs: 300_000,
  /** Requests read from one account in an hour. */
  requestsPerHour: 20,
  /** Senders remembered for that. */
  senders: 4096,
  /** Devices of one account a request goes to. */
  devices: 64,
  /** Certificate look-ups at once. */
  lookups: 4,
  /** How long devices of an account are looked for, ms. */
  lookMs: 10_000,
} as const;
