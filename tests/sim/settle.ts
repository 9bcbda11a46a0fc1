/**
 * Lets promises settle between two events, without giving up the turn.
 *
 * Rooms may use promises. After every event all promise reactions and `process.nextTick` callbacks are run until
 * none is left, and only then does time move on: whatever code can do without waiting for time or packets, it does
 * at the same virtual instant and in the order V8 queued it. That order depends on nothing outside, so a run can be
 * repeated. The calls below are Deno's own event loop pieces (the version is pinned); they work only outside a
 * promise reaction, which is why a world runs from a fresh turn of the loop.
 */

interface LoopPieces {
  runMicrotasks(): void;
  hasTickScheduled(): boolean;
  runNextTicks(): void;
}

const pieces: Partial<LoopPieces> | undefined =
  (Deno as unknown as Record<symbol, { core?: Partial<LoopPieces> }>)[
    (Deno as unknown as { internal: symbol }).internal
  ]?.core;
if (!pieces?.runMicrotasks || !pieces.hasTickScheduled || !pieces.runNextTicks) {
  throw new Error("this Deno has no runMicrotasks: simulation needs the pinned version");
}
const { runMicrotasks, hasTickScheduled, runNextTicks } = pieces as LoopPieces;

/** Runs promise reactions and ticks until there are none. */
export function settle(): void {
  runMicrotasks();
  while (hasTickScheduled()) runNextTicks();
}

const nextTurn = setImmediate; // taken before any guard is up

/** A fresh turn of the event loop, outside every promise reaction; gives what `body` gives. */
export function inFreshTurn<T>(body: () => T): Promise<T> {
  return new Promise((resolve, reject) => {
    nextTurn(() => {
      try {
        resolve(body());
      } catch (error) {
        reject(error);
      }
    });
  });
}
