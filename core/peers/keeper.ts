/** Staying in touch: which devices to dial, and when again. Pure. Spec: connection §6.2. */
import type { Machine, Random, Wake } from "../base/mod.ts";
import { LIMITS } from "./limits.ts";

export type KeeperIn =
  /** Wanted from now on, or no longer. */
  | { readonly type: "keep" | "leave"; readonly device: string }
  /** Its announcement appeared, or went away. */
  | { readonly type: "present" | "absent"; readonly device: string }
  | { readonly type: "up" | "down" | "failed"; readonly device: string }
  /** Our own network changed: whoever is wanted is tried at once. */
  | { readonly type: "network" }
  | Wake;
export type KeeperOut = { readonly type: "dial"; readonly device: string };

interface Kept {
  present: boolean;
  state: "up" | "dialling" | "down";
  /** Attempts that failed in a row. */
  failures: number;
  due: number;
}

/**
 * Dials a wanted device while it is present and no link is up: at once, then after 5 s doubling to 10 min, spread by
 * a quarter; from the start again when it appears anew or our network changes.
 */
export class Keeper implements Machine<KeeperIn, KeeperOut> {
  #kept = new Map<string, Kept>();
  #dialling = 0;

  constructor(readonly random: Random) {}

  get wakeAt(): number {
    let at = Infinity;
    if (this.#dialling >= LIMITS.keptAtOnce) return at; // the next thing to happen is the end of one of them
    for (const kept of this.#kept.values()) if (idle(kept)) at = Math.min(at, kept.due);
    return at;
  }

  step(now: number, input: KeeperIn): KeeperOut[] {
    if (input.type === "network") {
      for (const kept of this.#kept.values()) kept.failures = 0, kept.due = now;
    } else if (input.type === "keep") {
      if (this.#kept.size < LIMITS.kept && !this.#kept.has(input.device)) {
        this.#kept.set(input.device, { present: false, state: "down", failures: 0, due: now });
      }
    } else if (input.type !== "wake") this.#change(now, input.type, input.device);
    return this.#dial(now);
  }

  #change(
    now: number,
    type: "leave" | "present" | "absent" | "up" | "down" | "failed",
    device: string,
  ): void {
    const kept = this.#kept.get(device);
    if (!kept) return;
    const was = kept.state;
    if (type === "leave") this.#kept.delete(device), kept.state = "down";
    else if (type === "present" || type === "absent") {
      if (type === "present" && !kept.present) kept.failures = 0, kept.due = now;
      kept.present = type === "present";
    } else if (type === "up") kept.state = "up", kept.failures = 0;
    else {
      kept.state = "down";
      kept.due = now + this.#gap(kept.failures++);
    }
    if (was === "dialling" && kept.state !== "dialling") this.#dialling--;
  }

  #gap(failures: number): number {
    const gap = Math.min(LIMITS.retryMostMs, LIMITS.retryFirstMs * 2 ** Math.min(failures, 30));
    return gap * (1 + LIMITS.retryJitter * (2 * this.random.float() - 1));
  }

  #dial(now: number): KeeperOut[] {
    const out: KeeperOut[] = [];
    for (const [device, kept] of this.#kept) {
      if (this.#dialling >= LIMITS.keptAtOnce) break;
      if (!idle(kept) || kept.due > now) continue;
      kept.state = "dialling";
      this.#dialling++;
      out.push({ type: "dial", device });
    }
    return out;
  }
}

const idle = ({ present, state }: Kept): boolean => present && state === "down";
