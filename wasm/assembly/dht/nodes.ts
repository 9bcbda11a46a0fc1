// Nodes listed in answers. Per family: count, used, free count; sorted record numbers; free record numbers; records of
// 48 bytes (id ‖ ip ‖ port as on the wire, good-until f64 at 40).
import { NODES, NODES_BYTES, NODE_STRIDE, WALK } from "./memory";
import { NODES_LISTED } from "./limits";

// @ts-ignore: decorator
@inline
function home(family: u32): usize {
  return family == 4 ? NODES : NODES + NODES_BYTES;
}
// @ts-ignore: decorator
@inline
function orderAt(base: usize, place: u32): usize {
  return base + 64 + (<usize>place << 2);
}
// @ts-ignore: decorator
@inline
function recordAt(base: usize, place: u32): usize {
  return base + 64 + 8 * <usize>NODES_LISTED + <usize>load<u32>(orderAt(base, place)) * NODE_STRIDE;
}

export function nodeCount(family: u32): u32 {
  return load<u32>(home(family));
}

function compareIds(a: usize, b: usize): i32 {
  const a0 = bswap<u64>(load<u64>(a)), b0 = bswap<u64>(load<u64>(b));
  if (a0 != b0) return a0 < b0 ? -1 : 1;
  const a1 = bswap<u64>(load<u64>(a, 8)), b1 = bswap<u64>(load<u64>(b, 8));
  if (a1 != b1) return a1 < b1 ? -1 : 1;
  const a2 = bswap<u32>(load<u32>(a, 16)), b2 = bswap<u32>(load<u32>(b, 16));
  return a2 == b2 ? 0 : a2 < b2 ? -1 : 1;
}

/** First place whose id is not below the one at `id`. */
function search(base: usize, id: usize): u32 {
  let low: u32 = 0, high = load<u32>(base);
  while (low < high) {
    const middle = (low + high) >> 1;
    if (compareIds(recordAt(base, middle), id) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Lists or updates the node with the id at `id`. False: full. */
export function nodeList(family: u32, id: usize, ip: usize, port: u32, goodUntil: f64): bool {
  const base = home(family), count = load<u32>(base), place = search(base, id);
  const known = place < count && compareIds(recordAt(base, place), id) == 0;
  if (!known) {
    if (count == NODES_LISTED) return false;
    const free = load<u32>(base, 8);
    let record: u32;
    if (free) {
      record = load<u32>(base + 64 + 4 * <usize>NODES_LISTED + (<usize>(free - 1) << 2));
      store<u32>(base, free - 1, 8);
    } else {
      record = load<u32>(base, 4);
      store<u32>(base, record + 1, 4);
    }
    memory.copy(orderAt(base, place + 1), orderAt(base, place), <usize>(count - place) << 2);
    store<u32>(orderAt(base, place), record);
    store<u32>(base, count + 1);
    memory.copy(recordAt(base, place), id, 20);
  }
  const node = recordAt(base, place), ipBytes: usize = family == 4 ? 4 : 16;
  memory.copy(node + 20, ip, ipBytes);
  store<u16>(node + 20 + ipBytes, bswap<u16>(<u16>port));
  store<f64>(node, goodUntil, 40);
  return true;
}

export function nodeUnlist(family: u32, id: usize): void {
  const base = home(family), count = load<u32>(base), place = search(base, id);
  if (place == count || compareIds(recordAt(base, place), id) != 0) return;
  const free = load<u32>(base, 8);
  store<u32>(base + 64 + 4 * <usize>NODES_LISTED + (<usize>free << 2), load<u32>(orderAt(base, place)));
  store<u32>(base, free + 1, 8);
  memory.copy(orderAt(base, place), orderAt(base, place + 1), <usize>(count - place - 1) << 2);
  store<u32>(base, count - 1);
}

// @ts-ignore: decorator
@inline
function bitOf(id: usize, bit: u32): u32 {
  return (<u32>load<u8>(id + (bit >> 3)) >> (7 - (bit & 7))) & 1;
}

/** First bit in which two different ids differ. */
function firstDifference(a: usize, b: usize): u32 {
  const x = bswap<u64>(load<u64>(a) ^ load<u64>(b));
  if (x) return <u32>clz<u64>(x);
  const y = bswap<u64>(load<u64>(a, 8) ^ load<u64>(b, 8));
  if (y) return 64 + <u32>clz<u64>(y);
  return 128 + clz<u32>(bswap<u32>(load<u32>(a, 16) ^ load<u32>(b, 16)));
}

/**
 * Writes the entries of the `most` nearest good nodes to `to`, nearest first, and returns how many. The sorted list is
 * a binary trie: walking it with the target's own bit first meets the ids in the order of their XOR distance.
 */
export function nodesNear(family: u32, target: usize, now: f64, most: u32, to: usize): u32 {
  const base = home(family), size: usize = family == 4 ? 26 : 38;
  let found: u32 = 0, depth: usize = 1;
  store<u32>(WALK, 0);
  store<u32>(WALK, load<u32>(base), 4);
  while (depth && found < most) {
    depth--;
    let low = load<u32>(WALK + (depth << 3)), high = load<u32>(WALK + (depth << 3), 4);
    while (high - low > 1) {
      const bit = firstDifference(recordAt(base, low), recordAt(base, high - 1));
      let from = low + 1, upTo = high - 1; // first place whose bit is 1 lies in from…upTo
      while (from < upTo) {
        const middle = (from + upTo) >> 1;
        if (bitOf(recordAt(base, middle), bit)) upTo = middle;
        else from = middle + 1;
      }
      if (bitOf(target, bit)) {
        store<u32>(WALK + (depth << 3), low);
        store<u32>(WALK + (depth << 3), from, 4);
        low = from;
      } else {
        store<u32>(WALK + (depth << 3), from);
        store<u32>(WALK + (depth << 3), high, 4);
        high = from;
      }
      depth++;
    }
    if (high == low) continue;
    const node = recordAt(base, low);
    if (now >= load<f64>(node, 40)) continue;
    memory.copy(to + <usize>found * size, node, size);
    found++;
  }
  return found;
}
