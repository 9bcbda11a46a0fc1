/** Any bytes as what a home gateway says: search answers, descriptions, control answers, NAT-PMP and PCP. */
import { ok, strictEqual } from "node:assert/strict";
import { type Random, utf8 } from "../base/mod.ts";
import { NAT } from "./limits.ts";
import { HttpReader } from "./nat_http.ts";
import { NatMapper } from "./nat_mapper.ts";
import { decodePcp, decodePmp } from "./nat_pmp.ts";
import { parseActionAnswer, parseDescription, parseSearchAnswer, parseUrl } from "./nat_upnp.ts";

export const name = "nat";
export const guide = ["/core/net/nat_"];
const GATEWAY = "192.168.1.1", at = { ip: GATEWAY, port: 5000, path: "/root.xml" };
export const seeds: readonly Uint8Array[] = [
  utf8(
    `HTTP/1.1 200 OK\r\nST: urn:schemas-upnp-org:device:InternetGatewayDevice:1\r\nLOCATION: http://${GATEWAY}:5000/r.xml\r\n\r\n`,
  ),
  utf8("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"),
  utf8(
    '<?xml version="1.0"?><root><URLBase>http://192.168.1.1:5000/</URLBase><device><serviceList><service><serviceType>urn:schemas-upnp-org:service:WANIPConnection:1</serviceType><controlURL>/c</controlURL></service></serviceList></device></root>',
  ),
  utf8(
    "<s:Envelope><s:Body><s:Fault><UPnPError><errorCode>718</errorCode></UPnPError></s:Fault></s:Body></s:Envelope>",
  ),
  utf8("http://[fe80::1]:80/x?y"),
  Uint8Array.fromHex("008200000000001000000fa01f9000001c20"),
  Uint8Array.fromHex("0280000000001c20000000100000000000000000000000000000"),
];
const random: Random = { bytes: (n) => new Uint8Array(n), float: () => 0, uint32: () => 0 };
const expected = (error: unknown, start: string) => {
  const { code } = error as { code?: string };
  ok(code?.startsWith(start), `${code ?? error}`);
};

export function run(bytes: Uint8Array): void {
  const url = parseSearchAnswer(bytes, { ip: GATEWAY, port: 1900 });
  if (url) strictEqual(url.ip, GATEWAY);
  parseUrl(new TextDecoder().decode(bytes), at);
  decodePmp(bytes), decodePcp(bytes);
  try {
    for (const service of parseDescription(bytes, at)) strictEqual(service.control.ip, GATEWAY);
    parseActionAnswer(200, bytes, "GetExternalIPAddress");
  } catch (error) {
    expected(error, "net/upnp-");
  }
  try {
    const reader = new HttpReader(), whole = reader.push(bytes) ?? reader.end();
    ok(whole.body.length <= NAT.httpBody);
  } catch (error) {
    expected(error, "net/http-");
  }
  const mapper = new NatMapper(random), outs = [];
  mapper.step(0, { type: "network", gateway: GATEWAY, local: "192.168.1.7" });
  mapper.step(0, { type: "want", id: 1, protocol: "tcp", port: 4000 });
  outs.push(...mapper.step(1, { type: "datagram", from: { ip: GATEWAY, port: 5351 }, bytes }));
  outs.push(...mapper.step(2, { type: "datagram", from: { ip: GATEWAY, port: 1900 }, bytes }));
  outs.push(...mapper.step(3, { type: "http", request: 1, answer: { status: 200, body: bytes } }));
  ok(outs.length < 20 && mapper.wakeAt > 0);
}
