import { deepStrictEqual, strictEqual } from "node:assert/strict";
import fc from "fast-check";
import { concat, hex, unhex } from "../base/mod.ts";
import { measured } from "../../tests/vectors/net/stun.ts";
import { frameData, FrameReader, frameStun } from "./framing.ts";
import { encodeKeepalive } from "./ice_check.ts";

/** Everything a reader makes of `bytes`, arriving in pieces of these sizes. */
function read(bytes: Uint8Array, sizes: readonly number[] = [bytes.length || 1]) {
  const reader = new FrameReader(), stun: string[] = [], data: Uint8Array[] = [];
  for (let at = 0, i = 0; at < bytes.length; i++) {
    const size = Math.max(1, sizes[i % sizes.length]!);
    reader.push(bytes.subarray(at, at + size), (m) => stun.push(hex(m)), (d) => data.push(d.slice()));
    at += size;
  }
  return { stun, data: hex(concat(...data)), partial: reader.partial };
}
const record = (type: number, length: number, fill = 0xaa) => {
  const bytes = new Uint8Array(5 + length).fill(fill);
  bytes.set([type, 3, 3, length >> 8, length & 255]);
  return bytes;
};

Deno.test("[connection 30] frameData() gives each TLS record a frame of its own", () => {
  const records = [record(0x16, 90), record(0x14, 1), record(0x17, 16640), record(0x17, 0)];
  const framed = frameData(concat(...records));
  const ends: number[] = [];
  for (let at = 0; at < framed.length;) ends.push(at += 2 + (framed[at]! << 8 | framed[at + 1]!));
  deepStrictEqual(ends, [97, 97 + 8, 97 + 8 + 16647, framed.length]);
  strictEqual(read(framed).data, hex(concat(...records)));
});

Deno.test("[connection 30] frameData() never writes a frame above 65535 bytes, nor one that looks like STUN", () => {
  const shaped = new Uint8Array(65535 * 2 + 100); // zeros: as much like STUN as bytes can be
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: shaped.length }),
      fc.integer({ min: 0, max: 3 }),
      (length, first) => {
        const bytes = shaped.slice(0, length);
        if (length > 3) bytes[0] = first, bytes[2] = (length - 20) >> 8 & 255, bytes[3] = (length - 20) & 255;
        const { stun, data, partial } = read(frameData(bytes), [4096]);
        deepStrictEqual([stun.length, data.length / 2, partial], [0, length, false]);
      },
    ),
    { numRuns: 60 },
  );
});

Deno.test("[connection H18] a frame with the shape of STUN never leaves us as data", () => {
  const message = unhex(measured.request.slice(4));
  const { stun, data } = read(frameData(message));
  deepStrictEqual([stun, data], [[], hex(message)]);
});

Deno.test("[connection 31] FrameReader gives the same stream however the bytes are cut", () => {
  const keepalive = encodeKeepalive(unhex("0102030405060708090a0b0c"));
  const whole = concat(
    frameStun(unhex(measured.request.slice(4))),
    frameStun(unhex(measured.response.slice(4))),
    frameData(record(0x16, 333)),
    frameStun(keepalive),
    frameData(concat(record(0x17, 53), record(0x17, 16400))),
  );
  strictEqual(hex(whole).startsWith(measured.request + measured.response), true);
  const wanted = read(whole);
  deepStrictEqual(wanted.stun, [measured.request.slice(4), measured.response.slice(4), hex(keepalive)]);
  deepStrictEqual(read(whole, [1]), wanted);
  deepStrictEqual(read(whole, [1, 1, 7, 3]), wanted); // the length itself in two segments
  fc.assert(fc.property(fc.array(fc.integer({ min: 1, max: 3000 }), { minLength: 1 }), (sizes) => {
    deepStrictEqual(read(whole, sizes), wanted);
  }));
});

Deno.test("[connection 34] FrameReader ignores empty frames", () => {
  const data = frameData(record(0x17, 3));
  deepStrictEqual(
    read(concat(unhex("0000"), data, unhex("00000000"), data), [1]).data,
    hex(record(0x17, 3)).repeat(2),
  );
  deepStrictEqual(frameData(new Uint8Array(0)).length, 0);
});

Deno.test("[connection H14] FrameReader knows that it waits for the rest of something", () => {
  for (const cut of ["00", "0010", "001c00", "001c0011000821", "0005170303"]) {
    strictEqual(read(unhex(cut)).partial, true, cut);
  }
  strictEqual(read(frameData(record(0x17, 3))).partial, false);
});

Deno.test("FrameReader returns for any bytes and holds one frame at most", () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 3000 }),
      fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1 }),
      (bytes, sizes) => {
        const { stun, data } = read(bytes, sizes);
        strictEqual(stun.join("").length + data.length <= 2 * bytes.length, true);
      },
    ),
  );
});
