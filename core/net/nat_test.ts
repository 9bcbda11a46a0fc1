import { deepStrictEqual, strictEqual, throws } from "node:assert/strict";
import fc from "fast-check";
import { type Endpoint, hex, type Random, unhex, utf8 } from "../base/mod.ts";
import { NAT } from "./limits.ts";
import { encodeHttp, type HttpAnswer, HttpReader, type HttpRequest } from "./nat_http.ts";
import { NatMapper, type NatMethod, type NatOut } from "./nat_mapper.ts";
import {
  decodePcp,
  decodePmp,
  encodePcpAnnounce,
  encodePcpMap,
  encodePmpExternal,
  encodePmpMap,
} from "./nat_pmp.ts";
import { parseActionAnswer, parseDescription, parseSearchAnswer, parseUrl } from "./nat_upnp.ts";

const GATEWAY = "192.168.1.1", LOCAL = "192.168.1.7", PUBLIC = "8.20.30.2";
const random: Random = { bytes: (n) => new Uint8Array(n).fill(7), float: () => 0.5, uint32: () => 7 };

Deno.test("NAT-PMP and PCP requests have the layout of RFC 6886 §3.3 and RFC 6887 §11.1", () => {
  strictEqual(hex(encodePmpExternal()), "0000");
  const wish = { protocol: "tcp", internalPort: 4000, externalPort: 5000, lifetimeS: 7200 } as const;
  strictEqual(hex(encodePmpMap(wish)), "0002" + "0000" + "0fa0" + "1388" + "00001c20");
  strictEqual(hex(encodePmpMap({ ...wish, protocol: "udp" })).slice(0, 4), "0001");
  strictEqual(hex(encodePcpAnnounce(LOCAL)), "0200000000000000" + "00000000000000000000ffffc0a80107");
  const nonce = unhex("000102030405060708090a0b");
  strictEqual(
    hex(encodePcpMap({ ...wish, nonce, client: LOCAL })),
    "0201000000001c20" + "00000000000000000000ffffc0a80107" + hex(nonce) + "06000000" + "0fa01388" +
      "00000000000000000000ffff00000000",
  );
});

Deno.test("decodePmp() and decodePcp() read answers and return for any bytes", () => {
  deepStrictEqual(decodePmp(unhex("00800000" + "00000010" + "08141e02")), {
    kind: "external",
    result: 0,
    epoch: 16,
    ip: PUBLIC,
  });
  deepStrictEqual(decodePmp(unhex("00810000" + "00000010" + "0fa01388" + "00001c20")), {
    kind: "map",
    result: 0,
    epoch: 16,
    protocol: "udp",
    internalPort: 4000,
    externalPort: 5000,
    lifetimeS: 7200,
  });
  deepStrictEqual(decodePmp(unhex("00810001")), { kind: "unsupported" });
  for (const bad of ["", "00", "0000", "00800000", "0080000000000010", "01810000", "0081000000000010"]) {
    strictEqual(decodePmp(unhex(bad)), undefined, bad);
  }
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => void (decodePmp(bytes), decodePcp(bytes))),
  );
});

const answer = (location: string, st = "urn:schemas-upnp-org:device:InternetGatewayDevice:1") =>
  utf8(`HTTP/1.1 200 OK\r\nST: ${st}\r\nLocation: ${location}\r\nUSN: uuid:x\r\n\r\n`);

Deno.test("parseSearchAnswer() follows nobody to another machine", () => {
  const from = { ip: GATEWAY, port: 1900 };
  deepStrictEqual(parseSearchAnswer(answer(`http://${GATEWAY}:5000/root.xml`), from), {
    ip: GATEWAY,
    port: 5000,
    path: "/root.xml",
  });
  for (
    const location of [
      "http://10.0.0.5:5000/root.xml",
      "http://localhost:5000/",
      "http://192.168.1.1.example.org/",
      `http://${GATEWAY}@10.0.0.5/`,
      `https://${GATEWAY}/`,
      `file:///etc/passwd`,
      `http://${GATEWAY}:0/`,
      `http://${GATEWAY}:99999/`,
      `http://${GATEWAY}/a b`,
      `http://${GATEWAY}/${"a".repeat(600)}`,
      "",
    ]
  ) strictEqual(parseSearchAnswer(answer(location), from), undefined, location);
  strictEqual(parseSearchAnswer(answer(`http://${GATEWAY}/`, "upnp:rootdevice"), from), undefined);
  strictEqual(parseSearchAnswer(utf8("NOTIFY * HTTP/1.1\r\n\r\n"), from), undefined);
  strictEqual(parseSearchAnswer(new Uint8Array(3000).fill(65), from), undefined);
});

const description = (services: string, base = "") =>
  utf8(
    `<?xml version="1.0"?><root xmlns="urn:schemas-upnp-org:device-1-0">${base}<device><deviceList><device><serviceList>${services}</serviceList></device></deviceList></device></root>`,
  );
const service = (type: string, control: string) =>
  `<service><serviceType>urn:schemas-upnp-org:service:${type}</serviceType><controlURL>${control}</controlURL></service>`;
const at = { ip: GATEWAY, port: 5000, path: "/desc/root.xml" };

Deno.test("parseDescription() finds connection services, best first, on the gateway only", () => {
  const found = parseDescription(
    description(
      service("WANPPPConnection:1", "ppp") + service("Layer3Forwarding:1", "/l3f") +
        service("WANIPConnection:1", "/ctl/IP") +
        service("WANIPConnection:2", "http://10.0.0.9/ctl") +
        service("WANIPConnection:2", `http://${GATEWAY}:5000/ctl2`),
    ),
    at,
  );
  deepStrictEqual(found.map((s) => [s.control.path, s.anyPort]), [["/ctl2", true], ["/ctl/IP", false], [
    "/desc/ppp",
    false,
  ]]);
  throws(() => parseDescription(description("", "<URLBase>http://10.0.0.9/</URLBase>"), at), {
    code: "net/upnp-description",
  });
});

Deno.test("parseDescription() survives bombs, deep nesting and size", () => {
  const bomb =
    `<?xml version="1.0"?><!DOCTYPE r [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]><r>&b;</r>`;
  for (
    const bad of [
      utf8(bomb),
      utf8("<a>".repeat(20000)),
      new Uint8Array(NAT.httpBody + 1).fill(32),
      new Uint8Array([0xff, 0xfe]),
      utf8(""),
    ]
  ) {
    throws(() => parseDescription(bad, at), { code: "net/upnp-xml" });
  }
  fc.assert(fc.property(fc.string(), (text) => {
    try {
      parseDescription(utf8(text), at);
    } catch (error) {
      strictEqual((error as { code?: string }).code?.startsWith("net/upnp-"), true);
    }
  }));
});

Deno.test("parseUrl() reads relative paths against the description", () => {
  deepStrictEqual(parseUrl("ctl", at)?.path, "/desc/ctl");
  deepStrictEqual(parseUrl("/ctl?x=1", at)?.path, "/ctl?x=1");
  strictEqual(parseUrl("ftp://x/", at), undefined);
  strictEqual(parseUrl("a\r\nX: y", at), undefined);
});

Deno.test("HttpReader reads fixed, chunked and ended answers in any pieces, and stops at its bounds", () => {
  const read = (whole: string, size: number, ended = false): HttpAnswer | undefined => {
    const reader = new HttpReader(), bytes = utf8(whole);
    for (let i = 0; i < bytes.length; i += size) {
      const got = reader.push(bytes.subarray(i, i + size));
      if (got) return got;
    }
    return ended ? reader.end() : undefined;
  };
  const fixed = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", open = "HTTP/1.0 500 No\r\n\r\nbad";
  const chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\n\r\n";
  for (const size of [1, 7, 1000]) {
    for (const whole of [fixed, chunked]) {
      deepStrictEqual(hex(read(whole, size)!.body), hex(utf8("hello")));
    }
    deepStrictEqual(read(open, size, true)?.status, 500);
  }
  for (
    const [bad, code] of [
      ["SSH-2.0-x\r\n\r\n\r\n", "net/http-head"],
      ["HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n", "net/http-size"],
      ["HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "net/http-chunk"],
      ["HTTP/1.1 200 OK\r\nX: " + "a".repeat(9000), "net/http-head"],
      ["HTTP/1.1 200 OK\r\n\r\n" + "a".repeat(150_000), "net/http-size"],
    ] as const
  ) throws(() => read(bad, 4096, true), { code }, bad.slice(0, 40));
  throws(() => read("HTTP/1.1 200 OK\r\n\r\n" + "a".repeat(2000), 1, true), { code: "net/http-size" }); // dripping
  throws(() => read("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhe", 9, true), { code: "net/http-short" });
});

/** A gateway played by the test, on virtual time. */
class Bench {
  now = 0;
  readonly all: { at: number; out: NatOut }[] = [];
  readonly mapper: NatMapper;
  #read = 0;
  constructor(methods: readonly NatMethod[], readonly gateway: (bench: Bench, out: NatOut) => void) {
    this.mapper = new NatMapper(random, { methods });
    this.feed({ type: "network", gateway: GATEWAY, local: LOCAL });
  }
  feed(input: Parameters<NatMapper["step"]>[1]): void {
    for (const out of this.mapper.step(this.now, input)) this.all.push({ at: this.now, out });
    while (this.#read < this.all.length) this.gateway(this, this.all[this.#read++]!.out);
  }
  run(until: number): void {
    while (this.mapper.wakeAt <= until) {
      this.now = Math.max(this.now, this.mapper.wakeAt);
      this.feed({ type: "wake" });
    }
    this.now = until;
  }
  from(bytes: string, from: Endpoint = { ip: GATEWAY, port: 5351 }): void {
    this.feed({ type: "datagram", from, bytes: unhex(bytes) });
  }
  outs<T extends NatOut["type"]>(type: T): (Extract<NatOut, { type: T }> & { at: number })[] {
    return this.all.filter((a) => a.out.type === type).map((a) => ({ at: a.at, ...a.out })) as never;
  }
  sent = () => this.outs("send").filter((s) => s.to.port === 5351).map((s) => [s.at, hex(s.bytes)] as const);
}

/** Answers NAT-PMP; `epoch` seconds since it was started. */
const pmp = (state: { start: number; alive: boolean; life?: number }) => (bench: Bench, out: NatOut) => {
  if (out.type !== "send" || out.to.port !== 5351 || !state.alive) return;
  const epoch = Math.floor((bench.now - state.start) / 1000).toString(16).padStart(8, "0"),
    asked = hex(out.bytes);
  if (asked === "0000") bench.from(`00800000${epoch}08141e02`);
  else if (asked.startsWith("0002")) {
    bench.from(
      `00820000${epoch}${asked.slice(8, 12)}1f90${(state.life ?? 7200).toString(16).padStart(8, "0")}`,
    );
  }
};

Deno.test("NatMapper renews at four fifths of the lifetime, and says when the gateway has gone", () => {
  const state = { start: 0, alive: true }, b = new Bench(["pmp"], pmp(state));
  b.feed({ type: "want", id: 1, protocol: "tcp", port: 4000 });
  deepStrictEqual(b.outs("mapped").map((m) => [m.external, m.by]), [[{ ip: PUBLIC, port: 8080 }, "pmp"]]);
  const before = b.sent().length;
  b.run(0.8 * 7_200_000 - 1);
  strictEqual(b.sent().length, before);
  b.run(0.8 * 7_200_000);
  deepStrictEqual(b.sent().at(-1), [0.8 * 7_200_000, "000200000fa01f9000001c20"]); // the same port again
  strictEqual(b.outs("mapped").length, 1);
  state.alive = false;
  b.run(3 * 7_200_000);
  deepStrictEqual(b.outs("unmapped")[0]?.why, "lost");
});

Deno.test("NatMapper asks again when the gateway's clock fell back", () => {
  const state = { start: 0, alive: true }, b = new Bench(["pmp"], pmp(state));
  b.feed({ type: "want", id: 1, protocol: "tcp", port: 4000 });
  b.run(1_000_000);
  const before = b.sent().length;
  state.start = b.now; // restarted
  b.from("00800000" + "00000001" + "08141e02"); // it announces itself
  strictEqual(b.sent().length, before + 1);
});

Deno.test("NatMapper gives a mapping back with lifetime 0", () => {
  const b = new Bench(["pmp"], pmp({ start: 0, alive: true }));
  b.feed({ type: "want", id: 1, protocol: "tcp", port: 4000 });
  b.feed({ type: "release", id: 1 });
  strictEqual(b.sent().at(-1)![1], "000200000fa0000000000000");
  strictEqual(b.mapper.wakeAt === Infinity || b.mapper.wakeAt > b.now, true);
});

Deno.test("NatMapper believes nobody but the gateway", () => {
  const b = new Bench(["pmp", "pcp", "upnp"], () => {});
  b.feed({ type: "want", id: 1, protocol: "tcp", port: 4000 });
  for (const from of [{ ip: "192.168.1.66", port: 5351 }, { ip: GATEWAY, port: 5352 }]) {
    b.from("00800000" + "00000001" + "0a000001", from);
  }
  b.feed({
    type: "datagram",
    from: { ip: "192.168.1.66", port: 1900 },
    bytes: answer("http://192.168.1.66:80/x"),
  });
  b.from("00820000" + "00000001" + "0fa01f90" + "00001c20"); // a mapping nobody asked for
  b.run(NAT.searchMs + 1);
  deepStrictEqual([b.outs("mapped"), b.outs("http")], [[], []]);
  deepStrictEqual(b.outs("unmapped").map((u) => u.why), ["no-gateway"]);
  strictEqual(b.outs("drop").length, 4);
});

Deno.test("NatMapper asks a silent gateway four times with growing gaps, then waits five minutes", () => {
  const b = new Bench(["pmp"], () => {});
  b.feed({ type: "want", id: 1, protocol: "tcp", port: 4000 });
  b.run(NAT.searchMs + NAT.lookAgainMs - 1);
  deepStrictEqual(b.sent().map(([at]) => at), [0, 250, 750, 1750]);
  b.run(NAT.searchMs + NAT.lookAgainMs + 1);
  strictEqual(b.sent().length, 5);
});

/** A UPnP gateway whose answers to AddPortMapping are a list of error codes, then yes. */
const igd = (errors: number[], asked: string[]) => (bench: Bench, out: NatOut) => {
  if (out.type === "send" && out.to.port === 1900 && !bench.outs("http").length) {
    const bytes = answer(`http://${GATEWAY}:5000/desc/root.xml`);
    return bench.feed({ type: "datagram", from: { ip: GATEWAY, port: 1900 }, bytes });
  }
  if (out.type !== "http") return;
  const soap = (status: number, body: string): HttpAnswer => ({
    status,
    body: utf8(`<?xml version="1.0"?><s:Envelope xmlns:s="x"><s:Body>${body}</s:Body></s:Envelope>`),
  });
  const { http, request } = out as { http: HttpRequest; request: number },
    text = new TextDecoder().decode(http.body);
  let reply: HttpAnswer;
  if (http.method === "GET") reply = { status: 200, body: description(service("WANIPConnection:1", "/ctl")) };
  else if (text.includes("GetExternalIPAddress")) {
    reply = soap(
      200,
      `<u:GetExternalIPAddressResponse xmlns:u="y"><NewExternalIPAddress>${PUBLIC}</NewExternalIPAddress></u:GetExternalIPAddressResponse>`,
    );
  } else {
    const [, port, lease] = /NewExternalPort>(\d+).*?(?:NewLeaseDuration>(\d+))?</.exec(text) ?? [];
    asked.push(
      `${/u:(\w+) /.exec(text)![1]} ${port} ${/NewLeaseDuration>(\d+)/.exec(text)?.[1] ?? lease ?? ""}`
        .trim(),
    );
    const code = errors.shift();
    reply = code === undefined ? soap(200, `<u:${/u:(\w+) /.exec(text)![1]}Response xmlns:u="y"/>`) : soap(
      500,
      `<s:Fault><detail><UPnPError><errorCode>${code}</errorCode></UPnPError></detail></s:Fault>`,
    );
  }
  bench.feed({ type: "http", request, answer: reply });
};

Deno.test("NatMapper takes another port when the wished one is taken, and a lease without end where nothing else is given", () => {
  const asked: string[] = [], b = new Bench(["upnp"], igd([718, 725], asked));
  b.feed({ type: "want", id: 1, protocol: "tcp", port: 4000 });
  deepStrictEqual(asked, ["AddPortMapping 4000 7200", "AddPortMapping 12500 7200", "AddPortMapping 12500 0"]);
  deepStrictEqual(b.outs("mapped").map((m) => m.external), [{ ip: PUBLIC, port: 12500 }]);
  b.feed({ type: "release", id: 1 });
  strictEqual(asked.at(-1), "DeletePortMapping 12500");
});

Deno.test("NatMapper gives up on a gateway that refuses for good, after a bounded number of tries", () => {
  const refused: string[] = [], b = new Bench(["upnp"], igd([606], refused));
  b.feed({ type: "want", id: 1, protocol: "tcp", port: 4000 });
  b.run(NAT.searchMs + 1);
  deepStrictEqual([refused.length, b.outs("unmapped").map((u) => u.why)], [1, ["refused"]]);
  const endless: string[] = [], c = new Bench(["upnp"], igd(Array(100).fill(718), endless));
  c.feed({ type: "want", id: 1, protocol: "udp", port: 4000 });
  c.run(NAT.searchMs + 1);
  deepStrictEqual([endless.length, c.outs("unmapped").map((u) => u.why)], [NAT.tries, ["refused"]]);
});

Deno.test("encodeHttp() writes one whole request; parseActionAnswer() takes an error without a code for code 0", () => {
  const bytes = encodeHttp({ to: at, method: "POST", body: utf8("x"), headers: { A: "b" } });
  strictEqual(
    new TextDecoder().decode(bytes),
    `POST /desc/root.xml HTTP/1.1\r\nHost: ${GATEWAY}:5000\r\nConnection: close\r\nA: b\r\nContent-Length: 1\r\n\r\nx`,
  );
  deepStrictEqual(parseActionAnswer(500, utf8("<a/>"), "X"), { ok: false, code: 0 });
});
