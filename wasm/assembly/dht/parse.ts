// Takes a datagram apart. Every function says false for a shape that must not be. Spec: dht §1.1–1.3, §1.8.
import { CONDITIONS_AT, FIELDS } from "./memory";
import {
  CELLS_PER_MESSAGE, CONDITIONS, IDS_PER_MESSAGE, NODES_PER_REPLY, TOKEN_BYTES,
} from "./limits";
import * as mp from "./msgpack";

// Keys as `readKey` gives them: bytes little-endian, length on top.
const ONE: u64 = 1 << 56, TWO: u64 = 2 << 56, THREE: u64 = 3 << 56;
const K_ID: u64 = TWO | 0x6469, K_H: u64 = ONE | 0x68, K_W: u64 = ONE | 0x77, K_Q: u64 = ONE | 0x71;
const K_N4: u64 = TWO | 0x346e, K_N6: u64 = TWO | 0x366e, K_SA: u64 = TWO | 0x6173, K_C: u64 = ONE | 0x63;
const K_VID: u64 = THREE | 0x646976, K_SID: u64 = THREE | 0x646973, K_VE: u64 = TWO | 0x6576;
const K_EXP: u64 = THREE | 0x707865, K_RE: u64 = TWO | 0x6572;
const K_TARGET: u64 = (6 << 56) | 0x746567726174, K_TOKEN: u64 = (5 << 56) | 0x6e656b6f74;
const K_VALUES: u64 = (6 << 56) | 0x7365756c6176, K_FILEDS: u64 = (6 << 56) | 0x736465_6c6966;

/** Places of the values of the top level, 0 where absent; the last of a name counts. */
export let atA: usize = 0, atE: usize = 0, atN: usize = 0, atP: usize = 0, atQ: usize = 0, atR: usize = 0;
export let atS: usize = 0, atT: usize = 0, atU: usize = 0, atV: usize = 0, atY: usize = 0;

/** Finds the keys of the top level. The guard has passed over the datagram. */
export function openPacket(p: usize): bool {
  atA = atE = atN = atP = atQ = atR = atS = atT = atU = atV = atY = 0;
  if (!mp.readMap(p)) return false;
  let pairs = mp.length, at = mp.next;
  for (; pairs; pairs--) {
    const key = mp.readKey(at), value = mp.next;
    at = mp.skip(value);
    if (key >> 56 != 1) continue;
    switch (<u32>key & 0xff) {
      case 0x61:
        atA = value;
        break;
      case 0x65:
        atE = value;
        break;
      case 0x6e:
        atN = value;
        break;
      case 0x70:
        atP = value;
        break;
      case 0x71:
        atQ = value;
        break;
      case 0x72:
        atR = value;
        break;
      case 0x73:
        atS = value;
        break;
      case 0x74:
        atT = value;
        break;
      case 0x75:
        atU = value;
        break;
      case 0x76:
        atV = value;
        break;
      case 0x79:
        atY = value;
    }
  }
  return true;
}

export let network: u32 = 0, tid: u32 = 0, client: bool = false;

export function readNetwork(): bool {
  network = 0;
  if (!atN) return true;
  if (!mp.readUint(atN, 0xffffffff)) return false;
  network = <u32>mp.number;
  return true;
}

/** Transaction, agent and client flag. */
export function readTop(): bool {
  tid = 0;
  client = false;
  if (atT) {
    if (mp.readInt(atT)) {
      if (mp.negative || mp.number > 0xffffffff) return false;
      tid = <u32>mp.number;
    } else {
      if (!mp.readStr(atT) && !mp.readBin(atT)) return false;
      if (mp.length > 4) return false;
      for (let i: u32 = 0; i < mp.length; i++) tid |= <u32>load<u8>(mp.next + i) << (24 - (i << 3));
    }
  }
  if (atV && !mp.readStr(atV) && !mp.readBin(atV)) return false;
  if (atS) {
    const flag = load<u8>(atS);
    if (flag != 0xc2 && flag != 0xc3) return false;
    client = flag == 0xc3;
  }
  return true;
}

let bId: usize = 0, bTarget: usize = 0, bKey: usize = 0, bWanted: usize = 0, bQuery: usize = 0, bToken: usize = 0;
let bNodes4: usize = 0, bNodes6: usize = 0, bSeen: usize = 0, bCreated: usize = 0, bValue: usize = 0, bSocket: usize = 0;
let bVersion: usize = 0, bExpired: usize = 0, bRefreshed: usize = 0, bRows: usize = 0;
/** Place of the list of values. */
export let bValues: usize = 0;

/** Finds the keys of the map at `p`. */
export function openBody(p: usize): bool {
  bId = bTarget = bKey = bWanted = bQuery = bToken = bNodes4 = bNodes6 = 0;
  bSeen = bCreated = bValue = bSocket = bVersion = bExpired = bRefreshed = bRows = bValues = 0;
  if (!mp.readMap(p)) return false;
  let pairs = mp.length, at = mp.next;
  for (; pairs; pairs--) {
    const key = mp.readKey(at), value = mp.next;
    at = mp.skip(value);
    if (key == K_ID) bId = value;
    else if (key == K_TARGET) bTarget = value;
    else if (key == K_H) bKey = value;
    else if (key == K_TOKEN) bToken = value;
    else if (key == K_W) bWanted = value;
    else if (key == K_Q) bQuery = value;
    else if (key == K_VALUES) bValues = value;
    else if (key == K_SA) bSeen = value;
    else if (key == K_N4) bNodes4 = value;
    else if (key == K_N6) bNodes6 = value;
    else if (key == K_C) bCreated = value;
    else if (key == K_VID) bValue = value;
    else if (key == K_SID) bSocket = value;
    else if (key == K_VE) bVersion = value;
    else if (key == K_EXP) bExpired = value;
    else if (key == K_RE) bRefreshed = value;
    else if (key == K_FILEDS) bRows = value;
  }
  return true;
}

/** The sender's id, once `hasId` says so. */
export let id: usize = 0;
export const hasIdKey = (): bool => bId != 0;
/** False: missing, not bin20, or zero. */
export function hasId(): bool {
  if (!bId || !mp.readBin(bId) || mp.length != 20) return false;
  id = mp.next;
  return load<u64>(id) != 0 || load<u64>(id, 8) != 0 || load<u32>(id, 16) != 0;
}

const ZERO = memory.data(32);
export let target: usize = 0, key: usize = 0, keyed: bool = false;
/** 0: not said; else 1 for IPv4 | 2 for IPv6 | 4 for "said". */
export let wanted: u32 = 0;
export let token: usize = 0, tokenLength: u32 = 0, hasToken: bool = false;

/** Reads every known field of the open body into `FIELDS` and the globals above. */
export function readBody(): bool {
  target = key = ZERO;
  keyed = false;
  wanted = 0;
  hasToken = false;
  tokenLength = 0;
  select = 0;
  conditions = 0;
  if (bTarget) {
    if (!mp.readBin(bTarget) || mp.length != 20) return false;
    target = mp.next;
  }
  if (bKey) {
    if (!mp.readBin(bKey) || mp.length != 20) return false;
    key = mp.next;
    keyed = load<u64>(key) != 0 || load<u64>(key, 8) != 0 || load<u32>(key, 16) != 0;
  }
  if (bWanted && !readWanted(bWanted)) return false;
  if (bQuery && !readFilter(bQuery)) return false;
  if (bToken) {
    if (!mp.readBlob(bToken)) return false;
    hasToken = true;
    token = mp.blob;
    tokenLength = mp.length;
  }
  field(0, id);
  field(1, tid);
  field(2, key);
  const usable = hasToken && tokenLength > 0 && tokenLength <= TOKEN_BYTES;
  field(3, usable ? token : 0);
  field(4, tokenLength);
  if (!readNodes(bNodes4, 26, 5) || !readNodes(bNodes6, 38, 7)) return false;
  field(9, 0);
  if (bSeen) {
    if (!mp.readBin(bSeen)) return false;
    if (mp.length == 4 || mp.length == 16) field(9, mp.next);
    field(10, mp.length);
  }
  field(11, bCreated != 0);
  if (bCreated) {
    if (!mp.readInt(bCreated) || (!mp.negative && mp.number >> 63)) return false;
    store<f64>(FIELDS + 128, <f64>(<i64>mp.number));
  }
  field(12, bValue != 0);
  store<u64>(FIELDS + 136, 0);
  if (bValue) {
    if (!mp.readInt(bValue) || mp.negative) return false;
    store<u64>(FIELDS + 136, mp.number);
  }
  if (!readSmall(bSocket, 13) || !readSmall(bVersion, 14)) return false;
  if (!readIds(bExpired) || !readIds(bRefreshed)) return false;
  if (bRows && !readRows(bRows)) return false;
  field(15, bExpired);
  field(16, bRefreshed);
  field(17, bRows);
  field(18, bQuery);
  field(19, client);
  return !bValues || mp.readArray(bValues);
}

// @ts-ignore: decorator
@inline
function field(index: usize, value: usize): void {
  store<u32>(FIELDS + (index << 2), <u32>value);
}

function readSmall(p: usize, index: usize): bool {
  field(index, 0);
  if (!p) return true;
  if (!mp.readUint(p, 0xffffffff)) return false;
  field(index, <u32>mp.number);
  return true;
}

function readWanted(p: usize): bool {
  if (!mp.readArray(p)) return false;
  let count = mp.length, at = mp.next;
  wanted = 4;
  for (; count; count--) {
    if (!mp.readInt(at)) return false;
    at = mp.next;
    if (mp.negative) continue;
    const family = mp.number;
    if (family == 2) wanted |= 1;
    else if (family == 10 || family == 23 || family == 28 || family == 30) wanted |= 2;
  }
  return true;
}

function readNodes(p: usize, size: u32, index: usize): bool {
  field(index, 0);
  field(index + 1, 0);
  if (!p) return true;
  if (!mp.readBlob(p) || mp.length % size) return false;
  field(index, mp.blob);
  field(index + 1, min<u32>(mp.length, NODES_PER_REPLY * size));
  return true;
}

function readIds(p: usize): bool {
  if (!p) return true;
  if (!mp.readArray(p) || mp.length > IDS_PER_MESSAGE) return false;
  let count = mp.length, at = mp.next;
  for (; count; count--) {
    if (!mp.readInt(at) || mp.negative) return false;
    at = mp.next;
  }
  return true;
}

function readRows(p: usize): bool {
  if (!twoPlaces(p, 0x66, 0x76) || !mp.readArray(first)) return false;
  const columns = mp.length, fields = mp.next;
  if (columns < 1 || columns > 5) return false;
  let at = fields;
  for (let i: u32 = 0; i < columns; i++) {
    if (!mp.readUint(at, 5) || mp.number == 0) return false;
    at = mp.next;
  }
  if (!mp.readArray(second) || mp.length > CELLS_PER_MESSAGE || mp.length % columns) return false;
  const cells = mp.length;
  at = mp.next;
  for (let i: u32 = 0, name = fields; i < cells; i++) {
    if (i % columns == 0) name = fields;
    mp.readInt(name);
    const which = mp.number;
    name = mp.next;
    if (which == 1) {
      if (!mp.readInt(at) || mp.negative) return false;
    } else if (which == 2 || which == 4) {
      if (!mp.readUint(at, 0xffffffff)) return false;
    } else if (!isBlob(at)) return false;
    at = mp.skip(at);
  }
  return true;
}

function isBlob(p: usize): bool {
  if (mp.readBin(p) || mp.readStr(p)) return true;
  if (!mp.readArray(p)) return false;
  let count = mp.length, at = mp.next;
  for (; count; count--) {
    if (!mp.readUint(at, 255)) return false;
    at = mp.next;
  }
  return true;
}

/** Selected fields as bits 1–5, and how many conditions lie at `CONDITIONS_AT`: field, length, pointer, -, value. */
export let select: u32 = 0, conditions: u32 = 0;

function readFilter(p: usize): bool {
  if (!twoPlaces(p, 0x73, 0x77)) return false;
  const fields = first, list = second;
  if (!mp.readArray(fields)) return false;
  const columns = mp.length;
  let at = mp.next;
  for (let i: u32 = 0; i < columns; i++) {
    if (!mp.readInt(at) || mp.negative) return false;
    at = mp.next;
    if (mp.number >= 1 && mp.number <= 5) select |= 1 << <u32>mp.number;
  }
  if (columns && !select) return false;
  if (!mp.readArray(list) || mp.length > CONDITIONS) return false;
  const count = mp.length;
  at = mp.next;
  for (let i: u32 = 0; i < count; i++) {
    if (!readCondition(at, CONDITIONS_AT + (<usize>i << 5))) return false;
    at = mp.skip(at);
  }
  conditions = count;
  return true;
}

function readCondition(p: usize, to: usize): bool {
  if (!twoPlaces(p, 0x66, 0x76)) return false;
  const value = second;
  if (!mp.readInt(first) || mp.negative) return false;
  const which = mp.number;
  if (which == 1) {
    if (!mp.readInt(value) || mp.negative) return false;
  } else if (which == 2) {
    if (!mp.readUint(value, 0xffffffff)) return false;
  } else if (which == 3) {
    if (!mp.readBin(value) || mp.length != 20) return false;
    mp.readBlob(value);
  } else if (which != 5 || !mp.readBlob(value)) return false;
  store<u32>(to, <u32>which);
  store<u32>(to, mp.length, 4);
  store<u32>(to, mp.blob, 8);
  store<u64>(to, mp.number, 16);
  return true;
}

let first: usize = 0, second: usize = 0;
/** Finds two one-letter keys of the map at `p`; false if one is missing. */
export function twoPlaces(p: usize, a: u64, b: u64): bool {
  if (!mp.readMap(p)) return false;
  let pairs = mp.length, at = mp.next, one: usize = 0, other: usize = 0;
  for (; pairs; pairs--) {
    const key = mp.readKey(at), value = mp.next;
    at = mp.skip(value);
    if (key == (ONE | a)) one = value;
    else if (key == (ONE | b)) other = value;
  }
  first = one;
  second = other;
  return one != 0 && other != 0;
}
export const firstPlace = (): usize => first;
export const secondPlace = (): usize => second;
