// The list of actions the binding reads after each call: records of four words.
import { ACTIONS, ACTIONS_MAX, STATS } from "./memory";

export const SEND: u32 = 1, HEARD: u32 = 2, DROP: u32 = 3;
/** Their fields lie in FIELDS, their values in VALUE_LIST. */
export const PUT: u32 = 4, REFRESH: u32 = 5, LISTEN: u32 = 6, UPDATE: u32 = 7, REPLY: u32 = 8, FAILURE: u32 = 9;

/** Drop reasons in the order of DROP_REASONS. */
export namespace Reason {
  export const malformed: u32 = 0, noId: u32 = 1, ownId: u32 = 2, network: u32 = 3, notAPacket: u32 = 4;
  export const unknownQuery: u32 = 5, martian: u32 = 6, rateGlobal: u32 = 7, rateAddress: u32 = 8, bytesAddress: u32 = 9;
  export const orphan: u32 = 10, badFragment: u32 = 11, limit: u32 = 12, timeout: u32 = 13, tooMany: u32 = 14;
  export const tooLarge: u32 = 15, noValues: u32 = 16;
}

/** Where in STATS what is counted: packets, bytes, answered by query (7), drops by reason (17). */
export const COUNT_PACKETS: u32 = 0, COUNT_BYTES: u32 = 1, COUNT_ANSWERED: u32 = 2, COUNT_DROPS: u32 = 9;

export function count(which: u32, by: f64): void {
  const cell = STATS + (<usize>which << 3);
  store<f64>(cell, load<f64>(cell) + by);
}

export let actions: u32 = 0;
export function clearActions(): void {
  actions = 0;
}

export function act(kind: u32, a: u32, b: u32, c: u32): void {
  if (actions == ACTIONS_MAX) unreachable(); // the bounds of one message allow fewer
  const to = ACTIONS + (<usize>actions << 4);
  store<u32>(to, kind);
  store<u32>(to, a, 4);
  store<u32>(to, b, 8);
  store<u32>(to, c, 12);
  actions++;
}

export function sendAction(at: usize, length: u32): void {
  act(SEND, <u32>at, length, 0);
}

/** `from`: address of a key of 24 bytes, or 0 for the sender at hand. */
export function drop(reason: u32, from: usize): void {
  count(COUNT_DROPS + reason, 1);
  act(DROP, reason, <u32>from, 0);
}
