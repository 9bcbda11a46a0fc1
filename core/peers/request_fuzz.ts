/** Bodies of connection requests: read or refused by a core error, and what is read can be written again. */
import { deepStrictEqual, ok } from "node:assert/strict";
import { CoreError } from "../base/mod.ts";
import { parseIceText } from "../net/mod.ts";
import { decodeRequest, encodeRequest } from "./request.ts";

export const name = "peer_request";
export const guide = ["/core/peers/request", "/core/net/ice_candidate"];
const ice =
  "281d478c\n5807e7e80774c59a5d9acb4e\nHa4d0001 1 TCP 2130706431 10.77.0.1 34873 typ host tcptype passive\n" +
  "Hf6ba7415 1 TCP 2130706175 fd77::1 9 typ host tcptype active\n";
export const seeds: readonly Uint8Array[] = [
  encodeRequest({ id: 1234567890123456n, ice, isAnswer: false, connType: "audioCall" }),
  encodeRequest({ id: 2n ** 53n, ice: "", isAnswer: true, connType: "" }),
  new TextEncoder().encode(ice),
];

export function run(bytes: Uint8Array): void {
  try {
    const request = decodeRequest(bytes);
    deepStrictEqual(decodeRequest(encodeRequest(request)), request);
    parseIceText(request.ice);
  } catch (error) {
    ok(error instanceof CoreError, `not a core error: ${error}`);
  }
  try {
    const offer = parseIceText(new TextDecoder().decode(bytes));
    ok(offer.candidates.length > 0 && offer.candidates.length <= 64);
  } catch (error) {
    ok(error instanceof CoreError, `not a core error: ${error}`);
  }
}
