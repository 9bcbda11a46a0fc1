/**
 * The DHT kernel in plain TypeScript: the readable twin of the WebAssembly body, its fallback and its explanation.
 * Both give the same actions for the same calls; one suite runs both.
 */
import { DecodeError, type Endpoint, parseIp } from "../../../core/base/mod.ts";
import { Reader } from "../../../core/codec/mod.ts";
import {
  type DhtKernel,
  DROP_REASONS,
  type DropReason,
  type KernelAction,
  type KernelOptions,
  type KernelStats,
  type KernelValue,
  QUERY_NAMES,
  type QueryName,
} from "../../bindings/dht_kernel.ts";
import { checkBytes, checkOptions, checkValue } from "../../bindings/checks.ts";
import { KERNEL_LIMITS as L } from "../../limits.ts";
import { Answers, type Closest } from "./answers.ts";
import { type Body, NO_BYTES, readBody } from "./body.ts";
import { matches } from "./filter.ts";
import { Drop } from "./drop.ts";
import { Fragments, type Whole } from "./fragments.ts";
import { putAction, readList, readPieces, replyAction, updateAction } from "./messages.ts";
import { Nodes } from "./nodes.ts";
import { malformed, networkOf, openPacket, type Packet, placesAt, readPacket } from "./packet.ts";
import { Rates } from "./rates.ts";
import { Tokens } from "./tokens.ts";
import { Values } from "./values.ts";

/** Where a datagram came from. `address` is what rates are counted by: an IPv4 address or an IPv6 /64. */
interface Source {
  readonly from: Endpoint;
  readonly ip: Uint8Array;
  readonly address: string;
}

export class TwinKernel implements DhtKernel {
  #answers: Answers;
  #tokens: Tokens;
  #rates: Rates;
  #fragments = new Fragments();
  #values = new Values();
  #nodes = { 4: new Nodes(), 6: new Nodes() };
  #out: KernelAction[] = [];
  #packets = 0;
  #bytes = 0;
  #answered = Object.fromEntries(QUERY_NAMES.map((name) => [name, 0])) as Record<QueryName, number>;
  #drops = Object.fromEntries(DROP_REASONS.map((reason) => [reason, 0])) as Record<DropReason, number>;

  /** @throws {RangeError} for options out of their bounds. */
  constructor(readonly options: KernelOptions) {
    checkOptions(options);
    this.#answers = new Answers(options);
    this.#tokens = new Tokens(options.seed);
    this.#rates = new Rates(options.globalRate ?? L.globalRate, options.addressRate ?? L.addressRate);
  }

  get wakeAt(): number {
    return this.#fragments.wakeAt;
  }

  packet(now: number, bytes: Uint8Array, from: Endpoint): readonly KernelAction[] {
    this.#out = [];
    this.#packets++;
    this.#bytes += bytes.length;
    this.#giveUp(now);
    const ip = parseIp(from.ip);
    const source = { from, ip, address: ip.length === 4 ? from.ip : ip.subarray(0, 8).toHex() };
    try {
      this.#take(now, bytes, source);
    } catch (error) {
      if (error instanceof Drop) this.#drop(error.reason, from);
      else if (error instanceof DecodeError) this.#drop("malformed", from);
      else throw error;
    }
    return this.#out;
  }

  wake(now: number): readonly KernelAction[] {
    this.#out = [];
    this.#giveUp(now);
    return this.#out;
  }

  rotate(secret: Uint8Array): void {
    this.#tokens.rotate(checkBytes("secret", secret, 8));
  }
  token(address: Endpoint): Uint8Array {
    return this.#tokens.of(parseIp(address.ip), address.port);
  }
  tokenOk(token: Uint8Array, address: Endpoint): boolean {
    return this.#tokens.ok(token, parseIp(address.ip), address.port);
  }
  listNode(id: Uint8Array, address: Endpoint, goodUntil: number): boolean {
    const ip = parseIp(address.ip);
    checkBytes("id", id, 20);
    return this.#nodes[ip.length === 4 ? 4 : 6].list(id, ip, address.port, goodUntil);
  }
  unlistNode(id: Uint8Array, family: 4 | 6): void {
    this.#nodes[family].unlist(checkBytes("id", id, 20));
  }
  closest(now: number, target: Uint8Array, family: 4 | 6, count: number): Uint8Array {
    checkBytes("target", target, 20);
    return Uint8Array.from(this.#nodes[family].closest(now, target, count).flatMap((entry) => [...entry]));
  }
  expect(_now: number, tid: number, from: Endpoint): void {
    this.#fragments.expect(tid, from);
  }
  forget(tid: number, from: Endpoint): void {
    this.#fragments.forget(tid, from);
  }
  setValue(key: Uint8Array, value: KernelValue): boolean {
    return this.#values.set(checkBytes("key", key, 20), checkValue(value));
  }
  removeValue(key: Uint8Array, id: bigint): boolean {
    return this.#values.remove(checkBytes("key", key, 20), id);
  }
  value(key: Uint8Array, id: bigint): Uint8Array | undefined {
    return this.#values.get(checkBytes("key", key, 20), id)?.packed;
  }
  stats(): KernelStats {
    return {
      packets: this.#packets,
      bytes: this.#bytes,
      answered: { ...this.#answered },
      drops: { ...this.#drops },
      values: this.#values.count,
      valueBytes: this.#values.bytes,
      nodes4: this.#nodes[4].size,
      nodes6: this.#nodes[6].size,
      partial: this.#fragments.count,
      partialBytes: this.#fragments.bytes,
    };
  }

  #drop(reason: DropReason, from: Endpoint): void {
    this.#drops[reason]++;
    this.#out.push({ type: "drop", reason, from });
  }
  #send(bytes: Uint8Array, to: Endpoint): void {
    this.#out.push({ type: "send", bytes, to });
  }
  #giveUp(now: number): void {
    for (const from of this.#fragments.giveUp(now)) this.#drop("fragment-timeout", from);
  }

  #take(now: number, bytes: Uint8Array, source: Source): void {
    if (isMartian(source)) throw new Drop("martian");
    const places = openPacket(bytes);
    if (networkOf(bytes, places) !== this.options.network) throw new Drop("network");
    const packet = readPacket(bytes, places);
    if (!packet.kind) throw new Drop("not-a-packet");
    if (packet.kind === "p") return this.#pieces(now, packet, source);
    if (packet.kind === "e") return this.#error(packet, source);
    const body = placesAt(bytes, places.get(packet.kind)!), id = this.#sender(bytes, body.get("id"));
    if (packet.kind === "r") return this.#reply(now, packet, id, readBody(bytes, body), source);
    const query = packet.kind === "a" ? queryOf(packet) : undefined;
    this.#countRequest(now, source);
    const read = readBody(bytes, body);
    if (query) this.#query(now, packet, query, id, read, source);
    else this.#hand(replyAction(packet, id, read, undefined, source.from));
  }

  #countRequest(now: number, source: Source): void {
    const limited = this.#rates.request(now, source.address);
    if (limited) throw new Drop(limited);
  }

  /** The sender's id: neither missing nor zero nor ours. */
  #sender(bytes: Uint8Array, at: number | undefined): Uint8Array {
    if (at === undefined) throw new Drop("no-id");
    const r = new Reader(bytes, at), id = r.kind() === "bin" ? r.bin() : NO_BYTES;
    if (id.length !== 20 || id.every((byte) => byte === 0)) throw new Drop("no-id");
    if (this.options.id.every((byte, i) => byte === id[i])) throw new Drop("own-id");
    return id;
  }

  #error(packet: Packet, { from }: Source): void {
    const { bytes, places, tid } = packet, r = new Reader(bytes, places.get("e"));
    if (r.array() < 1) throw malformed("e");
    const code = r.uint(0xffff),
      body = places.get("r"),
      at = body === undefined ? undefined : placesAt(bytes, body).get("id");
    const id = at === undefined ? undefined : this.#sender(bytes, at);
    this.#hand({ type: "error", id, from, tid, code });
  }

  #query(now: number, packet: Packet, query: QueryName, id: Uint8Array, body: Body, source: Source): void {
    const { tid } = packet, { from, ip } = source;
    this.#hand({ type: "heard", query, id, client: packet.client, from });
    const refuse = (code: number, text: string) => this.#send(this.#answers.error(tid, code, text), from);
    const tokenOk = () => body.token !== undefined && this.#tokens.ok(body.token, ip, from.port);
    const keyed = body.key.some((byte) => byte !== 0);
    if (query === "ping") this.#send(this.#answers.pong({ ip, tid }), from);
    else if (query === "find") {
      this.#send(this.#answers.found({ ip, tid }, this.#closest(now, body.target, body, source)), from);
    } else if (query === "get") {
      if (!keyed) refuse(203, "Get_values with no info_hash");
      else this.#get(now, packet, body, source);
    } else if (query === "put") {
      if (!keyed) refuse(203, "Put with no info_hash");
      else if (!tokenOk()) refuse(401, "Put with incorrect token");
      else this.#put(now, packet, id, body, source);
    } else if (query === "listen") {
      if (!keyed) refuse(203, "Listen with no info_hash");
      else if (!tokenOk()) refuse(401, "Listen with incorrect token");
      else {
        const socket = body.socket ?? 0, { key, version, query } = body;
        this.#hand({ type: "listen", id, from, tid, key, socket, version, query });
      }
    } else if (query === "refresh") {
      if (!tokenOk()) refuse(401, "Refresh with incorrect token");
      else if (!keyed) refuse(404, "Access operation for unknown storage");
      else this.#hand({ type: "refresh", id, from, tid, key: body.key, value: body.value ?? 0n });
    } else this.#update(now, packet, id, body, source);
    this.#answered[query]++;
  }

  #get(now: number, { bytes, tid }: Packet, body: Body, source: Source): void {
    const { from, ip, address } = source;
    const values = [...this.#values.at(body.key)].filter((value) => matches(body.query, value));
    const least = body.query.select.length ? 0 : values.reduce((sum, value) => sum + value.packed.length, 0);
    const clear = least > bytes.length + L.answerFreeBytes && this.#rates.owes(now, address); // no need to compose it
    if (clear && !this.#rates.answer(now, address, bytes.length, least)) throw new Drop("bytes-address");
    const closest = this.#closest(now, body.key, body, source);
    const datagrams = this.#answers.got({ ip, tid }, closest, body.query, values);
    const size = datagrams.reduce((sum, datagram) => sum + datagram.length, 0);
    if (!this.#rates.answer(now, address, bytes.length, size)) throw new Drop("bytes-address");
    for (const datagram of datagrams) this.#send(datagram, from);
  }

  #closest(now: number, target: Uint8Array, body: Body, { ip, from }: Source): Closest {
    const { four, six } = body.wanted ?? { four: ip.length === 4, six: ip.length === 16 };
    return {
      nodes4: four ? this.#nodes[4].closest(now, target, L.nodesPerAnswer) : [],
      nodes6: six ? this.#nodes[6].closest(now, target, L.nodesPerAnswer) : [],
      token: this.#tokens.of(ip, from.port),
    };
  }

  #put(now: number, packet: Packet, id: Uint8Array, body: Body, source: Source): void {
    const values = this.#collect(now, packet, body, source, false);
    if (values === "later") return;
    if (!values?.length) throw new Drop("no-values");
    this.#hand(putAction(packet, id, body, values, source.from));
  }

  #update(now: number, packet: Packet, id: Uint8Array, body: Body, source: Source): void {
    const values = this.#collect(now, packet, body, source, true);
    if (values !== "later") this.#hand(updateAction(packet, id, body, values ?? [], source.from));
  }

  #reply(now: number, packet: Packet, id: Uint8Array, body: Body, source: Source): void {
    const values = this.#collect(now, packet, body, source, false);
    if (values !== "later") this.#hand(replyAction(packet, id, body, values, source.from));
  }

  /** The values of a message, `undefined` if it has no list, or `"later"` while some of them are on their way. */
  #collect(
    now: number,
    packet: Packet,
    body: Body,
    { from, address }: Source,
    stranger: boolean,
  ): Uint8Array[] | undefined | "later" {
    if (body.valuesAt === undefined) return undefined;
    const { list, tooLarge } = readList(packet.bytes, body.valuesAt);
    for (let n = tooLarge; n > 0; n--) this.#drop("too-large", from);
    if (list.every((value) => value.bytes)) return list.map((value) => value.bytes!);
    if (packet.kind === "r" && !this.#fragments.expects(packet.tid, from)) throw new Drop("fragment-orphan");
    const begun = this.#fragments.begin(now, from, address, stranger, packet.tid, packet.bytes, list);
    for (const reason of begun.drops) this.#drop(reason, from);
    if (begun.whole) this.#finish(begun.whole, from);
    return "later";
  }

  #pieces(now: number, packet: Packet, source: Source): void {
    const { from, address } = source, { tid } = packet;
    const pieces = readPieces(packet.bytes, packet.places.get("p")!);
    if (!this.#fragments.has(tid, from) && !this.#fragments.expects(tid, from)) {
      this.#countRequest(now, source);
      throw new Drop("fragment-orphan");
    }
    const { drops, whole } = this.#fragments.pieces(now, from, address, tid, pieces);
    for (const reason of drops) this.#drop(reason, from);
    if (whole) this.#finish(whole, from);
  }

  /** Hands on a message that is complete now. Its first datagram was judged when it came. */
  #finish({ head, values }: Whole, from: Endpoint): void {
    const places = openPacket(head),
      packet = readPacket(head, places),
      at = placesAt(head, places.get(packet.kind!)!);
    const body = readBody(head, at), id = this.#sender(head, at.get("id"));
    if (packet.kind === "r") this.#hand(replyAction(packet, id, body, values, from));
    else if (queryOf(packet) === "put") this.#hand(putAction(packet, id, body, values, from));
    else this.#hand(updateAction(packet, id, body, values, from));
  }

  #hand(action: KernelAction): void {
    this.#out.push(action);
  }
}

/** Addresses nobody can have. Spec: dht §1.6. */
function isMartian({ ip, from }: Source): boolean {
  if (from.port === 0) return true;
  if (ip.length === 4) return ip[0] === 0 || ip[0]! >= 224;
  if (ip[0] === 0xff || ip.every((byte) => byte === 0)) return true;
  return ip.subarray(0, 10).every((byte) => byte === 0) && ip[10] === 255 && ip[11] === 255;
}

/** `y`, where there, must say query; `q` must be a name we know. */
function queryOf({ bytes, places }: Packet): QueryName {
  const y = places.get("y"), q = places.get("q");
  if (y !== undefined && word(bytes, y) !== "q") throw malformed("y");
  const name = q === undefined ? "" : word(bytes, q);
  if (!isQueryName(name)) throw new Drop("unknown-query");
  return name;
}
const word = (bytes: Uint8Array, at: number) =>
  String.fromCharCode(...new Reader(bytes, at).strBytes().subarray(0, 8));
const isQueryName = (name: string): name is QueryName => (QUERY_NAMES as readonly string[]).includes(name);
