// The DHT kernel: a datagram in, a list of actions out. Knows no clock, no socket, no randomness, imports nothing.
// Same behaviour as the twin in wasm/twins/dht, where each step is explained.
import {
  ADDRESS_BUCKETS, ADDRESS_STRIDE, ADDRESS_TABLE, AGENT, ANNOUNCED, EXPECTED_BUCKETS, EXPECTED_STRIDE, EXPECTED_TABLE,
  FIELDS, IP, KEY_BYTES, LOST, MEMORY_END, OUT, PIECES_AT, SECRETS, SELF, STAGE, STATS, TOKEN, VALUE_LIST, WHO, ACTIONS,
} from "./memory";
import {
  ADDRESSES, DATAGRAM_BYTES, EXPECTED, NODES_PER_QUESTION, PACKED_BYTES, PIECES_PER_PACKET, VALUES_PER_MESSAGE,
} from "./limits";
import {
  act, actions, clearActions, count, COUNT_ANSWERED, COUNT_BYTES, COUNT_PACKETS, drop, FAILURE, HEARD, LISTEN, PUT,
  Reason, REFRESH, REPLY, UPDATE,
} from "./actions";
import { found, got, pong, refuse, sendGot, setIdentity } from "./answers";
import {
  addPieces, bad, badPieces, begin, complete, completeHead, completeLength, completeValues, findPartial, giveUp,
  isStranger, limited, makeFragments, noRoom, partialBytes, partialCount, removePartial, replaced, soonest,
} from "./fragments";
import { nodeCount, nodeList, nodesNear, nodeUnlist } from "./nodes";
import * as packetOf from "./parse";
import { countRequest, mayAnswer, setRates } from "./rates";
import { makeTable, seedTables, tableAdd, tableFind, tableRemove } from "./table";
import { makeToken, tokenGood } from "./tokens";
import { dropValue, findValue, keepValue, makeValues, valueAt, valueBytes, valueCount } from "./values";
import * as mp from "./msgpack";

const PING: u32 = 0, FIND: u32 = 1, GET: u32 = 2, PUT_QUERY: u32 = 3, LISTEN_QUERY: u32 = 4, REFRESH_QUERY: u32 = 5;
const UPDATE_QUERY: u32 = 6, UNKNOWN: u32 = 7, WRONG: u32 = 8;

/** Where the binding finds things: stage, ip, out, actions, fields, values, stats, end of memory. */
export function place(which: u32): usize {
  switch (which) {
    case 0:
      return STAGE;
    case 1:
      return IP;
    case 2:
      return OUT;
    case 3:
      return ACTIONS;
    case 4:
      return FIELDS;
    case 5:
      return VALUE_LIST;
    case 6:
      return STATS;
    default:
      return MEMORY_END;
  }
}

let ownNetwork: u32 = 0;

/** STAGE: id 20, agent 16, seed 16. */
export function init(network: u32, client: bool, agentLength: u32, globalRate: u32, addressRate: u32): void {
  memory.copy(SELF, STAGE, 20);
  memory.copy(AGENT, STAGE + 20, 16);
  memory.copy(SECRETS, STAGE + 36, 16);
  ownNetwork = network;
  seedTables(load<u64>(SECRETS) * 0x9e3779b97f4a7c15 ^ load<u64>(SECRETS, 8));
  setIdentity(network, client, agentLength);
  setRates(globalRate, addressRate);
  makeTable(ADDRESS_TABLE, ADDRESS_BUCKETS, ADDRESSES, ADDRESS_STRIDE);
  makeTable(EXPECTED_TABLE, EXPECTED_BUCKETS, EXPECTED, EXPECTED_STRIDE);
  makeFragments();
  makeValues();
}

function setWho(ipBytes: u32, port: u32, tid: u32): void {
  store<u64>(WHO, 0);
  store<u64>(WHO, 0, 8);
  memory.copy(WHO, IP, ipBytes);
  store<u16>(WHO, <u16>port, 16);
  store<u16>(WHO, ipBytes == 4 ? 4 : 6, 18);
  store<u32>(WHO, tid, 20);
}

/** The datagram at STAGE, `length` bytes, from IP (4 or 16 bytes) and `port`. Returns the number of actions. */
export function packet(now: f64, length: u32, ipBytes: u32, port: u32): u32 {
  clearActions();
  count(COUNT_PACKETS, 1);
  count(COUNT_BYTES, <f64>length);
  abandon(now);
  const reason = takeIn(now, length, ipBytes, port);
  if (reason >= 0) drop(<u32>reason, 0);
  return actions;
}

export function wake(now: f64): u32 {
  clearActions();
  abandon(now);
  return actions;
}

export function wakeAt(): f64 {
  return soonest();
}

function abandon(now: f64): void {
  const lost = giveUp(now);
  for (let i: u32 = 0; i < lost; i++) drop(Reason.timeout, LOST + <usize>i * KEY_BYTES);
}

function isMartian(ipBytes: u32, port: u32): bool {
  if (port == 0) return true;
  if (ipBytes == 4) return load<u8>(IP) == 0 || load<u8>(IP) >= 224;
  if (load<u8>(IP) == 0xff) return true;
  if (load<u64>(IP) != 0) return false;
  return load<u64>(IP, 8) == 0 || load<u32>(IP, 8) == 0xffff0000;
}

const FINE: i32 = -1;

/** Why the datagram is dropped, or FINE. */
function takeIn(now: f64, length: u32, ipBytes: u32, port: u32): i32 {
  if (isMartian(ipBytes, port)) return Reason.martian;
  mp.resetBlobs();
  if (length > DATAGRAM_BYTES || !mp.skim(STAGE, STAGE + length) || !packetOf.openPacket(STAGE)) return Reason.malformed;
  if (!packetOf.readNetwork()) return Reason.malformed;
  if (packetOf.network != ownNetwork) return Reason.network;
  if (!packetOf.readTop()) return Reason.malformed;
  setWho(ipBytes, port, packetOf.tid);
  if (packetOf.atE) return failure();
  if (packetOf.atR) return reply(now, length);
  if (packetOf.atP) return pieces(now);
  const push = packetOf.atU != 0;
  if (!push && !packetOf.atA) return Reason.notAPacket;
  if (!packetOf.openBody(push ? packetOf.atU : packetOf.atA)) return Reason.malformed;
  const wrong = sender();
  if (wrong >= 0) return wrong;
  const query = push ? UNKNOWN : queryOf();
  if (query == WRONG) return Reason.malformed;
  if (query == UNKNOWN && !push) return Reason.unknownQuery;
  const limit = countRequest(now, WHO);
  if (limit) return limit == 1 ? Reason.rateAddress : Reason.rateGlobal;
  if (!packetOf.readBody()) return Reason.malformed;
  if (push) {
    act(REPLY, 0, 0, 0);
    return FINE;
  }
  act(HEARD, query, <u32>packetOf.id, packetOf.client);
  const result = answer(now, query, length, ipBytes, port);
  if (result < 0) count(COUNT_ANSWERED + query, 1);
  return result;
}

function sender(): i32 {
  if (!packetOf.hasId()) return Reason.noId;
  return memory.compare(packetOf.id, SELF, 20) == 0 ? <i32>Reason.ownId : FINE;
}

function queryOf(): u32 {
  if (packetOf.atY) {
    if (!mp.readStr(packetOf.atY) || mp.length != 1 || load<u8>(mp.next) != 0x71) return WRONG;
  }
  if (!packetOf.atQ) return UNKNOWN;
  if (!mp.readStr(packetOf.atQ)) return WRONG;
  const at = mp.next;
  switch (mp.length) {
    case 3: {
      const word = load<u16>(at) | (<u32>load<u8>(at, 2) << 16);
      return word == 0x746567 ? GET : word == 0x747570 ? PUT_QUERY : UNKNOWN;
    }
    case 4:
      return load<u32>(at) == 0x676e6970 ? PING : load<u32>(at) == 0x646e6966 ? FIND : UNKNOWN;
    case 6: {
      const start = load<u32>(at), end = load<u16>(at, 4);
      if (start == 0x7473696c && end == 0x6e65) return LISTEN_QUERY;
      return start == 0x61647075 && end == 0x6574 ? UPDATE_QUERY : UNKNOWN;
    }
    case 7:
      return load<u32>(at) == 0x72666572 && load<u32>(at, 3) == 0x68736572 ? REFRESH_QUERY : UNKNOWN;
  }
  return UNKNOWN;
}

function answer(now: f64, query: u32, length: u32, ipBytes: u32, port: u32): i32 {
  if (query == PING) pong(ipBytes);
  else if (query == FIND) found(now, ipBytes, port);
  else if (query == GET) {
    if (!packetOf.keyed) refuse(203, "Get_values with no info_hash");
    else {
      const bytes = got(now, length, ipBytes, port);
      if (!mayAnswer(now, WHO, length, bytes)) return Reason.bytesAddress;
      sendGot();
    }
  } else if (query == PUT_QUERY) {
    if (!packetOf.keyed) refuse(203, "Put with no info_hash");
    else if (!mayWrite(ipBytes, port)) refuse(401, "Put with incorrect token");
    else return list(now, length, PUT, false);
  } else if (query == LISTEN_QUERY) {
    if (!packetOf.keyed) refuse(203, "Listen with no info_hash");
    else if (!mayWrite(ipBytes, port)) refuse(401, "Listen with incorrect token");
    else act(LISTEN, 0, 0, 0);
  } else if (query == REFRESH_QUERY) {
    if (!mayWrite(ipBytes, port)) refuse(401, "Refresh with incorrect token");
    else if (!packetOf.keyed) refuse(404, "Access operation for unknown storage");
    else act(REFRESH, 0, 0, 0);
  } else return list(now, length, UPDATE, true);
  return FINE;
}

function mayWrite(ipBytes: u32, port: u32): bool {
  return packetOf.hasToken && tokenGood(packetOf.token, packetOf.tokenLength, ipBytes, port);
}

/** Hands on a message with its values, or keeps it until the rest of them has come. */
function list(now: f64, length: u32, kind: u32, stranger: bool): i32 {
  if (!packetOf.bValues) {
    if (kind == PUT) return Reason.noValues;
    act(kind, 0, 0, 0);
    return FINE;
  }
  mp.readArray(packetOf.bValues);
  const total = mp.length;
  if (total > VALUES_PER_MESSAGE) return Reason.tooMany;
  let at = mp.next, announced: u32 = 0, sizes: u32 = 0, huge: u32 = 0;
  for (let index: u32 = 0; index < total; index++) {
    const to = ANNOUNCED + <usize>announced * 12, end = mp.skip(at);
    if (mp.readMap(at)) {
      store<u32>(to, index);
      store<u32>(to, <u32>(end - at), 4);
      store<u32>(to, <u32>at, 8);
      announced++;
    } else if (mp.readInt(at) && !mp.negative) {
      if (mp.number > PACKED_BYTES) huge++;
      else if (mp.number) {
        store<u32>(to, index);
        store<u32>(to, <u32>mp.number, 4);
        store<u32>(to, 0, 8);
        announced++;
        sizes++;
      }
    }
    at = end;
  }
  for (; huge; huge--) drop(Reason.tooLarge, 0);
  if (!sizes) {
    for (let i: u32 = 0; i < announced; i++) {
      const from = ANNOUNCED + <usize>i * 12, to = VALUE_LIST + (<usize>i << 3);
      store<u32>(to, load<u32>(from, 8));
      store<u32>(to, load<u32>(from, 4), 4);
    }
    if (kind == PUT && !announced) return Reason.noValues;
    act(kind, 1, announced, 0);
    return FINE;
  }
  if (kind == REPLY && !tableFind(EXPECTED_TABLE, WHO)) return Reason.orphan;
  begin(now, stranger, STAGE, length, announced);
  if (replaced) drop(Reason.badFragment, 0);
  if (noRoom) drop(Reason.limit, 0);
  for (let i: u32 = 0; i < badPieces; i++) drop(Reason.badFragment, 0);
  if (complete) finish();
  return FINE;
}

function reply(now: f64, length: u32): i32 {
  if (!packetOf.openBody(packetOf.atR)) return Reason.malformed;
  const wrong = sender();
  if (wrong >= 0) return wrong;
  if (!packetOf.readBody()) return Reason.malformed;
  return list(now, length, REPLY, false);
}

function failure(): i32 {
  if (!mp.readArray(packetOf.atE) || mp.length < 1) return Reason.malformed;
  if (!mp.readUint(mp.next, 0xffff)) return Reason.malformed;
  const code = <u32>mp.number;
  let id: usize = 0;
  if (packetOf.atR) {
    if (!packetOf.openBody(packetOf.atR)) return Reason.malformed;
    if (packetOf.hasIdKey()) {
      const wrong = sender();
      if (wrong >= 0) return wrong;
      id = packetOf.id;
    }
  }
  act(FAILURE, code, <u32>id, packetOf.tid);
  return FINE;
}

function pieces(now: f64): i32 {
  if (!mp.readMap(packetOf.atP)) return Reason.malformed;
  const total = mp.length;
  if (total < 1 || total > PIECES_PER_PACKET) return Reason.malformed;
  let at = mp.next;
  for (let i: u32 = 0; i < total; i++) {
    const to = PIECES_AT + (<usize>i << 4);
    if (!mp.readUint(at, 0xffffffff)) return Reason.malformed;
    store<u32>(to, <u32>mp.number);
    at = mp.next;
    if (!packetOf.twoPlaces(at, 0x6f, 0x64)) return Reason.malformed;
    if (!mp.readUint(packetOf.firstPlace(), 0xffffffff)) return Reason.malformed;
    store<u32>(to, <u32>mp.number, 4);
    if (!mp.readBlob(packetOf.secondPlace())) return Reason.malformed;
    store<u32>(to, <u32>mp.blob, 8);
    store<u32>(to, mp.length, 12);
    at = mp.skip(at);
  }
  if (!findPartial() && !tableFind(EXPECTED_TABLE, WHO)) {
    const limit = countRequest(now, WHO);
    return limit == 0 ? Reason.orphan : limit == 1 ? Reason.rateAddress : Reason.rateGlobal;
  }
  addPieces(now, total);
  for (let i: u32 = 0; i < total; i++) {
    if (bad & (1 << i)) drop(Reason.badFragment, 0);
    else if (limited & (1 << i)) drop(Reason.limit, 0);
  }
  if (complete) finish();
  return FINE;
}

/** Hands on a message that is complete now. Its first datagram was judged when it came. */
function finish(): void {
  const head = completeHead();
  mp.resetBlobs();
  packetOf.openPacket(head);
  packetOf.readTop();
  const answered = packetOf.atR != 0;
  packetOf.openBody(answered ? packetOf.atR : packetOf.atA);
  packetOf.hasId();
  packetOf.readBody();
  act(answered ? REPLY : queryOf() == PUT_QUERY ? PUT : UPDATE, 1, completeValues(), completeLength());
}

/** A new secret of 8 bytes at STAGE. */
export function rotate(): void {
  store<u64>(SECRETS, load<u64>(SECRETS), 8);
  store<u64>(SECRETS, load<u64>(STAGE));
}
/** The token of IP and `port`: 32 bytes at the place returned. */
export function token(ipBytes: u32, port: u32): usize {
  makeToken(0, ipBytes, port, TOKEN);
  return TOKEN;
}
/** Is the token at STAGE good for IP and `port`? */
export function tokenOk(length: u32, ipBytes: u32, port: u32): bool {
  return tokenGood(STAGE, length, ipBytes, port);
}

/** The id lies at STAGE. */
export function listNode(ipBytes: u32, port: u32, goodUntil: f64): bool {
  return nodeList(ipBytes == 4 ? 4 : 6, STAGE, IP, port, goodUntil);
}
export function unlistNode(family: u32): void {
  nodeUnlist(family, STAGE);
}
/** Target at STAGE; entries at OUT. Returns how many. */
export function closest(now: f64, family: u32, most: u32): u32 {
  return nodesNear(family, STAGE, now, min<u32>(most, NODES_PER_QUESTION), OUT);
}

export function expect(tid: u32, ipBytes: u32, port: u32): void {
  setWho(ipBytes, port, tid);
  if (!tableFind(EXPECTED_TABLE, WHO)) tableAdd(EXPECTED_TABLE, WHO);
}
export function forget(tid: u32, ipBytes: u32, port: u32): void {
  setWho(ipBytes, port, tid);
  if (!tableRemove(EXPECTED_TABLE, WHO)) return;
  const partial = findPartial();
  if (partial && !isStranger(partial)) removePartial(partial);
}

/** STAGE: key 20, owner id 20 at 24, then packed ‖ owner ‖ user type at 64. */
export function setValue(id: u64, packed: u32, owner: u32, user: u32, kind: u32, seq: u32): bool {
  return keepValue(STAGE, id, STAGE + 64, packed, owner, user, kind, seq, STAGE + 24);
}
/** Key at STAGE. */
export function removeValue(id: u64): bool {
  return dropValue(STAGE, id);
}
/** Key at STAGE. Place and length of the packed value as two words, or 0. */
export function value(id: u64): u64 {
  const index = findValue(STAGE, id);
  if (!index) return 0;
  const record = valueAt(index);
  return <u64>load<u32>(record, 20) << 32 | load<u32>(record, 24);
}

/** values, value bytes, nodes4, nodes6, partial, partial bytes. */
export function held(which: u32): u32 {
  switch (which) {
    case 0:
      return valueCount;
    case 1:
      return valueBytes;
    case 2:
      return nodeCount(4);
    case 3:
      return nodeCount(6);
    case 4:
      return partialCount;
    default:
      return partialBytes;
  }
}
