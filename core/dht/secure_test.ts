/** The secure layer over a DHT in memory that keeps the real policies. */
import { deepStrictEqual, ok, rejects, strictEqual, throws } from "node:assert/strict";
import { CoreError, hex, realRandom as random, unhex, utf8 } from "../base/mod.ts";
import {
  encryptTo,
  generateEcKey,
  generateRsaKey,
  importPrivateKey,
  importPublicKey,
  type PrivateKey,
  sha1,
} from "../crypto/mod.ts";
import { MemoryDht } from "../../tests/memory_dht.ts";
import { v23, v26 } from "../../tests/vectors/dht/values.ts";
import { certificateKeys, certificateValue, decodeCertificate } from "./certificate.ts";
import { nodeIdOf, SecureDht, type SecureOptions } from "./secure.ts";
import { inOrder } from "./secure_order.ts";
import { decodeValue, encodeContent, makeValue, signedBytes, type Value, type ValueFields } from "./value.ts";

const key = "0beec7b5ea3f0fdbc95d0dd47f3c5bc275da8a33", rsa = await generateRsaKey({ bits: 2048 });
const b64 = (text: string) => Uint8Array.fromBase64(text);
const bob23 = { key: await importPrivateKey(b64(v23.deviceKey)), chain: chainOf(v23.certificate.packed) };
const bob26 = { key: await importPrivateKey(b64(v26.deviceKey)), chain: chainOf(v26.certificate.packed) };

function chainOf(packed: string) {
  return decodeCertificate(decodeValue(b64(packed)).data).chain;
}
const open = (dht: MemoryDht, options: Partial<SecureOptions> = {}) =>
  new SecureDht(dht, { random, ...options });
const all = async <T>(items: AsyncIterable<T>) => await Array.fromAsync(items);

async function signed(fields: ValueFields, by: PrivateKey = rsa): Promise<Value> {
  const draft = makeValue({ id: 5n, ...fields, owner: by.publicKey.der, signature: Uint8Array.of(0) });
  return { ...draft, signature: await by.sign(signedBytes(draft)) };
}

Deno.test("[dht 50] nodeIdOf() makes the node id of §3.1", () => {
  strictEqual(
    hex(nodeIdOf("c09e356de492b689acd91ec0ac96aa1ddc985d73")),
    "b88cf625eabc826cd9d506654307eebb0f8d2f4d",
  );
});

Deno.test("SecureDht.putSigned() signs what get() gives back with its sender", async () => {
  const dht = new MemoryDht(), me = open(dht, { identity: bob23 }), anybody = open(dht);
  const { id } = await me.putSigned(key, { data: utf8("hello"), userType: "text/plain" });
  ok(id !== 0n);
  const [found] = await all(anybody.get(key));
  strictEqual(found!.sender!.longId, v23.deviceId);
  strictEqual(found!.encrypted, false);
  deepStrictEqual(found!.value.data, utf8("hello"));
  await rejects(anybody.putSigned(key, { data: utf8("x") }), { code: "dht/no-identity" });
});

Deno.test("SecureDht.putSigned() goes above its own last seq and above what lies on the network", async () => {
  const dht = new MemoryDht(), me = open(dht, { identity: bob23 });
  const seqs = async () => (await all(me.get(key))).map(({ value }) => value.seq);
  for (const expected of [0, 1, 2]) {
    await me.putSigned(key, { id: 7n, data: Uint8Array.of(expected) });
    deepStrictEqual(await seqs(), [expected]);
  }
  const restarted = open(dht, { identity: bob23 });
  await restarted.putSigned(key, { id: 7n, data: utf8("later") });
  deepStrictEqual(await seqs(), [3]);
  dht.plant(key, await signed({ id: 8n, seq: 900 })); // somebody else's: not ours to exceed
  await open(dht, { identity: bob26 }).putSigned(key, { id: 8n, data: utf8("x") });
  strictEqual(dht.stored(key).find(({ id }) => id === 8n)!.seq, 900);
  dht.plant(key, await signed({ id: 9n, seq: 0xffff }, bob23.key));
  await rejects(me.putSigned(key, { id: 9n }), { code: "dht/seq" });
});

Deno.test("[dht 41] SecureDht.putEncrypted() can be read by the recipient alone, and by nobody edited", async () => {
  const dht = new MemoryDht(), alice = open(dht, { identity: bob26 }), bob = open(dht, { identity: bob23 });
  await alice.putEncrypted(key, bob23.key.publicKey, {
    data: utf8("secret"),
    type: 4,
    priority: 1,
    pushType: "x",
  });
  const [stored] = dht.stored(key);
  deepStrictEqual([stored!.type, stored!.priority, stored!.pushType], [0, 1, "x"]);
  const [read] = await all(bob.get(key));
  deepStrictEqual([read!.encrypted, read!.sender!.longId, read!.value.type], [true, v26.deviceId, 4]);
  deepStrictEqual(read!.value.data, utf8("secret"));
  strictEqual(hex(read!.value.to!), bob23.key.publicKey.shortId);
  deepStrictEqual(await all(alice.get(key)), []);
  deepStrictEqual(await all(open(dht).get(key)), []);
  strictEqual(alice.drops["not-decrypted"], 1);
});

for (const [world, identity] of [[v23, bob23], [v26, bob26]] as const) {
  Deno.test(`SecureDht.get() opens what a live daemon put: ${world.trustRequest.name}`, async () => {
    const dht = new MemoryDht();
    for (const { packed } of [world.trustRequest, world.peerRequest, world.announcement]) {
      dht.plant(key, decodeValue(b64(packed)));
    }
    const found = await all(open(dht, { identity }).get(key));
    deepStrictEqual(found.map(({ encrypted, value }) => [encrypted, value.type]), [[true, 4], [true, 0], [
      false,
      0,
    ]]);
  });
}

Deno.test("[dht H20] SecureDht drops quietly what is not for us, forged, unsigned inside or garbage, and counts it", async () => {
  const dht = new MemoryDht(),
    me = open(dht, { identity: bob23 }),
    mine = bob23.key.publicKey,
    to = unhex(mine.shortId);
  let id = 1n;
  const seal = async (content: Uint8Array) =>
    dht.plant(key, makeValue({ id: id++, encrypted: await encryptTo(mine, content) }));
  const good = await signed({ data: utf8("x"), to });
  await seal(encodeContent(await signed({ data: utf8("x"), to: new Uint8Array(20) })));
  await seal(encodeContent(await signed({ data: utf8("x") })));
  await seal(encodeContent(makeValue({ data: utf8("x") })));
  await seal(encodeContent({ ...good, data: utf8("y") }));
  await seal(encodeContent(await signed({ to }, await generateEcKey())));
  await seal(utf8("junk"));
  await seal(new Uint8Array(0));
  for (const size of [1, 511, 512, 513, 5000]) {
    dht.plant(key, makeValue({ id: id++, encrypted: crypto.getRandomValues(new Uint8Array(size)) }));
  }
  dht.plant(key, { ...await signed({ id: id++, data: utf8("x") }), data: utf8("forged") });
  dht.plant(key, await signed({ id: id++ }, await generateEcKey()));
  dht.plant(key, makeValue({ id: id++, data: utf8("plain") }));
  await seal(encodeContent(good));
  const found = await all(me.get(key));
  deepStrictEqual(found.map(({ value, sender }) => [new TextDecoder().decode(value.data), sender?.shortId]), [
    ["plain", undefined],
    ["x", rsa.publicKey.shortId],
  ]);
  const { drops } = me;
  deepStrictEqual(drops, {
    "no-key": 0,
    "not-decrypted": 5,
    content: 2,
    "not-for-us": 2,
    "no-sender": 1,
    stale: 0,
    signature: 4,
    certificate: 0,
    untrusted: 0,
  });
});

Deno.test("[dht H15] SecureDht.get() finds the one genuine value among liars' around the key", async () => {
  const dht = new MemoryDht(), genuine = await signed({ id: 1n, data: utf8("genuine") });
  for (let n = 2n; n < 60n; n++) dht.plant(key, { ...genuine, id: n, data: utf8(`lie ${n}`) });
  dht.plant(key, genuine);
  const me = open(dht), found = await all(me.get(key));
  deepStrictEqual(found.map(({ value }) => value.id), [1n]);
  strictEqual(me.drops.signature, 58);
});

Deno.test("[dht H19] SecureDht does not go back to an earlier edition while the later one lives", async () => {
  const dht = new MemoryDht(), me = open(dht), stop = new AbortController(), seen: number[] = [];
  const [first, second, third] = await Promise.all([1, 2, 3].map((seq) => signed({ seq })));
  const listening = (async () => {
    for await (const { type, value } of me.listen(key, { signal: stop.signal })) {
      if (type === "value" && seen.push(value.seq) === 3) break;
    }
  })();
  dht.plant(key, second!);
  dht.plant(key, first!); // replayed
  dht.plant(key, third!);
  dht.plant(key, second!); // replayed
  dht.plant(key, third!); // refreshed somewhere else
  await listening;
  deepStrictEqual([seen, me.drops.stale], [[2, 3, 3], 2]);
  const late = me.listen(key)[Symbol.asyncIterator]();
  strictEqual((await late.next()).value!.value.seq, 3);
  dht.expire(key, 5n);
  strictEqual((await late.next()).value!.type, "expired");
  dht.plant(key, first!); // its owner lost its memory and begins anew, or somebody replays: told apart by who uses it
  strictEqual((await late.next()).value!.value.seq, 1);
  await late.return!(undefined);
});

Deno.test("SecureDht.listen() pairs every expired value with the one that came, and ends with its signal", async () => {
  const dht = new MemoryDht(), me = open(dht, { identity: bob23 }), stop = new AbortController();
  const seen: string[] = [];
  const heard = (async () => {
    for await (const { type, value } of me.listen(key, { signal: stop.signal })) {
      seen.push(`${type} ${new TextDecoder().decode(value.data)}`);
      if (seen.length === 4) stop.abort(new Error("enough"));
    }
  })();
  const alice = open(dht, { identity: bob26 });
  const { id } = await alice.putEncrypted(key, bob23.key.publicKey, { data: utf8("one") });
  const forged = { ...await signed({ id: 99n, data: utf8("x") }), data: utf8("forged") };
  dht.plant(key, forged);
  await me.put(key, { id: 3n, data: utf8("two") });
  dht.expire(key, id);
  dht.expire(key, 99n); // never shown, so never gone
  dht.expire(key, 3n);
  await rejects(heard, /enough/);
  deepStrictEqual(seen, ["value one", "value two", "expired one", "expired two"]);
});

Deno.test("SecureDht.listen() lets go of the DHT when its reader breaks off", async () => {
  const dht = new MemoryDht(), me = open(dht);
  await me.put(key, { id: 3n, data: utf8("x") });
  for await (const { value } of me.listen(key)) {
    strictEqual(value.id, 3n);
    break;
  }
});

Deno.test("[dht 53] SecureDht publishes its certificate at both keys and finds others' at either", async () => {
  for (const identity of [bob23, bob26]) {
    const dht = new MemoryDht(), me = open(dht, { identity }), { longId, shortId } = identity.key.publicKey;
    deepStrictEqual(await me.publishCertificate(), { long: 1, short: 1 });
    const places = certificateKeys(identity.key.publicKey);
    strictEqual(places[0], sha1(unhex(longId)).toHex());
    strictEqual(places[1], shortId);
    for (const place of places) deepStrictEqual(dht.stored(place), [certificateValue(identity.chain)]);
    for (const device of [{ longId }, { shortId }, { longId, shortId }]) {
      strictEqual((await open(dht).findCertificate(device))!.publicKey.longId, longId);
    }
    for (const only of places) { // published at one key only, as stock nodes of one generation do
      const half = new MemoryDht();
      half.plant(only, certificateValue(identity.chain));
      strictEqual((await open(half).findPublicKey({ longId, shortId }))!.longId, longId);
    }
    strictEqual((await open(dht, { identity }).findCertificate({ longId }))!.chain.length, 3); // our own
  }
  strictEqual(await open(new MemoryDht()).findCertificate({ longId: v23.deviceId }), undefined);
  await rejects(open(new MemoryDht()).publishCertificate(), { code: "dht/no-identity" });
});

Deno.test("[dht H22] SecureDht passes over certificates of other keys and chains that are not trusted", async () => {
  const dht = new MemoryDht(),
    { longId } = bob23.key.publicKey,
    place = certificateKeys(bob23.key.publicKey)[0];
  dht.plant(place, { ...certificateValue(bob26.chain), id: 2n });
  dht.plant(place, makeValue({ id: 3n, type: 8, data: utf8("junk") }));
  dht.plant(place, { ...certificateValue(bob23.chain.slice(0, 1)), id: 4n }); // the right key, a cut chain
  const careful = open(dht, { trusted: ({ chain }) => Promise.resolve(chain.length === 3) });
  strictEqual(await careful.findCertificate({ longId }), undefined);
  deepStrictEqual([careful.drops.certificate, careful.drops.untrusted], [2, 1]);
  dht.plant(place, certificateValue(bob23.chain));
  strictEqual((await careful.findCertificate({ longId }))!.chain.length, 3);
  const stored = decodeCertificate(certificateValue(bob23.chain).data);
  strictEqual(await open(new MemoryDht(), { known: () => stored }).findCertificate({ longId }), stored);
  strictEqual(
    await open(new MemoryDht(), { known: () => stored }).findCertificate({ longId: v26.deviceId }),
    undefined,
  );
});

Deno.test("SecureDht finds the key of whoever signed something before, without a certificate", async () => {
  const dht = new MemoryDht(), me = open(dht), { longId, shortId } = rsa.publicKey;
  dht.plant(key, await signed({ data: utf8("x") }));
  strictEqual(await me.findPublicKey({ longId }), undefined);
  await all(me.get(key));
  deepStrictEqual((await me.findPublicKey({ longId }))!.der, rsa.publicKey.der);
  deepStrictEqual((await me.findPublicKey({ shortId }))!.der, rsa.publicKey.der);
});

Deno.test("SecureDht refuses an identity whose certificate has another key, or whose key cannot sign values", async () => {
  const dht = new MemoryDht(), ec = await generateEcKey();
  throws(() => open(dht, { identity: { key: bob23.key, chain: bob26.chain } }), { code: "dht/identity" });
  throws(() => open(dht, { identity: { key: ec, chain: [] } }), { code: "dht/identity" });
  await rejects(open(dht, { identity: bob23 }).putEncrypted(key, { longId: v26.deviceId }, {}), {
    code: "dht/no-certificate",
  });
  ok(importPublicKey(rsa.publicKey.pem).shortId === rsa.publicKey.shortId);
});

Deno.test("inOrder() keeps order, works ahead no further than told, and hands errors on in their turn", async () => {
  let busy = 0, most = 0;
  const work = async (n: number) => {
    most = Math.max(most, ++busy);
    await new Promise((resolve) => setTimeout(resolve, (n % 3) * 3));
    busy--;
    if (n === 17) throw new CoreError("test/seventeen");
    return n;
  };
  async function* numbers(end: number) {
    for (let n = 0; n < end; n++) yield await Promise.resolve(n);
  }
  deepStrictEqual(await all(inOrder(numbers(12), work, 4)), Array.from({ length: 12 }, (_, n) => n));
  strictEqual(most, 4);
  const seen: number[] = [];
  await rejects(
    (async () => {
      for await (const n of inOrder(numbers(30), work, 4)) seen.push(n);
    })(),
    { code: "test/seventeen" },
  );
  strictEqual(seen.length, 17);
  await new Promise((resolve) => setTimeout(resolve, 20)); // what was begun ahead ends
});
