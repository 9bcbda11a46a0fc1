/** Checks that wait for their answer: sent once over TCP, with growing gaps over UDP. Spec: connection §1.8, §2.4. */
import { hex } from "../base/mod.ts";
import type { IceRole } from "./ice_check.ts";
import type { Pair } from "./ice_pairs.ts";
import type { Wire } from "./ice_words.ts";
import { ICE } from "./limits.ts";
import { ATTR, attributeAddress, attributeError, type StunMessage } from "./stun.ts";

export interface Check {
  readonly pair: Pair;
  readonly bytes: Uint8Array;
  readonly nominate: boolean;
  /** The role we claimed. */
  readonly role: IceRole;
  sends: number;
  gap: number;
  due: number;
}

export class OpenChecks {
  readonly #open = new Map<string, Check>();
  constructor(readonly wire: Wire, readonly stream: boolean) {}

  get wakeAt(): number {
    let soonest = Infinity;
    for (const check of this.#open.values()) soonest = Math.min(soonest, check.due);
    return soonest;
  }
  get nominating(): boolean {
    return [...this.#open.values()].some((check) => check.nominate);
  }

  send(now: number, id: Uint8Array, check: Pick<Check, "pair" | "bytes" | "nominate" | "role">): void {
    const gap = this.stream ? ICE.answerMs : ICE.rtoMs, sends = this.stream ? ICE.sends : 1;
    this.#open.set(hex(id), { ...check, sends, gap, due: now + gap });
    this.wire.transmit(check.pair, check.bytes);
  }
  /** @param id Hex of the transaction id. */
  get(id: string): Check | undefined {
    return this.#open.get(id);
  }
  forget(pair: Pair): void {
    for (const [id, check] of this.#open) if (check.pair === pair) this.#open.delete(id);
  }
  clear(): void {
    this.#open.clear();
  }

  /**
   * What an answer to check `id` is worth: `good`; `role`, the other side wants our role; `ignore`, it proves nothing;
   * else why the check failed. All but `ignore` end the check.
   * @param signed It verifies under the other side's password. @param stream Nobody but the peer writes on this path.
   */
  judge(
    message: StunMessage,
    id: string,
    signed: boolean,
    stream: boolean,
  ): { check: Check; verdict: string } {
    const check = this.#open.get(id)!, verdict = judgeAnswer(message, signed, stream);
    if (verdict !== "ignore") this.#open.delete(id);
    return { check, verdict };
  }

  /** The way to a pair's other side has just opened: do not wait for the back-off. */
  hurry(now: number, pair: Pair): void {
    for (const check of this.#open.values()) {
      if (check.pair !== pair || check.sends >= ICE.sends) continue;
      check.due = Math.min(check.due, now + ICE.paceMs), check.gap = ICE.rtoMs / 2;
    }
  }

  /** Sends again what is due; gives the pairs whose last wait is over. */
  wake(now: number): Pair[] {
    const failed: Pair[] = [];
    for (const [id, check] of [...this.#open]) {
      if (check.due > now) continue;
      if (check.sends >= ICE.sends) {
        this.#open.delete(id);
        failed.push(check.pair);
        continue;
      }
      check.sends++, check.gap *= 2;
      check.due = now + (check.sends === ICE.sends ? ICE.rtoMs * ICE.lastWaitFactor : check.gap);
      this.wire.transmit(check.pair, check.bytes);
    }
    return failed;
  }
}

function judgeAnswer(message: StunMessage, signed: boolean, stream: boolean): string {
  if (message.class === "success") {
    return signed && attributeAddress(message, ATTR.xorMappedAddress) ? "good" : "ignore";
  }
  const code = attributeError(message)?.code;
  if (signed) return code === 487 ? "role" : `refused-${code}`;
  // Refusals of our credentials cannot be signed. Over UDP anybody can forge one: let the check time out instead.
  return stream && (code === 400 || code === 401) ? `refused-${code}` : "ignore";
}
