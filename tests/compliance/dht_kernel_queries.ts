/** Tokens, errors, filters, rows, listens, rates. */
import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { createHash } from "node:crypto";
import { concat, type Endpoint, hex, unhex } from "../../core/base/mod.ts";
import { type Encodable, encode, type MsgpackValue } from "../../core/codec/mod.ts";
import {
  codeOf,
  inline,
  KEY,
  type Kit,
  LOCAL,
  noise,
  NONE,
  only,
  packed,
  PEER,
  query,
  sent,
  SIX,
  valueOf,
  ZERO,
} from "./dht_kernel_tools.ts";

export function queriesSuite({ make, test, drops, put }: Kit): void {
  test("[dht 14] a token is SHA-256 of secret, address and port, and serves these alone", () => {
    const kernel = make(), secret = unhex("0102030405060708");
    const wanted = createHash("sha256").update(concat(secret, unhex("7f000001107f"))).digest("hex");
    strictEqual(hex(kernel.token(LOCAL)), wanted);
    const six = createHash("sha256").update(concat(secret, unhex("20010db8000000000000000000000007107e")))
      .digest("hex");
    strictEqual(hex(kernel.token(SIX)), six);
    const token = kernel.token(LOCAL).slice();
    const code = (token: Encodable | undefined, from = LOCAL) => {
      const actions = kernel.packet(0, query("put", { h: KEY, values: [inline(1)], token }), from);
      return only(actions, "put").length ? 0 : codeOf(actions);
    };
    deepStrictEqual([code(token), code([...token]), code(token, { ...LOCAL, port: 4224 })], [0, 0, 401]);
    deepStrictEqual([code(token.subarray(1)), code(undefined), code(concat(token, token)), code(NONE)], [
      401,
      401,
      401,
      401,
    ]);
    deepStrictEqual([
      kernel.tokenOk(token, LOCAL),
      kernel.tokenOk(token, SIX),
      kernel.tokenOk(token.subarray(1), LOCAL),
    ], [true, false, false]);
  });

  test("[dht 15] the token before the newest still serves, an older one does not", () => {
    const kernel = make(), token = kernel.token(LOCAL).slice();
    kernel.rotate(unhex("1111111111111111"));
    strictEqual(kernel.tokenOk(token, LOCAL), true);
    ok(hex(kernel.token(LOCAL)) !== hex(token));
    kernel.rotate(unhex("2222222222222222"));
    strictEqual(kernel.tokenOk(token, LOCAL), false);
  });

  test("[dht 16] get, put and listen without a key are answered with 203", () => {
    for (const q of ["get", "put", "listen"]) {
      for (const h of [undefined, ZERO]) strictEqual(codeOf(make().packet(0, query(q, { h }), LOCAL)), 203);
    }
  });

  test("[dht 17] refresh is handed on when its token is right", () => {
    const kernel = make(), token = kernel.token(LOCAL).slice();
    const [action] = only(
      kernel.packet(0, query("refresh", { h: KEY, vid: 2n ** 63n, token }), LOCAL),
      "refresh",
    );
    deepStrictEqual([hex(action!.key), action!.value, action!.tid], [hex(KEY), 2n ** 63n, 7]);
    strictEqual(codeOf(kernel.packet(0, query("refresh", { h: KEY, vid: 1 }), LOCAL)), 401);
    strictEqual(codeOf(kernel.packet(0, query("refresh", { vid: 1, token }), LOCAL)), 404);
  });

  test("[dht 18] a put without a readable value is not answered, one with two brings both", () => {
    for (const values of [[], [null, "x", [1]], undefined]) {
      const kernel = make();
      drops(query("put", { h: KEY, token: kernel.token(LOCAL).slice(), values }), "no-values", LOCAL, kernel);
    }
    const kernel = make(),
      [action] = only(kernel.packet(0, put(kernel, [inline(1), "junk", inline(2)]), LOCAL), "put");
    deepStrictEqual(action!.values.map(hex), [packed(1), packed(2)].map(hex));
    const other = make();
    drops(put(other, 5), "malformed", LOCAL, other);
  });

  test("[dht 25] errors carry our id, in the bytes V26 gives", () => {
    const kernel = make({ id: unhex("497b2f62fbc175412965911fa55d8ea140271f6e"), agent: "o2" });
    const actions = kernel.packet(0, query("put", { h: KEY, values: [] }, { t: 2 }), LOCAL);
    strictEqual(
      hex(only(actions, "send")[0]!.bytes),
      "85a16592cd0191b8507574207769746820696e636f727265637420746f6b656ea17281a26964c414497b2f62fbc175412965911fa55d8ea140271f6ea17402a179a165a176a26f32",
    );
  });

  test("[dht 26] selected fields come as flat rows", () => {
    const kernel = make(), owner = noise(294, 8), text = new TextEncoder().encode("text/plain");
    kernel.setValue(KEY, valueOf(5, 10, { valueType: 3, owner, ownerId: PEER, seq: 9, userType: text }));
    kernel.setValue(KEY, valueOf(6, 10));
    const rows = (s: number[], w: Encodable = []) =>
      sent(kernel.packet(0, query("get", { h: KEY, q: { s, w } }), LOCAL)).r;
    deepStrictEqual(
      rows([5, 1, 4, 3, 2, 1]).get("fileds"),
      new Map<string, MsgpackValue>([["f", [1, 2, 3, 4, 5]], ["v", [
        5,
        3,
        owner,
        9,
        "text/plain",
        6,
        0,
        ZERO,
        0,
        "",
      ]]]),
    );
    deepStrictEqual(rows([1], [{ f: 5, v: text }]).get("fileds"), new Map([["f", [1]], ["v", [5]]]));
    deepStrictEqual(
      rows([1], [{ f: 3, v: PEER }, { f: 2, v: 3 }]).get("fileds"),
      new Map([["f", [1]], ["v", [5]]]),
    );
    strictEqual(rows([1], [{ f: 3, v: PEER }, { f: 2, v: 4 }]).has("fileds"), false);
    const [reply] = only(
      kernel.packet(
        0,
        encode({ r: { id: PEER, fileds: { f: [1, 3, 5], v: [2n ** 60n, owner, "x"] } } }),
        LOCAL,
      ),
      "reply",
    );
    deepStrictEqual([
      reply!.rows!.fields,
      reply!.rows!.rows[0]![0],
      hex(reply!.rows!.rows[0]![1] as Uint8Array),
    ], [[1, 3, 5], 2n ** 60n, hex(owner)]);
  });

  test("[dht 27] a filter without s or w, or with a field it cannot have, drops the packet", () => {
    const odd: Encodable[] = [{ s: [1] }, { w: [] }, [], 5, { s: 1, w: [] }, { s: [], w: {} }];
    for (const f of [0, 4, 6, 300]) odd.push({ s: [], w: [{ f, v: 1 }] });
    odd.push({ s: [], w: [{ f: 1 }] }, { s: [], w: [{ f: 3, v: KEY.subarray(1) }] }, {
      s: [],
      w: [{ f: 1, v: "1" }],
    }, { s: [-1], w: [] });
    for (const q of odd) drops(query("get", { h: KEY, q }), "malformed");
  });

  test("[dht 28] a field nobody knows is left out of the answer", () => {
    const kernel = make();
    kernel.setValue(KEY, valueOf(5, 10));
    const { r } = sent(kernel.packet(0, query("get", { h: KEY, q: { s: [9, 1, 77], w: [] } }), LOCAL));
    deepStrictEqual(r.get("fileds"), new Map([["f", [1]], ["v", [5]]]));
    drops(query("get", { h: KEY, q: { s: [9], w: [] } }), "malformed");
  });

  test("[dht 31] updates are handed on whatever their socket, with what they bring", () => {
    const bytes = query("update", {
      sid: 77,
      ve: 1,
      h: KEY,
      token: noise(32, 1),
      exp: [8, 2n ** 63n],
      re: [],
      values: [inline(3)],
    });
    const [action] = only(make().packet(0, bytes, LOCAL), "update");
    deepStrictEqual([action!.socket, action!.expired, action!.refreshed, action!.values.length], [
      77,
      [8n, 2n ** 63n],
      [],
      1,
    ]);
  });

  test("[dht 34] replies bring their token, listens are handed on with their filter", () => {
    const [reply] = only(
      make().packet(
        0,
        encode({ r: { id: PEER, sa: unhex("7f000001"), token: noise(32, 2), vid: 9 }, t: 5, y: "r" }),
        LOCAL,
      ),
      "reply",
    );
    deepStrictEqual([hex(reply!.token!), hex(reply!.seenAs!), reply!.value, reply!.tid, reply!.values], [
      hex(noise(32, 2)),
      "7f000001",
      9n,
      5,
      undefined,
    ]);
    const kernel = make(), token = kernel.token(LOCAL).slice(), q = { s: [4, 1], w: [{ f: 2, v: 8 }] };
    const [listen] = only(
      kernel.packet(0, query("listen", { h: KEY, token, sid: 6, ve: 1, q }), LOCAL),
      "listen",
    );
    deepStrictEqual([listen!.socket, listen!.version, listen!.query], [6, 1, {
      select: [1, 4],
      where: [{ field: 2, value: 8 }],
    }]);
    strictEqual(codeOf(kernel.packet(0, query("listen", { h: KEY, sid: 6 }), LOCAL)), 401);
    for (const size of [0, 65]) {
      const [other] = only(
        make().packet(0, encode({ r: { id: PEER, token: noise(size, 1) } }), LOCAL),
        "reply",
      );
      strictEqual(other!.token, undefined);
    }
  });

  test("[dht 35] pushes of version 0 arrive as replies under the socket's number", () => {
    const kernel = make(),
      bytes = encode({ u: { id: PEER, token: noise(32, 1), exp: [1, 2] }, t: 99, y: "r" });
    const [action] = only(kernel.packet(0, bytes, LOCAL), "reply");
    deepStrictEqual([action!.tid, action!.expired, action!.values], [99, [1n, 2n], undefined]);
  });

  test("[dht 51, H26] 1024 requests a second of one address are served, others are unaffected", () => {
    const kernel = make(), ping = query("ping", {}), from = (ip: string) => ({ ip, port: 5000 });
    const served = (count: number, source: Endpoint, now: number) =>
      Array.from({ length: count }, () => only(kernel.packet(now, ping, source), "send").length).reduce((
        a,
        b,
      ) => a + b);
    strictEqual(served(3000, from("192.0.2.1"), 1000), 1024);
    strictEqual(served(10, { ip: "192.0.2.1", port: 9 }, 1500), 0);
    strictEqual(served(100, from("192.0.2.2"), 1000), 100);
    strictEqual(served(2000, from("2001:db8::1"), 1000), 1024);
    deepStrictEqual([served(1, from("2001:db8::2"), 1000), served(1, from("2001:db8:0:1::2"), 1000)], [0, 1]);
    strictEqual(served(3000, from("192.0.2.1"), 2100), 1024);
    strictEqual(kernel.stats().drops["rate-address"], 3000 - 1024 + 10 + 2000 - 1024 + 1 + 3000 - 1024);
    const all = Array.from({ length: 20 }, (_, i) => served(1000, from(`198.51.100.${i}`), 5000)).reduce((
      a,
      b,
    ) => a + b);
    strictEqual(all, 8192);
    ok(only(kernel.packet(5000, encode({ r: { id: PEER } }), from("198.51.100.1")), "reply").length === 1); // replies are not counted
  });
}
