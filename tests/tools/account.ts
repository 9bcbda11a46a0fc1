/** Keys, chains and identities for tests: real ones, only smaller (RSA-2048), made once per test run. */
import { generateEcKey, generateRsaKey, importPrivateKey, type PrivateKey } from "../../core/crypto/mod.ts";
import {
  buildCertificate,
  type Certificate,
  type CertificateKind,
  type CertificateWish,
} from "../../core/identity/mod.ts";

const made = new Map<string, Promise<PrivateKey>>();
/** The key called `name`: P-384 if that starts with `ec`, RSA-1024 with `weak`, else RSA-2048. */
export const testKey = (name: string): Promise<PrivateKey> => {
  let key = made.get(name);
  if (!key) made.set(name, key = makeKey(name));
  return key;
};

async function makeKey(name: string): Promise<PrivateKey> {
  if (name.startsWith("ec")) return await generateEcKey();
  if (!name.startsWith("weak")) return await generateRsaKey({ bits: 2048 });
  const shape = { name: "RSASSA-PKCS1-v1_5", hash: "SHA-256", publicExponent: new Uint8Array([1, 0, 1]) };
  const { privateKey } = await crypto.subtle.generateKey({ ...shape, modulusLength: 1024 }, true, ["sign"]);
  return await importPrivateKey(new Uint8Array(await crypto.subtle.exportKey("pkcs8", privateKey)));
}

export const DAY = 86_400_000;
/** 2026-11-23 12:00 UTC, when test certificates are a day old. */
export const NOW = Date.UTC(2026, 10, 23, 12);

/** One link of a chain: whose key, and what differs from a good certificate. */
export interface Link {
  readonly key: string;
  readonly kind: CertificateKind;
  readonly name?: string;
  readonly wish?: Partial<CertificateWish>;
}

/** Builds a chain from the root (last link) down; the result is leaf first. */
export async function testChain(...links: Link[]): Promise<Certificate[]> {
  const chain: Certificate[] = [];
  for (const [i, { key, kind, name = "Jami", wish }] of links.toReversed().entries()) {
    const own = await testKey(key), signer = await testKey(links.at(-i)?.key ?? key);
    const serial = crypto.getRandomValues(new Uint8Array(8)), issuer = chain[0];
    chain.unshift(
      await buildCertificate({
        kind,
        commonName: name,
        publicKey: own.publicKey,
        serial,
        notBefore: NOW - DAY,
        notAfter: NOW + 3649 * DAY,
        ...(issuer && { issuer }),
        ...wish,
      }, i ? signer : own),
    );
  }
  return chain;
}

/** Device, account, authority. */
export const goodChain = (device = "device", account = "account", ca = "ca"): Promise<Certificate[]> =>
  testChain(
    { key: device, kind: "device", name: "Jami device" },
    { key: account, kind: "authority", name: "Jami" },
    { key: ca, kind: "authority", name: "Jami CA" },
  );
