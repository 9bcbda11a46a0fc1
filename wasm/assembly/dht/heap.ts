// A heap that only grows upwards and slides together when enough of it is dead: no holes to search, no fragmentation.
// Header: base, end, top, live. Block: size u32 (with this header, a multiple of 8), cell u32 (where its address is
// kept; 0: dead), bytes.
const WORTHWHILE: usize = 1024 * 1024;

export function makeHeap(heap: usize, base: usize, bytes: usize): void {
  store<usize>(heap, base);
  store<usize>(heap, base + bytes, 4);
  store<usize>(heap, base, 8);
}

/** Takes `count` bytes and keeps their address in `cell`, now and whenever they move. False: no room. */
export function take(heap: usize, count: usize, cell: usize): bool {
  const size = (count + 8 + 7) & ~7, top = load<usize>(heap, 8), live = load<usize>(heap, 12);
  const dead = top - load<usize>(heap) - live;
  if (top + size > load<usize>(heap, 4) || (dead > WORTHWHILE && dead > live >> 2)) slide(heap);
  const at = load<usize>(heap, 8);
  if (at + size > load<usize>(heap, 4)) return false;
  store<u32>(at, <u32>size);
  store<u32>(at, <u32>cell, 4);
  store<u32>(cell, <u32>(at + 8));
  store<usize>(heap, at + size, 8);
  store<usize>(heap, live + size, 12);
  return true;
}

/** Gives the bytes at `block` back; they stay readable until the next `take`. */
export function give(heap: usize, block: usize): void {
  const at = block - 8, size = load<u32>(at);
  store<u32>(at, 0, 4);
  store<usize>(heap, load<usize>(heap, 12) - size, 12);
  if (at + size == load<usize>(heap, 8)) store<usize>(heap, at, 8);
}

/** The block is kept in another cell from now on. */
export function rehome(block: usize, cell: usize): void {
  store<u32>(block - 8, <u32>cell, 4);
  store<u32>(cell, <u32>block);
}

function slide(heap: usize): void {
  const top = load<usize>(heap, 8);
  let from = load<usize>(heap), to = from;
  while (from < top) {
    const size = load<u32>(from), cell = load<u32>(from, 4);
    if (cell) {
      if (from != to) {
        memory.copy(to, from, size);
        store<u32>(cell, <u32>(to + 8));
      }
      to += size;
    }
    from += size;
  }
  store<usize>(heap, to, 8);
}
