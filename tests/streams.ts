/** Byte streams for tests: a pair in memory, and one over a real TCP connection. */
import { CoreError } from "../core/base/mod.ts";
import { ByteQueue } from "../core/net/byte_queue.ts";
import type { ByteStream } from "../core/net/stream.ts";

/** What a test may do to one direction of a {@linkcode memoryPair}. */
export interface PairOptions {
  /** Bytes that may wait for the reader before the writer has to. Default 256 KiB. */
  readonly capacity?: number;
  /** Cuts what is written into pieces of these sizes, in turn. */
  readonly cut?: readonly number[];
  /** Sees every write, before it is delivered. */
  readonly tap?: (bytes: Uint8Array) => void;
}

class MemoryEnd implements ByteStream {
  other!: MemoryEnd;
  #queue: ByteQueue;
  #drained = Promise.withResolvers<void>();
  #broken: Error | undefined;
  #closed = false;
  #cut = 0;

  constructor(readonly options: PairOptions) {
    this.#queue = new ByteQueue(() => this.#takenFrom());
  }
  #takenFrom(): void {
    if (this.#queue.length <= this.#capacity) {
      this.#drained.resolve(), this.#drained = Promise.withResolvers();
    }
  }
  get #capacity(): number {
    return this.options.capacity ?? 256 << 10;
  }
  read(): Promise<Uint8Array | undefined> {
    return this.#queue.read();
  }
  async write(bytes: Uint8Array): Promise<void> {
    if (this.#broken) throw this.#broken;
    if (this.#closed) throw new CoreError("test/closed");
    this.options.tap?.(bytes);
    await this.other.#deliver(bytes, this.options.cut);
    if (this.#broken) throw this.#broken;
  }
  async #deliver(bytes: Uint8Array, cut: readonly number[] | undefined): Promise<void> {
    for (let at = 0; at < bytes.length;) {
      const size = cut ? cut[this.#cut++ % cut.length]! : bytes.length;
      this.#queue.push(bytes.slice(at, at + size));
      at += size;
    }
    while (this.#queue.length > this.#capacity && !this.#broken && !this.#closed) await this.#drained.promise;
  }
  close(): Promise<void> {
    if (!this.#closed) {
      this.#closed = true, this.other.#queue.end(), this.#queue.end(), this.#drained.resolve();
    }
    return Promise.resolve();
  }
  abort(reason: Error = new CoreError("test/aborted")): void {
    if (this.#broken) return;
    this.#broken = reason;
    this.#queue.fail(reason, true);
    this.#drained.resolve();
    if (!this.#closed) this.other.#reset();
  }
  #reset(): void {
    const reason = new CoreError("test/reset");
    this.#broken ??= reason;
    this.#queue.fail(reason);
    this.#drained.resolve();
  }
  [Symbol.asyncDispose](): Promise<void> {
    this.abort();
    return Promise.resolve();
  }
}

/** Two connected ends. */
export function memoryPair(a: PairOptions = {}, b: PairOptions = a): [ByteStream, ByteStream] {
  const one = new MemoryEnd(a), two = new MemoryEnd(b);
  one.other = two, two.other = one;
  return [one, two];
}

/** A TCP connection as it is. Disposing closes it. */
export function tcpStream(conn: Deno.TcpConn): ByteStream {
  let closed = false, broken: Error | undefined;
  const close = () => {
    if (!closed) closed = true, conn.close();
  };
  return {
    async read() {
      if (broken) throw broken;
      const buffer = new Uint8Array(65536);
      try {
        const n = await conn.read(buffer);
        return n ? buffer.subarray(0, n) : undefined;
      } catch (error) {
        if (broken) throw broken;
        if (closed) return undefined;
        throw error;
      }
    },
    async write(bytes) {
      for (let at = 0; at < bytes.length;) at += await conn.write(bytes.subarray(at));
    },
    async close() {
      if (!closed) await conn.closeWrite().catch(() => {});
      close();
    },
    abort(reason = new CoreError("test/aborted")) {
      broken ??= reason, close();
    },
    async [Symbol.asyncDispose]() {
      await Promise.resolve(close());
    },
  };
}

/** Two ends of a real loopback TCP connection. */
export async function tcpPair(): Promise<[ByteStream, ByteStream]> {
  using listener = Deno.listen({ port: 0, hostname: "127.0.0.1" });
  const [a, b] = await Promise.all([Deno.connect({ port: listener.addr.port }), listener.accept()]);
  a.setNoDelay(true), b.setNoDelay(true);
  return [tcpStream(a), tcpStream(b)];
}

/** Reads to the end; everything in one array. */
export async function readAll(stream: ByteStream): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  for (let piece; (piece = await stream.read());) pieces.push(piece);
  return new Uint8Array(await new Blob(pieces as BlobPart[]).arrayBuffer());
}
