/** Hashes, passwords and blobs against the dossier's vectors and each other. */
import { deepStrictEqual, rejects, strictEqual, throws } from "node:assert/strict";
import { text, utf8 } from "../base/mod.ts";
import {
  argon2i,
  decryptGcm,
  decryptWithPassword,
  encryptGcm,
  encryptWithPassword,
  hashTo,
  hmac,
  sha1,
  sha256,
  sha3_512,
  sha512,
  stretchPassword,
  timingSafeEqual,
  wipe,
} from "./mod.ts";

const salt = Uint8Array.from({ length: 16 }, (_, i) => i);

Deno.test("hashTo() picks the hash by length and cuts it", () => {
  strictEqual(sha1("foo").toHex(), "0beec7b5ea3f0fdbc95d0dd47f3c5bc275da8a33"); // dht §3.1
  strictEqual(
    sha1("node:c09e356de492b689acd91ec0ac96aa1ddc985d73").toHex(),
    "b88cf625eabc826cd9d506654307eebb0f8d2f4d",
  );
  strictEqual(sha3_512("").toHex().slice(0, 16), "a69f73cca23a9ac5"); // FIPS 202
  deepStrictEqual(hashTo("foo", 20), sha1("foo"));
  deepStrictEqual(hashTo("foo", 5), sha1("foo").slice(0, 5));
  deepStrictEqual(hashTo("foo", 21), sha256("foo").slice(0, 21));
  deepStrictEqual(hashTo("foo", 32), sha256("foo"));
  deepStrictEqual(hashTo("foo", 33), sha512("foo").slice(0, 33));
  for (const length of [0, 65, 1.5]) throws(() => hashTo("foo", length), RangeError);
  const mac = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"; // RFC 4231, case 2
  strictEqual(hmac("SHA-256", utf8("Jefe"), utf8("what do ya want for nothing?")).toHex(), mac);
});

Deno.test("timingSafeEqual() compares also what differs in length, wipe() leaves zeros", () => {
  strictEqual(timingSafeEqual(utf8("same"), utf8("same")), true);
  strictEqual(timingSafeEqual(utf8("same"), utf8("sane")), false);
  strictEqual(timingSafeEqual(utf8("same"), utf8("sames")), false);
  const secret = utf8("secret");
  wipe(secret, undefined);
  deepStrictEqual(secret, new Uint8Array(6));
});

Deno.test("argon2i() and stretchPassword() give the known key (dht §3.4)", async () => {
  const raw = "e45ba32dd8588693f6aaa7431a9afec33382568564a1b05564a8825f6826c538";
  strictEqual((await argon2i("password", salt)).toHex(), raw);
  const key = "c0cafece83476c98ed3b3ae166344f76ebea80a0bdaaf0751870651e13d617a3";
  strictEqual((await stretchPassword("password", salt)).toHex(), key);
});

Deno.test("argon2i() takes salts of other lengths, with and without a password", async () => {
  const pin = utf8("ABCD1234154e90"); // a PIN and a time slot (account §3.1); hash-wasm and @noble/hashes agree
  const key = "a77a41aff448e0a4ae026123e2873d9546f9465751d44d4052381a3ced7fa3bc";
  strictEqual((await argon2i("password", pin)).toHex(), key);
  const captured = await stretchPassword("", utf8("1UXSUDVV16d43d")); // captured: a daemon of 2023 exports to a PIN
  strictEqual(captured.toHex(), "3c16e8274d12c5c26441096a5911abd928679078f0e93e7ee5ec36cd460f2146");
  strictEqual(sha1(captured).toHex(), "d84f13fb22dd9b4f46d196f7748e2694fb300660"); // where it put the archive
  await rejects(argon2i("x", new Uint8Array(7)), { code: "crypto/salt-size" });
  await rejects(argon2i("x".repeat(5000), salt), { code: "crypto/password-size" });
});

Deno.test("argon2i() with cheap cost: the three bodies agree wherever they take the same input", async () => {
  const { argon2i: noble } = await import("@noble/hashes/argon2.js"),
    { argon2i: wasm } = await import("hash-wasm");
  const { default: sodium } = await import("libsodium-wrappers-sumo");
  await sodium.ready;
  const algorithm = sodium.crypto_pwhash_ALG_ARGON2I13, cost = { t: 3, m: 64, p: 1, dkLen: 32 };
  for (const password of ["", "password"]) {
    const expected = sodium.crypto_pwhash(32, password, salt, 3, 64 * 1024, algorithm);
    deepStrictEqual(noble(utf8(password), salt, cost), expected);
  }
  for (const odd of [salt.subarray(0, 8), utf8("ABCD1234154e90")]) {
    const options = {
      iterations: 3,
      memorySize: 64,
      parallelism: 1,
      hashLength: 32,
      outputType: "binary",
    } as const;
    deepStrictEqual(
      noble(utf8("password"), odd, cost),
      await wasm({ password: "password", salt: odd, ...options }),
    );
  }
});

Deno.test("decryptWithPassword() opens the known blob, refuses a wrong password and an altered blob", async () => {
  const hex = "39796076b12bddb447046c5de46f22de9444343669a6a9a403092b76b024d9c9ee0cfb0387e930432a816937c0eb";
  const blob = Uint8Array.fromHex(hex); // dht §3.4
  strictEqual(text(await decryptWithPassword("password", blob)), "hi");
  await rejects(decryptWithPassword("Password", blob), { code: "crypto/decrypt", message: "crypto/decrypt" });
  await rejects(decryptWithPassword("password", blob.subarray(0, 44)), { code: "crypto/decrypt" });
  const own = await encryptWithPassword("open sesame", utf8("content"), salt);
  deepStrictEqual(own.slice(0, 16), salt);
  strictEqual(own.length, 16 + 12 + 7 + 16);
  strictEqual(text(await decryptWithPassword("open sesame", own)), "content");
});

Deno.test("encryptGcm() and decryptGcm() take keys of 16, 24 and 32 bytes and never the same IV", async () => {
  for (const size of [16, 24, 32]) {
    const key = new Uint8Array(size).fill(size),
      a = await encryptGcm(key, utf8("x")),
      b = await encryptGcm(key, utf8("x"));
    strictEqual(a.length, 12 + 1 + 16);
    strictEqual(a.toHex() === b.toHex(), false);
    strictEqual(text(await decryptGcm(key, a)), "x");
    await rejects(decryptGcm(key, a.with(13, a[13]! ^ 1)), { code: "crypto/decrypt" });
    await rejects(decryptGcm(key, await encryptGcm(key, new Uint8Array(0))), { code: "crypto/decrypt" });
  }
});
