/** Instant messages on a `msg:` channel, the way of devices of 2026. Spec: swarm §5.2. */
import { CoreError } from "../../base/mod.ts";
import type { ByteStream } from "../../net/mod.ts";
import { Serial } from "../serial.ts";
import { encodeInstant, type Instant, InstantReader } from "./wire.ts";

/** One `msg:` channel, both directions. */
export class MsgSession {
  /** Settles when the channel is over. */
  readonly done: Promise<void>;
  readonly #writes = new Serial();

  constructor(readonly channel: ByteStream, readonly onInstant: (instant: Instant) => void) {
    this.done = this.#read();
  }

  /** Resolves when it is written; there is no acknowledgement. @throws what broke the channel. */
  send(instant: Instant): Promise<void> {
    return this.#writes.run(() => this.channel.write(encodeInstant(instant)));
  }

  async #read(): Promise<void> {
    const reader = new InstantReader();
    try {
      for (let bytes = await this.channel.read(); bytes; bytes = await this.channel.read()) {
        for (const instant of reader.push(bytes)) this.onInstant(instant);
      }
    } catch (error) {
      if (!(error instanceof CoreError)) throw error;
      this.channel.abort(error);
    }
    await this.channel.close();
  }
}
