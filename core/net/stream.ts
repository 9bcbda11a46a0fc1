/** The one word for "bytes in order, both ways": TCP, framed ICE, TLS, a channel of the mux and the simulator's pipes all are a ByteStream. */

/**
 * A reliable two-way byte stream with back-pressure in both directions.
 *
 * - `read()` and `write()` each have at most one call waiting; a second one while the first waits is a `TypeError`.
 * - Nothing is read ahead beyond a bound of the stream's own: who does not read, slows the sender down.
 * - Disposing aborts, and waits until nothing of the stream is left.
 */
export interface ByteStream extends AsyncDisposable {
  /**
   * The next bytes, at least one, or `undefined` once the other side has ended properly. The array belongs to the
   * reader. After an abort or a failure it rejects, with bytes that arrived before delivered first where they still can be.
   * @throws {CoreError} what broke the stream.
   */
  read(): Promise<Uint8Array | undefined>;
  /**
   * Takes `bytes`, which must not be changed afterwards, and resolves when there is room for more. A framing layer
   * makes one frame of each call (at most 65535 bytes), so call it with whole records.
   * @throws {CoreError} what broke the stream; then it is unknown how much the other side received.
   */
  write(bytes: Uint8Array): Promise<void>;
  /** Sends what was written, then ends; resolves when it is handed over. Reads end too. Idempotent, never rejects. */
  close(): Promise<void>;
  /** Drops everything at once; waiting calls reject with `reason`. Idempotent. */
  abort(reason?: Error): void;
}
