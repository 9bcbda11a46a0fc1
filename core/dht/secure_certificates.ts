/** Certificates and keys of other devices: remembered, in a store, or on the DHT at either of two keys. Spec: dht §5.1. */
import { type AccountId, CoreError, type DeviceId, type InfoHash, unhex } from "../base/mod.ts";
import { type PublicKey, sha1 } from "../crypto/mod.ts";
import type { DhtAccess } from "./access.ts";
import { CERTIFICATE_TYPE, decodeCertificate, type PublishedCertificate } from "./certificate.ts";
import { FIELD, type Query } from "./kernel.ts";
import { linked } from "./secure_order.ts";
import { SECURE_LIMITS } from "./value_limits.ts";

/** A device by one or both ids of its key. With both, its certificate is found whichever generation published it. */
export interface DeviceRef {
  readonly longId?: DeviceId | string;
  readonly shortId?: InfoHash | AccountId | string;
}

export interface CertificateSources {
  /** The certificate store, asked before the network. */
  readonly known?: (device: DeviceRef) => PublishedCertificate | undefined;
  /** Judges a chain from the network; those it refuses are passed over. Without it every chain with the right key is taken. */
  readonly trusted?: (certificate: PublishedCertificate) => Promise<boolean>;
}

export class Certificates {
  readonly #certificates = new Map<string, PublishedCertificate>();
  readonly #keys = new Map<string, PublicKey>();

  /** `drop` counts what was passed over. */
  constructor(
    readonly dht: DhtAccess,
    readonly sources: CertificateSources,
    readonly drop: (why: "certificate" | "untrusted") => undefined,
  ) {}

  /** The first that fits: remembered, stored, else from the network, at both keys at once. */
  async find(device: DeviceRef, signal?: AbortSignal): Promise<PublishedCertificate | undefined> {
    const near = this.#near(device);
    if (near) return near;
    using stop = linked(signal);
    const query: Query = { select: [], where: [{ field: FIELD.type, value: CERTIFICATE_TYPE }] };
    const look = async (key: string) => {
      for await (const { data, encrypted } of this.dht.get(key, { query, signal: stop.signal })) {
        const found = encrypted ? undefined : await this.#judge(data, device);
        if (found) return found;
      }
      throw new CoreError("dht/no-certificate");
    };
    try {
      return this.add(await Promise.any(places(device).map(look)));
    } catch (error) {
      signal?.throwIfAborted();
      if (!(error instanceof AggregateError)) throw error;
      for (const cause of error.errors) if (!(cause instanceof CoreError)) throw cause;
      return undefined; // not there, or nobody could be asked
    }
  }

  /** The key of a device that signed something before, else out of its certificate. */
  async findKey(device: DeviceRef, signal?: AbortSignal): Promise<PublicKey | undefined> {
    for (const id of [device.longId, device.shortId]) {
      const key = id && this.#keys.get(id);
      if (key && fits(key, device)) return key;
    }
    return (await this.find(device, signal))?.publicKey;
  }

  /** Remembers a certificate. */
  add(certificate: PublishedCertificate): PublishedCertificate {
    const { longId, shortId } = certificate.publicKey, most = SECURE_LIMITS.certificates;
    for (const id of [longId, shortId]) remember(this.#certificates, id, certificate, most);
    return certificate;
  }

  /** Remembers the key of somebody who signed. */
  addKey(key: PublicKey): void {
    for (const id of [key.longId, key.shortId]) remember(this.#keys, id, key, SECURE_LIMITS.keys);
  }

  #near(device: DeviceRef): PublishedCertificate | undefined {
    for (const id of [device.longId, device.shortId]) {
      const seen = id && this.#certificates.get(id);
      if (seen && fits(seen.publicKey, device)) return seen;
    }
    const stored = this.sources.known?.(device);
    return stored && fits(stored.publicKey, device) ? this.add(stored) : undefined;
  }

  async #judge(data: Uint8Array, device: DeviceRef): Promise<PublishedCertificate | undefined> {
    let certificate: PublishedCertificate;
    try {
      certificate = decodeCertificate(data);
    } catch (error) {
      if (error instanceof CoreError) return this.drop("certificate");
      throw error;
    }
    if (!fits(certificate.publicKey, device)) return this.drop("certificate");
    const { trusted } = this.sources;
    return !trusted || await trusted(certificate) ? certificate : this.drop("untrusted");
  }
}

/** True if every id that `device` names, at least one, is that of `key`. */
export function fits(key: PublicKey, { longId, shortId }: DeviceRef): boolean {
  if (!longId && !shortId) return false;
  return (!longId || longId === key.longId) && (!shortId || shortId === key.shortId);
}

/** Where to look. From a short id alone the key of 2026 cannot be computed, and the reverse. */
function places({ longId, shortId }: DeviceRef): string[] {
  return [...(longId ? [sha1(unhex(longId)).toHex()] : []), ...(shortId ? [shortId] : [])];
}

/** Keeps the newest `most` entries. */
export function remember<K, V>(map: Map<K, V>, key: K, value: V, most: number): void {
  map.delete(key);
  map.set(key, value);
  if (map.size > most) map.delete(map.keys().next().value!);
}
