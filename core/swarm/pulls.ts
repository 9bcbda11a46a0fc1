/** Fetching: one at a time per conversation and device, a bounded number in all, and never a wish lost. Spec: swarm §4.4. */
import { type CommitId, type ConversationId, CoreError, type DeviceId } from "../base/mod.ts";
import type { Conversation, Received } from "./conversation.ts";
import { LIMITS } from "./limits.ts";
import type { Wire } from "./messages/messenger.ts";
import { Fetcher } from "./transport/fetch.ts";
import type { SwarmOptions } from "./words.ts";

export const gitChannel = (device: DeviceId, conversation: ConversationId): string =>
  `git://${device}/${conversation}`;

interface Pull {
  again: boolean;
  readonly done: Promise<void>;
}

export class Pulls implements AsyncDisposable {
  readonly #running = new Map<string, Pull>();
  readonly #fetchers = new Map<string, Fetcher>();
  readonly #turn = new Turnstile(LIMITS.fetches);
  readonly #stop = new AbortController();

  constructor(
    readonly options: Pick<SwarmOptions, "clock" | "log">,
    readonly wire: Wire,
    readonly received: (
      conversation: Conversation,
      device: DeviceId,
      result: Received,
      tip: CommitId,
    ) => void,
  ) {}

  /** Fetches what `device` has of `conversation`; asked again meanwhile, it fetches once more afterwards. */
  pull(conversation: Conversation, device: DeviceId, options: { existing?: boolean } = {}): Promise<void> {
    const key = `${device} ${conversation.id}`, running = this.#running.get(key);
    if (running) {
      running.again = true;
      return running.done;
    }
    const pull: Pull = {
      again: false,
      done: Promise.resolve().then(() => this.#run(key, pull, conversation, device, options)),
    };
    this.#running.set(key, pull);
    return pull.done;
  }

  /** The whole of a conversation into `conversation`'s folder: what {@linkcode Conversation.clone} asks for. */
  async clone(conversation: ConversationId, device: DeviceId, folder: Conversation["folder"]) {
    using _turn = await this.#turn.enter();
    const channel = await this.wire.open(device, gitChannel(device, conversation), {
      signal: this.#stop.signal,
    });
    await using fetcher = new Fetcher(channel, {
      conversation,
      device,
      clock: this.options.clock,
      folder,
      haves: () => [],
    });
    const { tip, pack } = await fetcher.pull();
    if (!pack) throw new CoreError("swarm/fetch-failed", { why: "empty" });
    return { quarantine: pack, tip: tip as CommitId };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort(new CoreError("swarm/closed"));
    await Promise.all([...this.#fetchers.values()].map((fetcher) => fetcher[Symbol.asyncDispose]()));
    await Promise.all([...this.#running.values()].map(({ done }) => done));
  }

  async #run(
    key: string,
    pull: Pull,
    conversation: Conversation,
    device: DeviceId,
    options: { existing?: boolean },
  ): Promise<void> {
    try {
      do {
        pull.again = false;
        using _turn = await this.#turn.enter();
        await this.#once(key, conversation, device, options);
      } while (pull.again && !this.#stop.signal.aborted);
    } catch (error) {
      if (!(error instanceof CoreError)) throw error;
      this.options.log.info("fetch failed", {
        conversation: conversation.id,
        device,
        code: error.code,
        why: error.data.why,
      });
      const fetcher = this.#fetchers.get(key);
      this.#fetchers.delete(key);
      await fetcher?.[Symbol.asyncDispose]();
    } finally {
      this.#running.delete(key);
    }
  }

  async #once(
    key: string,
    conversation: Conversation,
    device: DeviceId,
    options: { existing?: boolean },
  ): Promise<void> {
    let fetcher = this.#fetchers.get(key), fresh = !fetcher;
    for (;;) {
      fetcher ??= await this.#open(key, conversation, device, options);
      try {
        const { tip, pack } = await fetcher.pull();
        if (!pack) return;
        return this.received(conversation, device, await conversation.receive(pack, tip), tip);
      } catch (error) {
        if (fresh || !(error instanceof CoreError)) throw error;
        this.#fetchers.delete(key); // a channel kept from before had died: once more on a new one
        await fetcher[Symbol.asyncDispose]();
        fetcher = undefined;
        fresh = true;
      }
    }
  }

  async #open(
    key: string,
    conversation: Conversation,
    device: DeviceId,
    options: { existing?: boolean },
  ): Promise<Fetcher> {
    const channel = await this.wire.open(device, gitChannel(device, conversation.id), {
      ...options,
      signal: this.#stop.signal,
    });
    const { id, folder } = conversation;
    const fetcher = new Fetcher(channel, {
      conversation: id,
      device,
      clock: this.options.clock,
      folder,
      haves: () => conversation.haves(),
    });
    this.#fetchers.set(key, fetcher);
    return fetcher;
  }
}

/** Lets so many in at once, the others in turn. */
class Turnstile {
  #free: number;
  #queue: (() => void)[] = [];
  constructor(places: number) {
    this.#free = places;
  }
  async enter(): Promise<Disposable> {
    if (this.#free > 0) this.#free--;
    else await new Promise<void>((go) => this.#queue.push(go));
    return {
      [Symbol.dispose]: () => {
        const next = this.#queue.shift();
        if (next) next();
        else this.#free++;
      },
    };
  }
}
