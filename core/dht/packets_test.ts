import { deepStrictEqual, strictEqual } from "node:assert/strict";
import { utf8 } from "../base/mod.ts";
import { decode } from "../codec/mod.ts";
import { ERRORS, Packets } from "./packets.ts";
import { encodeValue, makeValue } from "./value.ts";

// Vectors: captured on loopback between real nodes (dht §1.12).
const hex = (text: string) => Uint8Array.fromHex(text);
const V23 = new Packets({
  id: hex("e1403978ff902469f0fdc1f4755d3caf6d01afdd"),
  network: 0,
  client: false,
  agent: "RNG1",
});
const FOO = hex("0beec7b5ea3f0fdbc95d0dd47f3c5bc275da8a33");
const TOKEN = hex("0e5bb0b31187065d5d845c530284ceb3aa3a5928400112148c3b05225e9377d4");

Deno.test("[dht 1] Packets.ping() writes the captured ping", () => {
  strictEqual(
    V23.ping(0x60b8fc81).toHex(),
    "85a16181a26964c414e1403978ff902469f0fdc1f4755d3caf6d01afdda171a470696e67a174ce60b8fc81a179a171a176a4524e4731",
  );
});
Deno.test("[dht 1] Packets.find() writes the captured find", () => {
  strictEqual(
    V23.find(0x766738cd, hex("e1403978ff902469f0fdc1f4755d3caf6d01af81"), [2, 10]).toHex(),
    "85a16183a26964c414e1403978ff902469f0fdc1f4755d3caf6d01afdda6746172676574c414e1403978ff902469f0fdc1f4755d3caf6d01af81a17792020aa171a466696e64a174ce766738cda179a171a176a4524e4731",
  );
});
Deno.test("[dht 1] Packets.get() writes the captured gets", () => {
  strictEqual(
    V23.get(0x766738d1, FOO, { select: [1], where: [] }).toHex(),
    "85a16183a26964c414e1403978ff902469f0fdc1f4755d3caf6d01afdda168c4140beec7b5ea3f0fdbc95d0dd47f3c5bc275da8a33a17182a1739101a17790a171a3676574a174ce766738d1a179a171a176a4524e4731",
  );
  strictEqual(
    V23.get(0x766738d5, FOO, {
      select: [],
      where: [{ field: 1, value: 0xb3d1e73e16660189n }],
    })
      .toHex(),
    "85a16183a26964c414e1403978ff902469f0fdc1f4755d3caf6d01afdda168c4140beec7b5ea3f0fdbc95d0dd47f3c5bc275da8a33a17182a17390a1779182a16601a176cfb3d1e73e16660189a171a3676574a174ce766738d5a179a171a176a4524e4731",
  );
});
Deno.test("[dht 1] Packets.put() writes the captured put", () => {
  const putter = new Packets({ ...V23.who, id: hex("ed971e59202db162460d6ea5d77fe3a703533baf") });
  const value = encodeValue(
    makeValue({ id: 0xb3d1e73e16660189n, data: utf8("hello"), userType: "text/plain" }),
  );
  const token = hex("961fbd1d11068202e1b0374e01effef60b2d9e27f1ad3c3be03f7f0aea9ff264");
  const [packet, ...fragments] = putter.put(0x439d6d5a, FOO, [value], 0x6b02ca3f, token);
  strictEqual(
    packet!.toHex(),
    "85a16185a26964c414ed971e59202db162460d6ea5d77fe3a703533bafa168c4140beec7b5ea3f0fdbc95d0dd47f3c5bc275da8a33a676616c7565739182a26964cfb3d1e73e16660189a364617481a4626f647983a47479706500a464617461c40568656c6c6fa57574797065aa746578742f706c61696ea163ce6b02ca3fa5746f6b656ec420961fbd1d11068202e1b0374e01effef60b2d9e27f1ad3c3be03f7f0aea9ff264a171a3707574a174ce439d6d5aa179a171a176a4524e4731",
  );
  deepStrictEqual(fragments, []);
});
Deno.test("[dht 1] Packets.listen() writes the captured listen", () => {
  strictEqual(
    V23.listen(0x766738d8, FOO, TOKEN, 0x766738d6, { select: [], where: [] }).toHex(),
    "85a16185a26964c414e1403978ff902469f0fdc1f4755d3caf6d01afdda2766501a168c4140beec7b5ea3f0fdbc95d0dd47f3c5bc275da8a33a5746f6b656ec4200e5bb0b31187065d5d845c530284ceb3aa3a5928400112148c3b05225e9377d4a3736964ce766738d6a171a66c697374656ea174ce766738d8a179a171a176a4524e4731",
  );
});
Deno.test("[dht 1] Packets writes the captured stored, confirmed and expired packets", () => {
  const storer = new Packets({ ...V23.who, id: hex("091e54f1467fa471ebf5ca21f265499e6061ff0e") });
  strictEqual(
    storer.encodeStored(0x439d6d5a, 0xb3d1e73e16660189n, { ip: "127.0.0.1", port: 4223 }).toHex(),
    "84a17283a26964c414091e54f1467fa471ebf5ca21f265499e6061ff0ea3766964cfb3d1e73e16660189a27361c4047f000001a174ce439d6d5aa179a172a176a4524e4731",
  );
  const v26 = (id: string, network: number) =>
    new Packets({ id: hex(id), network, client: false, agent: "o2" });
  strictEqual(
    v26("b88cf625eabc826cd9d506654307eebb0f8d2f4d", 7).encodeConfirmed(
      0xa4e2214c,
      { ip: "127.0.0.1", port: 1 },
      hex("2649a3c4b94e18e4e2f3c86dcd99ea6edcba8650ab340fc0436cf93a6a166458"),
    ).toHex(),
    "85a17283a26964c414b88cf625eabc826cd9d506654307eebb0f8d2f4da27361c4047f000001a5746f6b656ec4202649a3c4b94e18e4e2f3c86dcd99ea6edcba8650ab340fc0436cf93a6a166458a174cea4e2214ca179a172a176a26f32a16e07",
  );
  const pusher = v26("497b2f62fbc175412965911fa55d8ea140271f6e", 0);
  strictEqual(
    pusher.updateIds(
      0x8b951e7d,
      77,
      "exp",
      [8n],
      hex("8158890f3cd57caafd8eb6690c730b2e6efed186fbc50adcbe7a095aa5a5bf4e"),
    )
      .toHex(),
    "85a16184a26964c414497b2f62fbc175412965911fa55d8ea140271f6ea37369644da5746f6b656ec4208158890f3cd57caafd8eb6690c730b2e6efed186fbc50adcbe7a095aa5a5bf4ea36578709108a179a171a176a26f32a171a6757064617465a174ce8b951e7d",
  );
});
Deno.test("[dht 25] Packets.encodeError() carries the code, the text and our id", () => {
  const storer = new Packets({
    id: hex("497b2f62fbc175412965911fa55d8ea140271f6e"),
    network: 0,
    client: false,
    agent: "o2",
  });
  strictEqual(
    storer.encodeError(2, { code: 401, text: "Put with incorrect token" }).toHex(),
    "85a16592cd0191b8507574207769746820696e636f727265637420746f6b656ea17281a26964c414497b2f62fbc175412965911fa55d8ea140271f6ea17402a179a165a176a26f32",
  );
  deepStrictEqual(decode(storer.encodeError(1, ERRORS.unknownStorage), {}) instanceof Map, true);
});
for (
  const [query, bytes] of [
    [{ select: [1, 4], where: [] }, "82a173920104a17790"],
    [{ select: [], where: [{ field: 1, value: 5n }] }, "82a17390a1779182a16601a17605"],
    [
      { select: [], where: [{ field: 5, value: utf8("text/plain") }] },
      "82a17390a1779182a16605a176c40a746578742f706c61696e",
    ],
    [
      { select: [], where: [{ field: 3, value: FOO }] },
      "82a17390a1779182a16603a176c4140beec7b5ea3f0fdbc95d0dd47f3c5bc275da8a33",
    ],
  ] as const
) {
  Deno.test(`Packets.get() writes the filter ${bytes} (dht §1.8)`, () => {
    strictEqual(V23.get(1, FOO, query).toHex().includes("a171" + bytes), true);
  });
}
Deno.test("[dht 19] [dht 20] [dht 22] Packets.put() sends large values as sizes, then fragments in order", () => {
  const value = encodeValue(makeValue({ id: 1n, data: new Uint8Array(3000).fill(9) }));
  const plain = V23.put(0x561333be, FOO, [value], undefined, TOKEN);
  strictEqual(plain.length, 1 + Math.ceil(value.length / 1280));
  strictEqual(
    plain[0]!.toHex().includes("a676616c75657391cd" + value.length.toString(16).padStart(4, "0")),
    true,
  );
  strictEqual(plain[1]!.subarray(0, 25).toHex(), "83a179a170a174ce561333bea170810082a16f00a164c50500");
  deepStrictEqual(plain.slice(1).map((p) => p.length), [1305, 1307, 26 + 4 + value.length - 2560 - 3]);
  const rebuilt = new Uint8Array(value.length);
  for (const packet of plain.slice(1)) {
    const part = (decode(packet) as Map<string, Map<number, Map<string, never>>>).get("p")!.get(0)!;
    rebuilt.set(part.get("d")!, part.get("o")!);
  }
  deepStrictEqual(rebuilt, new Uint8Array(value));
  const other = new Packets({ ...V23.who, network: 7, client: true });
  strictEqual(other.fragments(1, [value])[0]!.subarray(0, 8).toHex(), "85a16e07a173c3a1");
});
Deno.test("[dht 19] Packets.put() keeps lists below 600 bytes and 50 values in one packet", () => {
  const value = (size: number) => encodeValue(makeValue({ id: 1n, data: new Uint8Array(size) }));
  const overhead = value(0).length;
  strictEqual(V23.put(1, FOO, [value(598 - overhead)], 1, TOKEN).length, 1);
  strictEqual(V23.put(1, FOO, [value(600 - overhead - 1)], 1, TOKEN).length, 2);
  strictEqual(V23.put(1, FOO, Array(50).fill(value(0)), 1, TOKEN).length, 51);
});
