/** A stream of LAN packets and proxy lines: nothing throws but core errors, and nothing is remembered beyond its bounds. */
import { ok } from "node:assert/strict";
import { CoreError, unhex, utf8 } from "../base/mod.ts";
import { encodeAnnouncement, LAN_QUERY, LanDiscovery } from "./lan.ts";
import { Lines, parseProxyInfo, parseProxyLine } from "./proxy.ts";

const id = new Uint8Array(20).fill(7),
  account = { id: "93545d48af8585d2e03931118cfd3ad4e6205bf7", name: "Alice" };
const from = [{ ip: "192.0.2.7", port: 8888 }, { ip: "fe80::7", port: 8888 }, { ip: "2001:db8::7", port: 1 }];
const links = [{ ip: "192.0.2.1", prefix: 24 }, { ip: "2001:db8::1", prefix: 64 }];
const fresh = () => {
  const machine = new LanDiscovery({ id, network: 0, publish: true, discover: true });
  machine.step(0, { type: "changed", links, ports: { 4: 4222, 6: 4222 } });
  return machine;
};

export const name = "dht_lan";
export const guide = ["/core/dht/lan", "/core/dht/proxy.ts"];
export const seeds: readonly Uint8Array[] = [
  LAN_QUERY,
  encodeAnnouncement({ node: { id: unhex(account.id), port: 4222, network: 0 }, account })!,
  utf8('{"id":"5","data":"eA==","type":0,"utype":"x","prio":1,"expired":true}\n{"id":"6","cypher":"eA=="}\n'),
  utf8('{"node_id":"93545d48af8585d2e03931118cfd3ad4e6205bf7","ipv4":{"good":1}}'),
];

let machine = fresh(), now = 0;
export function restart(): void {
  machine = fresh(), now = 0;
}

export function run(bytes: Uint8Array): void {
  for (const one of from) {
    const out = machine.step(now += 50, { type: "packet", bytes, from: one });
    ok(out.length <= 16, `one packet made ${out.length} actions`);
  }
  ok(machine.wakeAt > now - 50);
  const lines = new Lines(1000);
  for (const line of [...lines.feed(bytes), ...lines.end()]) {
    ok(line.length <= 1000);
    for (const read of [parseProxyLine, (text: string) => parseProxyInfo(JSON.parse(text))]) {
      try {
        read(line);
      } catch (error) {
        ok(error instanceof CoreError || error instanceof SyntaxError, `not a core error: ${error}`);
      }
    }
  }
}
