import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import type { Endpoint } from "../base/mod.ts";
import { seeded } from "./lab.ts";
import { LIMITS } from "./limits.ts";
import { RemoteNode } from "./nodes.ts";
import { type Asking, type Reply, Requests } from "./requests.ts";
import { Timers } from "./timers.ts";

const TO: Endpoint = { ip: "10.0.0.9", port: 4222 };

function world(float = 0) {
  const log: [number, string][] = [], timers = new Timers(), random = { ...seeded(1), float: () => float };
  const host = {
    now: 0,
    random,
    timers,
    send: (bytes: Uint8Array) => void log.push([host.now, `send ${bytes.length}`]),
    lost: () => void log.push([host.now, "lost"]),
  };
  const requests = new Requests(host);
  const run = (until: number) => {
    while (timers.next <= until) timers.run(host.now = timers.next);
    host.now = until;
  };
  const ask = (more: Partial<Asking> = {}) =>
    requests.ask({
      query: "ping",
      node: undefined,
      to: TO,
      write: () => [new Uint8Array(1), new Uint8Array(2)],
      reply: () => void log.push([host.now, "answered"]),
      slow: () => void log.push([host.now, "slow"]),
      expired: () => void log.push([host.now, "expired"]),
      ...more,
    })!;
  return { log, host, requests, run, ask };
}
const node = () => new RemoteNode(new Uint8Array(20).fill(1), "01".repeat(20), TO, false);
const reply = { type: "reply" } as unknown as Reply;

for (const [float, gaps] of [[0, [1000, 3000, 7000]], [1, [1250, 4000, 9750]]] as const) {
  Deno.test(`[dht 24] Requests gives a silent node up after three sends, jitter ${float}`, () => {
    const { log, run, ask, requests } = world(float), peer = node();
    ask({ node: peer });
    run(20_000);
    deepStrictEqual(log, [
      [0, "send 1"],
      [0, "send 2"],
      [gaps[0], "slow"],
      [gaps[0], "send 1"],
      [gaps[0], "send 2"],
      [gaps[1], "send 1"],
      [gaps[1], "send 2"],
      [gaps[2], "expired"],
      [gaps[2], "lost"],
    ]);
    strictEqual(peer.expired, true);
    strictEqual(peer.open.length, 0);
    strictEqual(requests.size, 0);
  });
}
Deno.test("Requests fails everything asked of a node that is given up", () => {
  const { log, run, ask } = world(), peer = node();
  ask({ node: peer });
  run(500);
  ask({ node: peer });
  run(7000);
  deepStrictEqual(log.filter(([, what]) => what === "expired"), [[7000, "expired"], [7000, "expired"]]);
});
Deno.test("[dht H12] Requests matches an answer by id, source address and node id together", () => {
  const { requests, ask } = world(), peer = node(), request = ask({ node: peer });
  strictEqual(requests.match(request.tid ^ 1, TO, peer.key), undefined);
  strictEqual(requests.match(request.tid, { ...TO, port: 4223 }, peer.key), undefined);
  strictEqual(requests.match(request.tid, { ...TO, ip: "10.0.0.8" }, peer.key), undefined);
  strictEqual(requests.match(request.tid, TO, "02".repeat(20)), undefined);
  strictEqual(requests.match(request.tid, TO, peer.key), request);
});
Deno.test("Requests hears one answer once and forgets the request", () => {
  const { log, requests, run, ask } = world(), peer = node(), request = ask({ node: peer });
  requests.answered(request, peer, reply);
  strictEqual(requests.match(request.tid, TO, peer.key), undefined);
  run(20_000);
  deepStrictEqual(log.map(([, what]) => what), ["send 1", "send 2", "answered"]);
});
Deno.test("Requests gives up at once where the system cannot send", () => {
  const { log, requests, ask } = world(), peer = node();
  ask({ node: peer });
  requests.unreachable({ ip: "10.0.0.7", port: 4222 });
  strictEqual(requests.size, 1);
  requests.unreachable(TO);
  deepStrictEqual(log.slice(2).map(([, what]) => what), ["expired", "lost"]);
});
Deno.test("Requests.cancel() is silent and final", () => {
  const { log, requests, run, ask } = world(), request = ask();
  requests.cancel(request);
  requests.cancel(request);
  run(20_000);
  deepStrictEqual(log.map(([, what]) => what), ["send 1", "send 2"]);
});
Deno.test("Requests draws transaction ids that are not zero, not open and not sockets", () => {
  const drawn = [0, 5, 5, 9, 7], { host, ask } = world();
  host.random.uint32 = () => drawn.shift()!;
  strictEqual(ask().tid, 5);
  strictEqual(new Requests(host).newTid((tid) => tid === 5 || tid === 9), 7);
});
Deno.test("Requests keeps thousands open and refuses more than its limit", () => {
  const { host, requests, ask, run } = world();
  host.random = seeded(3);
  for (let i = 0; i < LIMITS.requests; i++) ask({ write: () => [] });
  strictEqual(requests.size, LIMITS.requests);
  strictEqual(ask({ write: () => [] }), undefined);
  run(20_000);
  strictEqual(requests.size, 0);
});
Deno.test("Requests.failed() ends a request only if its owner deals with the error", () => {
  const { requests, ask } = world(), deaf = ask(), keen = ask({ error: (code) => code === 401 });
  requests.failed(deaf, 401);
  requests.failed(keen, 404);
  strictEqual(requests.size, 2);
  requests.failed(keen, 401);
  strictEqual(requests.size, 1);
  ok(keen.state === "cancelled");
});
