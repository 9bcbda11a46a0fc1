// What strangers may cost. Spec: dht §4.8, §9. Floating point in the same order as the twin: both must agree to the bit.
import { ADDRESS_TABLE, KEY_SCRATCH, WINDOW_ALL } from "./memory";
import { ANSWER_DEBT_BYTES, ANSWER_DEBT_PER_SECOND, ANSWER_FREE_BYTES, RATE_SLOTS, RATE_SLOT_MS } from "./limits";
import { tableAdd, tableFind, tableTouch } from "./table";

// A window: slots (u32 each, 17), sum u32 at 68, running slot i64 at 72. An address: window 80, debt f64, paid f64.
const SUM: usize = 68, SLOT: usize = 72, DEBT: usize = 80, PAID: usize = 88;

let globalRate: u32 = 0;
let addressRate: u32 = 0;
export function setRates(all: u32, one: u32): void {
  globalRate = all;
  addressRate = one;
}

function fits(window: usize, now: f64, rate: u32): bool {
  const slot = <i64>floor<f64>(now / RATE_SLOT_MS);
  let at = load<i64>(window + SLOT);
  if (slot - at >= RATE_SLOTS) {
    memory.fill(window, 0, SUM + 4);
    at = slot;
  }
  while (at < slot) {
    at++;
    const cell = window + <usize>(at % RATE_SLOTS << 2);
    store<u32>(window + SUM, load<u32>(window + SUM) - load<u32>(cell));
    store<u32>(cell, 0);
  }
  store<i64>(window + SLOT, at);
  return load<u32>(window + SUM) < rate;
}

function add(window: usize): void {
  const cell = window + <usize>(load<i64>(window + SLOT) % RATE_SLOTS << 2);
  store<u32>(cell, load<u32>(cell) + 1);
  store<u32>(window + SUM, load<u32>(window + SUM) + 1);
}

/** Entry of the address in `who`, or 0. Leaves its key in KEY_SCRATCH. */
function known(who: usize): usize {
  memory.fill(KEY_SCRATCH, 0, 24);
  const family = load<u8>(who, 18);
  if (family == 4) store<u32>(KEY_SCRATCH, load<u32>(who));
  else store<u64>(KEY_SCRATCH, load<u64>(who));
  store<u8>(KEY_SCRATCH, family, 18);
  return tableFind(ADDRESS_TABLE, KEY_SCRATCH);
}

/** The same, now the most recent one and made where there is none. */
function entryOf(who: usize): usize {
  const entry = known(who);
  if (!entry) return tableAdd(ADDRESS_TABLE, KEY_SCRATCH);
  tableTouch(ADDRESS_TABLE, entry);
  return entry;
}

/** Counts a request: 0 if it may pass, 1 if its address, 2 if everybody has had enough. */
export function countRequest(now: f64, who: usize): u32 {
  const entry = entryOf(who);
  if (!fits(entry, now, addressRate)) return 1;
  if (!fits(WINDOW_ALL, now, globalRate)) return 2;
  add(entry);
  add(WINDOW_ALL);
  return 0;
}

/** May this address have an answer of that size? If so it is charged. */
export function mayAnswer(now: f64, who: usize, question: u32, answer: u32): bool {
  const cost = <i64>answer - <i64>question - <i64>ANSWER_FREE_BYTES;
  if (cost <= 0) return true;
  const entry = entryOf(who);
  const faded = (now - load<f64>(entry + PAID)) * (<f64>ANSWER_DEBT_PER_SECOND / 1000.0);
  let debt = max<f64>(0.0, load<f64>(entry + DEBT) - max<f64>(0.0, faded));
  store<f64>(entry + PAID, now);
  const good = debt < <f64>ANSWER_DEBT_BYTES;
  if (good) debt += <f64>cost;
  store<f64>(entry + DEBT, debt);
  return good;
}

/** True while this address may have small answers only. Changes nothing. */
export function owes(now: f64, who: usize): bool {
  const entry = known(who);
  if (!entry) return false;
  const faded = (now - load<f64>(entry + PAID)) * (<f64>ANSWER_DEBT_PER_SECOND / 1000.0);
  return load<f64>(entry + DEBT) - max<f64>(0.0, faded) >= <f64>ANSWER_DEBT_BYTES;
}
