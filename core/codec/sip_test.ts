import { deepStrictEqual, strictEqual, throws } from "node:assert/strict";
import fc from "fast-check";
import { concat, text, utf8 } from "../base/mod.ts";
import { formatSip, SIP_LIMITS, sipHeader, type SipMessage, SipReader } from "./sip.ts";

/** As a daemon of 2023 sends it (captured, names changed). */
const MESSAGE = [
  "MESSAGE sips:8ec662634df67ee1f9e29479b321be36a0be57ff@10.77.0.12:59000;transport=tls SIP/2.0",
  "Via: SIP/2.0/TLS 10.77.0.11:35877;rport;branch=z9hG4bKPj34cd0246-445b-47a2-a85a-24dd932ae02f;alias",
  "Max-Forwards: 70",
  'From: "Alice Example" <sip:93545d48af8585d2e03931118cfd3ad4e6205bf7@ring.dht>;tag=68dbe37e',
  "To: <sips:8ec662634df67ee1f9e29479b321be36a0be57ff@10.77.0.12>",
  "Call-ID: 5bfd33f1-e94a-48a5-8480-7913a910563c",
  "CSeq: 11024 MESSAGE",
  "Message-ID: 001776da4a04bb3b",
  "Content-Type: application/im-gitmessage-id",
  "Content-Length:     5",
  "",
  "hello",
].join("\r\n");

Deno.test("SipReader reads a daemon's MESSAGE cut anywhere, with keep-alives between", () => {
  const bytes = utf8(`\r\n\r\n${MESSAGE}\r\n\r\n${MESSAGE}`);
  fc.assert(fc.property(fc.array(fc.integer({ min: 1, max: 60 }), { minLength: 1 }), (cuts) => {
    const reader = new SipReader(), found: SipMessage[] = [];
    for (let at = 0, i = 0; at < bytes.length; i++) {
      found.push(...reader.push(bytes.subarray(at, at += cuts[i % cuts.length]!)));
    }
    strictEqual(found.length, 2);
    deepStrictEqual(found[0]!.start, {
      method: "MESSAGE",
      uri: "sips:8ec662634df67ee1f9e29479b321be36a0be57ff@10.77.0.12:59000;transport=tls",
    });
    strictEqual(text(found[1]!.body), "hello");
    strictEqual(sipHeader(found[0]!, "message-id"), "001776da4a04bb3b");
  }));
});

Deno.test("formatSip() makes what SipReader reads back", () => {
  const value = fc.stringMatching(/^[!-~]([ -~]{0,30}[!-~])?$/),
    name = fc.constantFrom("Via", "X-Test", "Subject");
  fc.assert(
    fc.property(fc.array(fc.tuple(name, value)), fc.uint8Array({ maxLength: 300 }), (headers, body) => {
      const [read] = new SipReader().push(formatSip({ start: { status: 200, phrase: "OK" }, headers, body }));
      deepStrictEqual(read!.headers.slice(0, -1), headers);
      deepStrictEqual([read!.start, Uint8Array.from(read!.body)], [{ status: 200, phrase: "OK" }, body]);
    }),
  );
  throws(
    () =>
      formatSip({
        start: { method: "MESSAGE", uri: "x" },
        headers: [["From", "a\r\nEvil: b"]],
        body: new Uint8Array(),
      }),
    TypeError,
  );
});

Deno.test("SipReader writes compact and folded headers out", () => {
  const [read] = new SipReader().push(
    utf8("OPTIONS sip:x SIP/2.0\r\nf: <sip:a>\r\ni: 1\r\nSubject: one\r\n  two\r\nl: 0\r\n\r\n"),
  );
  deepStrictEqual(read!.headers, [["From", "<sip:a>"], ["Call-ID", "1"], ["Subject", "one two"], [
    "Content-Length",
    "0",
  ]]);
});

Deno.test("SipReader refuses what it cannot follow", () => {
  const head = "MESSAGE sip:x SIP/2.0\r\n";
  for (
    const message of [
      "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
      `${head}From: a\r\n\r\n`,
      `${head}Content-Length: -1\r\n\r\n`,
      `${head}Content-Length: 99999999\r\n\r\n`,
      `${head}From: a\r\nf: b\r\nContent-Length: 0\r\n\r\n`,
      `${head}no colon\r\nContent-Length: 0\r\n\r\n`,
      `${head}${"X: y\r\n".repeat(100)}Content-Length: 0\r\n\r\n`,
      "x".repeat(SIP_LIMITS.headBytes + 1),
      "\r\n".repeat(200),
    ]
  ) throws(() => new SipReader().push(utf8(message)), { code: "codec/sip" }, message.slice(0, 60));
  throws(() => new SipReader().push(concat(utf8(head), Uint8Array.of(0xc3, 0x28), utf8("\r\n\r\n"))), {
    code: "codec/sip",
  });
});

Deno.test("SipReader returns or throws a DecodeError for any bytes", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), fc.nat(MESSAGE.length), (noise, at) => {
    try {
      new SipReader().push(concat(utf8(MESSAGE.slice(0, at)), noise, utf8(MESSAGE.slice(at))));
    } catch (error) {
      strictEqual((error as Error).name, "DecodeError");
    }
  }));
});
