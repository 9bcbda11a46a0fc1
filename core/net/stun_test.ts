import { deepStrictEqual, strictEqual, throws } from "node:assert/strict";
import fc from "fast-check";
import { hex, unhex } from "../base/mod.ts";
import { measured, rfc5769, sessions } from "../../tests/vectors/net/stun.ts";
import {
  ATTR,
  attribute,
  attributeAddress,
  attributeError,
  attributeText,
  attributeU32,
  decodeStun,
  encodeStun,
  errorAttribute,
  flagAttribute,
  longTermKey,
  looksLikeStun,
  METHOD,
  shortTermKey,
  type StunMessage,
  textAttribute,
  u32Attribute,
  unknownMandatory,
  verifyIntegrity,
  xorAddressAttribute,
} from "./stun.ts";

const key = shortTermKey(rfc5769.password), id = unhex("b7e7a701bc34d686fa87dfae");

Deno.test("decodeStun() reads the sample request of RFC 5769 §2.1", () => {
  const m = decodeStun(unhex(rfc5769.request));
  deepStrictEqual([m.class, m.method, m.fingerprint], ["request", METHOD.binding, true]);
  strictEqual(attributeText(m, ATTR.software), "STUN test client");
  strictEqual(attributeText(m, ATTR.username), "evtj:h6vY");
  strictEqual(attributeU32(m, ATTR.priority), 0x6e0001ff);
  strictEqual(hex(attribute(m, ATTR.iceControlled)!), "932ff9b151263b36");
  strictEqual(verifyIntegrity(m, key), true);
  strictEqual(verifyIntegrity(m, shortTermKey("VOkJxbRl1RmTxUk/WvJxBu")), false);
});

Deno.test("decodeStun() reads the sample responses of RFC 5769 §2.2 and §2.3", () => {
  const four = decodeStun(unhex(rfc5769.response4)), six = decodeStun(unhex(rfc5769.response6));
  deepStrictEqual(attributeAddress(four, ATTR.xorMappedAddress), { ip: "192.0.2.1", port: 32853 });
  deepStrictEqual(attributeAddress(six, ATTR.xorMappedAddress), {
    ip: "2001:db8:1234:5678:11:2233:4455:6677",
    port: 32853,
  });
  for (const m of [four, six]) deepStrictEqual([m.class, verifyIntegrity(m, key)], ["success", true]);
});

Deno.test("longTermKey() gives the integrity of RFC 5769 §2.4", () => {
  const m = decodeStun(unhex(rfc5769.longTerm));
  strictEqual(attributeText(m, ATTR.username), rfc5769.longTermUser);
  strictEqual(attributeText(m, ATTR.realm), rfc5769.longTermRealm);
  const made = longTermKey(rfc5769.longTermUser, rfc5769.longTermRealm, rfc5769.longTermPassword);
  strictEqual(verifyIntegrity(m, made), true);
  strictEqual(m.fingerprint, false);
});

/** Encodes a decoded message again from its parts. */
const again = (m: StunMessage, withKey?: Uint8Array) =>
  hex(encodeStun({ ...m, key: withKey && m.integrityAt !== undefined ? withKey : undefined }));

Deno.test("[connection 20] the measured check and its answer verify and are encoded alike", () => {
  for (const framed of [measured.request, measured.response]) {
    strictEqual(parseInt(framed.slice(0, 4), 16), (framed.length - 4) / 2);
    const m = decodeStun(unhex(framed.slice(4)));
    strictEqual(verifyIntegrity(m, shortTermKey(measured.password)), true);
    strictEqual(again(m, shortTermKey(measured.password)), framed.slice(4));
    strictEqual(attributeText(m, ATTR.software), "pjnath-2.12.1"); // its NUL padding is inside the length
  }
  const answer = decodeStun(unhex(measured.response.slice(4)));
  deepStrictEqual(attributeAddress(answer, ATTR.xorMappedAddress), { ip: "10.77.0.2", port: 54716 });
});

for (const [i, session] of sessions.entries()) {
  Deno.test(`[connection 20] every frame of session ${i} verifies and is encoded alike (${session.origin})`, () => {
    const keys = new Map<string, string>(); // transaction → password: an answer is signed as its request
    let signed = 0;
    for (const frame of session.frames) {
      const m = decodeStun(unhex(frame)), names = attributeText(m, ATTR.username)?.split(":");
      if (names) keys.set(hex(m.id), session.passwords[names[0]!] ?? "");
      const password = keys.get(hex(m.id));
      strictEqual(m.fingerprint, true);
      if (m.class === "indication") {
        strictEqual(again(m), frame);
        deepStrictEqual([frame.length / 2, m.attributes.length], [28, 0]);
      } else if (password) {
        strictEqual(verifyIntegrity(m, shortTermKey(password)), true);
        strictEqual(again(m, shortTermKey(password)), frame);
        signed++;
      }
      if (m.class === "request") {
        const asked = m.attributes.map((a) => a.type).filter((t) => t !== ATTR.useCandidate);
        const role = attribute(m, ATTR.iceControlling) ? ATTR.iceControlling : ATTR.iceControlled;
        deepStrictEqual(asked, [ATTR.priority, role, ATTR.software, ATTR.username]);
      }
    }
    const known = Object.keys(session.passwords).length;
    strictEqual(signed >= 2 * known, true, "each known password verified an exchange");
  });
}

Deno.test("encodeStun() and decodeStun() undo each other", () => {
  const value = fc.uint8Array({ maxLength: 40 });
  const plain = fc.integer({ min: 0, max: 0xffff }).filter((t) =>
    t !== ATTR.integrity && t !== ATTR.fingerprint && t !== ATTR.integritySha256
  );
  fc.assert(fc.property(
    fc.constantFrom("request" as const, "indication" as const, "success" as const, "error" as const),
    fc.integer({ min: 0, max: 0xfff }),
    fc.uint8Array({ minLength: 12, maxLength: 12 }),
    fc.array(fc.record({ type: plain, value }), { maxLength: 12 }),
    fc.option(fc.uint8Array({ minLength: 1, maxLength: 30 }), { nil: undefined }),
    fc.boolean(),
    (kind, method, txid, attributes, secret, fingerprint) => {
      const bytes = encodeStun({ class: kind, method, id: txid, attributes, key: secret, fingerprint });
      const m = decodeStun(bytes);
      deepStrictEqual([m.class, m.method, hex(m.id), m.fingerprint], [kind, method, hex(txid), fingerprint]);
      deepStrictEqual(
        m.attributes.map((a) => [a.type, hex(a.value)]),
        attributes.map((a) => [a.type, hex(a.value)]),
      );
      strictEqual(m.integrityAt !== undefined, secret !== undefined);
      if (secret) strictEqual(verifyIntegrity(m, secret), true);
      strictEqual(looksLikeStun(bytes), true);
    },
  ));
});

Deno.test("verifyIntegrity() notices every flipped bit in front of it", () => {
  const good = unhex(rfc5769.request);
  for (let bit = 0; bit < (good.length - 8) * 8; bit++) {
    const bad = good.slice();
    bad[bit >> 3] = bad[bit >> 3]! ^ (1 << (bit & 7));
    let verdict = "refused";
    try {
      verdict = verifyIntegrity(decodeStun(bad), key) ? "accepted" : "wrong";
    } catch (error) {
      strictEqual((error as { code?: string }).code?.startsWith("net/stun-"), true);
    }
    strictEqual(verdict === "accepted", false, `bit ${bit}`);
  }
});

Deno.test("decodeStun() does not count what stands behind MESSAGE-INTEGRITY", () => {
  const signed = encodeStun({ class: "request", method: 1, id, key, attributes: [textAttribute(6, "a:b")] });
  const extra = new Uint8Array(signed.length + 4);
  extra.set(signed);
  extra[3] = extra[3]! + 4; // an unsigned USE-CANDIDATE appended on the way
  extra.set([0, 0x25, 0, 0], signed.length);
  const m = decodeStun(extra);
  deepStrictEqual([attribute(m, ATTR.useCandidate), verifyIntegrity(m, key)], [undefined, true]);
});

Deno.test("decodeStun() returns or refuses for any bytes", () => {
  const start = unhex(rfc5769.request);
  const refusal = (bytes: Uint8Array) => {
    try {
      decodeStun(bytes);
    } catch (error) {
      strictEqual((error as { code?: string }).code?.startsWith("net/stun-"), true);
    }
  };
  fc.assert(fc.property(fc.uint8Array({ maxLength: 2100 }), refusal));
  fc.assert(fc.property(
    fc.array(fc.tuple(fc.nat(start.length - 1), fc.nat(255)), { minLength: 1, maxLength: 5 }),
    fc.nat(start.length),
    (changes, length) => {
      const bytes = start.slice();
      for (const [at, to] of changes) bytes[at] = to;
      refusal(bytes), refusal(bytes.slice(0, length));
    },
  ));
});

Deno.test("decodeStun() refuses each malformation under its own code", () => {
  const header = (size: number, type = 1) => {
    const bytes = new Uint8Array(20 + size);
    bytes.set([type >> 8, type & 255, size >> 8, size & 255, 0x21, 0x12, 0xa4, 0x42]);
    return bytes;
  };
  throws(() => decodeStun(new Uint8Array(19)), { code: "net/stun-short" });
  throws(() => decodeStun(header(2048)), { code: "net/stun-size" });
  throws(() => decodeStun(header(0, 0x8001)), { code: "net/stun-type" });
  throws(() => decodeStun(header(0).fill(0, 4, 8)), { code: "net/stun-cookie" });
  throws(() => decodeStun(header(8).subarray(0, 24)), { code: "net/stun-length" });
  throws(() => decodeStun(header(4).fill(255, 20)), { code: "net/stun-attribute" });
  const many = encodeStun({
    class: "request",
    method: 1,
    id,
    attributes: Array.from({ length: 25 }, () => flagAttribute(0x8000)),
  });
  throws(() => decodeStun(many), { code: "net/stun-attribute" });
  const marked = encodeStun({ class: "indication", method: 1, id, fingerprint: true });
  const after = new Uint8Array(marked.length + 4);
  after.set(marked), after[3] = 12;
  throws(() => decodeStun(after), { code: "net/stun-fingerprint" }); // the length is part of the sum
  marked[27] = marked[27]! ^ 1;
  throws(() => decodeStun(marked), { code: "net/stun-fingerprint" });
});

Deno.test("attributes of addresses, errors and unknown types read back", () => {
  for (const address of [{ ip: "203.0.113.7", port: 9 }, { ip: "2001:db8::1", port: 65535 }]) {
    const m = decodeStun(encodeStun({
      class: "error",
      method: 1,
      id,
      attributes: [
        xorAddressAttribute(ATTR.xorPeerAddress, address, id),
        errorAttribute(438, "Stale Nonce"),
        u32Attribute(0x7ffe, 1),
      ],
    }));
    deepStrictEqual(attributeAddress(m, ATTR.xorPeerAddress), address);
    deepStrictEqual(attributeError(m), { code: 438, reason: "Stale Nonce" });
    deepStrictEqual(unknownMandatory(m, new Set([ATTR.errorCode, ATTR.xorPeerAddress])), [0x7ffe]);
  }
});
