import { throws } from "node:assert/strict";
import fc from "fast-check";
import { der, derChildren, derOctets, derOid, derSequence, readDer, TAG } from "../codec/mod.ts";
import { requireReadableLeaf } from "./tls_leaf.ts";

const firstOf = (name: string): Uint8Array => {
  const text = Deno.readTextFileSync(new URL(`../../tests/keys/tls_${name}_chain.pem`, import.meta.url));
  return Uint8Array.fromBase64(/-----BEGIN CERTIFICATE-----([^-]+)-----/.exec(text)![1]!.replace(/\s/g, ""));
};
const bob = firstOf("bob"); // made by a real daemon: version 3, negative serial, no extensions
const refuses = (bytes: Uint8Array) => throws(() => requireReadableLeaf(bytes), { code: "net/tls-leaf" });

/** `bob` with the parts of its signed body replaced; the signature no longer fits, which is not asked here. */
function changed(change: (parts: Uint8Array[]) => Uint8Array[]): Uint8Array {
  const [signed, ...rest] = derChildren(readDer(bob)).map(({ raw }) => raw);
  const parts = derChildren(readDer(signed!)).map(({ raw }) => raw);
  return derSequence(derSequence(...change(parts)), ...rest);
}
const withExtension = (id: string, value: Uint8Array, critical?: number) =>
  changed((parts) => [
    ...parts,
    der(
      TAG.context(3),
      derSequence(derSequence(
        derOid(id),
        ...(critical === undefined ? [] : [der(TAG.boolean, Uint8Array.of(critical))]),
        derOctets(value),
      )),
    ),
  ]);

Deno.test("[connection H10] requireReadableLeaf() takes what real daemons and openssl make", () => {
  for (const name of ["alice", "bob"]) requireReadableLeaf(firstOf(name));
  requireReadableLeaf(changed((parts) => parts));
  requireReadableLeaf(withExtension("2.5.29.19", derSequence(), 0xff));
  requireReadableLeaf(withExtension("2.5.29.14", derOctets(new Uint8Array(20))));
});

Deno.test("[connection H10] requireReadableLeaf() refuses each form in which the engine skips the proof", () => {
  refuses(firstOf("v1"));
  const version = (n: number) =>
    changed(([, ...rest]) => [der(TAG.context(0), Uint8Array.of(2, 1, n)), ...rest]);
  for (const n of [0, 1, 3, 5]) refuses(version(n));
  refuses(withExtension("2.5.29.19", Uint8Array.of(2, 1, 0))); // basic constraints that are an INTEGER
  refuses(withExtension("2.5.29.37", Uint8Array.of(2, 1, 0)));
  refuses(withExtension("1.3.6.1.4.1.1", Uint8Array.of(5, 0), 1)); // a BOOLEAN that is neither
  refuses(withExtension("1.3.6.1.4.1.1", Uint8Array.of(5, 1)));
  refuses(changed((parts) => [...parts, der(TAG.octets)]));
  refuses(Uint8Array.of(...bob, 0));
  refuses(bob.subarray(0, -1));
});

Deno.test("requireReadableLeaf() answers any bytes with yes or net/tls-leaf", () => {
  fc.assert(fc.property(fc.nat(bob.length - 1), fc.nat(255), (at, byte) => {
    const bytes = bob.slice();
    bytes[at] = byte;
    try {
      requireReadableLeaf(bytes);
    } catch (error) {
      if ((error as { code?: string }).code !== "net/tls-leaf") throw error;
    }
  }));
});
