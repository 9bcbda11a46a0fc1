/** Any bytes into the MessagePack codec: refused with a codec error, or read; what was read is written and read again alike. */
import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { DecodeError, hex, isError } from "../base/mod.ts";
import { decodeFirst, type Encodable, encode, Reader, skim } from "./msgpack.ts";

export const name = "msgpack";
export const guide = ["/core/codec/msgpack"];
export const seeds: readonly Uint8Array[] = [
  "82a26964cf1122334455667788a364617481a4626f647982a47479706500a464617461c40568656c6c6f",
  "9acc80cd0100ce00010000cfffffffffffffffffd080d18000d280000000d38000000000000000ca3fc00000cb3ff8000000000000",
  "93d6ff00000001c70cff0000000100000000000000ffd9026869",
  "8401a16102a162c40103a163a2c32804c0c0c2c3",
  "dc0003de0001a16101df00000001a16202dd00000001c6000000010a",
].map((digits) => Uint8Array.fromHex(digits));

let read = 0, refused = 0;

export function run(bytes: Uint8Array): void {
  let first;
  try {
    first = decodeFirst(bytes, { ext: true });
  } catch (error) {
    ok(error instanceof DecodeError && isError(error, "codec/"), `not a codec error: ${error}`);
    refused++;
    return;
  }
  read++;
  strictEqual(skim(bytes, { ext: true }), first.length);
  strictEqual(new Reader(bytes).raw().length, first.length);
  const again = encode(first.value as Encodable);
  deepStrictEqual(decodeFirst(again, { ext: true }).value, first.value);
  strictEqual(hex(encode(decodeFirst(again, { ext: true }).value as Encodable)), hex(again));
}

export const summary = (): string => `${read} read, ${refused} refused`;
