/** Every bound of the storage room. */
export const LIMITS = {
  /** Biggest file read or written through {@linkcode Files}, bytes. */
  fileBytes: 64 * 2 ** 20,
  /** Longest name of a file or database inside a home, characters. */
  nameLength: 128,
  /** Prepared statements kept per database; the longest unused goes first. */
  statements: 256,
  /** How long a writer waits for another connection to the same database, ms. */
  busyMs: 5000,
} as const;
