/** What strangers may cost: requests per sliding second, and answers bigger than their questions. Spec: dht §4.8, §9. */
import { KERNEL_LIMITS as L } from "../../limits.ts";

/** Counts in slots, so that a second never holds more than `rate`. */
export class Window {
  #slots = new Uint32Array(L.rateSlots);
  #slot = 0;
  #sum = 0;

  /** True while another one fits at `now`. */
  fits(now: number, rate: number): boolean {
    const slot = Math.floor(now / L.rateSlotMs);
    if (slot - this.#slot >= L.rateSlots) this.#slots.fill(0), this.#sum = 0, this.#slot = slot;
    while (this.#slot < slot) {
      const place = ++this.#slot % L.rateSlots;
      this.#sum -= this.#slots[place]!;
      this.#slots[place] = 0;
    }
    return this.#sum < rate;
  }
  /** Counts one at the `now` of the last `fits`. */
  add(): void {
    this.#slots[this.#slot % L.rateSlots]!++;
    this.#sum++;
  }
}

class Address {
  readonly requests = new Window();
  debt = 0;
  paid = 0;
}

export class Rates {
  #all = new Window();
  #addresses = new Map<string, Address>();
  constructor(readonly globalRate: number, readonly addressRate: number) {}

  /** Counts a request of `address`, or says which rate forbids it. */
  request(now: number, address: string): "rate-address" | "rate-global" | undefined {
    const of = this.#of(address);
    if (!of.requests.fits(now, this.addressRate)) return "rate-address";
    if (!this.#all.fits(now, this.globalRate)) return "rate-global";
    of.requests.add();
    this.#all.add();
    return undefined;
  }

  /** May `address` have an answer of `answer` bytes to `question` bytes? If so it is charged. */
  answer(now: number, address: string, question: number, answer: number): boolean {
    const cost = answer - question - L.answerFreeBytes;
    if (cost <= 0) return true;
    const of = this.#of(address), faded = (now - of.paid) * (L.answerDebtPerSecond / 1000);
    of.debt = Math.max(0, of.debt - Math.max(0, faded));
    of.paid = now;
    if (of.debt >= L.answerDebtBytes) return false;
    of.debt += cost;
    return true;
  }

  /** True while `address` may have small answers only. Changes nothing. */
  owes(now: number, address: string): boolean {
    const of = this.#addresses.get(address);
    return of !== undefined &&
      of.debt - Math.max(0, (now - of.paid) * (L.answerDebtPerSecond / 1000)) >= L.answerDebtBytes;
  }

  /** The entry of `address`, now the most recent one. */
  #of(address: string): Address {
    const known = this.#addresses.get(address);
    if (known) this.#addresses.delete(address);
    else if (this.#addresses.size === L.addresses) {
      this.#addresses.delete(this.#addresses.keys().next().value!);
    }
    const entry = known ?? new Address();
    this.#addresses.set(address, entry);
    return entry;
  }
}
