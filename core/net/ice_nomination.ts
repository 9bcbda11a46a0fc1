/** When the controlling side nominates, and how long either side waits for the other. Spec: connection §1.8, §2.5. */
import type { CheckList, Pair } from "./ice_pairs.ts";
import { ICE } from "./limits.ts";

export class Nomination {
  readonly #firstSuccess = new Map<number, number>();
  readonly #running = new Set<number>();
  #patienceEnds = Infinity;

  succeeded(now: number, component: number): void {
    if (!this.#firstSuccess.has(component)) this.#firstSuccess.set(component, now);
  }
  /** A pair failed: if it was being nominated, another one may be. */
  failed(component: number): void {
    this.#running.delete(component);
  }
  running(component: number): boolean {
    return this.#running.has(component);
  }

  /** The pair to nominate now, if any: the best one, once waiting cannot improve it or has lasted long enough. */
  choose(now: number, component: number, list: CheckList): Pair | undefined {
    const best = list.best(component), since = this.#firstSuccess.get(component);
    if (!best || since === undefined || this.#running.has(component)) return undefined;
    if (now < since + ICE.nominateMs && !list.bestIsFinal(component) && !list.settled(component)) {
      return undefined;
    }
    this.#running.add(component);
    return best;
  }
  /** When {@linkcode choose} has waited long enough for this component. */
  chooseAt(component: number): number {
    const since = this.#firstSuccess.get(component);
    return since === undefined || this.#running.has(component) ? Infinity : since + ICE.nominateMs;
  }

  /** The other side gave a sign of life, or everything is decided. */
  calm(): void {
    this.#patienceEnds = Infinity;
  }
  /** True when nothing of ours is left to try and the other side has had its time. */
  exhausted(now: number, settled: boolean): boolean {
    if (!settled) this.#patienceEnds = Infinity;
    else if (this.#patienceEnds === Infinity) this.#patienceEnds = now + ICE.patienceMs;
    return this.#patienceEnds <= now;
  }
  get patienceEnds(): number {
    return this.#patienceEnds;
  }
}
