/** Who we are and who they are: certificates, chains, revocation, receipts, announcements. Floor 3. */
export * from "./announcement.ts";
export {
  type Archive,
  archiveAccount,
  type Belongings,
  disposeArchive,
  formatArchive,
  noBelongings,
  parseArchive,
  type Records,
} from "./archive.ts";
export {
  archiveKey,
  type Lock,
  packArchive,
  type Seal,
  UNLOCKED,
  unpackArchive,
  type Unpacked,
} from "./archive_io.ts";
export {
  type Certificate,
  certificatePem,
  chainDer,
  chainPem,
  decodeCertificate,
  decodeChain,
  type Name,
  type SignatureHash,
} from "./certificate.ts";
export {
  buildCertificate,
  type CertificateKind,
  certificateTbs,
  type CertificateWish,
  preferredHash,
} from "./certificate_build.ts";
export {
  type ChainOptions,
  isSignedBy,
  type VerifiedChain,
  verifyAuthorities,
  verifyChain,
  verifyDevice,
} from "./chain.ts";
export { buildCrl, type CrlWish, decodeCrl, type RevocationList, verifyCrl } from "./crl.ts";
export { ethAddress, makeEthKey } from "./eth.ts";
export { ANNOUNCEMENT_LIFE_MS, LIMITS as IDENTITY_LIMITS, RSA_BITS } from "./limits.ts";
export * from "./receipt.ts";
export type { AccountRecord } from "./account_table.ts";
export { type Account, Accounts, type NewDevice, type Progress } from "./accounts.ts";
export {
  type AccountDht,
  AccountOnline,
  type OnlineEvent,
  type OnlineOptions,
  type OwnValue,
} from "./online.ts";
export {
  type HeardValue,
  Presence,
  type PresenceIn,
  type PresenceOut,
  type PresenceReport,
  type PresenceState,
} from "./presence.ts";
