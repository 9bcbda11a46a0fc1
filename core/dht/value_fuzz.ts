/** Any bytes as a value: refused with a core error, or read, written again alike, and judged without an exception. */
import { deepStrictEqual, ok } from "node:assert/strict";
import { CoreError } from "../base/mod.ts";
import { v23, v26 } from "../../tests/vectors/dht/values.ts";
import {
  decodeContent,
  decodeValue,
  encodeContent,
  encodeValue,
  makeValue,
  sameValue,
  signedBytes,
} from "./value.ts";
import { judgeEdit, judgeStore } from "./value_types.ts";
import { encodeDhtMessage, encodeIpService } from "./value_payloads.ts";
import { valueFromJson, valueToJson } from "./proxy.ts";

const from = { ip: "192.0.2.1", port: 4222 }, place = new Uint8Array(20).fill(1);
const captured = [v23, v26].flatMap((world) => [world.certificate, world.announcement, world.trustRequest]);

export const name = "dht_value";
export const guide = ["/core/dht/value", "/core/dht/certificate", "/core/codec/der", "/core/crypto/spki"];
export const longest = 8192;
export const seeds: readonly Uint8Array[] = [
  ...captured.map(({ packed }) => Uint8Array.fromBase64(packed)),
  ...[
    { id: 5n, data: Uint8Array.of(1), userType: "text/plain", priority: 1, pushType: "x" },
    { id: 6n, type: 1, data: encodeDhtMessage({ service: "s", data: Uint8Array.of(1) }) },
    { id: 7n, type: 2, data: encodeIpService({ ip: "192.0.2.1", port: 5 }) },
    { id: 8n, encrypted: Uint8Array.of(1, 2, 3) },
  ].map((fields) => encodeValue(makeValue(fields))),
];

const stored = seeds.map(decodeValue);
let read = 0, refused = 0;

export function run(bytes: Uint8Array): void {
  let value;
  try {
    value = decodeValue(bytes);
  } catch (error) {
    ok(error instanceof CoreError, `not a core error: ${error}`);
    refused++;
    return;
  }
  read++;
  const again = encodeValue(value);
  if (again.length <= 65_568) { // canonical numbers never grow, but an owner given as PEM shrinks
    const second = decodeValue(again);
    deepStrictEqual(second, value);
    ok(sameValue(second, value));
  }
  deepStrictEqual(valueFromJson(JSON.parse(JSON.stringify(valueToJson(value)))), value);
  if (!value.encrypted) {
    deepStrictEqual(decodeContent(encodeContent(value), value), value);
    ok(signedBytes(value).length > 0);
  }
  judgeStore(value, place, from);
  for (const other of stored) judgeEdit(other, { ...value, id: other.id });
}

export const summary = (): string => `${read} read, ${refused} refused`;
