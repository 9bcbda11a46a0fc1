/**
 * Trust requests over the DHT: sent to every device of an account, read from our own inbox. Nobody is told anything
 * by a refusal. Spec: account §4.1, §4.2.
 */
import {
  type AccountId,
  type Clock,
  type ConversationId,
  CoreError,
  type DeviceId,
  type InfoHash,
  isError,
  type Log,
} from "../base/mod.ts";
import { sha1 } from "../crypto/mod.ts";
import {
  type CheckedHeard,
  decodeImMessage,
  decodeTrustRequest,
  encodeImMessage,
  encodeTrustRequest,
  type SecureDht,
  type TrustRequest,
} from "../dht/mod.ts";
import type { ContactBook, Heard } from "./book.ts";
import { type DeviceDirectory } from "./devices.ts";
import { LIMITS } from "./limits.ts";

const IM_MESSAGE = 3, TRUST_REQUEST = 4, SERVICE = "cx.ring";

export interface RequestsOptions {
  readonly dht: Pick<SecureDht, "listen" | "putEncrypted">;
  readonly book: ContactBook;
  readonly directory: DeviceDirectory;
  /** Our device key's SHA-1 id: it names our inbox. */
  readonly legacyDevice: string;
  readonly clock: Clock;
  readonly log: Log;
  /** An instant message that came over the DHT, the way devices of 2023 send the first ones. Spec: account §4.5. */
  readonly onInstant?: (
    from: { readonly account: AccountId; readonly device: DeviceId },
    message: { readonly token: bigint; readonly type: string; readonly content: string },
  ) => void;
  /** Something changed because of what others sent. */
  readonly onHeard: (heard: Exclude<Heard, { type: "ignored" }>) => void;
}

/** The DHT key of a device's inbox. */
export const inboxKey = (legacyDevice: string): string => sha1(`inbox:${legacyDevice}`).toHex();

export class ContactRequests implements AsyncDisposable {
  /** What was read and dropped, by reason. */
  readonly drops: Record<string, number> = {};
  readonly #stop = new AbortController();
  readonly #listening: Promise<void>;
  readonly #heard = new Map<AccountId, { hour: number; count: number }>();
  readonly #seen = new Set<string>();

  constructor(readonly options: RequestsOptions) {
    this.#listening = this.#listen();
  }

  /**
   * Sends a request (or, with `confirm`, its acceptance) to every device of `account`.
   * @returns how many devices it was put for; 0: none announces itself now, try again when one does.
   */
  async send(
    account: AccountId,
    wish: {
      conversation?: ConversationId | undefined;
      payload?: Uint8Array;
      confirm?: boolean;
      invitedMs?: number;
    },
  ): Promise<number> {
    const payload = wish.payload ?? new Uint8Array(), signal = this.#stop.signal;
    if (payload.length > LIMITS.payloadBytes) {
      throw new CoreError("contacts/card-size", { size: payload.length, limit: LIMITS.payloadBytes });
    }
    const request: TrustRequest = {
      service: SERVICE,
      conversationId: wish.conversation ?? "",
      payload,
      confirm: wish.confirm ?? false,
      invitedMs: wish.invitedMs ?? Math.floor(this.options.clock.wall()),
    };
    const data = encodeTrustRequest(request);
    let reached = 0;
    for await (const { legacyDevice, chain } of this.options.directory.devices(account, signal)) {
      try {
        await this.options.dht.putEncrypted(inboxKey(legacyDevice), chain[0]!.publicKey, {
          type: TRUST_REQUEST,
          data,
        }, { signal });
        reached++;
      } catch (error) {
        if (!isError(error, "dht/") && !isError(error, "crypto/")) throw error;
        this.options.log.warning("request not put", { account, code: error.code });
      }
    }
    this.options.log.info("request sent", { account, devices: reached, confirm: request.confirm });
    return reached;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#listening;
  }

  async #listen(): Promise<void> {
    const { signal } = this.#stop,
      key = inboxKey(this.options.legacyDevice),
      query = { select: [], where: [] };
    while (!signal.aborted) {
      try {
        for await (const heard of this.options.dht.listen(key, { query, signal })) {
          if (heard.type === "value") await this.#hear(heard);
        }
      } catch (error) {
        if (signal.aborted) return;
        if (!isError(error, "dht/") && !isError(error, "crypto/")) throw error;
        await this.#pause();
      }
    }
  }

  async #hear(heard: CheckedHeard): Promise<void> {
    if (heard.value.type === IM_MESSAGE) return await this.#hearInstant(heard);
    if (heard.value.type === TRUST_REQUEST) return await this.#hearRequest(heard);
  }

  /** Acknowledged where we are found ourselves: the sender listens there. */
  async #hearInstant({ value, sender, encrypted }: CheckedHeard): Promise<void> {
    const { dht, directory, legacyDevice, clock, onInstant } = this.options, { signal } = this.#stop;
    if (!onInstant) return;
    if (!sender || !encrypted) return this.#drop("plain");
    if (sender.shortId === (legacyDevice as InfoHash)) return;
    let message: ReturnType<typeof decodeImMessage>;
    try {
      message = decodeImMessage(value.data);
    } catch (error) {
      if (!isError(error, "dht/") && !isError(error, "codec/")) throw error;
      return this.#drop("unreadable");
    }
    if (message.text === "") return; // an acknowledgement
    const name = `im ${sender.longId} ${message.id}`;
    if (!this.#first(name)) return;
    const chain = await directory.accountOf(sender, signal);
    if (!chain) return this.#drop("unknown-sender");
    if (this.options.book.state(chain.account) === "banned") return this.#drop("banned");
    onInstant({ account: chain.account, device: chain.device }, {
      token: message.id,
      type: message.dataType || "text/plain",
      content: message.text,
    });
    const received = {
      ...message,
      msg: "",
      datatype: "",
      date: Math.floor(clock.wall() / 1000),
      metadatas: new Map(),
    };
    const data = encodeImMessage(received as typeof message);
    await dht.putEncrypted(inboxKey(legacyDevice), sender, { type: IM_MESSAGE, data }, { signal }).catch(
      (error) => {
        if (!isError(error, "dht/") && !isError(error, "crypto/")) throw error;
      },
    );
  }

  /** True the first time. */
  #first(name: string): boolean {
    if (this.#seen.has(name)) return false;
    this.#seen.add(name);
    if (this.#seen.size > LIMITS.senders) this.#seen.delete(this.#seen.values().next().value!);
    return true;
  }

  async #hearRequest({ value, sender, encrypted }: CheckedHeard): Promise<void> {
    if (!sender || !encrypted) return this.#drop("plain");
    if (!this.#first(`${sender.longId} ${value.id}`)) return;
    let request: TrustRequest;
    try {
      request = decodeTrustRequest(value.data);
    } catch (error) {
      if (!isError(error, "dht/") && !isError(error, "codec/")) throw error;
      return this.#drop("unreadable");
    }
    if (request.service !== SERVICE) return this.#drop("service");
    const chain = await this.options.directory.accountOf(sender, this.#stop.signal);
    if (!chain) return this.#drop("unknown-sender");
    if (!this.#mayAsk(chain.account)) return this.#drop("flood");
    const conversation = /^[0-9a-f]{40}$/.test(request.conversationId)
      ? request.conversationId as ConversationId
      : undefined;
    const heard = this.options.book.hear({
      account: chain.account,
      conversation,
      payload: request.payload.slice(),
      confirm: request.confirm,
      invitedMs: request.invitedMs,
    });
    if (heard.type === "ignored") return this.#drop(heard.why);
    this.options.onHeard(heard);
  }

  #mayAsk(account: AccountId): boolean {
    const hour = Math.floor(this.options.clock.now() / 3_600_000), entry = this.#heard.get(account);
    if (!entry || entry.hour !== hour) {
      this.#heard.delete(account);
      this.#heard.set(account, { hour, count: 1 });
      if (this.#heard.size > LIMITS.senders) this.#heard.delete(this.#heard.keys().next().value!);
      return true;
    }
    return ++entry.count <= LIMITS.requestsPerHour;
  }

  async #pause(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>(), { clock } = this.options;
    using _timer = clock.at(clock.now() + 5000, resolve);
    this.#stop.signal.addEventListener("abort", () => resolve(), { once: true });
    await promise;
  }
  #drop(why: string): void {
    this.drops[why] = (this.drops[why] ?? 0) + 1;
  }
}
