// Puts messages together whose values came in pieces. Spec: dht §1.7.
// Record of 80 bytes: block 4 (cell), who 8 (24), stranger 32, headed 36, head length 40, parts 44, missing 48,
// bytes 52, early pieces 56, early bytes 60 (of a headed one: bytes of its values), begun f64 64, fed f64 72; `used` 0.
// Block of a headed one: head, then 16 bytes per part (index, size, missing, offset of its data), data, a bit per byte
// of data. Block of an early one: 16 bytes per piece (index, offset, length, offset of its data), data.
import {
  ANNOUNCED, HEAPS, KEY_BYTES, LOST, PARTIAL_HEAP, PARTIAL_HEAP_BYTES, PARTIAL_ORDER, PARTIAL_RECORDS, PARTIAL_STRIDE,
  PIECES_AT, VALUE_LIST, WHO,
} from "./memory";
import {
  EARLY_BYTES, EARLY_FRAGMENTS, EARLY_PARTIALS, MESSAGE_BYTES, PARTIALS, PARTIALS_PER_ADDRESS, PARTIAL_ADDRESS_BYTES,
  PARTIAL_BYTES, PARTIAL_IDLE_MS, PLACE_BYTES, PARTIAL_STRANGER_BYTES, PARTIAL_TOTAL_MS,
} from "./limits";
import { give, makeHeap, take } from "./heap";

const HEAP: usize = HEAPS + 128;

export let partialCount: u32 = 0;
export let partialBytes: u32 = 0;

export function makeFragments(): void {
  makeHeap(HEAP, PARTIAL_HEAP, PARTIAL_HEAP_BYTES);
}

// @ts-ignore: decorator
@inline
function nth(place: u32): usize {
  return PARTIAL_RECORDS + <usize>load<u32>(PARTIAL_ORDER + (<usize>place << 2)) * PARTIAL_STRIDE;
}

/** Record of the message whose key is at WHO, or 0. */
export function findPartial(): usize {
  const a = load<u64>(WHO, 16), b = load<u64>(WHO), c = load<u64>(WHO, 8);
  for (let i: u32 = 0; i < partialCount; i++) {
    const record = nth(i);
    if (load<u64>(record, 24) == a && load<u64>(record, 8) == b && load<u64>(record, 16) == c) return record;
  }
  return 0;
}

export const isStranger = (record: usize): bool => load<u32>(record, 32) != 0;

/** Takes a record away; its block stays readable until the next message begins. */
export function removePartial(record: usize): void {
  const block = load<u32>(record, 4);
  detach(record);
  if (block) give(HEAP, block);
}

function detach(record: usize): void {
  let place: u32 = 0;
  while (nth(place) != record) place++;
  const from = PARTIAL_ORDER + (<usize>place << 2);
  memory.copy(from, from + 4, <usize>(partialCount - place - 1) << 2);
  partialCount--;
  partialBytes -= load<u32>(record, 52);
  store<u32>(record, 0);
}

/** A new record for the message at WHO, last in order. */
function attach(now: f64, stranger: bool): usize {
  let index: u32 = 0;
  while (load<u32>(PARTIAL_RECORDS + <usize>index * PARTIAL_STRIDE)) index++;
  const record = PARTIAL_RECORDS + <usize>index * PARTIAL_STRIDE;
  memory.fill(record, 0, PARTIAL_STRIDE);
  store<u32>(record, 1);
  memory.copy(record + 8, WHO, KEY_BYTES);
  store<u32>(record, stranger, 32);
  store<f64>(record, now, 64);
  store<f64>(record, now, 72);
  store<u32>(PARTIAL_ORDER + (<usize>partialCount << 2), index);
  partialCount++;
  return record;
}

/** The same IPv4 address or IPv6 /64 as WHO. */
function sameAddress(record: usize): bool {
  const family = load<u8>(WHO, 18);
  if (load<u8>(record, 26) != family) return false;
  return family == 4 ? load<u32>(record, 8) == load<u32>(WHO) : load<u64>(record, 8) == load<u64>(WHO);
}

function fitsIn(stranger: bool, bytes: u32): bool {
  let there = bytes, strange = bytes;
  for (let i: u32 = 0; i < partialCount; i++) {
    const record = nth(i), size = load<u32>(record, 52);
    if (sameAddress(record)) there += size;
    if (load<u32>(record, 32)) strange += size;
  }
  return there <= PARTIAL_ADDRESS_BYTES && partialBytes + bytes <= PARTIAL_BYTES &&
    (!stranger || strange <= PARTIAL_STRANGER_BYTES);
}

function hasRoom(stranger: bool, bytes: u32): bool {
  let there: u32 = 0;
  for (let i: u32 = 0; i < partialCount; i++) if (sameAddress(nth(i))) there++;
  return partialCount < PARTIALS && there < PARTIALS_PER_ADDRESS && bytes <= MESSAGE_BYTES && fitsIn(stranger, bytes);
}

/** What went wrong while a message began or grew: to be reported by the caller, in this order. */
export let replaced: bool = false, noRoom: u32 = 0, badPieces: u32 = 0;
/** Record of a message that is complete (already removed, block readable), or 0. */
export let complete: usize = 0;
let wholeBlock: usize = 0, wholeHead: u32 = 0, wholeParts: u32 = 0;

/** The first datagram of a message: `count` entries of its list lie at ANNOUNCED (index, size, pointer or 0). */
export function begin(now: f64, stranger: bool, head: usize, headLength: u32, count: u32): void {
  replaced = false;
  noRoom = badPieces = 0;
  complete = 0;
  const old = findPartial();
  const oldHeaded = old != 0 && load<u32>(old, 36) != 0, oldBlock = old ? load<u32>(old, 4) : 0;
  if (oldHeaded && load<u32>(old, 40) == headLength && memory.compare(oldBlock, head, headLength) == 0) return;
  let begun = now, early: u32 = 0;
  if (old) {
    if (!oldHeaded) {
      begun = load<f64>(old, 64);
      early = load<u32>(old, 56);
    }
    detach(old);
    replaced = oldHeaded;
    if (oldHeaded) give(HEAP, oldBlock);
  }
  let data: u32 = 0;
  for (let i: u32 = 0; i < count; i++) data += load<u32>(ANNOUNCED + <usize>i * 12, 4);
  const bytes = headLength + data + count * PLACE_BYTES;
  if (!hasRoom(stranger, bytes)) {
    noRoom = 1;
    if (old && !oldHeaded) give(HEAP, oldBlock);
    return;
  }
  // The record of early pieces keeps its place until they are used: the new one takes another.
  if (old && !oldHeaded) store<u32>(old, 1);
  const record = attach(now, stranger);
  const table = align(headLength), dataAt = table + (count << 4), bits = align(dataAt + data);
  if (!take(HEAP, bits + (data >> 3) + 1, record + 4)) unreachable(); // the heap has room for all the bounds allow
  const block = <usize>load<u32>(record, 4);
  store<f64>(record, begun, 64);
  store<u32>(record, 1, 36);
  store<u32>(record, headLength, 40);
  store<u32>(record, count, 44);
  store<u32>(record, bytes, 52);
  store<u32>(record, data, 60);
  partialBytes += bytes;
  memory.copy(block, head, headLength);
  memory.fill(block + bits, 0, (data >> 3) + 1);
  let missing: u32 = 0, at = dataAt;
  for (let i: u32 = 0; i < count; i++) {
    const from = ANNOUNCED + <usize>i * 12, size = load<u32>(from, 4), inline = load<u32>(from, 8);
    const part = block + table + (<usize>i << 4);
    store<u32>(part, load<u32>(from));
    store<u32>(part, size, 4);
    store<u32>(part, inline ? 0 : size, 8);
    store<u32>(part, at, 12);
    if (inline) {
      memory.copy(block + at, inline, size);
      for (let b = at - dataAt; b < at - dataAt + size; b++) setBit(block + bits, b);
    } else missing += size;
    at += size;
  }
  store<u32>(record, missing, 48);
  if (old && !oldHeaded) {
    const pieces = <usize>load<u32>(old, 4); // it may have moved
    for (let i: u32 = 0; i < early; i++) {
      const piece = pieces + (<usize>i << 4);
      if (!fill(record, load<u32>(piece), load<u32>(piece, 4), pieces + load<u32>(piece, 12), load<u32>(piece, 8))) badPieces++;
    }
    store<u32>(old, 0);
    give(HEAP, <usize>pieces);
  }
  if (load<u32>(record, 48) == 0) finish(record);
}

// @ts-ignore: decorator
@inline
function align(n: u32): u32 {
  return (n + 7) & ~7;
}
// @ts-ignore: decorator
@inline
function setBit(bits: usize, at: u32): void {
  const cell = bits + (at >> 3);
  store<u8>(cell, load<u8>(cell) | <u8>(<u32>1 << (at & 7)));
}

/** Puts one piece in its place. False: not announced, outside of the value, or some of it was there before. */
function fill(record: usize, index: u32, offset: u32, data: usize, count: u32): bool {
  const block = <usize>load<u32>(record, 4), parts = load<u32>(record, 44), table = block + align(load<u32>(record, 40));
  let part = table, place: u32 = 0;
  let low: u32 = 0, high = parts; // parts lie in the order of their index
  while (low < high) {
    const middle = (low + high) >> 1;
    if (load<u32>(table + (<usize>middle << 4)) < index) low = middle + 1;
    else high = middle;
  }
  place = low;
  part = table + (<usize>place << 4);
  if (place == parts || load<u32>(part) != index) return false;
  if (<u64>offset + count > load<u32>(part, 4)) return false;
  const dataAt = (parts << 4) + align(load<u32>(record, 40)), total = load<u32>(record, 60);
  const bits = block + align(dataAt + total), at = load<u32>(part, 12), from = at - dataAt + offset;
  for (let b = from; b < from + count; b++) {
    if ((<u32>load<u8>(bits + (b >> 3)) >> (b & 7)) & 1) return false;
  }
  for (let b = from; b < from + count; b++) setBit(bits, b);
  memory.copy(block + at + offset, data, count);
  store<u32>(part, load<u32>(part, 8) - count, 8);
  store<u32>(record, load<u32>(record, 48) - count, 48);
  return true;
}

/** Pieces (index, offset, pointer, length; `count` of them at PIECES_AT) of the message at WHO. Bit i of `lostBits`: piece i had no room. */
export let limited: u32 = 0, bad: u32 = 0;
export function addPieces(now: f64, count: u32): void {
  limited = bad = 0;
  complete = 0;
  let record = findPartial();
  for (let i: u32 = 0; i < count; i++) {
    const piece = PIECES_AT + (<usize>i << 4), size = load<u32>(piece, 12);
    if (!size) {
      bad |= 1 << i;
      continue;
    }
    if (!record) record = beginEarly(now);
    if (!record) limited |= 1 << i;
    else if (load<u32>(record, 36)) {
      if (fill(record, load<u32>(piece), load<u32>(piece, 4), load<u32>(piece, 8), size)) store<f64>(record, now, 72);
      else bad |= 1 << i;
    } else if (keep(record, piece, size)) store<f64>(record, now, 72);
    else limited |= 1 << i;
  }
  if (record && load<u32>(record, 36) && load<u32>(record, 48) == 0) finish(record);
}

function beginEarly(now: f64): usize {
  let early: u32 = 0;
  for (let i: u32 = 0; i < partialCount; i++) if (!load<u32>(nth(i), 36)) early++;
  if (early == EARLY_PARTIALS || !hasRoom(false, 0)) return 0;
  const record = attach(now, false);
  if (!take(HEAP, EARLY_BYTES + (EARLY_FRAGMENTS << 4), record + 4)) unreachable();
  return record;
}

function keep(record: usize, piece: usize, size: u32): bool {
  const pieces = load<u32>(record, 56), bytes = load<u32>(record, 60);
  if (pieces == EARLY_FRAGMENTS || bytes + size > EARLY_BYTES || !fitsIn(false, size)) return false;
  const block = <usize>load<u32>(record, 4), at = (EARLY_FRAGMENTS << 4) + bytes, entry = block + (<usize>pieces << 4);
  store<u32>(entry, load<u32>(piece));
  store<u32>(entry, load<u32>(piece, 4), 4);
  store<u32>(entry, size, 8);
  store<u32>(entry, at, 12);
  memory.copy(block + at, load<u32>(piece, 8), size);
  store<u32>(record, pieces + 1, 56);
  store<u32>(record, bytes + size, 60);
  store<u32>(record, load<u32>(record, 52) + size, 52);
  partialBytes += size;
  return true;
}

function finish(record: usize): void {
  wholeBlock = load<u32>(record, 4);
  wholeHead = load<u32>(record, 40);
  wholeParts = load<u32>(record, 44);
  complete = record;
  removePartial(record);
}

/** First datagram of the complete message. */
export const completeHead = (): usize => wholeBlock;
export const completeLength = (): u32 => wholeHead;
/** Writes pointers and lengths of its values to VALUE_LIST and returns how many. */
export function completeValues(): u32 {
  for (let i: u32 = 0; i < wholeParts; i++) {
    const part = wholeBlock + align(wholeHead) + (<usize>i << 4), to = VALUE_LIST + (<usize>i << 3);
    store<u32>(to, <u32>(wholeBlock + load<u32>(part, 12)));
    store<u32>(to, load<u32>(part, 4), 4);
  }
  return wholeParts;
}

// @ts-ignore: decorator
@inline
function deadline(record: usize): f64 {
  return min<f64>(load<f64>(record, 72) + PARTIAL_IDLE_MS, load<f64>(record, 64) + PARTIAL_TOTAL_MS);
}

export function soonest(): f64 {
  let at = Infinity;
  for (let i: u32 = 0; i < partialCount; i++) at = min<f64>(at, deadline(nth(i)));
  return at;
}

/** Gives up what is overdue; writes where it came from to LOST and returns how many. */
export function giveUp(now: f64): u32 {
  let lost: u32 = 0, i: u32 = 0;
  while (i < partialCount) {
    const record = nth(i);
    if (now < deadline(record)) {
      i++;
      continue;
    }
    memory.copy(LOST + <usize>lost * KEY_BYTES, record + 8, KEY_BYTES);
    lost++;
    removePartial(record);
  }
  return lost;
}
