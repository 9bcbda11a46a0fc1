/** Bytes that have arrived and wait for their reader: the reading half of a {@linkcode ByteStream} for whoever gets pushed at. */

/** Pieces smaller than this are copied together, so that many tiny ones cost no more than one big one. */
const SMALL = 2048;
/** A view is kept as it is only if it is at least this part of the memory it keeps alive. */
const WASTE = 4;
const BLOCK = { first: 512, most: 16384 } as const; // blocks for small pieces double up to the most

/** A queue with one reader. Its bound is the pusher's business: `length` says how much waits, `taken` when that shrinks. */
export class ByteQueue {
  #pieces: Uint8Array[] = [];
  #tail: { block: Uint8Array<ArrayBuffer>; used: number } | undefined; // the last piece is a view into it
  #block: number = BLOCK.first;
  #first = 0;
  #length = 0;
  #end: "open" | "ended" | Error = "open";
  #waiting: PromiseWithResolvers<Uint8Array | undefined> | undefined;

  /** `taken` is called with the number of bytes a reader took, after they left the queue. */
  constructor(readonly taken: (bytes: number) => void = () => {}) {}

  /** Bytes that wait. */
  get length(): number {
    return this.#length;
  }
  /** No more bytes will be given out: all read after the end, or failed. */
  get done(): boolean {
    return this.#end !== "open" && this.#length === 0;
  }

  /** Appends `bytes`, which belong to the queue from now on. Ignored after the end. */
  push(bytes: Uint8Array): void {
    if (this.#end !== "open" || bytes.length === 0) return;
    if (this.#waiting) {
      const { resolve } = this.#waiting;
      this.#waiting = undefined;
      resolve(bytes);
      this.taken(bytes.length);
      return;
    }
    this.#length += bytes.length;
    if (bytes.length >= SMALL && bytes.length * WASTE >= bytes.buffer.byteLength) {
      this.#tail = undefined;
      this.#block = BLOCK.first;
      this.#pieces.push(bytes);
    } else this.#append(bytes);
  }

  /** What waits may still be read, then `undefined` comes; with `drop` it comes at once. */
  end(drop = false): void {
    if (drop) this.#drop();
    if (this.#end !== "open") return;
    this.#end = "ended";
    this.#waiting?.resolve(undefined);
    this.#waiting = undefined;
  }

  /** What waits may still be read, then `reason` is thrown; with `drop` it is thrown at once. */
  fail(reason: Error, drop = false): void {
    if (this.#end === "open") this.#end = reason;
    if (drop) this.#drop(), this.#end = reason;
    this.#waiting?.reject(reason);
    this.#waiting = undefined;
  }

  /** One piece in order, as {@linkcode ByteStream.read} promises it. */
  read(): Promise<Uint8Array | undefined> {
    if (this.#waiting) return Promise.reject(new TypeError("a read is already waiting"));
    if (this.#length) {
      const piece = this.#shift();
      this.#length -= piece.length;
      this.taken(piece.length);
      return Promise.resolve(piece);
    }
    if (this.#end === "ended") return Promise.resolve(undefined);
    if (this.#end !== "open") return Promise.reject(this.#end);
    this.#waiting = Promise.withResolvers();
    return this.#waiting.promise;
  }

  #drop(): void {
    this.#pieces.length = this.#first = this.#length = 0;
    this.#tail = undefined;
  }

  #append(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length;) {
      if (!this.#tail || this.#tail.used === this.#tail.block.length) {
        this.#tail = { block: new Uint8Array(this.#block), used: 0 };
        this.#block = Math.min(BLOCK.most, 2 * this.#block);
        this.#pieces.push(this.#tail.block.subarray(0, 0));
      }
      const { block, used } = this.#tail, n = Math.min(bytes.length - at, block.length - used);
      block.set(bytes.subarray(at, at + n), used);
      const last = this.#pieces.length - 1, start = this.#pieces[last]!.byteOffset;
      this.#pieces[last] = block.subarray(start, this.#tail.used = used + n);
      at += n;
    }
  }

  #shift(): Uint8Array {
    const piece = this.#pieces[this.#first++]!;
    if (this.#first === this.#pieces.length) {
      this.#pieces.length = this.#first = 0;
      this.#tail = undefined; // what follows goes into a block of its own: this one has left
    } else if (this.#first > 64 && this.#first * 2 > this.#pieces.length) {
      this.#pieces.splice(0, this.#first), this.#first = 0;
    }
    return piece;
  }
}
