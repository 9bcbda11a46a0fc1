import { strictEqual } from "node:assert/strict";
import { Doorman } from "./doorman.ts";
import { LIMITS } from "./limits.ts";

Deno.test("[connection H6] Doorman lets three attempts of a device in at once, sixteen of all, and few per account in a row", () => {
  const door = new Doorman();
  for (let i = 0; i < LIMITS.attemptsPerDevice; i++) strictEqual(door.mayTry(0, "d", "a"), "yes");
  strictEqual(door.mayTry(0, "d", "a"), "device-attempts");
  door.left("d");
  strictEqual(door.mayTry(0, "d", "a"), "yes");
  for (let i = LIMITS.attemptsPerDevice; i < LIMITS.attempts; i++) {
    strictEqual(door.mayTry(0, `d${i}`, `a${i}`), "yes");
  }
  strictEqual(door.mayTry(0, "other", "other"), "attempts");
  const busy = new Doorman();
  let let_in = 0;
  for (let i = 0; i < 100; i++) if (busy.mayTry(0, "d", "a") === "yes") let_in++, busy.left("d");
  strictEqual(let_in, LIMITS.attemptBurst);
  strictEqual(busy.mayTry(1000 / LIMITS.attemptsPerSecond, "d", "a"), "yes");
});

Deno.test("[connection H7] Doorman looks up four strangers at once, and one without a certificate not again for a while", () => {
  const door = new Doorman();
  for (let i = 0; i < LIMITS.lookups; i++) strictEqual(door.mayLookUp(0, `d${i}`), "yes");
  strictEqual(door.mayLookUp(0, "one more"), "busy");
  door.looked(0, "d0", false);
  strictEqual(door.mayLookUp(1, "d0"), "unknown-device");
  strictEqual(door.mayLookUp(1, "one more"), "yes");
  door.looked(1, "one more", true);
  strictEqual(door.mayLookUp(LIMITS.noCertificateMs, "d0"), "yes");
});
