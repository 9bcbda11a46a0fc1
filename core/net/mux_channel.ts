/** One channel of a link, as its user sees it. */
import { CoreError } from "../base/mod.ts";
import { ByteQueue } from "./byte_queue.ts";
import type { ByteStream } from "./stream.ts";

/** A channel. Its end is the peer's end of both directions: what it wrote before may still be read, nothing be written. */
export interface Channel extends ByteStream {
  readonly name: string;
  /** Number on the wire, for log lines. */
  readonly id: number;
  /** True if the peer asked for it. */
  readonly incoming: boolean;
  /** Bytes of the application so far. */
  readonly received: number;
  readonly sent: number;
}

/** What a channel asks of its link. */
export interface Below {
  feed(
    input: { type: "write"; bytes: Uint8Array } | { type: "taken"; bytes: number } | {
      type: "finish" | "reset";
    },
  ): void;
  isFull(): boolean;
}

/** Made by the link alone; the methods after `asyncDispose` are the link's. */
export class MuxChannel implements Channel {
  received = 0;
  sent = 0;
  #queue: ByteQueue;
  #over: CoreError | undefined; // what a writer is told
  #room: PromiseWithResolvers<void> | undefined;
  #closing: PromiseWithResolvers<void> | undefined;

  constructor(
    readonly id: number,
    readonly name: string,
    readonly incoming: boolean,
    readonly below: Below,
  ) {
    this.#queue = new ByteQueue((bytes) => this.below.feed({ type: "taken", bytes }));
  }

  read(): Promise<Uint8Array | undefined> {
    return this.#queue.read();
  }

  async write(bytes: Uint8Array): Promise<void> {
    if (this.#over) throw this.#over;
    if (this.#room) throw new TypeError("a write is already waiting");
    this.sent += bytes.length;
    this.below.feed({ type: "write", bytes });
    if (!this.below.isFull() || this.#over) return;
    this.#room = Promise.withResolvers();
    await this.#room.promise;
    if (this.#over) throw this.#over;
  }

  close(): Promise<void> {
    if (this.#closing) return this.#closing.promise;
    this.#closing = Promise.withResolvers();
    if (this.#over) this.#closing.resolve();
    this.#stop(new CoreError("net/channel-closed"));
    this.#queue.end(true);
    this.below.feed({ type: "finish" });
    return this.#closing.promise;
  }

  abort(reason: Error = new CoreError("net/channel-aborted")): void {
    this.#stop(new CoreError("net/channel-closed"));
    this.#queue.fail(reason, true);
    this.below.feed({ type: "reset" });
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.abort();
    return Promise.resolve();
  }

  push(bytes: Uint8Array): void {
    this.received += bytes.length;
    this.#queue.push(bytes);
  }
  room(): void {
    this.#room?.resolve();
    this.#room = undefined;
  }
  finished(): void {
    this.#closing?.resolve();
  }
  ended(stalled: boolean): void {
    this.#stop(new CoreError("net/channel-closed"));
    if (stalled) this.#queue.fail(new CoreError("net/channel-stalled"), true);
    else this.#queue.end();
    this.#closing?.resolve();
  }
  lost(error: CoreError): void {
    this.#stop(error);
    this.#queue.fail(error);
    this.#closing?.resolve();
  }

  #stop(error: CoreError): void {
    this.#over ??= error;
    this.room();
  }
}
