// The datagrams the kernel writes itself, key for key in the order the network emits them. Spec: dht §1.5, §1.7, §1.10.
import { AGENT, IP, MATCHES, NEAR4, NEAR6, OUT, ROWS, SELF, TOKEN, WHO } from "./memory";
import {
  ANSWER_BYTES, ANSWER_FREE_BYTES, ANSWER_HEAD_BYTES, ANSWER_VALUES, FRAGMENT_BYTES, INLINE_BYTES, INLINE_VALUES, NODES_PER_ANSWER,
} from "./limits";
import { columns, matches, writeRow } from "./filter";
import { nodesNear } from "./nodes";
import { key, select, target, tid, wanted } from "./parse";
import { owes } from "./rates";
import { makeToken } from "./tokens";
import { firstValue, valueAfter, valueAt } from "./values";
import { sendAction } from "./actions";
import * as mp from "./msgpack";

let network: u32 = 0, client: bool = false, agentLength: u32 = 0;
export function setIdentity(net: u32, isClient: bool, agent: u32): void {
  network = net;
  client = isClient;
  agentLength = agent;
}

/** `keys` of the map besides the flags. */
function top(keys: u32): void {
  mp.w8(0x80 | (keys + (network ? 1 : 0) + (client ? 1 : 0)));
}
function flags(): void {
  if (network) {
    mp.wRaw(0x6ea1, 2);
    mp.wUint(network);
  }
  if (client) mp.wRaw(0xc373a1, 3);
}
/** `"id": …` */
function writeId(): void {
  mp.wRaw(0x14c46469a2, 5);
  mp.wBytes(SELF, 20);
}
/** Top level of a reply up to its `sa`. */
function openReply(keys: u32, ipBytes: u32): void {
  top(4);
  mp.wRaw(0x72a1, 2);
  mp.w8(0x80 | keys);
  writeId();
  mp.wRaw(0xc46173a2, 4);
  mp.w8(ipBytes);
  mp.wBytes(IP, ipBytes);
}
/** `t`, `y`, `v` and the flags. */
function tail(y: u32): void {
  mp.wRaw(0x74a1, 2);
  mp.wUint(tid);
  mp.wRaw(<u64>(0xa179a1 | (y << 24)), 4);
  mp.wRaw(0x76a1, 2);
  mp.wStr(AGENT, agentLength);
  flags();
}

export function pong(ipBytes: u32): void {
  mp.writeAt(OUT);
  openReply(2, ipBytes);
  tail(0x72);
  sendAction(OUT, <u32>(mp.o - OUT));
}

let near4: u32 = 0, near6: u32 = 0;
function lookAround(now: f64, goal: usize, ipBytes: u32, port: u32): void {
  const four = wanted ? wanted & 1 : ipBytes == 4, six = wanted ? wanted & 2 : ipBytes == 16;
  near4 = four ? nodesNear(4, goal, now, NODES_PER_ANSWER, NEAR4) : 0;
  near6 = six ? nodesNear(6, goal, now, NODES_PER_ANSWER, NEAR6) : 0;
  makeToken(0, ipBytes, port, TOKEN);
}
function writeClosest(): void {
  if (near4) {
    mp.wRaw(0x346ea2, 3);
    mp.wBin(NEAR4, near4 * 26);
  }
  if (near6) {
    mp.wRaw(0x366ea2, 3);
    mp.wBin(NEAR6, near6 * 38);
  }
  mp.wRaw(0x20c46e656b6f74a5, 8);
  mp.wBytes(TOKEN, 32);
}

export function found(now: f64, ipBytes: u32, port: u32): void {
  lookAround(now, target, ipBytes, port);
  mp.writeAt(OUT);
  openReply(3 + (near4 ? 1 : 0) + (near6 ? 1 : 0), ipBytes);
  writeClosest();
  tail(0x72);
  sendAction(OUT, <u32>(mp.o - OUT));
}

/**
 * Writes the answer to `get` and its fragments at OUT; `sendGot` hands them over. Returns their bytes together, or at
 * least what they would be where it is clear that the address may not have them.
 */
export function got(now: f64, question: u32, ipBytes: u32, port: u32): u32 {
  let count: u32 = 0, bytes: u32 = 0;
  for (let index = firstValue(key); index; index = valueAfter(index)) {
    if (!matches(index)) continue;
    store<u32>(MATCHES + (<usize>count << 2), index);
    bytes += load<u32>(valueAt(index), 24);
    count++;
  }
  if (!select && bytes > question + ANSWER_FREE_BYTES && owes(now, WHO)) return bytes;
  lookAround(now, key, ipBytes, port);
  mp.writeAt(OUT);
  openReply(3 + (near4 ? 1 : 0) + (near6 ? 1 : 0) + (count ? 1 : 0), ipBytes);
  writeClosest();
  fragmented = 0;
  if (count && select) writeRows(count);
  else if (count) {
    mp.wRaw(0x7365756c6176a6, 7);
    if (count < INLINE_VALUES && bytes < INLINE_BYTES) {
      mp.wArray(count);
      for (let i: u32 = 0; i < count; i++) {
        const record = valueAt(load<u32>(MATCHES + (<usize>i << 2)));
        mp.wBytes(load<u32>(record, 20), load<u32>(record, 24));
      }
    } else writeSizes(count);
  }
  tail(0x72);
  headBytes = <u32>(mp.o - OUT);
  let marks: u32 = 0;
  for (let i: u32 = 0; i < fragmented; i++) {
    const record = valueAt(load<u32>(MATCHES + (<usize>i << 2)));
    const value = <usize>load<u32>(record, 20), size = load<u32>(record, 24);
    for (let at: u32 = 0; at < size; at += FRAGMENT_BYTES) {
      const start = mp.o;
      mp.writeAt(start + 4); // its length goes in front
      writeFragment(i, at, value + at, min<u32>(FRAGMENT_BYTES, size - at));
      store<u32>(start, <u32>(mp.o - start - 4));
      marks += 4;
    }
  }
  return <u32>(mp.o - OUT) - marks;
}

let fragmented: u32 = 0, headBytes: u32 = 0;

export function sendGot(): void {
  sendAction(OUT, headBytes);
  let at = OUT + headBytes;
  while (at < mp.o) {
    sendAction(at + 4, load<u32>(at));
    at += 4 + load<u32>(at);
  }
}

/** Sizes of as many values, oldest first, as one answer may hold; they end up at the front of MATCHES. */
function writeSizes(count: u32): void {
  let bytes: u32 = 0;
  for (let i: u32 = 0; i < count && fragmented < ANSWER_VALUES; i++) {
    const index = load<u32>(MATCHES + (<usize>i << 2)), size = load<u32>(valueAt(index), 24);
    if (bytes + size > ANSWER_BYTES) continue;
    bytes += size;
    store<u32>(MATCHES + (<usize>fragmented << 2), index);
    fragmented++;
  }
  mp.wArray(fragmented);
  for (let i: u32 = 0; i < fragmented; i++) mp.wUint(load<u32>(valueAt(load<u32>(MATCHES + (<usize>i << 2))), 24));
}

function writeFragment(index: u32, at: u32, from: usize, count: u32): void {
  top(3);
  flags();
  mp.wRaw(0x74a170a179a1, 6);
  mp.wUint(tid);
  mp.wRaw(0x8170a1, 3);
  mp.wUint(index);
  mp.wRaw(0x6fa182, 3);
  mp.wUint(at);
  mp.wRaw(0x64a1, 2);
  mp.wBin(from, count);
}

/** `fileds`: as many rows as the datagram holds; one that does not fit is left out. */
function writeRows(count: u32): void {
  mp.wRaw(0x736465_6c6966a6, 7);
  const written = <u32>(mp.o - OUT), back = mp.o;
  let rows: u32 = 0;
  mp.writeAt(ROWS);
  for (let i: u32 = 0; i < count; i++) {
    const start = mp.o;
    writeRow(load<u32>(MATCHES + (<usize>i << 2)));
    if (written + <u32>(mp.o - ROWS) > ANSWER_HEAD_BYTES) mp.writeAt(start);
    else rows++;
  }
  const cells = <u32>(mp.o - ROWS), width = columns();
  mp.writeAt(back);
  mp.wRaw(0x66a182, 3);
  mp.wArray(width);
  for (let field: u32 = 1; field <= 5; field++) if (select & (1 << field)) mp.w8(field);
  mp.wRaw(0x76a1, 2);
  mp.wArray(rows * width);
  mp.wBytes(ROWS, cells);
}

export function refuse(code: u32, text: string): void {
  mp.writeAt(OUT);
  top(5);
  mp.wRaw(0x9265a1, 3);
  mp.wUint(code);
  mp.wText(text);
  mp.wRaw(0x8172a1, 3);
  writeId();
  tail(0x65);
  sendAction(OUT, <u32>(mp.o - OUT));
}
