/** What the connection manager asks of the rest, and what it tells. */
import type { AccountId, DeviceId, Secret } from "../base/mod.ts";
import type { PublicKey } from "../crypto/mod.ts";
import type { Certificate, RevocationList, VerifiedChain } from "../identity/mod.ts";
import type { Accept, ByteBudget, IceEnv, OpenOptions, Transport } from "../net/mod.ts";
import type { SeenStore } from "./seen.ts";
import type { TraceReport } from "./trace.ts";

/** The other device, as its verified chain shows it. */
export type Peer = VerifiedChain;

/**
 * A device: 64 hex digits, better together with the 40 of its short id, which its announcement gives too: nodes of 2023
 * have published their certificate there and nowhere else. Spec: connection §1.2.
 */
export type Device = string | { readonly longId: string; readonly shortId: string };

/** Ourselves. The chain is byte for byte the one that is published. */
export interface OwnDevice {
  readonly chain: readonly Certificate[];
  /** PEM of the same. */
  readonly chainPem: string;
  readonly keyPem: Secret<string>;
}

/** What is asked of the secure DHT with this device's identity. */
export interface PeerDht {
  findCertificate(
    device: { longId?: string; shortId?: string },
    signal?: AbortSignal,
  ): Promise<{ readonly chain: readonly Uint8Array[]; readonly publicKey: PublicKey } | undefined>;
  putEncrypted(
    key: string,
    recipient: PublicKey,
    value: { data: Uint8Array; userType: string; pushType?: string },
    options?: { signal?: AbortSignal },
  ): Promise<unknown>;
  listen(key: string, options: { signal: AbortSignal }): AsyncIterable<{
    readonly type: "value" | "expired";
    readonly value: { readonly data: Uint8Array; readonly userType: string };
    readonly sender: PublicKey | undefined;
    readonly encrypted: boolean;
  }>;
}

/**
 * May we have to do with this peer? Asked before an attempt is answered or begun, again when TLS shows the chain, and
 * whenever {@linkcode PeerManager.recheck} is called. Undefined: yes; else the reason, for our log alone.
 */
export type Trust = (peer: Peer, direction: "in" | "out") => string | undefined | Promise<string | undefined>;

/** A channel somebody asks for: what takes it, or undefined to decline. */
export type OnChannel = (name: string, peer: Peer) => Accept | undefined | Promise<Accept | undefined>;

export type PeerEvent =
  /** The first link to a device came up; the last one went down. */
  | { readonly type: "connected" | "disconnected"; readonly account: AccountId; readonly device: DeviceId }
  | { readonly type: "attempt"; readonly trace: TraceReport };

/** What ICE may use now; asked anew for each attempt. */
export type IceSettings = Pick<OpenOptions, "relays" | "published" | "mapPort" | "policy" | "anyAddress">;

export interface PeersOptions {
  readonly env: IceEnv;
  readonly dht: PeerDht;
  readonly own: OwnDevice;
  readonly trust: Trust;
  readonly onChannel: OnChannel;
  readonly onEvent?: (event: PeerEvent) => void;
  readonly ice?: () => IceSettings;
  /** Keeps handled request ids across restarts. Without one they live as long as the manager. */
  readonly seen?: SeenStore;
  /** Verified revocation lists of an account. */
  readonly crls?: (account: string) => readonly RevocationList[];
  /** Bytes received and not taken, over all links. Default: one of `MUX_LIMITS.accountBuffer` for this manager. */
  readonly budget?: ByteBudget;
  /** Default: the real one. */
  readonly transport?: Transport;
}

export interface ConnectOptions {
  /** Why, for push servers: `sync`, `audioCall`, `videoCall`, a MIME type … Spec: connection §1.4. */
  readonly connType?: string;
  readonly signal?: AbortSignal;
}

export interface ChannelOptions extends ConnectOptions {
  /** True: only over a link there is, or one being made. */
  readonly existing?: boolean;
}
