/** The inside of a crypto worker: RSA encryption blocks and Argon2i, which would hold up everything else. */
import { createPrivateKey, createPublicKey, privateDecrypt, publicEncrypt, randomBytes } from "node:crypto";
import { Buffer } from "node:buffer";
import { parentPort } from "node:worker_threads";
import { unpadKey, unpadMessage } from "./rsa_block.ts";
import { argon2i } from "./argon2_io.ts";

/** What a worker can be asked. Byte arrays are copies of the worker's own. */
export type Job =
  | { readonly type: "rsa-encrypt"; readonly spki: Uint8Array; readonly message: Uint8Array }
  | { readonly type: "rsa-decrypt"; readonly pkcs8: Uint8Array; readonly block: Uint8Array }
  | {
    readonly type: "rsa-decrypt-key";
    readonly pkcs8: Uint8Array;
    readonly block: Uint8Array;
    readonly size: number;
  }
  | { readonly type: "argon2i"; readonly password: Uint8Array; readonly salt: Uint8Array };
export type Request = { readonly id: number; readonly job: Job };
/** `value` is missing when the job failed; why is not told. */
export type Answer = { readonly id: number; readonly value?: Uint8Array<ArrayBuffer> };

const RAW = 3, PKCS1 = 1; // RSA_NO_PADDING, RSA_PKCS1_PADDING

async function run(job: Job): Promise<Uint8Array | undefined> {
  switch (job.type) {
    case "rsa-encrypt": {
      const key = createPublicKey({ key: Buffer.from(job.spki), format: "der", type: "spki" });
      return Uint8Array.from(publicEncrypt({ key, padding: PKCS1 }, job.message));
    }
    case "rsa-decrypt":
      return unpadMessage(rawDecrypt(job.pkcs8, job.block));
    case "rsa-decrypt-key":
      return unpadKey(rawDecrypt(job.pkcs8, job.block), randomBytes(job.size));
    case "argon2i":
      return await argon2i(job.password, job.salt);
  }
}

/** A block that is no residue of the modulus goes on as a random one: it fails later, like any other wrong block. */
function rawDecrypt(pkcs8: Uint8Array, block: Uint8Array): Uint8Array {
  const key = createPrivateKey({ key: Buffer.from(pkcs8), format: "der", type: "pkcs8" });
  try {
    const plain = privateDecrypt({ key, padding: RAW }, block);
    const whole = new Uint8Array(block.length);
    whole.set(plain, block.length - plain.length);
    return whole;
  } catch {
    return randomBytes(block.length);
  } finally {
    pkcs8.fill(0);
  }
}

parentPort!.on("message", async ({ id, job }: Request) => {
  let value: Uint8Array<ArrayBuffer> | undefined;
  try {
    value = await run(job).then((bytes) => bytes && Uint8Array.from(bytes));
  } catch {
    value = undefined; // the asker says what failed, in one word for all causes
  }
  const answer: Answer = value ? { id, value } : { id };
  parentPort!.postMessage(answer);
});
