/** Values: the dossier's bytes, bytes of live daemons, laws of the codec, and the rules of storing and editing. */
import { deepStrictEqual, ok, strictEqual, throws } from "node:assert/strict";
import fc from "fast-check";
import { concat, CoreError, type Endpoint, unhex, utf8 } from "../base/mod.ts";
import { decode, encode, formatPem } from "../codec/mod.ts";
import {
  decryptWith,
  generateEcKey,
  generateRsaKey,
  importPrivateKey,
  sha1,
  verifySignature,
} from "../crypto/mod.ts";
import { origin, v23, v26 } from "../../tests/vectors/dht/values.ts";
import { certificateKeys, certificateValue, decodeCertificate, encodeCertificate } from "./certificate.ts";
import {
  decodeContent,
  decodeValue,
  encodeContent,
  encodeValue,
  makeValue,
  ownerId,
  sameValue,
  signedBytes,
  type Value,
  type ValueFields,
} from "./value.ts";
import {
  decodeDhtMessage,
  decodeIceCandidates,
  decodeImMessage,
  decodeIpService,
  decodeTrustRequest,
  encodeDhtMessage,
  encodeIceCandidates,
  encodeImMessage,
  encodeIpService,
  encodeTrustRequest,
} from "./value_payloads.ts";
import { judgeEdit, judgeStore, lifetimeOf, VALUE_TYPE, type Verdict } from "./value_types.ts";

const from: Endpoint = { ip: "192.0.2.7", port: 4222 }, place = new Uint8Array(20).fill(1);
const rsa = await generateRsaKey({ bits: 2048 }), other = await generateRsaKey({ bits: 2048 });
const b64 = (text: string) => Uint8Array.fromBase64(text);

/** Signs for real. */
async function signed(fields: ValueFields, key = rsa): Promise<Value> {
  const draft = makeValue({ id: 5n, ...fields, owner: key.publicKey.der, signature: Uint8Array.of(0) });
  return { ...draft, signature: await key.sign(signedBytes(draft)) };
}
/** What a node concludes once it has answered the question. */
async function settle(verdict: Verdict): Promise<string> {
  if (verdict.type === "refuse") return verdict.why;
  if (verdict.type === "accept") return "accept";
  const { owner, data, signature } = verdict.question;
  return await verifySignature(owner, data, signature) ? "accept" : "forged";
}

Deno.test("[dht 36] encodeValue() writes the vectors of §2.1 and decodeValue() reads them", () => {
  const id = 0x1122334455667788n, data = utf8("hello");
  const head = "82a26964cf1122334455667788a364617481a4626f6479";
  const body = "a47479706500a464617461c40568656c6c6f", tag = "a57574797065aa746578742f706c61696e";
  for (
    const [fields, hex] of [
      [{ id, data }, `${head}82${body}`],
      [{ id, data, userType: "text/plain" }, `${head}83${body}${tag}`],
      [{ id, data, userType: "text/plain", priority: 1 }, `83${head.slice(2)}83${body}${tag}a17001`],
      [
        { id, data, pushType: "audioCall", priority: 1 },
        `84${head.slice(2)}82${body}a17001a27074a9617564696f43616c6c`,
      ],
      [{ id, encrypted: Uint8Array.of(1, 2) }, "82a26964cf1122334455667788a3646174c4020102"],
    ] as const
  ) {
    const value = makeValue(fields);
    strictEqual(encodeValue(value).toHex(), hex);
    deepStrictEqual(decodeValue(unhex(hex)), value);
  }
  const empty = decodeValue(unhex("82a2696401a3646174c400")); // an empty ciphertext is an empty plain value
  deepStrictEqual(empty, makeValue({ id: 1n }));
});

Deno.test("[dht 36] payload codecs write the vectors of §2.5", () => {
  const im = { id: 77n, text: "hi", date: 1000, status: 0, dataType: "text/plain", metadata: {} };
  const trust = {
    service: "cx.ring",
    conversationId: "conv",
    payload: Uint8Array.of(1, 2, 3),
    confirm: false,
  };
  const cases = [
    [
      encodeImMessage(im),
      "86a269644da36d7367a26869a464617465cd03e8a673746174757300a86461746174797065aa746578742f706c61696ea96d657461646174617380",
    ],
    [
      encodeTrustRequest({ ...trust, invitedMs: undefined }),
      "84a773657276696365a763782e72696e67ae636f6e766572736174696f6e4964a4636f6e76a77061796c6f6164c403010203a7636f6e6669726dc2",
    ],
    [encodeIceCandidates({ id: 9n, data: Uint8Array.of(1, 2) }), "9209c4020102"],
    [encodeDhtMessage({ service: "svc", data: Uint8Array.of(1, 2) }), "92a3737663c4020102"],
    [encodeIpService({ ip: "0.0.0.0", port: 1234 }), "c410020004d2000000000000000000000000"],
  ] as const;
  for (const [bytes, hex] of cases) strictEqual(bytes.toHex(), hex);
  deepStrictEqual(decodeImMessage(cases[0][0]), im);
  deepStrictEqual(decodeTrustRequest(cases[1][0]), { ...trust, invitedMs: undefined });
  strictEqual(
    decodeTrustRequest(encodeTrustRequest({ ...trust, invitedMs: 1795352460000 })).invitedMs,
    1795352460000,
  );
  deepStrictEqual(decodeIceCandidates(cases[2][0]), { id: 9n, data: Uint8Array.of(1, 2) });
  deepStrictEqual(decodeDhtMessage(cases[3][0]), { service: "svc", data: Uint8Array.of(1, 2) });
  for (const ip of ["198.51.100.4", "2001:db8::7"]) {
    deepStrictEqual(decodeIpService(encodeIpService({ ip, port: 70 })), { ip, port: 70 });
  }
  for (
    const read of [
      decodeImMessage,
      decodeTrustRequest,
      decodeIceCandidates,
      decodeDhtMessage,
      decodeIpService,
    ]
  ) {
    for (const hex of ["", "c0", "80", "90", "9101", "9201c0", "c403020004", "81a269640a", "df00ffffff"]) {
      try {
        read(unhex(hex));
      } catch (error) {
        ok(error instanceof CoreError, `${read.name} ${hex} ${error}`);
      }
    }
  }
});

for (const world of [v23, v26]) {
  for (
    const { name, key, packed } of [
      world.certificate,
      world.announcement,
      world.trustRequest,
      world.peerRequest,
    ]
  ) {
    Deno.test(`decodeValue() and encodeValue() keep every byte of ${name} (${origin})`, () => {
      const bytes = b64(packed), value = decodeValue(bytes);
      deepStrictEqual(encodeValue(value), bytes);
      if (name.includes("certificate")) {
        strictEqual(value.type, VALUE_TYPE.certificate);
        const { publicKey, chain } = decodeCertificate(value.data);
        ok(certificateKeys(publicKey).includes(key));
        strictEqual(chain.length, 3);
        deepStrictEqual(encodeCertificate(chain), value.data);
        deepStrictEqual(certificateValue(chain), value);
        strictEqual(judgeStore(value, unhex(key), from).type, "accept");
      }
    });
  }

  Deno.test(`[dht 37] signedBytes() is what ${world.announcement.name} was signed over (${origin})`, async () => {
    const value = decodeValue(b64(world.announcement.packed));
    strictEqual(ownerId(value).toHex(), world.announcement.key);
    strictEqual(await settle(judgeStore(value, place, from)), "accept");
  });

  for (const { name, packed } of [world.trustRequest, world.peerRequest]) {
    Deno.test(`[dht 41] decodeContent() opens ${name}: it is for us and signed (${origin})`, async () => {
      const key = await importPrivateKey(b64(world.deviceKey)), outer = decodeValue(b64(packed));
      strictEqual(key.publicKey.longId, world.deviceId);
      strictEqual(lifetimeOf(outer.type), 600_000);
      const content = await decryptWith(key, outer.encrypted!), value = decodeContent(content, outer);
      strictEqual(value.id, outer.id);
      strictEqual(value.to!.toHex(), key.publicKey.shortId);
      ok(await verifySignature(value.owner!, signedBytes(value), value.signature!));
      deepStrictEqual(encodeContent(value), content);
      if (value.type === VALUE_TYPE.trustRequest) {
        strictEqual(decodeTrustRequest(value.data).service, "cx.ring");
      } else strictEqual(value.userType, "peer_request");
    });
  }
}

const bytes = (most: number) => fc.uint8Array({ maxLength: most });
const anyValue = fc.oneof(
  fc.record({
    id: fc.bigInt(0n, 2n ** 64n - 1n),
    type: fc.nat(0xffff),
    data: bytes(2000),
    userType: fc.string({ unit: "grapheme", maxLength: 30 }),
    priority: fc.nat(0xffffffff),
    pushType: fc.string({ maxLength: 20 }),
  }),
  fc.record({
    id: fc.bigInt(0n, 2n ** 64n - 1n),
    type: fc.nat(0xffff),
    data: bytes(300),
    owner: fc.constantFrom(rsa.publicKey.der, other.publicKey.der),
    seq: fc.nat(0xffff),
    to: fc.option(fc.uint8Array({ minLength: 20, maxLength: 20 }), { nil: undefined }),
    signature: fc.uint8Array({ minLength: 1, maxLength: 512 }),
  }),
  fc.record({
    id: fc.bigInt(0n, 2n ** 64n - 1n),
    encrypted: fc.uint8Array({ minLength: 1, maxLength: 600 }),
  }),
).map((fields) => makeValue(fields as ValueFields));

Deno.test("decodeValue() undoes encodeValue(), and keeps nothing of the packet's buffer", () => {
  fc.assert(fc.property(anyValue, (value) => {
    const packed = encodeValue(value), read = decodeValue(packed);
    packed.fill(0);
    deepStrictEqual(read, value);
    ok(sameValue(read, value));
  }));
});

Deno.test("[dht H1] decodeValue() returns or throws a CoreError, whatever the bytes", () => {
  const good = encodeValue(makeValue({ id: 9n, data: utf8("x"), userType: "t", priority: 3 }));
  const survive = (junk: Uint8Array) => {
    try {
      encodeValue(decodeValue(junk));
    } catch (error) {
      ok(error instanceof CoreError, String(error));
    }
  };
  fc.assert(fc.property(bytes(300), survive), { numRuns: 2000 });
  const mutation = fc.array(fc.tuple(fc.nat(good.length - 1), fc.nat(255)), { minLength: 1, maxLength: 4 });
  fc.assert(
    fc.property(mutation, fc.nat(good.length), (changes, end) => {
      const junk = good.slice();
      for (const [at, byte] of changes) junk[at] = byte;
      survive(junk), survive(junk.subarray(0, end));
    }),
    { numRuns: 2000 },
  );
  survive(new Uint8Array(60_000).fill(0x91));
});

Deno.test("[dht H23] decodeValue() discards values with a missing or impossible field", async () => {
  const plain = { type: 0, data: new Uint8Array(1) }, value = await signed({ seq: 3 });
  const owned = { ...plain, owner: value.owner!, seq: 3 }, sig = value.signature!;
  const wrong: Record<string, unknown> = {
    "no id": { dat: { body: plain } },
    "negative id": { id: -1, dat: { body: plain } },
    "no dat": { id: 1 },
    "dat a str": { id: 1, dat: "x" },
    "dat an array": { id: 1, dat: [] },
    "no body": { id: 1, dat: {} },
    "no type": { id: 1, dat: { body: { data: plain.data } } },
    "no data": { id: 1, dat: { body: { type: 0 } } },
    "type 65536": { id: 1, dat: { body: { ...plain, type: 65536 } } },
    "negative type": { id: 1, dat: { body: { ...plain, type: -1 } } },
    "owner without sig": { id: 1, dat: { body: owned } },
    "owner with an empty sig": { id: 1, dat: { body: owned, sig: new Uint8Array(0) } },
    "owner without seq": { id: 1, dat: { body: { ...plain, owner: value.owner! }, sig } },
    "seq 65536": { id: 1, dat: { body: { ...owned, seq: 65536 }, sig } },
    "negative seq": { id: 1, dat: { body: { ...owned, seq: -1 }, sig } },
    "owner no key": { id: 1, dat: { body: { ...owned, owner: new Uint8Array(294) }, sig } },
    "owner endless": { id: 1, dat: { body: { ...owned, owner: new Uint8Array(60_000).fill(0x30) }, sig } },
    "to of 19 bytes": { id: 1, dat: { body: { ...owned, to: new Uint8Array(19) }, sig } },
    "negative priority": { id: 1, dat: { body: plain }, p: -1 },
  };
  for (const [name, value] of Object.entries(wrong)) {
    throws(() => decodeValue(encode(value as Parameters<typeof encode>[0])), CoreError, name);
  }
  throws(() => decodeValue(new Uint8Array(65_569)), { code: "dht/value-size" });
  throws(() => decodeValue(concat(encodeValue(makeValue({ id: 1n })), new Uint8Array(1))), {
    code: "dht/value",
  });
  const spare = decodeValue(encode({ id: 1, dat: { body: { ...plain, seq: 70_000, to: 5 }, sig }, x: [1] }));
  deepStrictEqual(spare, makeValue({ id: 1n, ...plain })); // seq, to, sig of nobody, unknown keys: not looked at
});

Deno.test("[dht 37] a signature holds for reordered bodies and extra keys, fails after any signed change", async () => {
  const value = await signed({ seq: 3, to: place, type: 4, data: utf8("x"), userType: "u" });
  const holds = async (v: Value) =>
    await settle(judgeStore({ ...v, type: v.type }, place, from)) === "accept";
  ok(await holds(value));
  const pem = utf8(formatPem("PUBLIC KEY", value.owner!)); // PEM is understood as the same owner
  const { owner, seq, to, type, data, userType: utype, signature: sig } = value;
  for (const who of [owner!, pem]) {
    const packed = encode({
      dat: { sig, body: { utype, data, extra: 1, type, to: to!, owner: who, seq } },
      p: 7,
      id: 99,
    });
    ok(await holds(decodeValue(packed)));
  }
  ok(await holds({ ...value, id: 1n, priority: 3, pushType: "x" })); // not signed
  const changes: Partial<Value>[] = [
    { seq: 4 },
    { to: undefined },
    { to: new Uint8Array(20) },
    { type: 0 },
    { data: utf8("y") },
    { userType: "" },
    { owner: other.publicKey.der },
    { signature: value.signature!.with(5, value.signature![5]! ^ 1) },
  ];
  for (const change of changes) {
    ok(!await holds({ ...value, ...change }), JSON.stringify(Object.keys(change)));
  }
});

Deno.test("[dht 38] judgeEdit(): lower seq refused, equal only identical, higher accepted, other owner refused", async () => {
  const edit = async (stored: Value, value: Value) => await settle(judgeEdit(stored, value));
  const stored = await signed({ seq: 3, data: utf8("a") });
  strictEqual(await edit(stored, await signed({ seq: 2, data: utf8("b") })), "old-seq");
  strictEqual(await edit(stored, await signed({ seq: 3, data: utf8("b") })), "same-seq");
  strictEqual(await edit(stored, await signed({ seq: 3, data: utf8("a") })), "accept");
  strictEqual(await edit(stored, await signed({ seq: 4, data: utf8("b") })), "accept");
  strictEqual(await edit(stored, await signed({ seq: 4 }, other)), "other-owner");
  const forged = { ...await signed({ seq: 4 }), data: utf8("c") };
  strictEqual(await edit(stored, forged), "forged");
});

Deno.test("[dht 39] judgeEdit() refuses every change of an unsigned value, accepts the identical one", async () => {
  const stored = makeValue({ id: 5n, data: utf8("a") });
  strictEqual(judgeEdit(stored, makeValue({ id: 5n, data: utf8("b") })).type, "refuse");
  strictEqual(judgeEdit(stored, await signed({ seq: 9 })).type, "refuse");
  strictEqual(judgeEdit(stored, { ...stored, priority: 1 }).type, "accept");
  const encrypted = makeValue({ id: 5n, encrypted: Uint8Array.of(1) });
  strictEqual(judgeEdit(encrypted, makeValue({ id: 5n, encrypted: Uint8Array.of(2) })).type, "refuse");
  const unknown = await signed({ type: 999 });
  strictEqual(judgeEdit(unknown, await signed({ type: 999, seq: 9 })).type, "refuse");
});

Deno.test("[dht H7] judgeEdit() refuses an unsigned value over a signed one", async () => {
  const stored = await signed({ seq: 3 });
  deepStrictEqual(judgeEdit(stored, makeValue({ id: 5n })), { type: "refuse", why: "unsigned-edit" });
  const sealed = makeValue({ id: 5n, encrypted: Uint8Array.of(1) });
  deepStrictEqual(judgeEdit(stored, sealed), { type: "refuse", why: "unsigned-edit" });
});

Deno.test("[dht 40] a value signed with an EC key is refused", async () => {
  const key = await generateEcKey();
  const value = await signed({}, key);
  ok(await verifySignature(value.owner!, signedBytes(value), value.signature!)); // right in itself
  deepStrictEqual(judgeStore(value, place, from), { type: "refuse", why: "not-rsa" });
  deepStrictEqual(judgeEdit(value, await signed({ seq: 1 }, key)), { type: "refuse", why: "not-rsa" });
});

Deno.test("[dht 43] judgeStore() writes the sender's address into a type 2 value", () => {
  const value = makeValue({
    id: 3n,
    type: 2,
    data: encodeIpService({ ip: "203.0.113.1", port: 99 }),
    priority: 1,
  });
  for (const ip of ["192.0.2.7", "2001:db8::9"]) {
    const verdict = judgeStore(value, place, { ip, port: 5 });
    ok(verdict.type === "accept");
    deepStrictEqual(decodeIpService(verdict.value.data), { ip, port: 99 });
    strictEqual(verdict.value.id, 3n);
  }
  const none = { ...value, data: encodeIpService({ ip: "203.0.113.1", port: 0 }) };
  deepStrictEqual(judgeStore(none, place, from), { type: "refuse", why: "no-port" });
  deepStrictEqual(judgeStore({ ...value, data: utf8("junk") }, place, from), {
    type: "refuse",
    why: "no-port",
  });
});

Deno.test("[dht 44] judgeStore() takes certificates at both keys of their subject, in the forms of §5.2", () => {
  const { data } = decodeValue(b64(v23.certificate.packed)), { chain, publicKey } = decodeCertificate(data);
  const leaf = chain[0]!,
    pem = utf8(formatPem("CERTIFICATE", leaf)),
    bin = (bytes: Uint8Array) => encode(bytes);
  const places = certificateKeys(publicKey).map(unhex), far = sha1("elsewhere");
  for (const form of [data, bin(pem), pem, leaf]) {
    const value = makeValue({ id: 1n, type: 8, data: form });
    for (const key of places) strictEqual(judgeStore(value, key, from).type, "accept");
    deepStrictEqual(judgeStore(value, far, from), { type: "refuse", why: "certificate-key" });
  }
  const wrapped = makeValue({ id: 1n, type: 8, data: bin(leaf) }); // bin around DER: nobody takes it
  for (const key of places) strictEqual(judgeStore(wrapped, key, from).type, "refuse");
  const huge = makeValue({ id: 1n, type: 8, data: concat(data, new Uint8Array(65_536)) });
  deepStrictEqual(judgeStore(huge, places[0]!, from), { type: "refuse", why: "size" });

  const stored = makeValue({ id: 1n, type: 8, data }), shorter = { ...stored, data: leaf };
  strictEqual(judgeEdit(stored, shorter).type, "accept"); // the same key, another chain
  const foreign = { ...stored, data: decodeValue(b64(v26.certificate.packed)).data };
  deepStrictEqual(judgeEdit(stored, foreign), { type: "refuse", why: "certificate-key" });
  strictEqual(judgeEdit(stored, makeValue({ id: 1n, data: utf8("x") })).type, "refuse");
});

Deno.test("[dht H21] decodeCertificate() bounds chains before it reads them", () => {
  const { data } = decodeValue(b64(v23.certificate.packed)), { chain } = decodeCertificate(data);
  const pem = utf8(formatPem("CERTIFICATE", chain[0]!));
  throws(() => decodeCertificate(new Uint8Array(65_537)), { code: "dht/certificate-size" });
  throws(() => decodeCertificate(concat(...Array.from({ length: 17 }, () => pem))), {
    code: "dht/certificate",
  });
  throws(
    () => decodeCertificate(utf8("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----")),
    CoreError,
  );
  throws(() => decodeCertificate(new Uint8Array(60_000).fill(0x30)), CoreError);
  throws(() => decodeCertificate(utf8(formatPem("PRIVATE KEY", chain[0]!))), { code: "dht/certificate" });
  fc.assert(fc.property(fc.nat(chain[0]!.length - 1), fc.nat(255), (at, byte) => {
    try {
      decodeCertificate(chain[0]!.with(at, byte));
    } catch (error) {
      ok(error instanceof CoreError, String(error));
    }
  }));
});

Deno.test("[dht 45] judgeStore() takes 65536 bytes and refuses 65537; a signed value may be longer", async () => {
  const fits = new Uint8Array(65_536), over = new Uint8Array(65_537);
  for (const make of [(data: Uint8Array) => ({ data }), (encrypted: Uint8Array) => ({ encrypted })]) {
    strictEqual(judgeStore(makeValue({ id: 1n, ...make(fits) }), place, from).type, "accept");
    strictEqual(judgeStore(makeValue({ id: 1n, ...make(over) }), place, from).type, "refuse");
  }
  const tagged = makeValue({ id: 1n, data: fits.subarray(1), userType: "é" });
  strictEqual(judgeStore(tagged, place, from).type, "refuse"); // two bytes of UTF-8
  strictEqual(judgeStore(makeValue({ id: 1n, type: 77, data: over }), place, from).type, "refuse");
  strictEqual(await settle(judgeStore(await signed({ data: over }), place, from)), "accept");
});

Deno.test("[dht 47] lifetimeOf() knows the types of §2.5; any other lives ten minutes", () => {
  const minutes = [0, 1, 2, 3, 4, 5, 8, 9, 65535].map((type) => lifetimeOf(type) / 60_000);
  deepStrictEqual(minutes, [10, 5, 15, 5, 10_080, 1, 10_080, 10, 10]);
});

Deno.test("judgeStore() refuses a DhtMessage without service, takes one it cannot read", () => {
  const store = (data: Uint8Array) => judgeStore(makeValue({ id: 1n, type: 1, data }), place, from).type;
  strictEqual(store(encodeDhtMessage({ service: "", data: utf8("x") })), "refuse");
  strictEqual(store(encodeDhtMessage({ service: "s", data: utf8("x") })), "accept");
  strictEqual(store(utf8("junk")), "accept");
  strictEqual(judgeStore(makeValue({ id: 1n, type: 3, data: utf8("x") }), place, from).type, "accept");
});

Deno.test("sameValue() looks at id, owner, type, data, user type and signature only", async () => {
  const value = await signed({ data: utf8("x"), seq: 1 });
  ok(sameValue(value, { ...value, seq: 2, priority: 1, to: place }));
  const changes: Partial<Value>[] = [{ id: 6n }, { type: 1 }, { data: utf8("y") }, { userType: "u" }, {
    owner: undefined,
  }];
  for (const change of changes) ok(!sameValue(value, { ...value, ...change }));
  const sealed = makeValue({ id: 5n, encrypted: utf8("c") });
  ok(sameValue(sealed, makeValue({ id: 5n, encrypted: utf8("c"), priority: 1 })));
  ok(!sameValue(sealed, makeValue({ id: 5n, encrypted: utf8("d") })));
  ok(!sameValue(sealed, value));
  strictEqual((decode(encodeValue(value)) as Map<string, unknown>).size, 2);
});
