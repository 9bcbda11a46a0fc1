/** What one connection attempt did, step by step: for the "why is it slow?" page and for bug reports. */
import type { Clock } from "../base/mod.ts";
import { LIMITS } from "./limits.ts";

export type Phase = "dht" | "gathering" | "request" | "answer" | "checks" | "tls" | "link" | "channel";

export interface TraceStep {
  /** Milliseconds since the attempt began. */
  readonly at: number;
  readonly phase: Phase;
  readonly what: string;
  readonly detail?: string;
}

export interface TraceReport {
  readonly id: number;
  readonly device: string;
  readonly direction: "out" | "in";
  /** Milliseconds since 1970. */
  readonly began: number;
  readonly steps: readonly TraceStep[];
  /** Undefined while it goes on; the code of what failed, or "connected". */
  readonly outcome: string | undefined;
}

export class Trace {
  readonly began: number;
  readonly steps: TraceStep[] = [];
  outcome: string | undefined;
  #start: number;

  constructor(
    readonly id: number,
    readonly device: string,
    readonly direction: "out" | "in",
    readonly clock: Clock,
    readonly watch?: (step: TraceStep) => void,
  ) {
    this.began = clock.wall();
    this.#start = clock.now();
  }

  note(phase: Phase, what: string, detail?: string): void {
    if (this.steps.length >= LIMITS.traceSteps) return;
    const at = Math.round((this.clock.now() - this.#start) * 100) / 100;
    const step: TraceStep = { at, phase, what, ...(detail && { detail }) };
    this.steps.push(step);
    this.watch?.(step);
  }
  end(outcome: string): void {
    this.outcome ??= outcome;
  }
  report(): TraceReport {
    const { id, device, direction, began, outcome } = this;
    return { id, device, direction, began, steps: [...this.steps], outcome };
  }
}
