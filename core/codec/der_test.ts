/** DER and PEM: laws, and openssl's view of the same bytes. */
import { deepStrictEqual, strictEqual, throws } from "node:assert/strict";
import fc from "fast-check";
import { concat, DecodeError, utf8 } from "../base/mod.ts";
import {
  der,
  derBits,
  derChildren,
  derOid,
  derSequence,
  derUnsigned,
  formatPem,
  looksLikePem,
  parsePem,
  readBits,
  readDer,
  readDerFirst,
  readOid,
  readSmall,
  readUnsigned,
  TAG,
} from "./mod.ts";

const bytes = (maxLength: number) => fc.uint8Array({ maxLength });

Deno.test("readDer() undoes der() for every length, derChildren() gives the parts back", () => {
  for (const length of [0, 1, 127, 128, 255, 256, 65535, 65536]) {
    const content = new Uint8Array(length).fill(7), element = readDer(der(TAG.octets, content), TAG.octets);
    deepStrictEqual(element.content, content);
  }
  fc.assert(fc.property(fc.array(bytes(300), { maxLength: 8 }), (parts) => {
    const whole = derSequence(...parts.map((part) => derBits(part)));
    deepStrictEqual(derChildren(readDer(whole, TAG.sequence)).map(readBits), parts);
  }));
});

Deno.test("readUnsigned() undoes derUnsigned() but for leading zeros, readOid() undoes derOid()", () => {
  fc.assert(fc.property(bytes(20), (magnitude) => {
    const zeros = magnitude.findIndex((byte) => byte !== 0);
    deepStrictEqual(
      readUnsigned(readDer(derUnsigned(magnitude))),
      zeros < 0 ? new Uint8Array(0) : magnitude.slice(zeros),
    );
  }));
  const arc = fc.nat(2 ** 28);
  fc.assert(fc.property(fc.nat(1), fc.nat(39), fc.array(arc, { maxLength: 6 }), (a, b, rest) => {
    const dotted = [a, b, ...rest].join(".");
    strictEqual(readOid(readDer(derOid(dotted))), dotted);
  }));
  strictEqual(derOid("1.2.840.113549.1.1.1").toHex(), "06092a864886f70d010101");
  strictEqual(readOid(readDer(derOid("2.16.840.1.101.3.4.1.42"))), "2.16.840.1.101.3.4.1.42");
  for (const number of [0, 1, 127, 128, 600_000, 0x7fffffff]) {
    strictEqual(readSmall(readDer(derUnsigned(number))), number);
  }
});

Deno.test("[dht H21] readDer() refuses long, open, padded and cut forms and never believes a length", () => {
  const forms = [
    "",
    "30",
    "3080",
    "3081",
    "308100",
    "30817f",
    "3082007f",
    "3084ffffffff",
    "3085ffffffffff",
    "1f0100",
    "3001",
  ];
  for (const hex of forms) throws(() => readDer(Uint8Array.fromHex(hex)), DecodeError, hex);
  throws(() => readDer(concat(derSequence(), new Uint8Array(1))), { code: "codec/der" });
  for (const hex of ["0200", "020181", "02020001", "0205010000000000"]) {
    throws(() => readSmall(readDer(Uint8Array.fromHex(hex))), DecodeError, hex);
  }
  for (const hex of ["0600", "060180", "06022a80", "0603808001", "06082affffffffffff7f"]) {
    throws(() => readOid(readDer(Uint8Array.fromHex(hex))), DecodeError, hex);
  }
  throws(() => derChildren(readDer(der(TAG.sequence, new Uint8Array(2 * 5000)))), { code: "codec/der" });
  const deep = Array.from({ length: 20_000 }).reduce<Uint8Array>(
    (inner) => inner.length < 60_000 ? derSequence(inner) : inner,
    derSequence(),
  );
  strictEqual(readDerFirst(deep).raw.length, deep.length); // nesting costs nothing: nobody descends unasked
});

Deno.test("parsePem() undoes formatPem(), skips what stands around, refuses broken blocks", () => {
  fc.assert(fc.property(fc.array(bytes(200), { maxLength: 5 }), (parts) => {
    const text = "Bag Attributes\n" + parts.map((part) => formatPem("CERTIFICATE", part)).join("junk\n") +
      "\0";
    deepStrictEqual(parsePem(text), parts.map((bytes) => ({ label: "CERTIFICATE", bytes })));
    deepStrictEqual(parsePem(utf8(text)).length, parts.length);
  }));
  const block = formatPem("X", new Uint8Array(100));
  strictEqual(block.split("\n")[1]!.length, 64);
  strictEqual(looksLikePem(utf8(block)), true);
  deepStrictEqual(parsePem("no pem at all"), []);
  for (
    const text of [
      block.slice(0, -12),
      block.replace("A", "*"),
      "-----BEGIN x-----",
      "-----BEGIN X",
      block.replace("END X", "END Y"),
    ]
  ) {
    throws(() => parsePem(text), { code: "codec/pem" }, text);
  }
  throws(() => parsePem(block.repeat(65)), { code: "codec/pem" });
  throws(() => parsePem(new Uint8Array(2 ** 21)), { code: "codec/pem" });
});
