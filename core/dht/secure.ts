/**
 * The secure layer: signs and encrypts what we put, verifies and decrypts what comes. Nothing invalid gets through;
 * plain values do, so whoever needs a sender must ask for one. Spec: dht §2.2, §2.3, §5.
 */
import { CoreError, equal, type InfoHash, type Random, unhex } from "../base/mod.ts";
import {
  decryptWith,
  encryptTo,
  importPublicKey,
  type PrivateKey,
  type PublicKey,
  sha1,
  verifySignature,
} from "../crypto/mod.ts";
import type { DhtAccess, GetOptions, Put, PutOptions } from "./access.ts";
import {
  certificateKeys,
  certificateValue,
  decodeCertificate,
  type PublishedCertificate,
} from "./certificate.ts";
import { FIELD, type Query } from "./kernel.ts";
import {
  Certificates,
  type CertificateSources,
  type DeviceRef,
  fits,
  remember,
} from "./secure_certificates.ts";
import { inOrder, linked } from "./secure_order.ts";
import {
  decodeContent,
  encodeContent,
  makeValue,
  signedBytes,
  type Value,
  type ValueFields,
  variantOf,
} from "./value.ts";
import { SECURE_LIMITS } from "./value_limits.ts";
import { isRsa } from "./value_types.ts";

/** Who we are: an RSA device key, and its certificate chain as DER, leaf first. */
export interface Identity {
  readonly key: PrivateKey;
  readonly chain: readonly Uint8Array[];
}

export interface SecureOptions extends CertificateSources {
  readonly random: Random;
  /** Without one, encrypted values are dropped and nothing can be signed. */
  readonly identity?: Identity;
}

/** A value that may be used: whatever it claims about its sender was verified. */
export interface CheckedValue {
  readonly value: Value;
  /** Who signed it; absent for plain values, which anybody may have put. */
  readonly sender: PublicKey | undefined;
  /** It came encrypted to our key. */
  readonly encrypted: boolean;
}

export interface CheckedHeard extends CheckedValue {
  readonly type: "value" | "expired";
}

/** Why values were dropped. */
export const SECURE_DROPS = [
  "no-key", // encrypted, and we have no key
  "not-decrypted", // not for us, or damaged
  "content", // decrypted to something that is no value
  "not-for-us", // names another recipient
  "no-sender", // encrypted but not signed
  "stale", // an earlier edition of a signed value, put again by somebody
  "signature", // forged, or signed with a key that cannot sign values
  "certificate", // unreadable, or of another key
  "untrusted", // a chain that was refused
] as const;
export type SecureDrop = typeof SECURE_DROPS[number];

/** Node id of an identity: SHA-1 of `node:` and the 40 hex digits of its short id. Spec: dht §3.1. */
export const nodeIdOf = (shortId: InfoHash | string): Uint8Array => sha1(`node:${shortId}`);

export class SecureDht {
  readonly drops: Record<SecureDrop, number> = Object.fromEntries(
    SECURE_DROPS.map((name) => [name, 0]),
  ) as Record<SecureDrop, number>;
  readonly #dht: DhtAccess;
  readonly #options: SecureOptions;
  readonly #own: PublishedCertificate | undefined;
  readonly #seqs = new Map<string, number>();
  readonly #certificates: Certificates;
  #checked = new WeakMap<Value, Promise<CheckedValue | undefined>>();

  /** @throws {CoreError} `dht/identity` if key and certificate do not belong together. */
  constructor(dht: DhtAccess, options: SecureOptions) {
    this.#dht = dht;
    this.#options = options;
    this.#certificates = new Certificates(dht, options, (why) => this.#drop(why));
    const { identity } = options;
    if (!identity) return;
    const { chain, key: { publicKey } } = identity;
    if (publicKey.kind !== "rsa") throw new CoreError("dht/identity", { why: "kind" });
    if (!chain.length) return;
    this.#own = decodeCertificate(certificateValue(chain).data);
    if (this.#own.publicKey.longId !== publicKey.longId) {
      throw new CoreError("dht/identity", { why: "certificate" });
    }
  }

  /** Values under `key`: plain ones as they are, signed ones verified, encrypted ones for us opened. The query sees them sealed. */
  async *get(key: string, options: GetOptions = {}): AsyncGenerator<CheckedValue> {
    using stop = linked(options.signal);
    const found = this.#dht.get(key, { ...options, signal: stop.signal }), newest = new Map<string, number>();
    for await (const checked of inOrder(found, (value) => this.check(value), SECURE_LIMITS.ahead)) {
      if (checked && this.#fresh(checked, newest)) yield checked;
    }
  }

  /** As {@linkcode get}, for ever: `expired` comes for exactly those values that came before. */
  async *listen(key: string, options: GetOptions = {}): AsyncGenerator<CheckedHeard> {
    using stop = linked(options.signal);
    const heard = this.#dht.listen(key, { ...options, signal: stop.signal }),
      live = new Map<string, CheckedValue>(),
      newest = new Map<string, number>();
    const checks = inOrder(heard, async ({ type, value }) => {
      const name = variantOf(value);
      return { type, name, checked: type === "value" ? await this.check(value) : undefined };
    }, SECURE_LIMITS.ahead);
    for await (const { type, name, checked } of checks) {
      if (type === "value" && checked) {
        if (!this.#fresh(checked, newest)) continue;
        live.set(name, checked);
        yield { type, ...checked };
      } else if (type === "expired") {
        const gone = live.get(name);
        live.delete(name);
        if (!gone) continue;
        newest.delete(variantOf(gone.value)); // an owner that lost its memory may begin anew
        yield { type, ...gone };
      }
    }
  }

  /** The value made usable, or `undefined` if it must be dropped (and was counted). */
  check(value: Value): Promise<CheckedValue | undefined> {
    let checked = this.#checked.get(value);
    if (!checked) {
      this.#checked.set(value, checked = this.#check(value));
      checked.catch(() => this.#checked.delete(value)); // a worker died: the next asker tries again
    }
    return checked;
  }

  /** Puts `value` as it is. @throws {CoreError} `dht/put-failed`. */
  put(key: string, value: ValueFields, options: PutOptions = {}): Promise<Put> {
    return this.#dht.put(key, this.#withId(value), options);
  }

  /**
   * Signs and puts. A value whose id is given replaces our earlier one: its `seq` becomes higher than the last we
   * used and than any of ours found on the network.
   * @throws {CoreError} `dht/no-identity`, `dht/seq` when 65535 is used up, `dht/put-failed`.
   */
  async putSigned(key: string, value: ValueFields, options: PutOptions = {}): Promise<Put> {
    const { id } = this.#withId(value), name = `${key} ${id}`, last = this.#seqs.get(name);
    let seq = Math.max(value.seq ?? 0, last === undefined ? 0 : last + 1);
    if (value.id) seq = Math.max(seq, await this.#seqOnNetwork(key, id, options.signal));
    const signed = await this.#sign({ ...value, id, seq });
    remember(this.#seqs, name, seq, SECURE_LIMITS.sequences);
    return await this.#dht.put(key, signed, options);
  }

  /**
   * Signs, encrypts to `recipient`'s RSA key and puts. What is announced again is the same ciphertext.
   * @throws {CoreError} `dht/no-identity`, `dht/no-certificate` if the recipient's key is not found, `dht/put-failed`,
   * `crypto/key-unsupported`.
   */
  async putEncrypted(
    key: string,
    recipient: PublicKey | DeviceRef,
    value: ValueFields,
    options: PutOptions = {},
  ): Promise<Put> {
    const to = "der" in recipient ? recipient : await this.findPublicKey(recipient, options.signal);
    if (!to) throw new CoreError("dht/no-certificate");
    const signed = await this.#sign({ ...this.#withId(value), to: unhex(to.shortId) });
    const encrypted = await encryptTo(to, encodeContent(signed)), { id, priority, pushType } = signed;
    return await this.#dht.put(key, makeValue({ id, encrypted, priority, pushType }), options);
  }

  /**
   * Publishes our certificate for good at both keys, so that nodes of both generations find it; until `signal`.
   * @returns how many nodes acknowledged at the key of 2026 and at that of 2023.
   * @throws {CoreError} `dht/no-identity`, `dht/put-failed` if neither was acknowledged.
   */
  async publishCertificate(signal?: AbortSignal): Promise<{ long: number; short: number }> {
    const own = this.#own;
    if (!own) throw new CoreError("dht/no-identity");
    const value = certificateValue(own.chain), options = { permanent: true, ...(signal && { signal }) };
    const puts = certificateKeys(own.publicKey).map((key) => this.#dht.put(key, value, options));
    const [long, short] = await Promise.allSettled(puts);
    if (long!.status === "rejected" && short!.status === "rejected") throw long!.reason;
    const nodes = (put: PromiseSettledResult<Put>) => put.status === "fulfilled" ? put.value.nodes : 0;
    return { long: nodes(long!), short: nodes(short!) };
  }

  /** A device's certificate: ours, one seen before, the store's, else from the network at both keys at once. */
  async findCertificate(device: DeviceRef, signal?: AbortSignal): Promise<PublishedCertificate | undefined> {
    return this.#own && fits(this.#own.publicKey, device)
      ? this.#own
      : await this.#certificates.find(device, signal);
  }

  /** A device's key: one that signed something before, else out of its certificate. */
  async findPublicKey(device: DeviceRef, signal?: AbortSignal): Promise<PublicKey | undefined> {
    return this.#own && fits(this.#own.publicKey, device)
      ? this.#own.publicKey
      : await this.#certificates.findKey(device, signal);
  }

  /** Makes a certificate known without asking anybody. */
  addCertificate(certificate: PublishedCertificate): void {
    this.#certificates.add(certificate);
  }

  async #check(value: Value): Promise<CheckedValue | undefined> {
    if (value.encrypted) return await this.#open(value, value.encrypted);
    if (!value.owner) return { value, sender: undefined, encrypted: false };
    const sender = await this.#sender(value);
    return sender && { value, sender, encrypted: false };
  }

  async #open(sealed: Value, ciphertext: Uint8Array): Promise<CheckedValue | undefined> {
    const key = this.#options.identity?.key;
    if (!key) return this.#drop("no-key");
    let content: Uint8Array, value: Value;
    try {
      content = await decryptWith(key, ciphertext);
    } catch (error) {
      if (error instanceof CoreError && error.code === "crypto/decrypt") return this.#drop("not-decrypted");
      throw error;
    }
    try {
      value = decodeContent(content, sealed);
    } catch (error) {
      if (error instanceof CoreError) return this.#drop("content");
      throw error;
    }
    if (!value.owner || value.encrypted) return this.#drop("no-sender");
    if (!value.to || !equal(value.to, unhex(key.publicKey.shortId))) return this.#drop("not-for-us");
    const sender = await this.#sender(value);
    return sender && { value, sender, encrypted: true };
  }

  /** A signature never grows old: while a value lives, only a higher `seq` of the same owner and id takes its place. */
  #fresh({ value, sender }: CheckedValue, newest: Map<string, number>): boolean {
    if (!sender) return true;
    const name = variantOf(value), seen = newest.get(name) ?? 0;
    if (value.seq < seen) return this.#drop("stale") ?? false;
    remember(newest, name, value.seq, SECURE_LIMITS.sequences);
    return true;
  }

  /** The key that signed `value`, if it did. */
  async #sender(value: Value): Promise<PublicKey | undefined> {
    const { owner, signature } = value;
    if (!isRsa(owner!) || !(await verifySignature(owner!, signedBytes(value), signature!))) {
      return this.#drop("signature");
    }
    const key = importPublicKey(owner!);
    this.#certificates.addKey(key);
    return key;
  }

  async #sign(fields: ValueFields): Promise<Value> {
    const key = this.#options.identity?.key, seq = fields.seq ?? 0;
    if (!key) throw new CoreError("dht/no-identity");
    if (seq > 0xffff) throw new CoreError("dht/seq", { seq });
    const { owner: _, signature: __, encrypted: ___, ...content } = fields;
    const draft = makeValue({ ...content, owner: key.publicKey.der, signature: Uint8Array.of(0) });
    return { ...draft, signature: await key.sign(signedBytes(draft)) };
  }

  async #seqOnNetwork(key: string, id: bigint, signal: AbortSignal | undefined): Promise<number> {
    const own = this.#options.identity?.key.publicKey.longId,
      query: Query = { select: [], where: [{ field: FIELD.id, value: id }] };
    let next = 0;
    for await (const { value, sender, encrypted } of this.get(key, { query, ...(signal && { signal }) })) {
      if (value.id === id && sender?.longId === own && !encrypted) next = Math.max(next, value.seq + 1);
    }
    return next;
  }

  #withId(fields: ValueFields): Value {
    let id = fields.id ?? 0n;
    while (id === 0n) id = new DataView(this.#options.random.bytes(8).slice().buffer).getBigUint64(0);
    return makeValue({ ...fields, id });
  }

  #drop(why: SecureDrop): undefined {
    this.drops[why]++;
    return undefined;
  }
}
