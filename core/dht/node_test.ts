import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { utf8 } from "../base/mod.ts";
import { encode } from "../codec/mod.ts";
import { at, Lab, type Member, seeded, Stranger } from "./lab.ts";
import { LIMITS } from "./limits.ts";
import { encodeValue, makeValue, type ValueFields } from "./value.ts";

const MINUTE = 60_000, KEY = new Uint8Array(20).fill(0x42), ANY = { select: [], where: [] };
const hexOf = (value: unknown) => (value as Uint8Array).toHex();

/** A node of ours that knows one hand-made node. */
function pair(more: { id?: number } = {}) {
  const lab = new Lab(), member = lab.add();
  const peer = new Stranger(lab, new Uint8Array(20).fill(more.id ?? 0x43), { ip: "10.0.1.1", port: 5000 });
  member.feed({ type: "bootstrap", hosts: [{ host: peer.address.ip, port: peer.address.port }] });
  lab.run(100);
  return { lab, member, peer };
}
function put(member: Member, op: number, fields: ValueFields, permanent = false) {
  const value = makeValue({ id: 1n, ...fields });
  member.feed({ type: "put", op, key: KEY, value, permanent, created: undefined, wall: member.lab.wall });
}
const get = (member: Member, op: number, query = ANY) => member.feed({ type: "get", op, key: KEY, query });
const done = (member: Member, op: number) => member.outs("done", op).map(({ ok, nodes }) => ({ ok, nodes }));
const texts = (member: Member, op: number) =>
  member.outs("value", op).map(({ value }) => new TextDecoder().decode(value.data)).sort();

Deno.test("[dht 49] bootstrap pings at 0, 10, 30, 70 s and so on while nobody answers, three times each", () => {
  const lab = new Lab(), member = lab.add();
  member.feed({ type: "bootstrap", hosts: [{ host: "10.0.9.9", port: 4222 }] });
  lab.run(160_000);
  const pings = lab.find({ from: member.address, q: "ping" }).map((s) => s.at);
  strictEqual(pings.length, 15);
  deepStrictEqual(pings.filter((_, i) => i % 3 === 0).map((time) => Math.round(time / 1000)), [
    0,
    10,
    30,
    70,
    150,
  ]);
  strictEqual(member.node.status, "disconnected");
});
Deno.test("[dht 49] bootstrap stops once connected, and begins again when all is lost", () => {
  const { lab, member, peer } = pair();
  strictEqual(member.node.status, "connected");
  lab.run(10 * MINUTE);
  strictEqual(lab.find({ from: member.address, q: "ping", since: 1000 }).length, 0);
  const since = lab.now;
  peer.answers = new Set();
  lab.run(30 * MINUTE);
  ok(lab.find({ from: member.address, q: "ping", since }).length > 3);
  ok(member.node.status !== "connected");
  peer.answers = new Set(["ping", "find", "get"]);
  lab.run(60 * MINUTE);
  strictEqual(member.node.status, "connected");
});
Deno.test("bootstrap hosts are looked up again each time; at most a few addresses of one are tried", () => {
  const lab = new Lab(), member = lab.add();
  member.names = () => Array.from({ length: 20 }, (_, i) => `10.0.8.${i + 1}`);
  member.feed({ type: "bootstrap", hosts: [{ host: "bootstrap.example", port: 4222 }] });
  lab.run(500);
  strictEqual(lab.find({ from: member.address, q: "ping" }).length, LIMITS.bootstrapAddresses);
  lab.run(35_000);
  strictEqual(member.outs("resolve").length, 3);
});
Deno.test("operations wait while the network is being joined, and end with it or without it", () => {
  const lab = new Lab(), member = lab.add();
  member.feed({ type: "bootstrap", hosts: [{ host: "10.0.1.1", port: 5000 }] });
  get(member, 1);
  deepStrictEqual(done(member, 1), []);
  lab.run(9900); // three pings later nobody is there
  deepStrictEqual(done(member, 1), [{ ok: false, nodes: 0 }]);
  new Stranger(lab, new Uint8Array(20).fill(0x43), { ip: "10.0.1.1", port: 5000 });
  lab.run(200);
  get(member, 2);
  lab.run(100);
  deepStrictEqual(done(member, 2), [{ ok: true, nodes: 1 }]);
});
Deno.test("an operation wakes nodes that have been silent for long instead of waiting for the next round", () => {
  const { lab, member } = pair();
  while (member.node.status === "connected" && lab.now < 120 * MINUTE) lab.run(5000);
  strictEqual(member.node.status, "connecting");
  get(member, 1);
  lab.run(50);
  deepStrictEqual(done(member, 1), [{ ok: true, nodes: 1 }]);
});
Deno.test("a lone node serves itself: a put finds nobody, a get finds the value", () => {
  const lab = new Lab(), member = lab.add();
  put(member, 1, { data: utf8("own") });
  get(member, 2);
  deepStrictEqual(done(member, 1), [{ ok: false, nodes: 0 }]);
  deepStrictEqual(texts(member, 2), ["own"]);
});

Deno.test("get reads page by page: first the ids, then each value by its id", () => {
  const { lab, member, peer } = pair(), values = [1n, 2n, 3n];
  peer.more = (packet) => {
    if (packet.get("q") !== "get") return {};
    const wanted = at(packet, "a", "q", "w", 0, "v");
    if ((at(packet, "a", "q", "s") as unknown[]).length) return { fileds: { f: [1], v: values } };
    const value = makeValue({ id: BigInt(wanted as number), data: utf8(`value ${wanted}`) });
    return {
      values: [
        new Map([["id", value.id as never], ["dat", { body: { type: 0, data: value.data } } as never]]),
      ],
    };
  };
  get(member, 1);
  lab.run(100);
  deepStrictEqual(texts(member, 1), ["value 1", "value 2", "value 3"]);
  deepStrictEqual(done(member, 1), [{ ok: true, nodes: 1 }]);
  strictEqual(peer.got("q", "get").length, 4);
});
Deno.test("get takes whole values from a node that does not know how to select, and drops what is none", () => {
  const { lab, member, peer } = pair();
  const value = { id: 5, dat: { body: { type: 0, data: utf8("whole") } } };
  peer.more = () => ({ values: [value, { id: 6 }, value] });
  get(member, 1);
  lab.run(100);
  deepStrictEqual(texts(member, 1), ["whole"]);
  strictEqual(member.node.info().drops["value"]! > 0, true);
});
Deno.test("[dht 48] a node that answers without a token is left alone from then on", () => {
  const { lab, member, peer } = pair();
  peer.token = undefined;
  get(member, 1);
  lab.run(1000);
  deepStrictEqual(done(member, 1), [{ ok: false, nodes: 0 }]);
  strictEqual(member.node.info().drops["no-token"], 1);
  const packets = member.node.info().packetsOut;
  peer.say(peer.packets.ping(1), member);
  lab.run(5);
  strictEqual(member.node.info().packetsOut, packets);
  ok(member.node.info().drops["blacklisted"]! > 0);
});
Deno.test("[dht 48] a token of more than 64 bytes is as good as none", () => {
  const { lab, member, peer } = pair();
  peer.token = new Uint8Array(65);
  get(member, 1);
  lab.run(1000);
  deepStrictEqual(done(member, 1), [{ ok: false, nodes: 0 }]);
});

Deno.test("put sends the value with its date and the node's token; the acknowledgement ends it", () => {
  const { lab, member, peer } = pair();
  put(member, 1, { data: utf8("x") });
  lab.run(100);
  const sent = peer.got("q", "put")[0]!;
  strictEqual(at(sent, "a", "c"), Math.floor(lab.epoch / 1000));
  strictEqual(hexOf(at(sent, "a", "token")), hexOf(peer.token));
  deepStrictEqual(done(member, 1), [{ ok: true, nodes: 1 }]);
  lab.run(30 * MINUTE);
  strictEqual(peer.got("q", "put").length, 1);
});
Deno.test("[dht 52] a permanent put probes, puts without a date, and comes back after 590 s to refresh", () => {
  const { lab, member, peer } = pair();
  let stored = false;
  peer.more = (packet) => packet.get("q") === "get" && stored ? { fileds: { f: [1, 4], v: [1, 0] } } : {};
  put(member, 1, { data: utf8("x") }, true);
  lab.run(100);
  stored = true;
  deepStrictEqual(done(member, 1), [{ ok: true, nodes: 1 }]);
  const puts = peer.got("q", "put");
  strictEqual(puts.length, 1);
  strictEqual(at(puts[0], "a", "c"), undefined);
  lab.run(10 * MINUTE);
  const refreshes = peer.inbox.filter((s) => s.packet.get("q") === "refresh");
  strictEqual(refreshes.length, 1);
  ok(Math.abs(refreshes[0]!.at - 590_100) < 200, `${refreshes[0]!.at}`);
  strictEqual(at(refreshes[0]!.packet, "a", "vid"), 1);
  strictEqual(peer.got("q", "put").length, 1);
  lab.run(50 * MINUTE);
  strictEqual(peer.inbox.filter((s) => s.packet.get("q") === "refresh").length, 6);
  member.feed({ type: "cancel", op: 1 });
  lab.run(20 * MINUTE);
  strictEqual(peer.inbox.filter((s) => s.packet.get("q") === "refresh").length, 6);
  strictEqual(member.node.info().values, 0);
});
Deno.test("a refresh answered with 404 becomes a put; a put answered with 401 fetches a new token first", () => {
  const { lab, member, peer } = pair();
  peer.more = (packet) => packet.get("q") === "get" ? { fileds: { f: [1, 4], v: [1, 0] } } : {};
  peer.answers = new Set(["ping", "find", "get"]);
  put(member, 1, { data: utf8("x") }, true);
  lab.run(50);
  const refresh = peer.got("q", "refresh")[0]!;
  peer.say(peer.packets.encodeError(refresh.get("t") as number, { code: 404, text: "" }), member);
  lab.run(50);
  const first = peer.got("q", "put")[0]!;
  peer.token = new Uint8Array(32).fill(9);
  peer.more = () => ({});
  peer.answers = new Set(["ping", "find", "get", "put"]);
  peer.say(peer.packets.encodeError(first.get("t") as number, { code: 401, text: "" }), member);
  lab.run(100);
  strictEqual(hexOf(at(peer.got("q", "put").at(-1), "a", "token")), "09".repeat(32));
  deepStrictEqual(done(member, 1), [{ ok: true, nodes: 1 }]);
});
Deno.test("the fourth 401 in a row expires the node", () => {
  const { lab, member, peer } = pair();
  peer.answers = new Set(["ping", "find", "get"]);
  put(member, 1, { data: utf8("x") });
  for (let i = 0; i < 4; i++) {
    lab.run(20);
    const last = peer.got("q", "put").at(-1)!;
    peer.say(peer.packets.encodeError(last.get("t") as number, { code: 401, text: "" }), member);
  }
  lab.run(20);
  deepStrictEqual(done(member, 1), [{ ok: false, nodes: 0 }]);
});
Deno.test("putting another value under the same id replaces the first, whose put has failed", () => {
  const { lab, member, peer } = pair();
  peer.answers = new Set(["ping", "find", "get"]);
  put(member, 1, { data: utf8("a") });
  lab.run(50);
  put(member, 2, { data: utf8("b") });
  deepStrictEqual(done(member, 1), [{ ok: false, nodes: 0 }]);
  peer.answers = new Set(["ping", "find", "get", "put"]);
  lab.run(5000);
  deepStrictEqual(done(member, 2), [{ ok: true, nodes: 1 }]);
  get(member, 3);
  deepStrictEqual(texts(member, 3), ["b"]);
});

Deno.test("[dht H13] a packet in the name of a known node does not move it; when it is dead, it moves", () => {
  const { lab, member, peer } = pair();
  const thief = new Stranger(lab, peer.id, { ip: "10.0.6.6", port: 6666 });
  thief.say(thief.packets.ping(1), member);
  lab.run(100);
  deepStrictEqual(member.node.goodNodes().map(({ address }) => address.ip), ["10.0.1.1"]);
  strictEqual(thief.got("r").length, 1, "it is answered all the same");
  ok(
    lab.find({ from: member.address, to: peer.address, q: "ping", since: 100 }).length > 0,
    "the old place is asked",
  );
  peer.answers = new Set();
  lab.run(20_000);
  thief.say(thief.packets.ping(2), member);
  lab.run(10_000);
  thief.say(thief.packets.ping(3), member);
  get(member, 1);
  lab.run(10_000);
  deepStrictEqual(member.node.goodNodes().map(({ address }) => address.ip), ["10.0.6.6"]);
});
Deno.test("[dht H12] an answer from another address, or with a guessed id, changes nothing", () => {
  const { lab, member, peer } = pair();
  peer.answers = new Set();
  get(member, 1);
  lab.run(5);
  const tid = lab.find({ to: peer.address, q: "get" })[0]!.packet.get("t") as number;
  const liar = new Stranger(lab, peer.id, { ip: "10.0.6.6", port: 6666 });
  const lie = {
    token: new Uint8Array(32),
    values: [{ id: 1, dat: { body: { type: 0, data: utf8("lie") } } }],
  };
  liar.say(liar.reply(tid, lie), member);
  peer.say(peer.reply(tid ^ 1, lie), member);
  lab.run(20);
  deepStrictEqual(texts(member, 1), []);
});
Deno.test("[dht H24] our address is believed when three independent nodes agree, whatever one says how often", () => {
  const lab = new Lab(), member = lab.add();
  const saying = (i: number, ip: number[]) => {
    const peer = new Stranger(lab, new Uint8Array(20).fill(i), { ip: `10.0.1.${i}`, port: 5000 });
    peer.more = () => ({ sa: Uint8Array.from(ip) });
    return peer;
  };
  const honest = [1, 2, 3].map((i) => saying(i, [198, 51, 100, 7])), liar = saying(9, [203, 0, 113, 66]);
  const ask = (peer: Stranger, op: number) => {
    member.feed({ type: "insert", id: peer.id, address: peer.address });
    get(member, op);
    lab.run(100);
  };
  for (let i = 0; i < 5; i++) ask(liar, i);
  deepStrictEqual(member.node.info().publicAddresses, []);
  for (const [i, peer] of honest.entries()) ask(peer, 10 + i);
  deepStrictEqual(member.node.info().publicAddresses, ["198.51.100.7"]);
  deepStrictEqual(member.outs("public-address").at(-1)!.ips, ["198.51.100.7"]);
});
Deno.test("[dht H25] error packets that answer nothing of ours are only counted", () => {
  const { lab, member, peer } = pair(), { packetsOut } = member.node.info();
  for (let i = 0; i < 50; i++) {
    peer.say(peer.packets.encodeError(i, { code: i % 2 ? 401 : 404, text: "" }), member);
  }
  lab.run(10);
  strictEqual(member.node.info().drops["unexpected"], 50);
  strictEqual(member.node.info().packetsOut, packetsOut);
  strictEqual(member.node.status, "connected");
});
Deno.test("[dht H14] of a node list only what can be a node is used, and only a few dozen", () => {
  const { lab, member, peer } = pair();
  const entry = (id: number, ip: string, port: number) => {
    const bytes = new Uint8Array(26).fill(id);
    bytes.set(ip.split(".").map(Number), 20);
    bytes.set([port >> 8, port & 255], 24);
    return bytes;
  };
  const own = entry(0, "10.0.5.5", 1);
  own.set(member.node.id);
  const list = [
    own,
    entry(1, "0.1.2.3", 1),
    entry(2, "224.0.0.1", 1),
    entry(3, "10.0.5.6", 0),
    entry(4, "127.0.0.1", 1111),
    ...Array.from({ length: 100 }, (_, i) => entry(100 + i, `10.1.0.${i + 1}`, 1)),
  ];
  peer.more = () => ({ n4: Uint8Array.from(list.flatMap((e) => [...e])) });
  get(member, 1);
  lab.run(20);
  strictEqual(member.node.info().ipv4!.known, 1 + 1 + LIMITS.compactNodes - 5);
  ok(
    lab.find({ from: member.address, to: { ip: "10.0.1.1", port: 1111 } }).length > 0,
    "loopback is the teller's machine",
  );
});
Deno.test("a client is answered and never taken in", () => {
  const { lab, member } = pair();
  const client = lab.add({ client: true });
  client.join(member);
  lab.run(1000);
  strictEqual(client.node.status, "connected");
  strictEqual(member.node.info().ipv4!.good + member.node.info().ipv4!.dubious, 1);
  const token = lab.find({ from: client.address }).every((s) =>
    s.packet.get("y") !== "q" || s.packet.get("s") === true
  );
  ok(token);
});
Deno.test("[dht 7] nodes of different networks do not meet; the number is in every packet", () => {
  const lab = new Lab(), a = lab.add({ network: 7 }), b = lab.add({ network: 7 }), c = lab.add();
  b.join(a);
  c.join(a);
  put(b, 1, { data: new Uint8Array(3000) });
  lab.run(5000);
  strictEqual(b.node.status, "connected");
  strictEqual(c.node.status, "connecting");
  ok(lab.find({ from: b.address }).every((s) => s.packet.get("n") === 7));
  ok(lab.find({ from: b.address, y: "p" }).length === 3);
});
Deno.test("a node with good neighbours nearer to a key acknowledges a put and does not keep it", () => {
  const lab = new Lab(), far = new Uint8Array(20).fill(0xff), member = lab.add({ id: far });
  const near = Array.from({ length: 14 }, (_, i) => {
    const id = KEY.slice();
    id[19] = i;
    return new Stranger(lab, id, { ip: `10.0.1.${i + 1}`, port: 5000 });
  });
  const hosts = near.map(({ address }) => ({ host: address.ip, port: address.port }));
  member.feed({ type: "bootstrap", hosts });
  lab.run(100);
  const value = encodeValue(makeValue({ id: 1n, data: utf8("x") })), token = near[0]!.tokenOf(member);
  near[0]!.say(near[0]!.packets.put(1, KEY, [value], undefined, token), member);
  lab.run(5);
  strictEqual(at(near[0]!.got("r").at(-1), "r", "vid"), 1);
  strictEqual(member.node.info().values, 0);
  strictEqual(member.node.info().drops["too-far"], 1);
});
Deno.test("after a change of network everybody is asked again and bootstrap begins anew", () => {
  const { lab, member, peer } = pair();
  lab.run(MINUTE);
  const since = lab.now;
  member.feed({ type: "connectivity" });
  lab.run(100);
  ok(lab.find({ from: member.address, to: peer.address, since }).length > 0);
  strictEqual(member.node.status, "connected");
});
Deno.test("an idle node is nearly silent", () => {
  const lab = new Lab(), nodes = Array.from({ length: 8 }, () => lab.add());
  for (const node of nodes.slice(1)) node.join(nodes[0]!);
  lab.run(5 * MINUTE);
  const since = lab.now;
  lab.run(30 * MINUTE);
  const sent = lab.find({ since }).length / 8 / 30;
  ok(sent < 12, `${sent} packets per node and minute`);
  ok(nodes.every((m) => m.node.status === "connected"));
  put(nodes[2]!, 1, { data: utf8("still here") });
  lab.run(10_000);
  get(nodes[6]!, 1);
  lab.run(10_000);
  deepStrictEqual(texts(nodes[6]!, 1), ["still here"]);
});
Deno.test("[dht H1] nothing a stranger sends makes a step throw, and memory stays bounded", () => {
  const { lab, member, peer } = pair(), luck = seeded(7);
  const samples = [
    peer.packets.ping(1),
    peer.packets.get(2, KEY, ANY),
    ...peer.packets.put(
      3,
      KEY,
      [encodeValue(makeValue({ id: 1n, data: new Uint8Array(2000) }))],
      1,
      peer.tokenOf(member),
    ),
    peer.packets.listen(4, KEY, peer.tokenOf(member), 5, ANY),
    ...peer.packets.update(
      5,
      KEY,
      6,
      [encodeValue(makeValue({ id: 1n, data: utf8("x") }))],
      1,
      new Uint8Array(32),
    ),
    peer.reply(7, { sa: new Uint8Array(4), n4: new Uint8Array(26), token: new Uint8Array(32) }),
    encode({ e: [401, "x"], r: { id: peer.id }, t: 1, y: "e" }),
  ];
  for (let i = 0; i < 20_000; i++) {
    const bytes = samples[luck.uint32() % samples.length]!.slice();
    for (let n = luck.uint32() % 4; n >= 0; n--) bytes[luck.uint32() % bytes.length] = luck.uint32();
    const cut = luck.uint32() % 8 ? bytes : bytes.subarray(0, luck.uint32() % bytes.length);
    member.receive(cut, { ip: `10.${luck.uint32() & 3}.3.4`, port: 1 + (luck.uint32() & 1023) });
    if (i % 100 === 0) lab.run(100);
  }
  lab.run(20_000);
  const { ipv4, remoteListeners } = member.node.info();
  ok(ipv4!.known < 2 * LIMITS.idleNodes && remoteListeners <= LIMITS.listeners);
});
