/** While a world runs, the real clock, real timers and real luck are out of bounds: touching them fails the run. */

const real = {
  date: Date,
  now: Date.now,
  performance: performance.now,
  random: Math.random,
  values: crypto.getRandomValues,
  uuid: crypto.randomUUID,
  timeout: globalThis.setTimeout,
  interval: globalThis.setInterval,
};

const forbid = (what: string) => () => {
  throw new Error(`${what} used inside a simulation: ask the Env`);
};

const GuardedDate = new Proxy(real.date, {
  construct: (target, args, self) =>
    args.length ? Reflect.construct(target, args, self) : forbid("new Date()")(),
  apply: forbid("Date()"),
});

/** Puts the fence up until disposed. */
export function guardGlobals(): Disposable {
  const world = globalThis as Record<string, unknown>;
  Date.now = forbid("Date.now");
  world.Date = GuardedDate;
  performance.now = forbid("performance.now");
  Math.random = forbid("Math.random");
  crypto.getRandomValues = forbid("crypto.getRandomValues");
  crypto.randomUUID = forbid("crypto.randomUUID");
  world.setTimeout = forbid("setTimeout");
  world.setInterval = forbid("setInterval");
  return {
    [Symbol.dispose]() {
      world.Date = real.date;
      Date.now = real.now;
      performance.now = real.performance;
      Math.random = real.random;
      crypto.getRandomValues = real.values;
      crypto.randomUUID = real.uuid;
      world.setTimeout = real.timeout;
      world.setInterval = real.interval;
    },
  };
}
