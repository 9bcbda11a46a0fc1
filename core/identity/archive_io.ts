/** The archive as a file: gzip without a password, Argon2i and AES-256-GCM over zlib with one. Spec: account §2.2. */
import { Buffer } from "node:buffer";
import { deflate, gunzip, gzip, inflate } from "node:zlib";
import { concat, CoreError, isError, utf8 } from "../base/mod.ts";
import { decryptGcm, encryptGcm, PASSWORD_SALT_BYTES, stretchPassword, wipe } from "../crypto/mod.ts";
import { LIMITS } from "./limits.ts";

/**
 * What opens an archive: nothing, a password, or the 32-byte key stretched from it (scheme `key` of 2026).
 * An empty password is the same as none.
 */
export type Lock = { readonly password: string } | { readonly key: Uint8Array };
export const UNLOCKED: Lock = { password: "" };

/** The stretched key and the salt it was made with: closes an archive again as it was, without stretching twice. */
export interface Seal {
  readonly key: Uint8Array;
  readonly salt: Uint8Array;
}

/** What came out of an archive file. The caller wipes `json` and `seal.key`. */
export interface Unpacked {
  readonly json: Uint8Array;
  /** For saving again under the same key and salt, so that a stored key goes on working; absent without a password. */
  readonly seal?: Seal;
}

/**
 * Opens an archive file. One gzip layer too many is tolerated, as broken web servers add it.
 * @throws {CoreError} `identity/archive-password` when it does not open with this password or key: wrong, damaged or
 * cut short, there is one answer for all; `identity/archive-locked` when it needs a password and none was given;
 * `identity/archive` with `why`: `size`, `damaged`; `identity/password-size`.
 */
export async function unpackArchive(file: Uint8Array, lock: Lock = UNLOCKED): Promise<Unpacked> {
  if (file.length > LIMITS.archiveBytes) throw refused("size");
  checkLock(lock);
  let body = file, layers = 0;
  try {
    for (; isGzip(body); layers++) {
      if (layers === LIMITS.archiveLayers) throw refused("damaged");
      body = await inflated(gunzip, body);
    }
  } catch (error) { // a salt may look like gzip by accident: with a password there is a second way
    if (!isError(error, "identity/archive") || isEmpty(lock) || error.data.why === "size") throw error;
    body = file;
  }
  if (layers > 0 && isJson(body)) return { json: body };
  if (isEmpty(lock)) throw layers ? refused("damaged") : new CoreError("identity/archive-locked");
  return await decrypt(body, lock);
}

/** Writes an archive file. `salt`: the one found when it was opened. @throws {CoreError} `identity/password-size`. */
export async function packArchive(json: Uint8Array, lock: Lock, salt?: Uint8Array): Promise<Uint8Array> {
  checkLock(lock);
  if (isEmpty(lock)) return await packed(gzip, json);
  const kept = salt ?? crypto.getRandomValues(new Uint8Array(PASSWORD_SALT_BYTES));
  const [key, body] = await Promise.all([keyOf(lock, kept), packed(deflate, json)]);
  try {
    return concat(kept, await encryptGcm(key, body));
  } finally {
    wipe(key, body);
  }
}

/**
 * The key a password gives for the archive in `file`, after trying it: what scheme `key` takes.
 * @throws as {@linkcode unpackArchive}; `identity/archive-locked` if there is no password on it.
 */
export async function archiveKey(file: Uint8Array, password: string): Promise<Uint8Array> {
  const { json, seal } = await unpackArchive(file, { password });
  wipe(json);
  if (!seal) throw new CoreError("identity/archive-locked");
  return seal.key;
}

async function decrypt(blob: Uint8Array, lock: Lock): Promise<Unpacked> {
  const salt = blob.slice(0, PASSWORD_SALT_BYTES);
  const key = await keyOf(
    lock,
    salt.length === PASSWORD_SALT_BYTES ? salt : new Uint8Array(PASSWORD_SALT_BYTES),
  );
  let body: Uint8Array | undefined;
  try {
    body = await decryptGcm(key, blob.subarray(PASSWORD_SALT_BYTES));
    let json = await inflated(isGzip(body) ? gunzip : inflate, body);
    if (isGzip(json)) json = await inflated(gunzip, json);
    if (!isJson(json)) throw refused("damaged");
    return { json, seal: { key, salt } };
  } catch (error) {
    wipe(key);
    if (isError(error, "crypto/decrypt") || isError(error, "identity/archive")) throw wrong();
    throw error;
  } finally {
    wipe(body);
  }
}

async function keyOf(lock: Lock, salt: Uint8Array): Promise<Uint8Array> {
  return "key" in lock ? lock.key.slice() : await stretchPassword(lock.password, salt);
}

function checkLock(lock: Lock): void {
  if ("password" in lock) checkPassword(lock.password);
  else if (lock.key.length !== 32) throw wrong();
}

/** @throws {CoreError} `identity/password-size` for one that is too long, or no Unicode text. */
export function checkPassword(password: string): void {
  if (utf8(password).length > LIMITS.passwordBytes || !password.isWellFormed()) {
    throw new CoreError("identity/password-size", { limit: LIMITS.passwordBytes });
  }
}

const isEmpty = (lock: Lock): boolean => "password" in lock && lock.password === "";
const isGzip = (b: Uint8Array) => b[0] === 0x1f && b[1] === 0x8b && b[2] === 8;
const isJson = (b: Uint8Array) => b[0] === 0x7b;

type Unzip = typeof gunzip;
type Answer = { buffer: Uint8Array; engine: { bytesWritten: number } };

/** All of `bytes` must be one stream that stays within the limit. */
function inflated(unzip: Unzip, bytes: Uint8Array): Promise<Uint8Array> {
  const { promise, resolve, reject } = Promise.withResolvers<Uint8Array>();
  const options = { maxOutputLength: LIMITS.archiveJsonBytes, info: true };
  unzip(Buffer.from(bytes), options, (error, answer) => {
    if (error) {
      const tooBig = (error as Error & { code?: string }).code === "ERR_BUFFER_TOO_LARGE";
      return reject(refused(tooBig ? "size" : "damaged"));
    }
    const { buffer, engine } = answer as unknown as Answer;
    if (engine.bytesWritten !== bytes.length) return reject(refused("damaged"));
    resolve(new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.length));
  });
  return promise;
}

function packed(zip: typeof gzip, bytes: Uint8Array): Promise<Uint8Array> {
  const { promise, resolve, reject } = Promise.withResolvers<Uint8Array>();
  zip(Buffer.from(bytes), (error, result) => error ? reject(error) : resolve(new Uint8Array(result)));
  return promise;
}

const wrong = () => new CoreError("identity/archive-password");
const refused = (why: string) => new CoreError("identity/archive", { why });
