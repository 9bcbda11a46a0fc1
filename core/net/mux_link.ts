/** Channels for everybody else: the mux machine on a byte stream, each channel a byte stream of its own. */
import { type Clock, CoreError, Driver, type Log, silentLog } from "../base/mod.ts";
import { MUX_LIMITS, TLS_LIMITS } from "./limits.ts";
import { Mux } from "./mux.ts";
import { type Channel, MuxChannel } from "./mux_channel.ts";
import type { ByteBudget } from "./mux_inbox.ts";
import type { MuxIn, MuxOut } from "./mux_words.ts";
import type { ByteStream } from "./stream.ts";

/** Bytes handed down in one write, about. */
const BATCH = 64 << 10;

/** Takes a channel the peer asked for, right after it was accepted. */
export type Accept = (channel: Channel) => void;

export interface MuxOptions {
  /** The TLS role. */
  readonly role: "client" | "server";
  readonly clock: Clock;
  /**
   * The peer asks for a channel: what takes it, or undefined to decline. What it throws is logged and declines;
   * so does taking longer than `MUX_LIMITS.answerMs`.
   */
  readonly onRequest: (name: string) => Accept | undefined | Promise<Accept | undefined>;
  readonly log?: Log;
  /** Shared by all links of an account. */
  readonly budget?: ByteBudget;
}

/** What a link is doing, for pages and bug reports. */
export interface MuxInfo {
  readonly channels: readonly {
    id: number;
    name: string;
    incoming: boolean;
    received: number;
    sent: number;
  }[];
  /** How often something was dropped, by reason. */
  readonly drops: Readonly<Record<string, number>>;
}

/** One end of a link with its channels. Owns the stream below. */
export class MuxLink implements AsyncDisposable {
  /** Settles when the link is over; the reason, or undefined if one of the sides ended it properly. Never rejects. */
  readonly done: Promise<CoreError | undefined>;
  #machine: Mux;
  #driver: Driver<MuxIn, MuxOut>;
  #channels = new Map<number, MuxChannel>();
  #opening = new Map<number, PromiseWithResolvers<Channel> & { name: string }>();
  #probing: PromiseWithResolvers<boolean> | undefined;
  #asked = new Set<number>(); // by the peer, not answered
  #drops: Record<string, number> = {};
  #nextKey = 1;
  #outgoing: Uint8Array[] = [];
  #sending: Promise<void> | undefined;
  #go: PromiseWithResolvers<void> | undefined; // set while reading is held
  #over: { why: CoreError | undefined } | undefined;
  #finish = Promise.withResolvers<CoreError | undefined>();
  #reading: Promise<void>;
  #log: Log;

  /** Starts on `stream`, a TLS stream whose peer is judged. */
  static open(stream: ByteStream, options: MuxOptions): MuxLink {
    return new MuxLink(stream, options);
  }

  private constructor(readonly stream: ByteStream, readonly options: MuxOptions) {
    this.done = this.#finish.promise;
    this.#log = options.log ?? silentLog;
    this.#machine = new Mux(options.role, options.budget);
    this.#driver = new Driver<MuxIn, MuxOut>(this.#machine, options.clock, (out) => this.#act(out));
    this.#driver.feed({ type: "start" });
    this.#reading = this.#read();
  }

  /** False once the link is over. */
  get alive(): boolean {
    return !this.#over;
  }

  /**
   * Asks the peer for a channel; resolves when it accepts. There is no time limit but the signal's; aborted, the
   * request is taken back.
   * @throws {CoreError} `net/channel-refused` (`why`: `declined`, `ended`, `channels`, `no-number`), `net/link-closed`.
   */
  async open(name: string, { signal }: { signal?: AbortSignal } = {}): Promise<Channel> {
    signal?.throwIfAborted();
    if (name === "" || name.length > MUX_LIMITS.nameBytes) throw new RangeError("channel name");
    if (this.#over) throw this.#closedError();
    const key = this.#nextKey++, asking = { ...Promise.withResolvers<Channel>(), name };
    this.#opening.set(key, asking);
    const onAbort = () => {
      if (!this.#opening.delete(key)) return;
      this.#feed({ type: "reset", key });
      asking.reject(signal!.reason);
    };
    signal?.addEventListener("abort", onAbort);
    try {
      this.#feed({ type: "open", key, name });
      return await asking.promise;
    } finally {
      signal?.removeEventListener("abort", onAbort);
    }
  }

  /**
   * Asks whether the peer still answers; without an answer within `MUX_LIMITS.beaconMs` the link is closed.
   * @returns false if it cannot be told, because the peer is of a kind that knows no beacons.
   * @throws {CoreError} `net/link-closed`.
   */
  probe(): Promise<boolean> {
    if (this.#over) return Promise.reject(this.#closedError());
    this.#probing ??= Promise.withResolvers<boolean>();
    const { promise } = this.#probing;
    this.#feed({ type: "probe" });
    return promise;
  }

  info(): MuxInfo {
    const channels = [...this.#channels.values()].map(({ id, name, incoming, received, sent }) => ({
      ...{ id, name, incoming, received, sent },
    }));
    return { channels, drops: { ...this.#drops } };
  }

  /** Ends all channels and the stream below. */
  async close(): Promise<void> {
    this.#end(undefined);
    const { clock } = this.options, late = Promise.withResolvers<void>();
    {
      using _timer = clock.at(clock.now() + TLS_LIMITS.closeMs, late.resolve);
      await Promise.race([this.#sending, late.promise]);
    }
    await this.stream.close();
    await this.#reading;
  }

  /** Drops the link at once. */
  abort(why: CoreError = new CoreError("net/link-aborted")): void {
    this.#end(why);
    this.stream.abort(why);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.abort();
    await Promise.all([this.#sending, this.#reading]);
    await this.stream[Symbol.asyncDispose]();
  }

  // ---- for the channels

  #feed(input: MuxIn): void {
    if (!this.#over) this.#driver.feed(input);
  }

  #act(out: MuxOut): void {
    switch (out.type) {
      case "send":
        this.#outgoing.push(out.bytes);
        this.#sending ??= this.#send();
        return;
      case "data":
        return this.#channels.get(out.key)?.push(out.bytes);
      case "asked":
        return void this.#decide(out.key, out.channel, out.name);
      case "opened": {
        const asking = this.#opening.get(out.key);
        if (!asking) return this.#feed({ type: "reset", key: out.key }); // taken back a moment ago
        this.#opening.delete(out.key);
        return asking.resolve(this.#channel(out.key, out.channel, asking.name, false));
      }
      case "refused":
        this.#opening.get(out.key)?.reject(new CoreError("net/channel-refused", { why: out.why }));
        return void this.#opening.delete(out.key);
      case "ended":
        this.#asked.delete(out.key);
        this.#channels.get(out.key)?.ended(out.why === "stalled");
        return void this.#channels.delete(out.key);
      case "finished":
        this.#channels.get(out.key)?.finished();
        return void this.#channels.delete(out.key);
      case "room":
        return this.#channels.get(out.key)?.room();
      case "hold":
        this.#go = Promise.withResolvers();
        return;
      case "release":
        this.#go?.resolve();
        this.#go = undefined;
        return;
      case "probed":
        this.#probing?.resolve(out.answered);
        this.#probing = undefined;
        return;
      case "drop":
        this.#drops[out.why] = (this.#drops[out.why] ?? 0) + 1;
        this.#log.debug("dropped", { why: out.why });
        return;
      case "close":
        return this.abort(new CoreError(out.why));
    }
  }

  async #decide(key: number, id: number, name: string): Promise<void> {
    let accept: Accept | undefined;
    this.#asked.add(key);
    try {
      accept = await this.options.onRequest(name);
    } catch (error) {
      this.#log.warning("channel request failed", { name, error });
    }
    if (this.#over || !this.#asked.delete(key)) return;
    const channel = accept && this.#channel(key, id, name, true);
    this.#feed({ type: "answer", key, accept: accept !== undefined });
    if (channel) accept!(channel);
  }

  #channel(key: number, id: number, name: string, incoming: boolean): MuxChannel {
    const channel = new MuxChannel(id, name, incoming, {
      feed: (input) => this.#feed({ ...input, key } as MuxIn),
      isFull: () => this.#machine.isFull(key),
    });
    this.#channels.set(key, channel);
    return channel;
  }

  /** Gathers what was written in one turn and hands it down in few, large pieces. */
  async #send(): Promise<void> {
    try {
      await Promise.resolve(); // whoever is writing now may write more
      while (this.#outgoing.length) {
        const batch = this.#gather();
        await this.stream.write(batch);
        this.#feed({ type: "flushed", bytes: batch.length });
      }
    } catch (error) {
      this.#broken(error);
    } finally {
      this.#sending = undefined;
    }
  }

  #gather(): Uint8Array {
    let count = 0, size = 0;
    while (count < this.#outgoing.length && (count === 0 || size < BATCH)) {
      size += this.#outgoing[count++]!.length;
    }
    const parts = this.#outgoing.splice(0, count);
    if (parts.length === 1) return parts[0]!;
    const batch = new Uint8Array(size);
    let at = 0;
    for (const part of parts) batch.set(part, at), at += part.length;
    return batch;
  }

  async #read(): Promise<void> {
    try {
      while (!this.#over) {
        await this.#go?.promise;
        const bytes = await this.stream.read();
        if (!bytes) return this.#ended();
        this.#feed({ type: "bytes", bytes });
      }
    } catch (error) {
      this.#broken(error);
    }
  }

  #ended(): void {
    if (this.#over) return;
    this.#end(undefined);
    void this.stream.close();
  }

  #broken(error: unknown): void {
    if (this.#over) return;
    this.abort(error instanceof CoreError ? error : new CoreError("net/link-broken", {}, { cause: error }));
  }

  #end(why: CoreError | undefined): void {
    if (this.#over) return;
    this.#driver.feed({ type: "over" });
    this.#over = { why };
    this.#driver[Symbol.dispose]();
    this.#go?.resolve();
    const error = this.#closedError();
    for (const { reject } of this.#opening.values()) reject(error);
    this.#opening.clear();
    this.#probing?.promise.catch(() => {}); // whoever asked is told; nobody may be listening any more
    this.#probing?.reject(error);
    for (const channel of this.#channels.values()) channel.lost(error);
    this.#channels.clear();
    this.#finish.resolve(why);
  }

  #closedError(): CoreError {
    return new CoreError("net/link-closed", this.#over?.why ? { why: this.#over.why.code } : {});
  }
}
