import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { utf8 } from "../base/mod.ts";
import { at, Lab, Stranger } from "./lab.ts";
import { LIMITS } from "./limits.ts";
import { encodeValue, makeValue, type ValueFields } from "./value.ts";

const MINUTE = 60_000, KEY = new Uint8Array(20).fill(0x42), ANY = { select: [], where: [] };
const packed = (fields: ValueFields) => encodeValue(makeValue({ id: 1n, ...fields }));
const textOf = (value: { data: Uint8Array }) => new TextDecoder().decode(value.data);

/** A node of ours that stores, and a hand-made listener. */
function storing() {
  const lab = new Lab(), member = lab.add();
  const listener = new Stranger(lab, new Uint8Array(20).fill(0x99), { ip: "10.0.1.1", port: 5000 });
  const writer = new Stranger(lab, new Uint8Array(20).fill(0x11), { ip: "10.0.1.2", port: 5000 });
  const token = listener.tokenOf(member), writing = writer.tokenOf(member);
  let tid = 500;
  const put = (fields: ValueFields) => {
    const created = Math.floor(lab.wall / 1000);
    writer.say(writer.packets.put(++tid, KEY, [packed(fields)], created, writing), member);
    lab.run(20);
  };
  const listen = (socket = 77, query: Parameters<typeof listener.packets.listen>[4] = ANY) => {
    listener.say(listener.packets.listen(++tid, KEY, token, socket, query), member);
    lab.run(20);
    return tid;
  };
  const pushes = () =>
    listener.got("q", "update").map((p) => ({
      sid: at(p, "a", "sid"),
      values: (at(p, "a", "values") as unknown[] | undefined)?.length ?? 0,
      exp: at(p, "a", "exp"),
      re: at(p, "a", "re"),
    }));
  return { lab, member, listener, writer, put, listen, pushes };
}

Deno.test("[dht 29] a new listener gets what is here before it is confirmed; the confirmation carries a token", () => {
  const { listener, put, listen } = storing();
  put({ data: utf8("there") });
  const tid = listen(),
    order = listener.inbox.slice(1).map(({ packet }) => packet.get("q") ?? at(packet, "t")).filter((x) =>
      x !== "find"
    );
  deepStrictEqual(order, ["update", tid]);
  strictEqual((at(listener.got("r").at(-1), "r", "token") as Uint8Array).length, 32);
});
Deno.test("[dht 30] listening again with the same socket sends no values; the state dies ten minutes after the last time", () => {
  const { lab, member, put, listen, pushes } = storing();
  put({ data: utf8("there") });
  listen();
  listen();
  strictEqual(pushes().length, 1);
  lab.run(9 * MINUTE);
  listen();
  lab.run(9 * MINUTE);
  strictEqual(member.node.info().remoteListeners, 1);
  lab.run(8 * MINUTE); // the memory is cleaned every 2–6 minutes
  strictEqual(member.node.info().remoteListeners, 0);
});
Deno.test("[dht 32] listeners hear of a new value, of its refreshing and of its end", () => {
  const { lab, put, listen, pushes } = storing();
  listen();
  put({ data: utf8("new") });
  put({ data: utf8("new") });
  lab.run(10 * MINUTE + 1000);
  deepStrictEqual(pushes(), [
    { sid: 77, values: 1, exp: undefined, re: undefined },
    { sid: 77, values: 0, exp: undefined, re: [1] },
    { sid: 77, values: 0, exp: [1], re: undefined },
  ]);
});
Deno.test("[dht 32] listeners hear of a refresh by id", () => {
  const { lab, member, writer, put, listen, pushes } = storing();
  put({ data: utf8("new") });
  listen();
  writer.say(writer.packets.refresh(1, KEY, 1n, writer.tokenOf(member)), member);
  lab.run(5);
  deepStrictEqual(pushes().at(-1), { sid: 77, values: 0, exp: undefined, re: [1] });
});
Deno.test("[dht 33] pushes pass through the listener's filter", () => {
  const { put, listen, pushes } = storing();
  put({ id: 1n, data: utf8("a"), userType: "no" });
  listen(77, { select: [], where: [{ field: 5, value: utf8("yes") }] });
  put({ id: 2n, data: utf8("b"), userType: "yes" });
  put({ id: 3n, data: utf8("c"), userType: "no" });
  strictEqual(pushes().length, 1);
});
Deno.test("[dht 35] a listener of version 0 gets replies and `u` packets that nobody acknowledges", () => {
  const { lab, member, listener, put } = storing();
  put({ data: utf8("there") });
  // What an ancient node writes: no `ve`.
  const token = listener.tokenOf(member);
  const packet = listener.packets.listen(5, KEY, token, 78, ANY).toHex().replace(
    "a16185a26964",
    "a16184a26964",
  ).replace("a2766501", "");
  const before = listener.inbox.length;
  listener.say(Uint8Array.fromHex(packet), member);
  lab.run(5);
  put({ id: 2n, data: utf8("second") });
  lab.run(10 * MINUTE + 1000);
  const got = listener.inbox.slice(before).map(({ packet }) => packet);
  const pushes = got.filter((p) => p.get("t") === 78);
  const ids = pushes.slice(2).flatMap((p) => at(p, "u", "exp") as number[]);
  deepStrictEqual(pushes.map((p) => p.get("y")), ["r", "r", "r", "r"]);
  deepStrictEqual(pushes.slice(0, 2).map((p) => (at(p, "r", "values") as unknown[]).length), [1, 1]);
  deepStrictEqual(ids.sort(), [1, 2]);
  strictEqual(got.filter((p) => p.get("y") === "q" && p.get("q") === "update").length, 0);
});
Deno.test("a push that is not acknowledged is sent three times", () => {
  const { lab, listener, put, listen } = storing();
  listen();
  listener.answers = new Set();
  put({ data: utf8("new") });
  lab.run(10_000);
  strictEqual(listener.got("q", "update").length, 3);
});
Deno.test("many values are pushed in several messages of bounded size", () => {
  const { lab, listener, put, listen } = storing();
  for (let i = 1; i <= 5; i++) put({ id: BigInt(i), data: new Uint8Array(20_000) });
  listen();
  lab.run(100);
  const sizes = listener.got("q", "update").map((p) =>
    (at(p, "a", "values") as number[]).reduce((a, b) => a + b)
  );
  strictEqual(sizes.length, 3);
  ok(sizes.every((size) => size <= LIMITS.pushBytes), `${sizes}`);
});
Deno.test("[dht H17] listeners are bounded per address", () => {
  const { lab, member, listen } = storing();
  for (let i = 0; i < LIMITS.listenersPerKey + 10; i++) {
    listen(i + 1);
    if (i % 500 === 0) lab.run(1000); // within the allowed rate
  }
  strictEqual(member.node.info().remoteListeners, LIMITS.listenersPerAddress);
});

/** A node of ours that listens, and a hand-made node it knows. */
function listening() {
  const lab = new Lab(), member = lab.add();
  const server = new Stranger(lab, new Uint8Array(20).fill(0x43), { ip: "10.0.1.1", port: 5000 });
  member.feed({ type: "bootstrap", hosts: [{ host: server.address.ip, port: server.address.port }] });
  lab.run(100);
  member.feed({ type: "listen", op: 1, key: KEY, query: ANY });
  lab.run(100);
  const listens = () => server.inbox.filter((s) => s.packet.get("q") === "listen");
  const sid = () => at(listens().at(-1)!.packet, "a", "sid") as number;
  const heard = (op = 1) => member.outs("heard", op).map((o) => `${o.expired ? "-" : "+"}${textOf(o.value)}`);
  const push = (...values: Uint8Array[]) => {
    server.say(server.packets.update(900, KEY, sid(), values, 1, new Uint8Array(32).fill(8)), member);
    lab.run(5);
  };
  const pushIds = (what: "re" | "exp", ...ids: bigint[]) => {
    server.say(server.packets.updateIds(901, sid(), what, ids, new Uint8Array(32).fill(8)), member);
    lab.run(5);
  };
  return { lab, member, server, listens, sid, heard, push, pushIds };
}

Deno.test("[dht 30] we listen again every 20 seconds with the same socket and new transactions", () => {
  const { lab, listens } = listening(), first = listens()[0]!;
  lab.run(2 * MINUTE);
  const times = listens().map((s) => s.at), gaps = times.slice(1).map((time, i) => time - times[i]!);
  ok(gaps.length >= 5 && gaps.every((gap) => Math.abs(gap - 20_000) < 20), `${gaps}`);
  strictEqual(new Set(listens().map((s) => at(s.packet, "a", "sid"))).size, 1);
  strictEqual(new Set(listens().map((s) => at(s.packet, "t"))).size, listens().length);
  strictEqual(at(first.packet, "a", "ve"), 1);
});
Deno.test("[dht 31] every update is acknowledged with our id and the sender's address, unknown sockets too", () => {
  const { lab, member, server, push, heard } = listening();
  push(packed({ data: utf8("a") }));
  server.say(
    server.packets.update(902, KEY, 12345, [packed({ id: 2n, data: utf8("b") })], 1, new Uint8Array(32)),
    member,
  );
  lab.run(5);
  const acks = server.inbox.map((s) => s.packet).filter((p) => [900, 902].includes(p.get("t") as number));
  deepStrictEqual(
    acks.map((
      p,
    ) => [[...(at(p, "r") as Map<string, unknown>).keys()], (at(p, "r", "sa") as Uint8Array).join(".")]),
    [
      [["id", "sa"], "10.0.1.1"],
      [["id", "sa"], "10.0.1.1"],
    ],
  );
  deepStrictEqual(heard(), ["+a"]);
});
Deno.test("[dht 34] tokens in listen replies and updates are used from then on", () => {
  const { lab, listens, push } = listening();
  push(packed({ data: utf8("a") }));
  lab.run(20_000);
  deepStrictEqual(at(listens().at(-1)!.packet, "a", "token"), new Uint8Array(32).fill(8));
});
Deno.test("values are heard once, and again when a node has edited them; their end is heard", () => {
  const { lab, heard, push, pushIds } = listening();
  push(packed({ data: utf8("a") }));
  push(packed({ data: utf8("a") }));
  deepStrictEqual(heard(), ["+a"]);
  lab.run(9 * MINUTE);
  pushIds("re", 1n);
  lab.run(9 * MINUTE);
  deepStrictEqual(heard(), ["+a"]);
  pushIds("exp", 1n);
  deepStrictEqual(heard(), ["+a", "-a"]);
  push(packed({ data: utf8("b") }));
  lab.run(10 * MINUTE + 1000); // nobody renewed it: its lifetime ends it
  deepStrictEqual(heard(), ["+a", "-a", "+b", "-b"]);
});
Deno.test("[dht H12] pushes from another address, or another node, are not believed", () => {
  const { lab, member, server, sid, heard } = listening();
  const elsewhere = new Stranger(lab, server.id, { ip: "10.0.9.9", port: 5000 });
  const other = new Stranger(lab, new Uint8Array(20).fill(0x66), { ip: "10.0.9.8", port: 5000 });
  for (const liar of [elsewhere, other]) {
    liar.say(
      liar.packets.update(1, KEY, sid(), [packed({ data: utf8("lie") })], 1, new Uint8Array(32)),
      member,
    );
  }
  lab.run(5);
  deepStrictEqual(heard(), []);
  strictEqual(member.node.info().drops["unexpected"], 2);
});
Deno.test("a second reader hears at once what is known, and a get is answered without a packet", () => {
  const { lab, member, push, heard } = listening();
  push(packed({ data: utf8("a") }));
  const packets = member.node.info().packetsOut;
  member.feed({ type: "listen", op: 2, key: KEY, query: { select: [], where: [{ field: 1, value: 1n }] } });
  member.feed({ type: "get", op: 3, key: KEY, query: ANY });
  deepStrictEqual(heard(2), ["+a"]);
  deepStrictEqual(member.outs("value", 3).map((o) => textOf(o.value)), ["a"]);
  strictEqual(member.outs("done", 3)[0]!.ok, true);
  lab.run(5);
  strictEqual(member.node.info().packetsOut, packets);
});
Deno.test("a subscription nobody reads is kept for a minute, then it ends", () => {
  const { lab, member, listens, push, heard } = listening();
  push(packed({ data: utf8("a") }));
  member.feed({ type: "cancel", op: 1 });
  lab.run(50_000);
  member.feed({ type: "listen", op: 2, key: KEY, query: ANY });
  deepStrictEqual(heard(2), ["+a"]);
  member.feed({ type: "cancel", op: 2 });
  lab.run(61_000);
  const before = listens().length;
  lab.run(2 * MINUTE);
  strictEqual(listens().length, before);
  strictEqual(member.node.info().ops, 0);
});
Deno.test("what we store ourselves is heard by our own listeners", () => {
  const { member, heard } = listening();
  member.feed({
    type: "put",
    op: 5,
    key: KEY,
    value: makeValue({ id: 9n, data: utf8("own") }),
    permanent: true,
    created: undefined,
    wall: member.lab.wall,
  });
  deepStrictEqual(heard(), ["+own"]);
  member.feed({ type: "cancel", op: 5 });
  deepStrictEqual(heard(), ["+own", "-own"]);
});
Deno.test("a 401 to a listen forgets the token, closes the socket and begins anew", () => {
  const { lab, member, server, listens, sid } = listening(), before = sid();
  server.answers = new Set(["ping", "find", "get"]);
  lab.run(20_000);
  const refused = listens().at(-1)!.packet.get("t") as number, since = lab.now;
  server.say(server.packets.encodeError(refused, { code: 401, text: "Listen with incorrect token" }), member);
  server.answers = new Set(["ping", "find", "get", "listen"]);
  lab.run(1000);
  ok(lab.find({ from: member.address, q: "find", since }).length > 0, "asks for a token");
  ok(sid() !== before, "on a new socket");
});
Deno.test("values of two nodes are counted: the last to drop one ends it", () => {
  const lab = new Lab(), member = lab.add();
  const servers = [0x43, 0x40].map((id, i) =>
    new Stranger(lab, new Uint8Array(20).fill(id), { ip: `10.0.1.${i + 1}`, port: 5000 })
  );
  member.feed({
    type: "bootstrap",
    hosts: servers.map(({ address }) => ({ host: address.ip, port: address.port })),
  });
  lab.run(100);
  member.feed({ type: "listen", op: 1, key: KEY, query: ANY });
  lab.run(100);
  const heard = () => member.outs("heard", 1).map((o) => (o.expired ? "-" : "+") + textOf(o.value));
  const say = (server: Stranger, run: (sid: number) => Uint8Array | Uint8Array[]) => {
    const sid = at(server.got("q", "listen").at(-1), "a", "sid") as number;
    server.say(run(sid), member);
    lab.run(5);
  };
  const value = packed({ data: utf8("a") }), token = new Uint8Array(32);
  for (const server of servers) say(server, (sid) => server.packets.update(1, KEY, sid, [value], 1, token));
  deepStrictEqual(heard(), ["+a"]);
  say(servers[0]!, (sid) => servers[0]!.packets.updateIds(2, sid, "exp", [1n], token));
  deepStrictEqual(heard(), ["+a"]);
  say(servers[1]!, (sid) => servers[1]!.packets.updateIds(2, sid, "exp", [1n], token));
  deepStrictEqual(heard(), ["+a", "-a"]);
});
