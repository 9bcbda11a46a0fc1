/**
 * Instant messages to devices of both generations: `msg:` where it is understood, SIP MESSAGE where it is not. What
 * must arrive is tried again when the device comes back; of several notices about one thing only the last is kept.
 * Spec: swarm §5.1–5.3.
 */
import {
  type AccountId,
  type Clock,
  CoreError,
  type DeviceId,
  isError,
  type Log,
  type Random,
} from "../../base/mod.ts";
import type { ByteStream } from "../../net/mod.ts";
import { LIMITS } from "../limits.ts";
import { MsgSession } from "./msg_session.ts";
import { SipSession, type Speaker } from "./sip_session.ts";
import type { Instant } from "./wire.ts";

/** How channels come about; the connection manager is one. */
export interface Wire {
  /** @throws {CoreError} `net/channel-refused`, `peers/…`, `net/…`. */
  open(
    device: string,
    name: string,
    options?: { connType?: string; existing?: boolean; signal?: AbortSignal },
  ): Promise<ByteStream>;
}

export interface MessengerOptions {
  readonly me: { readonly account: AccountId; readonly device: DeviceId; readonly name: string };
  readonly wire: Wire;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly onInstant: (from: Speaker, instant: Instant) => void;
}

export interface SendOptions {
  /** Push hint for sleeping devices. */
  readonly connType?: string;
  /** True: only over a link there is. */
  readonly existing?: boolean;
}

type Session = MsgSession | SipSession;
interface Waiting {
  readonly to: Speaker;
  readonly type: string;
  readonly content: string;
  readonly connType: string | undefined;
  tries: number;
}

export class Messenger implements AsyncDisposable {
  readonly #sessions = new Map<DeviceId, Set<Session>>();
  readonly #opening = new Map<DeviceId, Promise<Session>>();
  readonly #waiting = new Map<DeviceId, Map<string, Waiting>>();
  readonly #work = new Set<Promise<unknown>>();
  readonly #stop = new AbortController();

  constructor(readonly options: MessengerOptions) {}

  /** Takes a channel a peer opens, if it is one of ours: `sip`, or `msg:` and our device. */
  accept(name: string, peer: Speaker): ((channel: ByteStream) => void) | undefined {
    if (name === "sip") return (channel) => this.#keep(this.#sip(channel, peer), peer.device);
    if (name === `msg:${this.options.me.device}`) {
      return (channel) => this.#keep(this.#msg(channel, peer), peer.device);
    }
    return undefined;
  }

  /**
   * Sends once. Resolves when it is written (`msg:`) or acknowledged (`sip`).
   * @throws {CoreError} why it could not be.
   */
  async send(to: Speaker, type: string, content: string, options: SendOptions = {}): Promise<void> {
    const instant: Instant = { token: this.#token(), type, content };
    for (let again = true;; again = false) {
      const session = await this.#session(to, options);
      try {
        return await session.send(instant);
      } catch (error) {
        this.#sessions.get(to.device)?.delete(session);
        if (!again || !(error instanceof CoreError) || isError(error, "swarm/sip-refused")) throw error;
      }
    }
  }

  /** Sends until it is sent: tried again when the device connects, at most so often. A later one with the same `key` replaces it. */
  post(to: Speaker, key: string, type: string, content: string, connType?: string): void {
    let waiting = this.#waiting.get(to.device);
    if (!waiting) this.#waiting.set(to.device, waiting = new Map());
    waiting.delete(key);
    waiting.set(key, { to, type, content, connType, tries: 0 });
    if (waiting.size > LIMITS.waitingPerDevice) waiting.delete(waiting.keys().next().value!);
    if (this.#waiting.size > LIMITS.waitingDevices) this.#waiting.delete(this.#waiting.keys().next().value!);
    this.#track(this.#flush(to.device, key));
  }

  /** A link to the device is there: what waits for it goes out now. */
  connected(device: DeviceId): void {
    for (const key of this.#waiting.get(device)?.keys() ?? []) this.#track(this.#flush(device, key));
  }

  /** Devices with an open message channel. */
  reachable(device: DeviceId): boolean {
    return Boolean(this.#sessions.get(device)?.size);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort(new CoreError("swarm/closed"));
    for (const sessions of this.#sessions.values()) for (const { channel } of sessions) channel.abort();
    while (this.#work.size) await Promise.allSettled([...this.#work]);
  }

  async #flush(device: DeviceId, key: string): Promise<void> {
    const item = this.#waiting.get(device)?.get(key);
    if (!item || this.#stop.signal.aborted) return;
    if (++item.tries > LIMITS.postTries) return this.#forget(device, key, item);
    try {
      await this.send(
        item.to,
        item.type,
        item.content,
        item.connType === undefined ? {} : { connType: item.connType },
      );
      this.#forget(device, key, item);
    } catch (error) {
      if (!(error instanceof CoreError) && !this.#stop.signal.aborted) throw error;
      this.options.log.debug("message waits for its device", {
        device,
        type: item.type,
        tries: item.tries,
        why: (error as CoreError).code,
      });
    }
  }

  #forget(device: DeviceId, key: string, item: Waiting): void {
    const waiting = this.#waiting.get(device);
    if (waiting?.get(key) === item) waiting.delete(key);
    if (waiting?.size === 0) this.#waiting.delete(device);
  }

  #session(to: Speaker, options: SendOptions): Promise<Session> | Session {
    const [open] = this.#sessions.get(to.device) ?? [];
    if (open) return open;
    let opening = this.#opening.get(to.device);
    if (!opening) {
      opening = this.#open(to, options).finally(() => this.#opening.delete(to.device));
      opening.catch(() => {}); // told to whoever waits
      this.#opening.set(to.device, opening);
    }
    return opening;
  }

  async #open(to: Speaker, options: SendOptions): Promise<Session> {
    const { wire } = this.options, { signal } = this.#stop;
    try {
      return this.#keep(
        this.#msg(await wire.open(to.device, `msg:${to.device}`, { ...options, signal }), to),
        to.device,
      );
    } catch (error) {
      if (!isError(error, "net/channel-refused")) throw error;
    }
    return this.#keep(this.#sip(await wire.open(to.device, "sip", { ...options, signal }), to), to.device);
  }

  #msg = (channel: ByteStream, peer: Speaker): MsgSession =>
    new MsgSession(channel, (instant) => this.options.onInstant(peer, instant));
  #sip = (channel: ByteStream, peer: Speaker): SipSession =>
    new SipSession(channel, {
      ...this.options,
      peer,
      onInstant: (instant) => this.options.onInstant(peer, instant),
    });

  #keep<T extends Session>(session: T, device: DeviceId): T {
    let sessions = this.#sessions.get(device);
    if (!sessions) this.#sessions.set(device, sessions = new Set());
    // a `msg:` channel is preferred: it needs no answer
    const ordered = session instanceof MsgSession ? [session, ...sessions] : [...sessions, session];
    sessions.clear();
    for (const each of ordered) sessions.add(each);
    this.#track(session.done.then(() => {
      sessions.delete(session);
      if (!sessions.size && this.#sessions.get(device) === sessions) this.#sessions.delete(device);
    }));
    return session;
  }

  #token(): bigint {
    return (BigInt(this.options.random.uint32()) << 21n | BigInt(this.options.random.uint32() >>> 11)) + 1n; // 1 … 2⁵³
  }
  #track(work: Promise<unknown>): void {
    this.#work.add(work);
    work.finally(() => this.#work.delete(work)).catch(() => {});
  }
}
