/** The two error classes of the core. The code is the identity; no error text ever holds a secret. */

/** Facts that travel with an error: numbers, words and ids, never key material or message text. */
export type ErrorData = Readonly<Record<string, unknown>>;

/**
 * Everything that can go wrong in the core and is not a programmer's wrong call (those are `TypeError` and
 * `RangeError`). `code` is `room/what-happened`: the API maps it to a status, the interface to a sentence,
 * tests compare it.
 */
export class CoreError extends Error {
  override name = "CoreError";
  constructor(readonly code: string, readonly data: ErrorData = {}, options?: ErrorOptions) {
    super(`${code}${Object.keys(data).length ? " " + describe(data) : ""}`, options);
  }
}

/** Bytes from outside that do not have the shape they must have. Thrown by codecs only. */
export class DecodeError extends CoreError {
  override name = "DecodeError";
}

/** True for a {@linkcode CoreError} whose code is `code`, or lies in the room `code` when that ends with `/`. */
export function isError(error: unknown, code: string): error is CoreError {
  return error instanceof CoreError &&
    (error.code === code || (code.endsWith("/") && error.code.startsWith(code)));
}

function describe(data: ErrorData): string {
  return Object.entries(data).map(([name, value]) => `${name}=${String(value).slice(0, 200)}`).join(" ");
}
