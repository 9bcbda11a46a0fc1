// Which values a filter lets through, and the rows it selects. Spec: dht §1.8.
import { CONDITIONS_AT } from "./memory";
import { conditions, select } from "./parse";
import { valueAt } from "./values";
import * as mp from "./msgpack";

const ZERO_OWNER = memory.data(24);

/** True if the value with this number meets every condition. */
export function matches(index: u32): bool {
  const record = valueAt(index);
  for (let i: u32 = 0; i < conditions; i++) {
    const condition = CONDITIONS_AT + (<usize>i << 5), want = load<u64>(condition, 16);
    const count = load<u32>(condition, 4), bytes = <usize>load<u32>(condition, 8);
    switch (load<u32>(condition)) {
      case 1:
        if (load<u64>(record) != want) return false;
        break;
      case 2:
        if (load<u16>(record, 36) != want) return false;
        break;
      case 3:
        if (memory.compare(record + 44, bytes, 20) != 0) return false;
        break;
      default: {
        const user = load<u32>(record, 20) + load<u32>(record, 24) + load<u32>(record, 28);
        if (count != load<u32>(record, 32) || memory.compare(user, bytes, count) != 0) return false;
      }
    }
  }
  return true;
}

export function columns(): u32 {
  return popcnt<u32>(select);
}

/** Writes the selected cells of the value with this number. */
export function writeRow(index: u32): void {
  const record = valueAt(index), block = <usize>load<u32>(record, 20);
  const packed = load<u32>(record, 24), owner = load<u32>(record, 28);
  if (select & 2) mp.wUint(load<u64>(record));
  if (select & 4) mp.wUint(load<u16>(record, 36));
  if (select & 8) {
    if (owner) mp.wBin(block + packed, owner);
    else mp.wBin(ZERO_OWNER, 20);
  }
  if (select & 16) mp.wUint(load<u16>(record, 38));
  if (select & 32) mp.wStr(block + packed + owner, load<u32>(record, 32));
}
