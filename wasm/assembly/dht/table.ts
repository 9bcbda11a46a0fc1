// A bounded table with 24-byte keys that remembers the order of its entries.
// Header: count, used, free, first, last, buckets, capacity, stride; then buckets; then entries
// (chain, before, after, hash, key 24, payload). Numbers of entries begin at 1; 0 is none.
let seed: u64 = 0;
export function seedTables(value: u64): void {
  seed = value | 1;
}

/** A number nobody outside can steer, of 24 bytes at `key`. */
export function hash24(key: usize): u32 {
  let h = (load<u64>(key) ^ seed) * 0x9e3779b97f4a7c15;
  h = ((h ^ (h >> 29)) + load<u64>(key, 8) + seed) * 0xbf58476d1ce4e5b9;
  h = ((h ^ (h >> 32)) + load<u64>(key, 16)) * 0x94d049bb133111eb;
  return <u32>(h >> 32);
}

export function makeTable(table: usize, buckets: u32, capacity: u32, stride: u32): void {
  store<u32>(table, buckets, 20);
  store<u32>(table, capacity, 24);
  store<u32>(table, stride, 28);
}

// @ts-ignore: decorator
@inline
function entryAt(table: usize, index: u32): usize {
  return table + 64 + (<usize>load<u32>(table, 20) << 2) + <usize>index * load<u32>(table, 28);
}
// @ts-ignore: decorator
@inline
function bucketOf(table: usize, hash: u32): usize {
  return table + 64 + (<usize>(hash & (load<u32>(table, 20) - 1)) << 2);
}
// @ts-ignore: decorator
@inline
function sameKey(a: usize, b: usize): bool {
  return load<u64>(a) == load<u64>(b) && load<u64>(a, 8) == load<u64>(b, 8) && load<u64>(a, 16) == load<u64>(b, 16);
}

/** Payload of the entry with the key at `key`, or 0. */
export function tableFind(table: usize, key: usize): usize {
  const hash = hash24(key);
  let index = load<u32>(bucketOf(table, hash));
  while (index) {
    const entry = entryAt(table, index);
    if (sameKey(entry + 16, key)) return entry + 40;
    index = load<u32>(entry);
  }
  return 0;
}

/** Payload, zeroed, of a new entry with that key, which must not be there yet. Full: the first entry goes. */
export function tableAdd(table: usize, key: usize): usize {
  if (load<u32>(table) == load<u32>(table, 24)) tableDrop(table, load<u32>(table, 12));
  let index = load<u32>(table, 8);
  if (index) store<u32>(table, load<u32>(entryAt(table, index)), 8);
  else {
    index = load<u32>(table, 4) + 1;
    store<u32>(table, index, 4);
  }
  const entry = entryAt(table, index), hash = hash24(key), bucket = bucketOf(table, hash);
  memory.fill(entry + 40, 0, load<u32>(table, 28) - 40);
  store<u32>(entry, load<u32>(bucket));
  store<u32>(bucket, index);
  store<u32>(entry, hash, 12);
  memory.copy(entry + 16, key, 24);
  append(table, entry, index);
  store<u32>(table, load<u32>(table) + 1);
  return entry + 40;
}

/** Makes the entry of `payload` the last one. */
export function tableTouch(table: usize, payload: usize): void {
  const entry = payload - 40;
  if (load<u32>(entry, 8) == 0) return;
  const index = load<u32>(entry, 4) ? load<u32>(entryAt(table, load<u32>(entry, 4)), 8) : load<u32>(table, 12);
  unlink(table, entry);
  append(table, entry, index);
}

/** True if an entry with that key was there. */
export function tableRemove(table: usize, key: usize): bool {
  const payload = tableFind(table, key);
  if (!payload) return false;
  const entry = payload - 40, base = entryAt(table, 0);
  tableDrop(table, <u32>((entry - base) / load<u32>(table, 28)));
  return true;
}

function append(table: usize, entry: usize, index: u32): void {
  const last = load<u32>(table, 16);
  store<u32>(entry, last, 4);
  store<u32>(entry, 0, 8);
  if (last) store<u32>(entryAt(table, last), index, 8);
  else store<u32>(table, index, 12);
  store<u32>(table, index, 16);
}

function unlink(table: usize, entry: usize): void {
  const before = load<u32>(entry, 4), after = load<u32>(entry, 8);
  if (before) store<u32>(entryAt(table, before), after, 8);
  else store<u32>(table, after, 12);
  if (after) store<u32>(entryAt(table, after), before, 4);
  else store<u32>(table, before, 16);
}

function tableDrop(table: usize, index: u32): void {
  const entry = entryAt(table, index);
  unlink(table, entry);
  let cell = bucketOf(table, load<u32>(entry, 12));
  while (load<u32>(cell) != index) cell = entryAt(table, load<u32>(cell));
  store<u32>(cell, load<u32>(entry));
  store<u32>(entry, load<u32>(table, 8));
  store<u32>(table, index, 8);
  store<u32>(table, load<u32>(table) - 1);
}
