import { deepStrictEqual, strictEqual, throws } from "node:assert/strict";
import { utf8 } from "../base/mod.ts";
import { Writer } from "../codec/mod.ts";
import { Lab } from "./lab.ts";
import { decodeSockaddr, encodeSockaddr, exportState, importState } from "./state.ts";
import { encodeValue, makeValue } from "./value.ts";

const ID = new Uint8Array(20).fill(1), KEY = new Uint8Array(20).fill(2), MINUTE = 60_000;
const kept = (fields: { created: number; expires: number; from?: { ip: string; port: number } }) => ({
  key: KEY,
  value: makeValue({ id: 5n, data: utf8("x") }),
  from: undefined,
  ...fields,
});

Deno.test("encodeSockaddr() writes Linux addresses and decodeSockaddr() reads them", () => {
  strictEqual(encodeSockaddr({ ip: "127.0.0.1", port: 4222 }).toHex(), "0200107e7f0000010000000000000000");
  strictEqual(
    encodeSockaddr({ ip: "::1", port: 4222 }).toHex(),
    "0a00107e00000000" + "00".repeat(15) + "01" + "00000000",
  );
  for (const address of [{ ip: "192.0.2.1", port: 1 }, { ip: "2001:db8::1", port: 65535 }]) {
    deepStrictEqual(decodeSockaddr(encodeSockaddr(address)), address);
  }
  throws(() => decodeSockaddr(new Uint8Array(15)), { code: "dht/state" });
});
Deno.test("[dht 54] exportState() and importState() undo each other, dates on another clock", () => {
  const nodes = [{ id: KEY, address: { ip: "10.0.0.1", port: 4222 } }, {
    id: ID,
    address: { ip: "fd00::1", port: 1 },
  }];
  const values = [
    kept({ created: 1000, expires: 300_000, from: { ip: "10.0.0.9", port: 7 } }),
    kept({ created: 0, expires: Infinity }),
  ];
  const bytes = exportState({ id: ID, nodes, values, wallOffset: 1_800_000_000_000 });
  const back = importState(bytes, 1_800_000_000_000 - 5000, 100_000);
  deepStrictEqual([back.id, back.nodes], [ID, nodes]);
  deepStrictEqual(
    [...back.values].map(({ created, expires, from, value }) => [created, expires, from, value.id]),
    [
      [6000, 305_000, { ip: "10.0.0.9", port: 7 }, 5n],
      [5000, 5000 + 10 * MINUTE, undefined, 5n],
    ],
  );
});
Deno.test("[dht 54] importState() reads the values of the older generation, whose clock it cannot know", () => {
  const blob = new Writer().array(1).array(2).uint(123456789012345n).raw(
    encodeValue(makeValue({ id: 5n, data: utf8("x") })),
  );
  const w = new Writer().map(4).str("v").uint(1).str("id").bin(ID).str("nodes").array(0);
  w.str("values").array(1).array(2).bin(KEY).bin(blob.finish());
  deepStrictEqual(
    [...importState(w.finish(), 0, 7000).values].map(({ created, value }) => [created, value.id]),
    [[7000, 5n]],
  );
});
Deno.test("importState() leaves out entries that make no sense and refuses what is no state file", () => {
  const w = new Writer().map(3).str("id").bin(ID).str("nodes").array(3);
  w.map(2).str("id").bin(KEY).str("addr").bin(new Uint8Array(3)).nil();
  w.map(2).str("id").bin(KEY).str("addr").bin(encodeSockaddr({ ip: "10.0.0.1", port: 9 }));
  w.str("values").array(2).nil().array(2).bin(KEY).bin(new Uint8Array([0xc1]));
  const state = importState(w.finish(), 0, 0);
  deepStrictEqual([state.nodes.length, [...state.values].length], [1, 0]);
  throws(() => importState(new Uint8Array([0x81]), 0, 0), { code: /^codec\/msgpack/ });
  throws(() => importState(new Uint8Array([0x80]), 0, 0), { code: "dht/state" });
});
Deno.test("a node comes back with its nodes and values, and keeps no value longer than its type allows", () => {
  const lab = new Lab(), a = lab.add(), b = lab.add().join(a);
  lab.run(5000);
  const value = makeValue({ id: 1n, data: utf8("x") });
  a.feed({ type: "put", op: 1, key: KEY, value, permanent: false, created: undefined, wall: lab.wall });
  lab.run(1000);
  const state = b.node.exportState();
  lab.remove(b.address);
  lab.run(MINUTE);
  const again = lab.add({ id: b.node.id, ip: b.address.ip });
  again.feed({ type: "import", state, wall: lab.wall });
  lab.run(5000);
  strictEqual(again.node.status, "connected");
  again.feed({ type: "get", op: 1, key: KEY, query: { select: [], where: [] } });
  strictEqual(again.outs("value", 1).length, 1);
  lab.run(10 * MINUTE);
  strictEqual(again.node.info().values, 0);
});
