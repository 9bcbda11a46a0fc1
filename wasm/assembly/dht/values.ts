// Values kept to answer `get`, per key in the order they came.
// Key record: key 20, first, last, chain. Value record: id 0, after 8, before 12, key 16, block 20, packed length 24,
// owner length 28, user type length 32, type u16 36, seq u16 38, chain 40, owner id 44.
import {
  HEAPS, KEY_BUCKETS, KEY_INDEX, KEY_RECORDS, KEY_SCRATCH, KEY_STRIDE, VALUE_BUCKETS, VALUE_HEAP, VALUE_HEAP_BYTES,
  VALUE_INDEX, VALUE_RECORDS, VALUE_STRIDE,
} from "./memory";
import { KEYS, PACKED_BYTES, VALUES, VALUE_BYTES } from "./limits";
import { give, makeHeap, rehome, take } from "./heap";
import { hash24 } from "./table";

const HEAP: usize = HEAPS;
const CELL: usize = HEAPS + 64; // home of a block that has no record yet

let keys: u32 = 0;
let keysUsed: u32 = 0;
let keysFree: u32 = 0;
let valuesUsed: u32 = 0;
let valuesFree: u32 = 0;
export let valueCount: u32 = 0;
export let valueBytes: u32 = 0;

export function makeValues(): void {
  makeHeap(HEAP, VALUE_HEAP, VALUE_HEAP_BYTES);
}

// @ts-ignore: decorator
@inline
function keyAt(index: u32): usize {
  return KEY_RECORDS + <usize>index * KEY_STRIDE;
}
// @ts-ignore: decorator
@inline
export function valueAt(index: u32): usize {
  return VALUE_RECORDS + <usize>index * VALUE_STRIDE;
}

function keyBucket(key: usize): usize {
  store<u64>(KEY_SCRATCH, load<u64>(key));
  store<u64>(KEY_SCRATCH, load<u64>(key, 8), 8);
  store<u64>(KEY_SCRATCH, <u64>load<u32>(key, 16), 16);
  return KEY_INDEX + (<usize>(hash24(KEY_SCRATCH) & (KEY_BUCKETS - 1)) << 2);
}
function valueBucket(key: u32, id: u64): usize {
  store<u64>(KEY_SCRATCH, id);
  store<u64>(KEY_SCRATCH, <u64>key, 8);
  store<u64>(KEY_SCRATCH, 1, 16);
  return VALUE_INDEX + (<usize>(hash24(KEY_SCRATCH) & (VALUE_BUCKETS - 1)) << 2);
}

function findKey(key: usize): u32 {
  let index = load<u32>(keyBucket(key));
  while (index) {
    const record = keyAt(index);
    if (
      load<u64>(record) == load<u64>(key) && load<u64>(record, 8) == load<u64>(key, 8) &&
      load<u32>(record, 16) == load<u32>(key, 16)
    ) return index;
    index = load<u32>(record, 28);
  }
  return 0;
}

function findIn(key: u32, id: u64): u32 {
  let index = load<u32>(valueBucket(key, id));
  while (index) {
    const record = valueAt(index);
    if (load<u64>(record) == id && load<u32>(record, 16) == key) return index;
    index = load<u32>(record, 40);
  }
  return 0;
}

/** Number of the first value of a key, or 0; `valueAfter` gives the next one. */
export function firstValue(key: usize): u32 {
  const index = findKey(key);
  return index ? load<u32>(keyAt(index), 20) : 0;
}
// @ts-ignore: decorator
@inline
export function valueAfter(index: u32): u32 {
  return load<u32>(valueAt(index), 8);
}

/** Number of the value, or 0. */
export function findValue(key: usize, id: u64): u32 {
  const index = findKey(key);
  return index ? findIn(index, id) : 0;
}

function sizeOf(record: usize): u32 {
  return load<u32>(record, 24) + load<u32>(record, 28) + load<u32>(record, 32);
}

/** Keeps packed ‖ owner ‖ user type, which lie at `bytes`. */
export function keepValue(
  key: usize, id: u64, bytes: usize, packed: u32, owner: u32, user: u32, kind: u32, seq: u32, ownerId: usize,
): bool {
  if (packed > PACKED_BYTES || owner > PACKED_BYTES || user > PACKED_BYTES) return false;
  let keyIndex = findKey(key), index = keyIndex ? findIn(keyIndex, id) : 0;
  const size = packed + owner + user;
  const after = valueBytes - (index ? sizeOf(valueAt(index)) : 0) + size;
  if (after > VALUE_BYTES) return false;
  if (!index && valueCount == VALUES) return false;
  if (!keyIndex && keys == KEYS) return false;
  if (index) give(HEAP, load<u32>(valueAt(index), 20));
  if (!take(HEAP, size, CELL)) unreachable(); // the heap has room for every value the bounds allow
  memory.copy(load<u32>(CELL), bytes, size);
  if (!keyIndex) keyIndex = addKey(key);
  if (!index) index = addValue(keyIndex, id);
  const record = valueAt(index);
  rehome(load<u32>(CELL), record + 20);
  store<u32>(record, packed, 24);
  store<u32>(record, owner, 28);
  store<u32>(record, user, 32);
  store<u16>(record, <u16>kind, 36);
  store<u16>(record, <u16>seq, 38);
  memory.copy(record + 44, ownerId, 20);
  valueBytes = after;
  return true;
}

export function dropValue(key: usize, id: u64): bool {
  const keyIndex = findKey(key), index = keyIndex ? findIn(keyIndex, id) : 0;
  if (!index) return false;
  const record = valueAt(index), home = keyAt(keyIndex), before = load<u32>(record, 12), after = load<u32>(record, 8);
  valueBytes -= sizeOf(record);
  valueCount--;
  give(HEAP, load<u32>(record, 20));
  if (before) store<u32>(valueAt(before), after, 8);
  else store<u32>(home, after, 20);
  if (after) store<u32>(valueAt(after), before, 12);
  else store<u32>(home, before, 24);
  let cell = valueBucket(keyIndex, id);
  while (load<u32>(cell) != index) cell = valueAt(load<u32>(cell)) + 40;
  store<u32>(cell, load<u32>(record, 40));
  store<u32>(record, valuesFree, 40);
  valuesFree = index;
  if (load<u32>(home, 20) == 0) dropKey(keyIndex);
  return true;
}

function addKey(key: usize): u32 {
  let index = keysFree;
  if (index) keysFree = load<u32>(keyAt(index), 28);
  else index = ++keysUsed;
  const record = keyAt(index), bucket = keyBucket(key);
  memory.copy(record, key, 20);
  store<u64>(record, 0, 20);
  store<u32>(record, load<u32>(bucket), 28);
  store<u32>(bucket, index);
  keys++;
  return index;
}

function dropKey(index: u32): void {
  const record = keyAt(index);
  let cell = keyBucket(record);
  while (load<u32>(cell) != index) cell = keyAt(load<u32>(cell)) + 28;
  store<u32>(cell, load<u32>(record, 28));
  store<u32>(record, keysFree, 28);
  keysFree = index;
  keys--;
}

function addValue(key: u32, id: u64): u32 {
  let index = valuesFree;
  if (index) valuesFree = load<u32>(valueAt(index), 40);
  else index = ++valuesUsed;
  const record = valueAt(index), home = keyAt(key), last = load<u32>(home, 24), bucket = valueBucket(key, id);
  store<u64>(record, id);
  store<u32>(record, 0, 8);
  store<u32>(record, last, 12);
  store<u32>(record, key, 16);
  if (last) store<u32>(valueAt(last), index, 8);
  else store<u32>(home, index, 20);
  store<u32>(home, index, 24);
  store<u32>(record, load<u32>(bucket), 40);
  store<u32>(bucket, index);
  valueCount++;
  return index;
}
