/**
 * One account on line: its certificate at both keys, its announcement and revocation list on the DHT, and an ear at
 * its own key and those of its contacts. Spec: account §9.
 */
import {
  type AccountId,
  type Clock,
  CoreError,
  type DeviceId,
  equal,
  type InfoHash,
  isError,
  type Log,
  type Random,
} from "../base/mod.ts";
import { encode } from "../codec/mod.ts";
import type { PublicKey } from "../crypto/mod.ts";
import type { Account } from "./accounts.ts";
import { type RevocationList, verifyCrl } from "./crl.ts";
import { LIMITS } from "./limits.ts";
import { Presence, type PresenceOut, type PresenceReport } from "./presence.ts";

/** A value as an account puts it. */
export interface OwnValue {
  readonly id: bigint;
  readonly type: number;
  readonly data: Uint8Array;
  readonly priority: number;
  readonly owner?: Uint8Array;
  readonly seq?: number;
  readonly signature?: Uint8Array;
}

/** What an account asks of the DHT; the secure DHT with this account's identity is one. */
export interface AccountDht {
  /** Resolves when the node has found its network. */
  connected(signal: AbortSignal): Promise<void>;
  /** Keeps our certificate at both keys until `signal`; resolves with the first acknowledgements. */
  publishCertificate(signal?: AbortSignal): Promise<{ long: number; short: number }>;
  put(
    key: string,
    value: OwnValue,
    options: { permanent: boolean; signal: AbortSignal },
  ): Promise<{ nodes: number }>;
  listen(key: string, options: { signal: AbortSignal }): AsyncIterable<{
    readonly type: "value" | "expired";
    readonly value: { readonly id: bigint; readonly type: number; readonly data: Uint8Array };
    /** Whose signature was verified. */
    readonly sender: PublicKey | undefined;
    readonly encrypted: boolean;
  }>;
}

export type OnlineEvent =
  /** Others can find this device from now on. `nodes` hold the announcement, `long` and `short` the certificate. */
  | { readonly type: "announced"; readonly nodes: number; readonly long: number; readonly short: number }
  | PresenceReport
  /** Another device of our own account showed itself. */
  | { readonly type: "sibling"; readonly device: DeviceId }
  /** A revocation list of our own account that its key signed; keep it. */
  | { readonly type: "revocation"; readonly list: RevocationList }
  /** Such a list names this very device: it is announced no more. */
  | { readonly type: "revoked" };

export interface OnlineOptions {
  readonly dht: AccountDht;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly onEvent: (event: OnlineEvent) => void;
}

/** A revocation list as it lies on the DHT: a plain value, msgpack around DER. Spec: account §3.3. */
const listValue = (der: Uint8Array, id: bigint): OwnValue => ({
  id,
  type: 0,
  data: encode(der),
  priority: 1,
});

export class AccountOnline implements AsyncDisposable {
  readonly #presence = new Presence();
  readonly #stop = new AbortController();
  /** Ends the announcement only: a revoked device still hears. */
  readonly #silence = new AbortController();
  readonly #loud = AbortSignal.any([this.#stop.signal, this.#silence.signal]);
  readonly #ears = new Map<AccountId, { readonly stop: AbortController; readonly done: Promise<void> }>();
  readonly #announcing: Promise<void>;
  /** What was heard and dropped, by reason. */
  readonly drops: Record<string, number> = {};

  private constructor(readonly account: Account, readonly options: OnlineOptions) {
    this.#announcing = this.#announce();
    this.follow(account.jamiId);
  }

  /** Goes on line at once; tells by `announced` when it got there and keeps trying until then. */
  static open(account: Account, options: OnlineOptions): AccountOnline {
    return new AccountOnline(account, options);
  }

  /** Tells the presence of `account` from now on, first as away. */
  follow(account: AccountId): void {
    if (this.#ears.has(account) || this.#stop.signal.aborted) return;
    const stop = new AbortController();
    this.#act(this.#presence.step(this.options.clock.now(), { type: "follow", account }));
    this.#ears.set(account, {
      stop,
      done: this.#listen(account, AbortSignal.any([stop.signal, this.#stop.signal])),
    });
  }

  async unfollow(account: AccountId): Promise<void> {
    const ear = this.#ears.get(account);
    if (!ear || account === this.account.jamiId) return;
    this.#ears.delete(account);
    this.#presence.step(this.options.clock.now(), { type: "unfollow", account });
    ear.stop.abort();
    await ear.done;
  }

  /** What is known of an account we follow. */
  presence(account: AccountId): PresenceReport | undefined {
    return this.#presence.of(account);
  }

  /** The SHA-1 id of an announced device of an account we follow. */
  legacyDevice(account: AccountId, device: DeviceId): InfoHash | undefined {
    return this.#presence.legacyDevice(account, device);
  }

  /** Publishes a list our account just signed, for good. @throws {CoreError} `dht/put-failed`; the signal's reason once off line. */
  async publishRevocations(list: RevocationList): Promise<void> {
    await this.options.dht.put(this.account.jamiId, listValue(list.der, this.#newId()), {
      permanent: true,
      signal: this.#stop.signal,
    });
  }

  /** A channel to a device of an account opened or closed. */
  connection(type: "connected" | "disconnected", account: AccountId, device: DeviceId): void {
    const { clock } = this.options;
    this.#act(this.#presence.step(clock.now(), { type, account, device, wall: clock.wall() }));
  }

  /** Goes off line: nothing is announced again, and nobody is listened to. What lies on the DHT expires by itself. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await Promise.allSettled([this.#announcing, ...[...this.#ears.values()].map(({ done }) => done)]);
  }

  async #announce(): Promise<void> {
    const { account: { jamiId, identity, crls }, options: { dht, onEvent, log } } = this;
    const signal = this.#loud, options = { permanent: true, signal };
    const { data, owner, seq, signature } = identity.announcement;
    const announcement = { id: this.#newId(), type: 0, data, priority: 1, owner: owner.der, seq, signature };
    const lists = crls.map(({ der }) => listValue(der, this.#newId()));
    await this.#untilDone(async () => {
      await dht.connected(signal);
      const { long, short } = await dht.publishCertificate(signal);
      const { nodes } = await dht.put(jamiId, announcement, options);
      for (const list of lists) await dht.put(jamiId, list, options);
      log.info("account announced", { account: jamiId, nodes, long, short });
      onEvent({ type: "announced", nodes, long, short });
    }, signal);
  }

  async #listen(account: AccountId, signal: AbortSignal): Promise<void> {
    const { clock, dht } = this.options;
    await this.#untilDone(async () => {
      this.#act(this.#presence.step(clock.now(), { type: "lost", account }));
      for await (const { type, value, sender, encrypted } of dht.listen(account, { signal })) {
        const { id, type: kind, data } = value;
        const heard = { id, type: kind, data, sender: sender?.shortId, encrypted };
        this.#act(this.#presence.step(clock.now(), { type, account, value: heard, wall: clock.wall() }));
      }
      signal.throwIfAborted();
      throw new CoreError("identity/listen-ended");
    }, signal);
  }

  /** Tries again, later and later, whatever went wrong; ends quietly when aborted. */
  async #untilDone(work: () => Promise<void>, signal: AbortSignal): Promise<void> {
    const { retryMs: { first, longest } } = LIMITS, { log } = this.options;
    for (let gap: number = first; !signal.aborted; gap = Math.min(2 * gap, longest)) {
      try {
        return await work();
      } catch (error) {
        if (signal.aborted) return;
        if (!(error instanceof CoreError)) log.error("going on line failed", { error, again: gap });
        else log.warning("account not on the DHT yet", { code: error.code, again: gap });
        await this.#sleep(gap, signal);
      }
    }
  }

  async #sleep(ms: number, signal: AbortSignal): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>(), { clock } = this.options;
    using _timer = clock.at(clock.now() + ms, resolve);
    signal.addEventListener("abort", resolve as () => void, { once: true });
    await promise;
    signal.removeEventListener("abort", resolve as () => void);
  }

  /** A value id that is new with every start. Spec: account §1.3. */
  #newId(): bigint {
    return new DataView(this.options.random.bytes(8).slice().buffer).getBigUint64(0) || 1n;
  }

  #act(outs: readonly PresenceOut[]): void {
    for (const out of outs) {
      const own = out.account === this.account.jamiId;
      if (out.type === "presence") this.options.onEvent(out);
      else if (out.type === "drop") this.drops[out.why] = (this.drops[out.why] ?? 0) + 1;
      else if (out.type === "device") {
        if (own && out.device !== this.account.deviceId) {
          this.options.onEvent({ type: "sibling", device: out.device });
        }
      } else if (own) void this.#judge(out.der);
    }
  }

  async #judge(der: Uint8Array): Promise<void> {
    try {
      const list = await verifyCrl(der, this.account.chain[1]!);
      if (this.#stop.signal.aborted) return;
      this.options.onEvent({ type: "revocation", list });
      if (!list.revoked.some(({ serial }) => equal(serial, this.account.chain[0]!.serial))) return;
      this.#silence.abort();
      this.options.onEvent({ type: "revoked" });
    } catch (error) {
      if (!isError(error, "identity/crl")) throw error;
      this.drops["crl"] = (this.drops["crl"] ?? 0) + 1;
    }
  }
}
