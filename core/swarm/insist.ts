/** A notice that leads to nothing is given again, later and later: a device may lose one. Spec: swarm §4.4. */
import type { AccountId, Clock, ConversationId } from "../base/mod.ts";
import { LIMITS } from "./limits.ts";
import type { Speaker } from "./messages/sip_session.ts";

interface Waiting {
  readonly to: Speaker;
  timer: Disposable;
  tries: number;
}

export class Insistence implements Disposable {
  readonly #waiting = new Map<string, Waiting>();
  #closed = false;

  /** @param again gives the notice once more; false when there is no use in it now. */
  constructor(
    readonly clock: Clock,
    readonly again: (conversation: ConversationId, to: Speaker) => boolean,
  ) {}

  /** A device was told of something new. One that is waited for already keeps its turn. */
  told(conversation: ConversationId, to: Speaker): void {
    const key = `${conversation} ${to.device}`;
    if (this.#closed || this.#waiting.has(key)) return;
    if (this.#waiting.size >= LIMITS.insistDevices) this.#forget(this.#waiting.keys().next().value!);
    const waiting: Waiting = { to, tries: 0, timer: this.#alarm(key, conversation, LIMITS.insistMs) };
    this.#waiting.set(key, waiting);
  }

  /** A member has everything. */
  settled(conversation: ConversationId, account: AccountId): void {
    for (const [key, { to }] of this.#waiting) {
      if (to.account === account && key.startsWith(conversation)) this.#forget(key);
    }
  }

  [Symbol.dispose](): void {
    this.#closed = true;
    for (const key of [...this.#waiting.keys()]) this.#forget(key);
  }

  #alarm(key: string, conversation: ConversationId, gap: number): Disposable {
    return this.clock.at(this.clock.now() + gap, () => {
      const waiting = this.#waiting.get(key);
      if (!waiting) return;
      if (++waiting.tries > LIMITS.insistTries || !this.again(conversation, waiting.to)) {
        return this.#forget(key);
      }
      waiting.timer = this.#alarm(key, conversation, gap * 2);
    });
  }
  #forget(key: string): void {
    this.#waiting.get(key)?.timer[Symbol.dispose]();
    this.#waiting.delete(key);
  }
}
