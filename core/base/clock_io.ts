/** The real clock and the real randomness. */
import type { Clock } from "./machine.ts";
import type { Random } from "./env.ts";

const LONGEST_MS = 2 ** 31 - 1; // longer timeouts fire at once

export const realClock: Clock = {
  now: () => performance.now(),
  wall: () => Date.now(),
  at(time, run) {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const arm = () => {
      const left = time - performance.now();
      timer = setTimeout(left > LONGEST_MS ? arm : run, Math.min(Math.max(0, Math.ceil(left)), LONGEST_MS));
    };
    arm();
    return { [Symbol.dispose]: () => clearTimeout(timer) };
  },
};

const pool = new Uint8Array(4096);
let used = pool.length;

export const realRandom: Random = {
  bytes(length) {
    const bytes = new Uint8Array(length);
    for (let at = 0; at < length; at += 65536) crypto.getRandomValues(bytes.subarray(at, at + 65536));
    return bytes;
  },
  float: () => realRandom.uint32() / 2 ** 32,
  uint32() {
    if (used + 4 > pool.length) crypto.getRandomValues(pool), used = 0;
    const value = new DataView(pool.buffer).getUint32(used);
    pool.fill(0, used, used += 4);
    return value;
  },
};
