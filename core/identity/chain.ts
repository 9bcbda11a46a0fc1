/**
 * Who a chain speaks for: every signature checked, the account id taken from nothing but the verified issuer key.
 * Spec: account §1.5, dht §3.5.
 */
import { type AccountId, accountId, CoreError, type DeviceId, equal, type InfoHash } from "../base/mod.ts";
import { verifySignature } from "../crypto/mod.ts";
import type { Certificate } from "./certificate.ts";
import type { RevocationList } from "./crl.ts";
import { LIMITS } from "./limits.ts";

/** What a verified chain proves. */
export interface VerifiedChain {
  /** SHA-1 id of the device certificate's direct issuer. */
  readonly account: AccountId;
  readonly device: DeviceId;
  /** The device key's SHA-1 id. */
  readonly legacyDevice: InfoHash;
  /** Leaf first. */
  readonly chain: readonly Certificate[];
}

export interface ChainOptions {
  /** Milliseconds since 1970. */
  readonly wall: number;
  /** Lists whose signatures were checked ({@linkcode verifyCrl}). A list of another issuer has no say. */
  readonly crls?: readonly RevocationList[];
}

/**
 * Checks a chain, leaf first: device, account, authority; or device directly under a self-signed account.
 * The top must be self-signed. Every certificate must be valid now, every signer an authority, every key strong,
 * no key may appear twice, and no certificate may be revoked by its issuer.
 * @throws {CoreError} `identity/chain` with `why`: `length`, `not-yet-valid`, `expired`, `weak-key`, `same-key`,
 * `issuer`, `not-authority`, `path-length`, `algorithm`, `signature`, `root`, `revoked`; `at` is the position, 0 = leaf.
 */
export async function verifyChain(
  chain: readonly Certificate[],
  options: ChainOptions,
): Promise<VerifiedChain> {
  if (chain.length < 2 || chain.length > LIMITS.chainLength) throw refused("length", chain.length);
  await verifyLinks(chain, options, 0);
  const [device, account] = chain as [Certificate, Certificate];
  return { account: accountId(account.id), device: device.longId, legacyDevice: device.id, chain };
}

/**
 * Checks a chain that is said to be `device` of `account`. Anybody can have a certificate issued for anybody's key, so
 * a good chain alone does not say whose device it is.
 * @throws {CoreError} as {@linkcode verifyChain}; `why` also `other-account`, `other-device`.
 */
export async function verifyDevice(
  chain: readonly Certificate[],
  expected: { readonly account: AccountId; readonly device?: DeviceId },
  options: ChainOptions,
): Promise<VerifiedChain> {
  const verified = await verifyChain(chain, options);
  if (verified.account !== expected.account) throw refused("other-account", 1);
  if (expected.device && verified.device !== expected.device) throw refused("other-device", 0);
  return verified;
}

/**
 * Checks an account's own chain, account first, by the same rules: every one an authority, the top self-signed.
 * @throws {CoreError} `identity/chain` as {@linkcode verifyChain}.
 */
export async function verifyAuthorities(chain: readonly Certificate[], options: ChainOptions): Promise<void> {
  if (chain.length < 1 || chain.length >= LIMITS.chainLength) throw refused("length", chain.length);
  if (!chain[0]!.isAuthority) throw refused("not-authority", 0);
  await verifyLinks(chain, options, 1);
}

/** @param below authorities under the first certificate that count for path lengths, itself included. */
async function verifyLinks(
  chain: readonly Certificate[],
  options: ChainOptions,
  below: number,
): Promise<void> {
  const keys = new Set<string>();
  for (const [at, certificate] of chain.entries()) {
    checkAlone(certificate, at, options.wall);
    if (keys.has(certificate.longId)) throw refused("same-key", at);
    keys.add(certificate.longId);
    checkIssuer(certificate, chain[at + 1] ?? certificate, at, at + 1 === chain.length);
    if ((chain[at + 1]?.pathLength ?? Infinity) < at + below) throw refused("path-length", at + 1);
    if (isRevoked(certificate, chain[at + 1], options.crls ?? [])) throw refused("revoked", at);
  }
  const signed = await Promise.all(chain.map((c, at) => isSignedBy(c, chain[at + 1] ?? c)));
  const broken = signed.indexOf(false);
  if (broken >= 0) throw refused("signature", broken);
}

/** True if `issuer` made the signature of `certificate` with an algorithm that counts. */
export async function isSignedBy(certificate: Certificate, issuer: Certificate): Promise<boolean> {
  const { algorithm, tbs, signature } = certificate;
  if (!algorithm || algorithm.kind !== issuer.publicKey.kind) return false;
  return await verifySignature(issuer.publicKey.der, tbs, signature, algorithm.hash);
}

function checkAlone(
  { notBefore, notAfter, publicKey, algorithm }: Certificate,
  at: number,
  wall: number,
): void {
  if (wall < notBefore - LIMITS.clockSkewMs) throw refused("not-yet-valid", at);
  if (wall > notAfter) throw refused("expired", at);
  if (publicKey.bits < (publicKey.kind === "rsa" ? LIMITS.rsaBits : LIMITS.ecBits)) {
    throw refused("weak-key", at);
  }
  if (!algorithm) throw refused("algorithm", at);
}

function checkIssuer(certificate: Certificate, issuer: Certificate, at: number, top: boolean): void {
  if (!equal(certificate.issuerDer, issuer.subjectDer)) throw refused(top ? "root" : "issuer", at);
  if (!issuer.isAuthority) throw refused("not-authority", at);
}

function isRevoked(
  c: Certificate,
  issuer: Certificate | undefined,
  crls: readonly RevocationList[],
): boolean {
  return issuer !== undefined &&
    crls.some((list) =>
      list.issuerKey === issuer.longId && equal(list.issuerDer, issuer.subjectDer) &&
      list.revoked.some(({ serial }) => equal(serial, c.serial))
    );
}

const refused = (why: string, at: number) => new CoreError("identity/chain", { why, at });
