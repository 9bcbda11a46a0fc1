/** Values: what lies on the DHT, its bytes, and what its signature covers. Pure. Spec: dht §2. */
import { DecodeError, equal, text, utf8 } from "../base/mod.ts";
import { looksLikePem, parsePem, Reader, Writer } from "../codec/mod.ts";
import { readSpki, sha1 } from "../crypto/mod.ts";
import { VALUE_LIMITS } from "./value_limits.ts";

/** A value as it travels. Byte arrays are the value's own; nobody changes them. */
export interface Value {
  /** 64 bits; 0 until it is put. Not signed. */
  readonly id: bigint;
  /** 16 bits; 0 while encrypted. See `value_types.ts`. */
  readonly type: number;
  readonly data: Uint8Array;
  /** `utype`, e.g. `text/plain`; "" if there is none. */
  readonly userType: string;
  /** SubjectPublicKeyInfo DER of who signed; only ever together with `signature`. */
  readonly owner: Uint8Array | undefined;
  /** 16 bits; 0 without `owner`. */
  readonly seq: number;
  /** 20 bytes: short id of whom it is for; only with `owner`. */
  readonly to: Uint8Array | undefined;
  readonly signature: Uint8Array | undefined;
  /** The ciphertext of an encrypted value; then everything above but `id` is empty. */
  readonly encrypted: Uint8Array | undefined;
  /** Push priority: 0 high, 1 normal. Not signed. */
  readonly priority: number;
  /** Push type (`audioCall` …), "" if there is none. Not signed. */
  readonly pushType: string;
}

/** What a value is made of; the rest is empty. */
export type ValueFields = Partial<Value>;

/** A value of `fields`. @throws {RangeError} for numbers that do not fit the wire. */
export function makeValue(fields: ValueFields): Value {
  const { id = 0n, type = 0, seq = 0, priority = 0, to } = fields;
  const whole = (n: number, most: number) => Number.isInteger(n) && n >= 0 && n <= most;
  if (id < 0n || id > U64 || !whole(type, U16) || !whole(seq, U16) || !whole(priority, U32)) {
    throw new RangeError("value: a number does not fit");
  }
  if ((to && to.length !== HASH) || !fields.owner !== !fields.signature?.length) {
    throw new RangeError("value: owner and signature belong together, `to` has 20 bytes");
  }
  return {
    id,
    type,
    data: fields.data ?? NOTHING,
    userType: fields.userType ?? "",
    owner: fields.owner,
    seq,
    to,
    signature: fields.signature,
    encrypted: fields.encrypted?.length ? fields.encrypted : undefined,
    priority,
    pushType: fields.pushType ?? "",
  };
}

/**
 * Reads one packed value; unknown keys are ignored and lost.
 * @throws {DecodeError} `dht/value-size`, `dht/value` with the field that is wrong, `codec/msgpack-…`, `codec/der`;
 * also {@linkcode CoreError} `crypto/key-…` for an owner whose key we do not know.
 */
export function decodeValue(packed: Uint8Array): Value {
  if (packed.length > VALUE_LIMITS.packed) throw new DecodeError("dht/value-size", { size: packed.length });
  const r = new Reader(new Uint8Array(packed)), fields: Mutable = {};
  let id: bigint | undefined, hasBody = false;
  readMap(r, (key) => {
    if (key === "id") id = r.uint64();
    else if (key === "dat") readContent(r, fields), hasBody = true;
    else if (key === "p") fields.priority = r.uint(U32);
    else if (key === "pt") fields.pushType = readText(r);
    else r.skip();
  });
  if (r.left) throw bad("trailing");
  if (id === undefined || !hasBody) throw bad(hasBody ? "id" : "dat");
  fields.id = id;
  return makeValue(fields);
}

/** The bytes of `value` exactly as every node writes them. Spec: dht §2.1. */
export function encodeValue(value: Value): Uint8Array<ArrayBuffer> {
  const w = new Writer();
  w.map(2 + (value.priority ? 1 : 0) + (value.pushType ? 1 : 0)).str("id").uint(value.id).str("dat");
  if (value.encrypted) w.bin(value.encrypted);
  else writeContent(w, value);
  if (value.priority) w.str("p").uint(value.priority);
  if (value.pushType) w.str("pt").str(value.pushType);
  return w.finish();
}

/** The canonical body: what a signature covers, whatever order the body arrived in. Spec: dht §2.2. */
export function signedBytes(value: Value): Uint8Array<ArrayBuffer> {
  const w = new Writer();
  writeBody(w, value);
  return w.finish();
}

/** Body and signature without id: the plain text of an encrypted value. Spec: dht §2.3. */
export function encodeContent(value: Value): Uint8Array<ArrayBuffer> {
  const w = new Writer();
  writeContent(w, value);
  return w.finish();
}

/** Inverse of {@linkcode encodeContent}; id, priority and push type are those of `outside`. @throws as {@linkcode decodeValue}. */
export function decodeContent(content: Uint8Array, outside: Value): Value {
  const r = new Reader(new Uint8Array(content)), fields: Mutable = {};
  if (r.kind() !== "map") throw bad("dat");
  readContent(r, fields);
  if (r.left) throw bad("trailing");
  return makeValue({ ...fields, id: outside.id, priority: outside.priority, pushType: outside.pushType });
}

/** The same thing said twice: equal id and ciphertext, or equal id, owner, type, data, user type and signature. Spec: dht §2.6. */
export function sameValue(a: Value, b: Value): boolean {
  if (a.id !== b.id) return false;
  if (a.encrypted || b.encrypted) return same(a.encrypted, b.encrypted);
  return a.type === b.type && a.userType === b.userType && equal(a.data, b.data) &&
    same(a.owner, b.owner) && same(a.signature, b.signature);
}

const owners = new WeakMap<Uint8Array, Uint8Array>();
/** SHA-1 id of the owner's key, 20 bytes; all zero for a value without owner. */
export function ownerId(value: Value): Uint8Array {
  if (!value.owner) return ZERO;
  let id = owners.get(value.owner);
  if (!id) owners.set(value.owner, id = sha1(value.owner));
  return id;
}

/** Names what one id stands for: strangers may claim any id, an owner's later editions keep the name. */
export function variantOf({ id, encrypted, owner, data }: Value): string {
  return `${id} ${sha1(encrypted ?? owner ?? data).toHex()}`;
}

/** Bytes that count against the limit of §2.4. */
export function valueSize(value: Value): number {
  const { encrypted, data, signature, userType, pushType } = value;
  return (encrypted?.length ?? 0) + data.length + (signature?.length ?? 0) + bytesOf(userType) +
    bytesOf(pushType);
}

type Mutable = { -readonly [name in keyof Value]?: Value[name] };
const U16 = 0xffff, U32 = 0xffffffff, U64 = 2n ** 64n - 1n, HASH = 20;
const NOTHING = new Uint8Array(0), ZERO = new Uint8Array(HASH);

function readContent(r: Reader, fields: Mutable): void {
  if (r.kind() === "bin") {
    fields.encrypted = r.bin();
    return;
  }
  let signature: Uint8Array | undefined, hasBody = false;
  readMap(r, (key) => {
    if (key === "body") readBody(r, fields), hasBody = true;
    else if (key === "sig") signature = r.blob();
    else r.skip();
  });
  if (!hasBody) throw bad("body");
  if (!fields.owner) return; // a signature of nobody is an unknown key
  if (!signature?.length) throw bad("sig");
  fields.signature = signature;
}

function readBody(r: Reader, fields: Mutable): void {
  let owner: Uint8Array | undefined;
  const at = { seq: -1, to: -1 };
  fields.type = undefined, fields.data = undefined;
  readMap(r, (key) => {
    if (key === "type") fields.type = r.uint(U16);
    else if (key === "data") fields.data = r.blob();
    else if (key === "utype") fields.userType = readText(r);
    else if (key === "owner") owner = readOwner(r.blob());
    else if (key === "seq") at.seq = r.at, r.skip();
    else if (key === "to") at.to = r.at, r.skip();
    else r.skip();
  });
  if (fields.type === undefined || !fields.data) throw bad(fields.data ? "type" : "data");
  if (!owner) return; // without an owner nobody looks at seq and to
  if (at.seq < 0) throw bad("seq");
  fields.owner = owner;
  fields.seq = new Reader(r.bytes, at.seq).uint(U16);
  if (at.to < 0) return;
  fields.to = new Reader(r.bytes, at.to).bin();
  if (fields.to.length !== HASH) throw bad("to");
}

/** The owner's SubjectPublicKeyInfo DER; PEM is understood too. */
function readOwner(bytes: Uint8Array): Uint8Array {
  const der = looksLikePem(bytes) ? parsePem(bytes)[0]!.bytes : bytes;
  readSpki(der);
  return der;
}

/** Calls `entry` for each str key; it must read the value. Other keys are skipped with their values. */
function readMap(r: Reader, entry: (key: string) => void): void {
  for (let n = r.map(); n > 0; n--) {
    if (r.kind() === "str") entry(latin1(r.strBytes()));
    else r.skip(), r.skip();
  }
}

const latin1 = (bytes: Uint8Array): string => bytes.length > 8 ? "" : String.fromCharCode(...bytes);

function readText(r: Reader): string {
  const found = text(r.kind() === "bin" ? r.bin() : r.strBytes());
  if (found === undefined) throw bad("utf8");
  return found;
}

function writeContent(w: Writer, value: Value): void {
  w.map(value.signature ? 2 : 1).str("body");
  writeBody(w, value);
  if (value.signature) w.str("sig").bin(value.signature);
}

function writeBody(w: Writer, { owner, seq, to, type, data, userType }: Value): void {
  w.map(2 + (owner ? 2 : 0) + (owner && to ? 1 : 0) + (userType ? 1 : 0));
  if (owner) {
    w.str("seq").uint(seq).str("owner").bin(owner);
    if (to) w.str("to").bin(to);
  }
  w.str("type").uint(type).str("data").bin(data);
  if (userType) w.str("utype").str(userType);
}

const bytesOf = (text: string): number => text ? utf8(text).length : 0;
const same = (a: Uint8Array | undefined, b: Uint8Array | undefined): boolean =>
  a && b ? equal(a, b) : a === b;
const bad = (field: string) => new DecodeError("dht/value", { field });
