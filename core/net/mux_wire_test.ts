import { deepStrictEqual, ok, strictEqual, throws } from "node:assert/strict";
import { gunzipSync } from "node:zlib";
import fc from "fast-check";
import { concat, unhex, utf8 } from "../base/mod.ts";
import { encode, RawStr } from "../codec/mod.ts";
import { MUX_LIMITS } from "./limits.ts";
import {
  CONTROL,
  encodeBeacon,
  encodeChannel,
  encodeValue,
  encodeVersion,
  FrameReader,
  type MuxFrame,
  parseControl,
  PROTOCOL,
} from "./mux_wire.ts";

const frames = (bytes: Uint8Array): MuxFrame[] => new FrameReader().push(bytes);
const spaceless = (text: string) => unhex(text.replace(/\s/g, ""));

/** Spec: connection §5.2, measured with real encoders. */
const examples: [name: string, hex: string, ours: Uint8Array, read: MuxFrame][] = [
  ["version", "92cdffffc40481a17601", encodeVersion(1), {
    type: "control",
    messages: [{ type: "version", version: 1 }],
  }],
  ["beacon", "92cdffffc40481a170c3", encodeBeacon(false), {
    type: "control",
    messages: [{ type: "beacon" }],
  }],
  ["beacon reply", "92cdffffc40481a170c2", encodeBeacon(true), {
    type: "control",
    messages: [{ type: "beaconReply" }],
  }],
  ["request", "9200c40793a37369700100", encodeChannel("request", "sip", 1), {
    type: "control",
    messages: [{ type: "request", name: "sip", channel: 1 }],
  }],
  ["accept", "9200c40793a37369700101", encodeChannel("accept", "sip", 1), {
    type: "control",
    messages: [{ type: "accept", name: "sip", channel: 1 }],
  }],
  ["decline", "9200c40793a37369700102", encodeChannel("decline", "sip", 1), {
    type: "control",
    messages: [{ type: "decline", name: "sip", channel: 1 }],
  }],
  ["request on 0x8000", "9200c40993a3736970cd800000", encodeChannel("request", "sip", 0x8000), {
    type: "control",
    messages: [{ type: "request", name: "sip", channel: 0x8000 }],
  }],
  [
    "long name",
    `9200c44a93d944${utf8("msg:" + "ab".repeat(32)).toHex()}cc8000`,
    encodeChannel("request", "msg:" + "ab".repeat(32), 0x80),
    {
      type: "control",
      messages: [{ type: "request", name: "msg:" + "ab".repeat(32), channel: 0x80 }],
    },
  ],
  ["7 bytes", "9201c4074f5054494f4e53", encodeValue(1, utf8("OPTIONS")), {
    type: "data",
    channel: 1,
    bytes: utf8("OPTIONS"),
  }],
  ["end", "9201c400", encodeValue(1, new Uint8Array(0)), { type: "end", channel: 1 }],
];

for (const [name, hex, ours, read] of examples) {
  Deno.test(`[connection 46] ${name}: the measured bytes are written and read`, () => {
    strictEqual(ours.toHex(), hex);
    deepStrictEqual(frames(unhex(hex)), [read]);
  });
}

Deno.test("[connection 46] encodeValue() writes the headers of 300 and 65535 bytes as real nodes do", () => {
  strictEqual(encodeValue(0x8001, new Uint8Array(300)).subarray(0, 7).toHex(), "92cd8001c5012c");
  strictEqual(encodeValue(0x8001, new Uint8Array(65535)).subarray(0, 7).toHex(), "92cd8001c5ffff");
  strictEqual(encodeValue(0x80, new Uint8Array(255)).subarray(0, 5).toHex(), "92cc80c4ff");
});

/** What real daemons wrote, decrypted: both generations, one file per direction. */
const captures = [...Deno.readDirSync(new URL("../../tests/vectors/net/mux/", import.meta.url))]
  .map(({ name }) => name).filter((name) => name.endsWith(".gz")).sort();
for (const file of captures) {
  Deno.test(`[connection 46] [connection 47] a captured connection is read to the last byte and written again byte for byte: ${file}`, () => {
    const stream = new Uint8Array(
      gunzipSync(Deno.readFileSync(new URL(`../../tests/vectors/net/mux/${file}`, import.meta.url))),
    );
    const reader = new FrameReader(), written: Uint8Array[] = [];
    const whole = reader.push(stream); // in one push a body is never cut
    strictEqual(reader.partial, false);
    for (const frame of whole) {
      if (frame.type === "data") written.push(encodeValue(frame.channel, frame.bytes));
      else if (frame.type === "end") written.push(encodeValue(frame.channel, new Uint8Array(0)));
      else if (frame.type === "control") {
        for (const m of frame.messages) {
          if (m.type === "version") written.push(encodeVersion(m.version));
          else if (m.type === "beacon" || m.type === "beaconReply") {
            written.push(encodeBeacon(m.type !== "beacon"));
          } else if (m.type !== "unknown") written.push(encodeChannel(m.type, m.name, m.channel));
        }
      }
    }
    ok(whole.length > 0);
    deepStrictEqual(concat(...written), stream);
  });
}

Deno.test("[connection 53] FrameReader gives the same bytes however the stream is cut", () => {
  const value = fc.tuple(fc.integer({ min: 1, max: 0xfffe }), fc.uint8Array({ maxLength: 700 }));
  fc.assert(
    fc.property(
      fc.array(value, { maxLength: 12 }),
      fc.array(fc.integer({ min: 1, max: 400 }), { minLength: 1 }),
      (values, cuts) => {
        const stream = concat(
          ...values.map(([channel, data]) => encodeValue(channel, data)),
          encodeChannel("request", "sip", 7),
        );
        const reader = new FrameReader(), got: MuxFrame[] = [];
        for (let at = 0, i = 0; at < stream.length; i++) {
          const n = cuts[i % cuts.length]!;
          got.push(...reader.push(stream.subarray(at, at + n)));
          at += n;
        }
        const joined = (list: MuxFrame[]) => {
          const text: string[] = [];
          for (const frame of list) {
            if (frame.type === "data" && text.at(-1)?.startsWith(`${frame.channel}:`)) {
              text.push(
                `${text.pop()}${frame.bytes.toHex()}`,
              );
            } else if (frame.type === "data") text.push(`${frame.channel}:${frame.bytes.toHex()}`);
            else text.push(JSON.stringify(frame));
          }
          return text;
        };
        deepStrictEqual(joined(got), joined(frames(stream)));
        strictEqual(reader.partial, false);
      },
    ),
  );
});

Deno.test("[connection 53] FrameReader reads a value of 65535 bytes in two records", () => {
  const bytes = encodeValue(9, new Uint8Array(65535).fill(3)), reader = new FrameReader();
  const got = [
    ...reader.push(bytes.subarray(0, 4)),
    ...reader.push(bytes.subarray(4, 30_000)),
    ...reader.push(bytes.subarray(30_000)),
  ];
  strictEqual(got.reduce((sum, frame) => sum + (frame.type === "data" ? frame.bytes.length : NaN), 0), 65535);
});

Deno.test("FrameReader is as forgiving as real readers: other integers, str, more items, two messages in one value", () => {
  deepStrictEqual(frames(spaceless("92 ce 00000001 a2 6869")), [{
    type: "data",
    channel: 1,
    bytes: utf8("hi"),
  }]);
  deepStrictEqual(frames(spaceless("92 cf 0000000000000001 d9 02 6869")), [{
    type: "data",
    channel: 1,
    bytes: utf8("hi"),
  }]);
  deepStrictEqual(frames(spaceless("93 01 c4 02 6869 c0")), [{
    type: "data",
    channel: 1,
    bytes: utf8("hi"),
  }]);
  deepStrictEqual(frames(spaceless("dc 0002 01 c4 00")), [{ type: "end", channel: 1 }]);
  const two = concat(encode(["a", 1, 0]), encode(["b", 2, 0]));
  const [both] = frames(encodeValue(CONTROL, two));
  strictEqual(both?.type === "control" && both.messages.length, 2);
  deepStrictEqual(frames(encodeValue(PROTOCOL, encode(new Map([["v", 7]])))), [{
    type: "control",
    messages: [{ type: "version", version: 7 }],
  }]);
  deepStrictEqual(frames(encodeValue(CONTROL, new Uint8Array(0))), []);
});

Deno.test("[connection H22] FrameReader skips values of another shape and says so", () => {
  for (
    const hex of [
      "c1",
      "80",
      "01",
      "90",
      "91 01",
      "92 ce 00010000 c4 01 00",
      "92 ff c4 01 00",
      "92 01 93 01 02 03",
      "92 01 c0",
    ]
  ) {
    const got = frames(concat(spaceless(hex), encodeValue(5, utf8("x"))));
    deepStrictEqual(got.map(({ type }) => type), ["bad", "data"], hex);
  }
});

Deno.test("[connection H20] [connection H21] FrameReader refuses what could only grow", () => {
  const refuses = (hex: string, code: string) => throws(() => frames(spaceless(hex)), { code }, hex);
  refuses("92 01 c6 ffffffff", "net/mux-value-size");
  refuses("92 01 c6 00020001", "net/mux-value-size");
  refuses("92 00 db 00100000", "net/mux-value-size");
  refuses("dd ffffffff", "net/mux-value");
  refuses("df ffffffff", "net/mux-value");
  refuses("92 01 " + "91".repeat(10), "net/mux-value");
  refuses("92 c7 01 05 00 c4 00", "net/mux-value");
  throws(() => frames(concat(spaceless("dc 1000"), new Uint8Array(5000))), { code: "net/mux-value-size" });
  frames(spaceless("92 01 c6 00020000")); // 128 KiB is the most
});

Deno.test("parseControl() never throws, and marks what it does not understand", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
    for (const message of parseControl(bytes)) ok(message.type);
  }));
  for (
    const bad of [
      ["x"],
      ["x", -1, 0],
      ["x", 70000, 0],
      [1, 1, 0],
      ["x", 1, 9],
      ["x", 1, "0"],
      "x",
      5,
      new Map([["v", -1]]),
    ]
  ) {
    deepStrictEqual(parseControl(encode(bad as never)), [{ type: "unknown" }]);
  }
  deepStrictEqual(parseControl(encode(["x", 1])), [{ type: "request", name: "x", channel: 1 }]); // state is 0 where missing
  const many = concat(...Array.from({ length: 500 }, () => encode(["x", 1, 0])));
  strictEqual(parseControl(many).length, MUX_LIMITS.controlMessages + 1);
  deepStrictEqual(parseControl(encode([Uint8Array.of(0xff), 1, 0])), [{
    type: "request",
    name: new RawStr(Uint8Array.of(0xff)),
    channel: 1,
  }]);
});

Deno.test("[connection H24] encodeChannel() cuts what it echoes of a name that is too long", () => {
  const bytes = encodeChannel("decline", "x".repeat(60_000), 3);
  deepStrictEqual(frames(bytes), [{
    type: "control",
    messages: [{ type: "decline", name: "x".repeat(1024), channel: 3 }],
  }]);
});
