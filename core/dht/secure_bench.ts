/** What the secure layer costs: `flock /tmp/kith-bench.lock deno bench -A core/dht/secure_bench.ts`. */
import { decryptWith, encryptTo, generateRsaKey, verifySignature } from "../crypto/mod.ts";
import { v26 } from "../../tests/vectors/dht/values.ts";
import { decodeCertificate } from "./certificate.ts";
import { decodeValue, encodeValue, makeValue, signedBytes } from "./value.ts";

const key = await generateRsaKey(), announcement = Uint8Array.fromBase64(v26.announcement.packed);
const plain = encodeValue(makeValue({ id: 5n, data: new Uint8Array(100), userType: "text/plain" }));
const value = decodeValue(announcement), signature = value.signature!, owner = value.owner!;
const certificate = decodeValue(Uint8Array.fromBase64(v26.certificate.packed)).data;
const sealed = await encryptTo(key.publicKey, announcement);
await decryptWith(key, sealed); // the worker is there

Deno.bench("decodeValue(), 100 bytes plain", { group: "codec" }, () => void decodeValue(plain));
Deno.bench("decodeValue(), RSA-4096 announcement", { group: "codec" }, () => void decodeValue(announcement));
Deno.bench("encodeValue(), RSA-4096 announcement", { group: "codec" }, () => void encodeValue(value));
Deno.bench(
  "decodeCertificate(), chain of three",
  { group: "codec" },
  () => void decodeCertificate(certificate),
);
Deno.bench(
  "verifySignature(), RSA-4096",
  { group: "rsa" },
  async () => void await verifySignature(owner, signedBytes(value), signature),
);
Deno.bench("PrivateKey.sign(), RSA-4096", { group: "rsa" }, async () => void await key.sign(plain));
Deno.bench(
  "encryptTo(), RSA-4096, 1.7 kB",
  { group: "rsa" },
  async () => void await encryptTo(key.publicKey, announcement),
);
Deno.bench(
  "decryptWith(), RSA-4096, 1.7 kB",
  { group: "rsa" },
  async () => void await decryptWith(key, sealed),
);
