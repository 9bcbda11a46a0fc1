/** Fetches from a member's device over a channel that stays open for the next time. Spec: swarm §4.3, §4.4. */
import {
  type Clock,
  type CommitId,
  type ConversationId,
  CoreError,
  type DeviceId,
  Driver,
} from "../../base/mod.ts";
import type { ByteStream } from "../../net/mod.ts";
import { type FetchIn, type FetchOut, FetchPack } from "../git/fetch.ts";
import type { GitFolder, Incoming, Quarantine } from "../git/folder_io.ts";
import { Serial } from "../serial.ts";

export interface FetchOptions {
  readonly conversation: ConversationId;
  /** The responder. */
  readonly device: DeviceId;
  readonly clock: Clock;
  /** Where packs come to lie, and what is already here. */
  readonly folder: GitFolder;
  /** Commits here, newest first. */
  readonly haves: () => readonly CommitId[];
}

/** What the responder has. `pack`: everything new, still in quarantine; absent when there is nothing new. */
export interface Fetched {
  readonly tip: CommitId;
  readonly pack: Quarantine | undefined;
}

/** One open `git://` channel as its asking side. */
export class Fetcher implements AsyncDisposable {
  readonly #turns = new Serial();
  #leftover: Promise<Uint8Array | undefined> | undefined;

  constructor(readonly channel: ByteStream, readonly options: FetchOptions) {}

  /**
   * One fetch; a second call waits for the first. After a failure the channel is closed.
   * @throws {CoreError} `swarm/fetch-failed` (`why`: see `FetchEnd`), `swarm/pack` and the like for a broken pack.
   */
  pull(): Promise<Fetched> {
    return this.#turns.run(async () => {
      try {
        return await this.#pull();
      } catch (error) {
        this.channel.abort();
        throw error;
      }
    });
  }

  async #pull(): Promise<Fetched> {
    const { channel, options } = this, writes = new Serial(), over = Promise.withResolvers<FetchOut>();
    let incoming: Incoming | undefined, result: FetchOut | undefined;
    over.promise.catch(() => {}); // whoever waits hears of it
    const act = (out: FetchOut) => {
      if (out.type === "write") void writes.run(() => channel.write(out.bytes)).catch(over.reject);
      else if (out.type === "pack") (incoming ??= options.folder.incoming()).write(out.bytes);
      else if (out.type === "tip") {
        const known = options.folder.has(out.id);
        driver.feed({ type: "known", known, haves: known ? [] : options.haves() });
      } else over.resolve(result = out);
    };
    using driver = new Driver<FetchIn, FetchOut>(
      new FetchPack(options.conversation, options.device),
      options.clock,
      act,
    );
    try {
      driver.feed({ type: "start" });
      while (!result) {
        this.#leftover ??= channel.read(); // a read that is still waiting belongs to whoever comes next
        const next = await Promise.race([
          this.#leftover.then((bytes) => ({ bytes })),
          over.promise.then(() => undefined),
        ]);
        if (!next) break;
        this.#leftover = undefined;
        driver.feed(next.bytes ? { type: "bytes", bytes: next.bytes } : { type: "ended" });
      }
      await writes.idle;
      if (result?.type !== "done") {
        throw new CoreError("swarm/fetch-failed", { why: result?.type === "failed" ? result.reason : "?" });
      }
      const pack = result.fetched ? (incoming ?? options.folder.incoming()).finish() : undefined;
      incoming = undefined;
      return { tip: result.tip as CommitId, pack };
    } finally {
      incoming?.[Symbol.dispose]();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.channel[Symbol.asyncDispose]();
    await this.#leftover?.catch(() => {});
  }
}
