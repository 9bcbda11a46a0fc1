/** How many may knock at once, and how often: looked at before any work is done for a request. Spec: connection §9 H6, H7. */
import { Tokens } from "../net/mod.ts";
import { LIMITS } from "./limits.ts";

/** Counts attempts of others; everything by device or account id. */
export class Doorman {
  #attempts = new Map<string, number>(); // by device
  #total = 0;
  #rates = new Map<string, Tokens>(); // by account
  #unknown = new Map<string, number>(); // devices without a certificate, until when
  #lookups = 0;

  /** May this device's certificate be looked up now? Then `looked` must follow. */
  mayLookUp(now: number, device: string): "yes" | "unknown-device" | "busy" {
    const until = this.#unknown.get(device);
    if (until !== undefined && now < until) return "unknown-device";
    if (this.#lookups >= LIMITS.lookups) return "busy";
    this.#lookups++;
    return "yes";
  }
  looked(now: number, device: string, found: boolean): void {
    this.#lookups--;
    this.#unknown.delete(device);
    if (found) return;
    if (this.#unknown.size >= LIMITS.noCertificates) this.#unknown.delete(first(this.#unknown));
    this.#unknown.set(device, now + LIMITS.noCertificateMs);
  }

  /** May it try? Then `left` must follow when the attempt is over. */
  mayTry(
    now: number,
    device: string,
    account: string,
  ): "yes" | "device-attempts" | "attempts" | "account-rate" {
    const running = this.#attempts.get(device) ?? 0;
    if (running >= LIMITS.attemptsPerDevice) return "device-attempts";
    if (this.#total >= LIMITS.attempts) return "attempts";
    if (!this.#rate(account).take(now)) return "account-rate";
    this.#attempts.set(device, running + 1);
    this.#total++;
    return "yes";
  }
  left(device: string): void {
    const running = this.#attempts.get(device)! - 1;
    if (running) this.#attempts.set(device, running);
    else this.#attempts.delete(device);
    this.#total--;
  }

  #rate(account: string): Tokens {
    const known = this.#rates.get(account) ?? new Tokens(LIMITS.attemptBurst, LIMITS.attemptsPerSecond);
    this.#rates.delete(account);
    if (this.#rates.size >= LIMITS.rates) this.#rates.delete(first(this.#rates));
    this.#rates.set(account, known);
    return known;
  }
}

const first = (map: Map<string, unknown>): string => map.keys().next().value!;
