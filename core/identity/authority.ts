/** Certificates of an account's making: authority and account, and those of its devices. Spec: account §1.1, §2.3. */
import type { Clock, Random } from "../base/mod.ts";
import type { PrivateKey } from "../crypto/mod.ts";
import type { Certificate } from "./certificate.ts";
import { buildCertificate, type CertificateKind } from "./certificate_build.ts";
import { LIMITS } from "./limits.ts";

/** Time and chance for making certificates. */
export interface Maker {
  readonly clock: Clock;
  readonly random: Random;
}

/** Account and authority certificate for these keys: new ones, or new papers for old keys, whose ids stay the same. */
export async function makeAuthorities(
  caKey: PrivateKey,
  accountKey: PrivateKey,
  maker: Maker,
): Promise<[account: Certificate, ca: Certificate]> {
  const ca = await certify("authority", "Jami CA", caKey, caKey, maker);
  return [await certify("authority", "Jami", accountKey, caKey, maker, ca), ca];
}

/** The certificate of a device, signed by its account. */
export async function makeDevice(
  deviceKey: PrivateKey,
  accountKey: PrivateKey,
  account: Certificate,
  maker: Maker,
): Promise<Certificate> {
  return await certify("device", "Jami device", deviceKey, accountKey, maker, account);
}

async function certify(
  kind: CertificateKind,
  commonName: string,
  { publicKey }: PrivateKey,
  signer: PrivateKey,
  { clock, random }: Maker,
  issuer?: Certificate,
): Promise<Certificate> {
  const notBefore = clock.wall(), notAfter = notBefore + LIMITS.certificateLifeMs, serial = random.bytes(8);
  const wish = { kind, commonName, publicKey, serial, notBefore, notAfter };
  return await buildCertificate({ ...wish, ...(issuer && { issuer }) }, signer);
}
