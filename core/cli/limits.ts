/** Bounds and presets of the command line. */

/** What is used where nothing is said. */
export const DEFAULTS = {
  port: 4222,
  bootstrap: "bootstrap.jami.net:4222",
  timeoutSeconds: 10,
} as const;

export const LIMITS = {
  /** Bytes of a text that `dht put` takes. Spec: dht §2.4. */
  textBytes: 65536 - 64,

  /** How long `dht info` looks around at most, ms. */
  lookAround: 4000,
  /** How often a running node saves its state, ms. */
  saveEvery: 10 * 60_000,
} as const;

/** The same for accounts and names. */
export const ACCOUNT_DEFAULTS = {
  nameServer: "https://ns.jami.net",
  namesPort: 8080,
  announceSeconds: 30,
} as const;
/** Archive and password files that are read, bytes. */
export const ACCOUNT_LIMITS = { archiveBytes: 16 * 2 ** 20, passwordFileBytes: 4096 } as const;

/** What is used where nothing is said when talking. */
export const TALK_DEFAULTS = { logLines: 20, hits: 20 } as const;
export const TALK_LIMITS = {
  /** Messages or hits asked for at once. */
  lines: 200,
  /** Bytes of a message read from standard input. */
  textBytes: 1 << 20,
  /** Digits of an id that people are shown. */
  idDigits: 8,
  /** Messages remembered while following, so that none is shown twice. */
  shown: 10_000,
} as const;
