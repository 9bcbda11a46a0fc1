/** Writes MessagePack piece by piece, always in the shortest form. */

const FIRST_BYTES = 256;
const U64_MAX = 2n ** 64n - 1n, I64_MIN = -(2n ** 63n);

/** Every method appends and returns the writer. Nothing checks that containers get as many items as announced. */
export class Writer {
  #bytes = new Uint8Array(FIRST_BYTES);
  #view = new DataView(this.#bytes.buffer);
  #at = 0;

  /** Bytes written so far. */
  get length(): number {
    return this.#at;
  }
  nil(): this {
    return this.#byte(0xc0);
  }
  bool(value: boolean): this {
    return this.#byte(value ? 0xc3 : 0xc2);
  }
  /** @throws {RangeError} unless `value` is an integer in 0…2⁶⁴ − 1 (a number: a safe one). */
  uint(value: number | bigint): this {
    if (value < 0) throw new RangeError("msgpack: negative");
    return this.int(value);
  }
  /** @throws {RangeError} unless `value` is an integer in −2⁶³…2⁶⁴ − 1 (a number: a safe one). */
  int(value: number | bigint): this {
    if (typeof value === "number") {
      if (!Number.isSafeInteger(value)) throw new RangeError("msgpack: not a safe integer");
      if (value >= -0x80000000 && value <= 0xffffffff) return this.#small(value);
      value = BigInt(value);
    } else if (value >= -0x80000000n && value <= 0xffffffffn) return this.#small(Number(value));
    if (value > U64_MAX || value < I64_MIN) throw new RangeError("msgpack: integer beyond 64 bits");
    const at = this.#byte(value < 0n ? 0xd3 : 0xcf).#room(8); // room first: it may move the bytes
    this.#view.setBigUint64(at, BigInt.asUintN(64, value));
    return this;
  }
  /** A 64-bit float. */
  float(value: number): this {
    const at = this.#byte(0xcb).#room(8);
    this.#view.setFloat64(at, value);
    return this;
  }
  /** Text, or bytes that shall be called text. */
  str(value: string | Uint8Array): this {
    if (typeof value === "string" && value.length < 32 && this.#ascii(value)) return this;
    const bytes = typeof value === "string" ? encoder.encode(value) : value;
    if (bytes.length < 32) this.#byte(0xa0 | bytes.length);
    else this.#header(bytes.length, 0xd9, 0xda, 0xdb);
    return this.raw(bytes);
  }
  bin(value: Uint8Array): this {
    return this.#header(value.length, 0xc4, 0xc5, 0xc6).raw(value);
  }
  /** Header of an array; `count` items must follow. */
  array(count: number): this {
    return count < 16 ? this.#byte(0x90 | count) : this.#header(count, -1, 0xdc, 0xdd);
  }
  /** Header of a map; `count` keys and values must follow in turn. */
  map(count: number): this {
    return count < 16 ? this.#byte(0x80 | count) : this.#header(count, -1, 0xde, 0xdf);
  }
  /** An extension object. @throws {RangeError} for a type outside −128…127. */
  ext(type: number, data: Uint8Array): this {
    if (!Number.isInteger(type) || type < -128 || type > 127) throw new RangeError("msgpack: extension type");
    const fixed = [1, 2, 4, 8, 16].indexOf(data.length);
    if (fixed >= 0) this.#byte(0xd4 + fixed);
    else this.#header(data.length, 0xc7, 0xc8, 0xc9);
    return this.#byte(type & 255).raw(data);
  }
  /** `bytes` as they are: one or more objects packed before. */
  raw(bytes: Uint8Array): this {
    const at = this.#room(bytes.length);
    this.#bytes.set(bytes, at);
    return this;
  }
  /** Everything written: a copy of its own. The writer is empty afterwards and may be used again. */
  finish(): Uint8Array<ArrayBuffer> {
    const whole = this.#bytes.slice(0, this.#at);
    this.#at = 0;
    return whole;
  }

  /** Writes a short str at once if it is ASCII; otherwise nothing. */
  #ascii(value: string): boolean {
    const start = this.#room(1 + value.length);
    this.#bytes[start] = 0xa0 | value.length;
    for (let i = 0; i < value.length; i++) {
      const code = value.charCodeAt(i);
      if (code > 0x7f) return this.#at = start, false;
      this.#bytes[start + 1 + i] = code;
    }
    return true;
  }
  #small(value: number): this {
    if (value >= 0) {
      if (value < 0x80) return this.#byte(value);
      return this.#header(value, 0xcc, 0xcd, 0xce);
    }
    if (value >= -32) return this.#byte(value & 255);
    if (value >= -0x80) return this.#byte(0xd0).#byte(value & 255);
    const short = value >= -0x8000, at = this.#byte(short ? 0xd1 : 0xd2).#room(short ? 2 : 4);
    if (short) this.#view.setInt16(at, value);
    else this.#view.setInt32(at, value);
    return this;
  }
  /** A type byte and a number in the shortest of 8, 16, 32 bits; −1 for a width that does not exist. */
  #header(value: number, type8: number, type16: number, type32: number): this {
    if (!(value <= 0xffffffff)) throw new RangeError("msgpack: too long");
    if (value < 0x100 && type8 >= 0) return this.#byte(type8).#byte(value);
    const short = value < 0x10000, at = this.#byte(short ? type16 : type32).#room(short ? 2 : 4);
    if (short) this.#view.setUint16(at, value);
    else this.#view.setUint32(at, value);
    return this;
  }
  #byte(value: number): this {
    const at = this.#room(1);
    this.#bytes[at] = value;
    return this;
  }
  #room(length: number): number {
    const at = this.#at, end = at + length;
    if (end > this.#bytes.length) {
      const bigger = new Uint8Array(Math.max(end, 2 * this.#bytes.length));
      bigger.set(this.#bytes);
      this.#bytes = bigger;
      this.#view = new DataView(bigger.buffer);
    }
    this.#at = end;
    return at;
  }
}

const encoder = new TextEncoder();
