/** Keys, signatures, hybrid encryption: laws, and openssl as the judge. */
import { deepStrictEqual, rejects, strictEqual, throws } from "node:assert/strict";
import fc from "fast-check";
import { concat, utf8 } from "../base/mod.ts";
import {
  decryptWith,
  encryptTo,
  generateEcKey,
  generateRsaKey,
  importPrivateKey,
  importPublicKey,
  type PrivateKey,
  verifySignature,
} from "./mod.ts";
import { unpadKey, unpadMessage } from "./rsa_block.ts";

const data = utf8("what is signed");
let made: Promise<PrivateKey> | undefined;
const rsa = (): Promise<PrivateKey> => made ??= generateRsaKey({ bits: 2048 });

async function openssl(
  args: string[],
  files: Record<string, Uint8Array | string>,
  out?: string,
): Promise<Uint8Array> {
  const folder = await Deno.makeTempDir({ prefix: "kith-crypto-" });
  try {
    for (const [name, content] of Object.entries(files)) {
      await Deno.writeFile(`${folder}/${name}`, typeof content === "string" ? utf8(content) : content);
    }
    const run = await new Deno.Command("openssl", { args, cwd: folder, stdout: "piped", stderr: "piped" })
      .output();
    if (!run.success) throw new Error(`openssl: ${new TextDecoder().decode(run.stderr)}`);
    return out ? await Deno.readFile(`${folder}/${out}`) : run.stdout;
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("PrivateKey.sign() makes RSA-SHA512 signatures openssl accepts, verifySignature() accepts openssl's", async () => {
  const key = await rsa(), signature = await key.sign(data), pem = (await key.exportPem()).reveal();
  const pub = key.publicKey.pem;
  const verdict = await openssl(["dgst", "-sha512", "-verify", "pub", "-signature", "sig", "data"], {
    pub,
    sig: signature,
    data,
  });
  strictEqual(new TextDecoder().decode(verdict).trim(), "Verified OK");
  const theirs = await openssl(
    ["dgst", "-sha512", "-sign", "key", "-out", "sig", "data"],
    { key: pem, data },
    "sig",
  );
  deepStrictEqual(theirs, signature);
  strictEqual(await verifySignature(key.publicKey.der, data, theirs), true);
  strictEqual(await verifySignature(key.publicKey.der, utf8("something else"), theirs), false);
  theirs[100]! ^= 1;
  strictEqual(await verifySignature(key.publicKey.der, data, theirs), false);
  strictEqual(await verifySignature(key.publicKey.der, data, signature, "SHA-256"), false);
});

Deno.test("generateEcKey() makes P-384 keys whose DER signatures openssl accepts and the reverse", async () => {
  const key = await generateEcKey(), pem = (await key.exportPem()).reveal();
  strictEqual(key.publicKey.kind, "ec");
  strictEqual(key.publicKey.bits, 384);
  for (let round = 0; round < 8; round++) { // numbers with leading zeros come by
    const sig = await key.sign(data, "SHA-384");
    strictEqual(await verifySignature(key.publicKey.der, data, sig, "SHA-384"), true);
    const args = ["dgst", "-sha384", "-verify", "pub", "-signature", "sig", "data"];
    await openssl(args, { pub: key.publicKey.pem, sig, data });
  }
  const theirs = await openssl(
    ["dgst", "-sha384", "-sign", "key", "-out", "s", "data"],
    { key: pem, data },
    "s",
  );
  strictEqual(await verifySignature(key.publicKey.der, data, theirs, "SHA-384"), true);
  strictEqual(await verifySignature(key.publicKey.der, data, theirs, "SHA-512"), false);
  await rejects(encryptTo(key.publicKey, data), { code: "crypto/key-unsupported" });
});

Deno.test("verifySignature() answers false to every kind of junk", async () => {
  const key = (await rsa()).publicKey.der;
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 600 }), fc.uint8Array({ maxLength: 600 }), async (k, s) => {
      strictEqual(await verifySignature(k, data, s), false);
      strictEqual(await verifySignature(key, data, s), false);
    }),
    { numRuns: 50 },
  );
  strictEqual(await verifySignature(new Uint8Array(100_000), data, new Uint8Array(256)), false);
  strictEqual(await verifySignature(key, data, new Uint8Array(100_000)), false);
});

Deno.test("importPrivateKey() reads PKCS#1, PKCS#8, SEC 1 and password files of openssl, exports what openssl reads", async () => {
  const key = await rsa(), pem = (await key.exportPem()).reveal(), id = key.publicKey.shortId;
  const again = async (args: string[], password?: string) =>
    (await importPrivateKey(await openssl([...args, "-in", "key"], { key: pem }), password)).publicKey
      .shortId;
  strictEqual(await again(["rsa", "-traditional"]), id);
  strictEqual(await again(["rsa", "-traditional", "-outform", "DER"]), id);
  strictEqual(await again(["pkcs8", "-topk8", "-nocrypt", "-outform", "DER"]), id);
  const lock = ["pkcs8", "-topk8", "-passout", "pass:secret", "-v2prf", "hmacWithSHA256"];
  strictEqual(await again([...lock, "-v2", "aes-256-cbc"], "secret"), id);
  strictEqual(await again([...lock, "-v2", "aes-128-cbc", "-outform", "DER"], "secret"), id);
  await rejects(again([...lock, "-v2", "aes-256-cbc"], "wrong"), { code: "crypto/decrypt" });
  await rejects(again([...lock, "-v2", "aes-256-cbc"]), { code: "crypto/password-needed" });
  await rejects(again([...lock, "-v2", "des3"], "secret"), { code: "crypto/key-unsupported" });

  const locked = (await key.exportPem("pass phrase")).reveal();
  const opened = await openssl(["pkcs8", "-in", "k", "-passin", "pass:pass phrase"], { k: locked });
  strictEqual((await importPrivateKey(opened)).publicKey.shortId, id);
  strictEqual((await importPrivateKey(locked, "pass phrase")).publicKey.shortId, id);

  const ec = await openssl(["ecparam", "-name", "secp384r1", "-genkey", "-noout"], {}),
    imported = await importPrivateKey(ec);
  strictEqual(await verifySignature(imported.publicKey.der, data, await imported.sign(data)), true);
});

Deno.test("importPrivateKey() and importPublicKey() refuse what is cut, swollen or of another kind", async () => {
  const key = await rsa(), der = key.export().reveal(), spki = key.publicKey.der;
  for (let cut = 0; cut < der.length; cut += 37) await rejects(importPrivateKey(der.subarray(0, cut)));
  for (let cut = 0; cut < spki.length; cut += 3) throws(() => importPublicKey(spki.subarray(0, cut)));
  throws(() => importPublicKey(concat(spki, new Uint8Array(1))), { code: "codec/der" });
  await rejects(importPrivateKey(new Uint8Array(100_000)), { code: "crypto/key-unsupported" });
  await rejects(importPrivateKey(key.publicKey.pem), { code: "crypto/key-unsupported" });
  await rejects(importPrivateKey(spki));
  const weak = await openssl(["genrsa", "512"], {});
  await rejects(importPrivateKey(weak), { code: "crypto/key-size" });
  fc.assert(fc.property(fc.uint8Array({ maxLength: 400 }), (junk) => throws(() => importPublicKey(junk))));
  strictEqual(importPublicKey(`${key.publicKey.pem}\0`).shortId, key.publicKey.shortId); // proxies of 2023 add a NUL
});

Deno.test("PrivateKey prints nothing of itself and works no more once disposed", async () => {
  const key = await generateEcKey(),
    shown = Deno.inspect(key) + JSON.stringify(key) + Deno.inspect(key.export());
  strictEqual(shown.includes(key.export().reveal().toHex().slice(40, 60)), false);
  strictEqual(shown.includes("48, 129"), false);
  key.dispose();
  await rejects(key.sign(data));
});

Deno.test("[dht 42] encryptTo() uses one RSA block up to k − 11 bytes and the hybrid form above; both come back", async () => {
  const key = await rsa();
  for (const [size, expected] of [[0, 256], [1, 256], [245, 256], [246, 530], [5000, 5284]] as const) {
    const plain = crypto.getRandomValues(new Uint8Array(size)),
      sealed = await encryptTo(key.publicKey, plain);
    strictEqual(sealed.length, expected);
    deepStrictEqual(await decryptWith(key, sealed), plain);
  }
  const pkcs1 = ["pkeyutl", "-decrypt", "-inkey", "key", "-in", "c", "-pkeyopt", "rsa_padding_mode:pkcs1"];
  const c = await encryptTo(key.publicKey, data), pem = (await key.exportPem()).reveal();
  deepStrictEqual(await openssl(pkcs1, { key: pem, c }), data);
});

Deno.test("[dht H20] decryptWith() has one answer for every wrong ciphertext", async () => {
  const key = await rsa(), other = await generateRsaKey({ bits: 2048 });
  const small = await encryptTo(key.publicKey, data),
    big = await encryptTo(key.publicKey, new Uint8Array(1000));
  const flipped = (bytes: Uint8Array, at: number) => bytes.with(at, bytes[at]! ^ 1);
  const wrong = [
    new Uint8Array(0),
    new Uint8Array(255),
    new Uint8Array(256),
    new Uint8Array(256).fill(255),
    new Uint8Array(1000),
    small.subarray(1),
    flipped(small, 255),
    big.subarray(0, 256 + 28),
    flipped(big, 10),
    flipped(big, 260),
    flipped(big, big.length - 1),
    await encryptTo(other.publicKey, data),
    await encryptTo(other.publicKey, new Uint8Array(1000)),
    concat(await encryptTo(key.publicKey, new Uint8Array(16)), big.subarray(256)), // a key of another size
  ];
  for (const ciphertext of wrong) {
    await rejects(decryptWith(key, ciphertext), {
      name: "CoreError",
      code: "crypto/decrypt",
      message: "crypto/decrypt",
    });
  }
});

Deno.test("unpadMessage() and unpadKey() agree with the definition on every block", () => {
  const message = (b: Uint8Array): Uint8Array | undefined => {
    const zero = b.indexOf(0, 2);
    return b[0] === 0 && b[1] === 2 && zero >= 10 ? b.slice(zero + 1) : undefined;
  };
  const block = fc.tuple(
    fc.constantFrom(0, 0, 0, 1),
    fc.constantFrom(2, 2, 2, 1, 0),
    fc.uint8Array({ minLength: 46, maxLength: 46 }),
    fc.option(fc.nat(45)),
  ).map(([a, b, rest, zero]) => {
    const filled = rest.map((byte, i) => i === zero ? 0 : byte || 1);
    return concat(Uint8Array.of(a, b), filled);
  });
  const fallback = new Uint8Array(32).fill(7);
  fc.assert(
    fc.property(block, (b) => {
      const expected = message(b);
      deepStrictEqual(unpadMessage(b), expected);
      deepStrictEqual(unpadKey(b, fallback), expected?.length === 32 ? expected : fallback);
    }),
    { numRuns: 2000 },
  );
});

Deno.test("RSA work leaves the event loop free", async () => {
  const key = await generateRsaKey({ bits: 4096 }),
    sealed = await encryptTo(key.publicKey, new Uint8Array(1000));
  await Promise.all([key.sign(data), decryptWith(key, sealed)]); // everything is loaded
  let worst = 0, last = performance.now();
  const beat = setInterval(() => {
    const now = performance.now();
    worst = Math.max(worst, now - last), last = now;
  }, 1);
  const jobs = Array.from({ length: 10 }, () => [key.sign(data), decryptWith(key, sealed)]).flat();
  const started = performance.now();
  await Promise.all(jobs);
  const took = performance.now() - started;
  clearInterval(beat);
  if (worst > Math.max(60, took / 2)) throw new Error(`the loop stood still for ${worst} of ${took} ms`);
});

// Last in this file and without the ops check: the search for primes that nobody waits for any more ends on its own.
const sanitizeOps = false;
Deno.test(
  "generateRsaKey() stops waiting when aborted and refuses sizes nobody should use",
  { sanitizeOps },
  async () => {
    const control = new AbortController(), waiting = generateRsaKey({ bits: 2048, signal: control.signal });
    control.abort(new Error("never mind"));
    await rejects(waiting, /never mind/);
    await rejects(generateRsaKey({ bits: 1024 }), { code: "crypto/key-size" });
    await rejects(generateRsaKey({ bits: 5000 }), { code: "crypto/key-size" });
  },
);
