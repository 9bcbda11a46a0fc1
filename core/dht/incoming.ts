/** Packed values of strangers: a value, or nothing. Pure. */
import { DecodeError } from "../base/mod.ts";
import { decodeValue, type Value } from "./value.ts";

/** The value in `packed`, or `undefined` for bytes that are none, or whose owner has a key nobody knows. */
export function readValue(packed: Uint8Array): Value | undefined {
  try {
    return decodeValue(packed);
  } catch (error) {
    const code = String((error as { code?: unknown })?.code);
    if (error instanceof DecodeError || code.startsWith("crypto/")) return undefined;
    throw error;
  }
}
