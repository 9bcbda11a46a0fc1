/** Byte strings: the handful of operations every room needs. */

const encoder = new TextEncoder(), strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** UTF-8 bytes of `text`. */
export const utf8 = (text: string): Uint8Array => encoder.encode(text);
/** Text of valid UTF-8 `bytes`, or `undefined`; a byte order mark is kept. */
export function text(bytes: Uint8Array): string | undefined {
  try {
    return strict.decode(bytes);
  } catch {
    return undefined;
  }
}
/** Lower-case hex of `bytes`. */
export const hex = (bytes: Uint8Array): string => bytes.toHex();
/** Bytes of an even number of hex digits. @throws {SyntaxError} for anything else. */
export const unhex = (digits: string): Uint8Array => Uint8Array.fromHex(digits);

/** One array holding all `parts` in order. */
export function concat(...parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) whole.set(part, at), at += part.length;
  return whole;
}

/** Same length, same bytes. Not constant-time: for secrets use `timingSafeEqual` of the crypto room. */
export function equal(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

/** Negative, zero or positive: order of two byte strings, shorter first on a common prefix. */
export function compare(a: Uint8Array, b: Uint8Array): number {
  const shared = Math.min(a.length, b.length);
  for (let i = 0; i < shared; i++) if (a[i] !== b[i]) return a[i]! - b[i]!;
  return a.length - b.length;
}

/** Negative if `a` is nearer to `target` by XOR than `b`, positive if farther, 0 if `a` equals `b`. All of one length. */
export function compareXor(target: Uint8Array, a: Uint8Array, b: Uint8Array): number {
  for (let i = 0; i < target.length; i++) {
    if (a[i] !== b[i]) return (a[i]! ^ target[i]!) - (b[i]! ^ target[i]!);
  }
  return 0;
}
