import { deepStrictEqual, strictEqual, throws } from "node:assert/strict";
import fc from "fast-check";
import { realRandom } from "../base/mod.ts";
import { encode } from "../codec/mod.ts";
import { decodeRequest, encodeRequest, newRequestId, peerKey } from "./request.ts";

const ICE =
  "281d478c\n5807e7e80774c59a5d9acb4e\nHa4d0001 1 TCP 2130706431 10.77.0.1 34873 typ host tcptype passive\n";

Deno.test("[connection 1] peerKey() gives the measured keys of both forms", () => {
  const device = { shortId: "0123456789abcdef0123456789abcdef01234567", longId: "00".repeat(31) + "ff" };
  strictEqual(peerKey(device, "short"), "4cd47ad6cb518d2526b121fe8b909f7913660775");
  strictEqual(peerKey(device, "long"), "55b288606f1d5f87d659d5e4b1cccc4473aa1309");
});

Deno.test("[connection 4] encodeRequest() writes the measured bytes", () => {
  const ice = ICE.slice(0, 101),
    bytes = encodeRequest({ id: 1234567890123456n, ice, isAnswer: false, connType: "" });
  const head = "84a26964cf000462d53c8abac0a76963655f6d7367d965",
    tail = "a86973416e73776572c2a8636f6e6e54797065a0";
  strictEqual(bytes.toHex(), head + new TextEncoder().encode(ice).toHex() + tail);
});

Deno.test("[connection 5] decodeRequest() takes any order, missing and extra keys, and undoes encodeRequest()", () => {
  const mixed = encode(
    new Map<string, string | number | boolean | null>([["zz", null], ["isAnswer", true], ["id", 7], [
      "ice_msg",
      "x",
    ]]),
  );
  deepStrictEqual(decodeRequest(mixed), { id: 7n, ice: "x", isAnswer: true, connType: "" });
  const request = fc.record({
    id: fc.bigInt({ min: 1n, max: 2n ** 53n }),
    ice: fc.string({ maxLength: 200 }),
    isAnswer: fc.boolean(),
    connType: fc.string({ maxLength: 30 }),
  }, { noNullPrototype: true });
  fc.assert(fc.property(request, (r) => deepStrictEqual(decodeRequest(encodeRequest(r)), r)));
});

Deno.test("[connection 5] decodeRequest() refuses wrong types and sizes, and nothing else escapes it", () => {
  const bad = (fields: Record<string, unknown>) =>
    throws(() => decodeRequest(encode(fields as never)), { code: "peers/request" });
  bad({ ice_msg: "x" });
  bad({ id: 0 });
  bad({ id: -1 });
  bad({ id: 1.5 });
  bad({ id: 2n ** 53n + 1n });
  bad({ id: "7" });
  bad({ id: 7, ice_msg: 5 });
  bad({ id: 7, isAnswer: 1 });
  bad({ id: 7, connType: "x".repeat(201) });
  bad({ id: 7, ice_msg: "x".repeat(17_000) });
  throws(() => decodeRequest(encode([1])), { code: "peers/request" });
  fc.assert(fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => {
    try {
      decodeRequest(bytes);
    } catch (error) {
      if (!/^(peers|codec)\//.test((error as { code?: string }).code ?? "")) throw error;
    }
  }));
});

Deno.test("[connection 12] newRequestId() stays in 1 … 2⁵³ and fills it", () => {
  const ends = (byte: number) => newRequestId({ ...realRandom, bytes: (n) => new Uint8Array(n).fill(byte) });
  strictEqual(ends(0), 1n);
  strictEqual(ends(255), 2n ** 53n);
  strictEqual(new Set(Array.from({ length: 1000 }, () => newRequestId(realRandom))).size, 1000);
});
