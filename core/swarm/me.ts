/** The one who writes: what the swarm room needs of the local account and device. */
import type { AccountId, DeviceId } from "../base/mod.ts";

export interface Me {
  readonly account: AccountId;
  readonly device: DeviceId;
  /** Display name, any text. */
  readonly name: string;
  /** PEM of the device certificate alone. */
  readonly devicePem: string;
  /** PEM of the account certificate and the authority above it. */
  readonly accountPem: string;
  /** RSA PKCS#1 v1.5 with SHA-512 by the device key. */
  sign(bytes: Uint8Array): Promise<Uint8Array>;
}
