/** Real TCP sockets and the addresses of this host. */
import { canonicalIp, concat, CoreError, type Endpoint, type NamedNet, realNet } from "../base/mod.ts";
import type { StreamNet, TcpHandler, TcpListener, TcpListenOptions, TcpSocket } from "./socket.ts";

/** Written bytes that may wait before `write` asks for a pause; small writes are joined up to `JOIN`. */
const HIGH_WATER = 256 * 1024, JOIN = 64 * 1024, READ = 64 * 1024;

/** The network of this machine. */
export const realStreamNet: StreamNet & NamedNet = {
  ...realNet,
  async connect(to, { signal } = {}) {
    signal?.throwIfAborted();
    try {
      const conn = await Deno.connect({ hostname: to.ip, port: to.port, signal, autoSelectFamily: false });
      return new RealTcpSocket(conn);
    } catch (cause) {
      signal?.throwIfAborted();
      throw new CoreError("net/connect", { to: to.ip, port: to.port, code: codeOf(cause) }, { cause });
    }
  },
  listen: (options, accept) => Promise.try(() => new RealTcpListener(options, accept)), // a failure rejects
  addresses() {
    const found = Deno.networkInterfaces().map(({ address, name }) => ({
      ip: canonicalIp(address),
      interface: name,
    }));
    return [...new Map(found.map((a) => [a.ip, a])).values()];
  },
};

const endpointOf = (address: Deno.Addr): Endpoint => {
  const { hostname, port } = address as Deno.NetAddr;
  return { ip: canonicalIp(hostname), port };
};
const codeOf = (error: unknown): string => {
  const { code, name } = error as { code?: unknown; name?: string };
  return typeof code === "string" ? code : name ?? "unknown";
};

class RealTcpSocket implements TcpSocket {
  readonly local: Endpoint;
  readonly remote: Endpoint;
  buffered = 0;
  #handler: TcpHandler | undefined;
  #queue: Uint8Array[] = [];
  #writing = false;
  #ending = false;
  #full = false;
  #paused: PromiseWithResolvers<void> | undefined;
  #open = { read: true, write: true };
  #destroyed = false;
  #told = false;

  constructor(readonly conn: Deno.TcpConn) {
    this.local = endpointOf(conn.localAddr), this.remote = endpointOf(conn.remoteAddr);
    conn.setNoDelay(true);
    conn.setKeepAlive(true);
  }

  write(bytes: Uint8Array): boolean {
    if (this.#ending || this.#destroyed || !bytes.length) return true;
    this.#queue.push(bytes), this.buffered += bytes.length;
    if (!this.#writing) this.#drainQueue();
    this.#full = this.buffered > HIGH_WATER;
    return !this.#full;
  }
  pause(): void {
    this.#paused ??= Promise.withResolvers();
  }
  resume(): void {
    this.#paused?.resolve();
    this.#paused = undefined;
  }
  end(): void {
    if (this.#ending || this.#destroyed) return;
    this.#ending = true;
    if (!this.#writing) this.#drainQueue();
  }
  destroy(): void {
    this.#shut(undefined);
  }
  run(handler: TcpHandler): void {
    if (this.#handler) throw new TypeError("the socket is running already");
    this.#handler = handler;
    if (this.#destroyed) queueMicrotask(() => this.#tell(undefined));
    else this.#read(handler);
  }

  async #read(handler: TcpHandler): Promise<void> {
    let buffer = new Uint8Array(READ);
    try {
      while (!this.#destroyed) {
        const got = await this.conn.read(buffer);
        while (this.#paused) await this.#paused.promise;
        if (this.#destroyed) return;
        if (got === null) break;
        if (got * 2 < READ) handler.data(buffer.slice(0, got));
        else handler.data(buffer.subarray(0, got)), buffer = new Uint8Array(READ);
      }
      if (this.#destroyed) return;
      handler.end();
      this.#open.read = false;
      if (!this.#open.write) this.#shut(undefined);
    } catch (error) {
      this.#shut(codeOf(error));
    }
  }

  async #drainQueue(): Promise<void> {
    this.#writing = true;
    try {
      while (this.#queue.length && !this.#destroyed) {
        const bytes = this.#join();
        for (let at = 0; at < bytes.length;) at += await this.conn.write(at ? bytes.subarray(at) : bytes);
        this.buffered -= bytes.length;
        if (this.#full && !this.#queue.length) this.#full = false, this.#handler?.drain();
      }
      if (this.#destroyed || !this.#ending) return;
      await this.conn.closeWrite();
      this.#open.write = false;
      if (!this.#open.read) this.#shut(undefined);
    } catch (error) {
      this.#shut(codeOf(error));
    } finally {
      this.#writing = false;
    }
  }
  #join(): Uint8Array {
    let size = 0, count = 0;
    while (count < this.#queue.length && (count === 0 || size + this.#queue[count]!.length <= JOIN)) {
      size += this.#queue[count++]!.length;
    }
    const parts = this.#queue.splice(0, count);
    return parts.length === 1 ? parts[0]! : concat(...parts);
  }

  #shut(code: string | undefined): void {
    if (this.#destroyed) return;
    this.#destroyed = true;
    this.#queue.length = this.buffered = 0;
    this.resume();
    this.conn.close();
    queueMicrotask(() => this.#tell(code));
  }
  #tell(code: string | undefined): void {
    if (this.#told || !this.#handler) return;
    this.#told = true;
    this.#handler.closed(code);
  }
}

class RealTcpListener implements TcpListener {
  readonly local: Endpoint;
  readonly #listener: Deno.TcpListener;
  readonly #done: Promise<void>;
  #closed = false;

  constructor({ port = 0, ip }: TcpListenOptions, accept: (socket: TcpSocket) => void) {
    this.#listener = bind(port, ip);
    const { hostname, port: bound } = this.#listener.addr as Deno.NetAddr;
    this.local = { ip: hostname, port: bound };
    this.#done = this.#accept(accept);
  }
  async #accept(accept: (socket: TcpSocket) => void): Promise<void> {
    while (!this.#closed) {
      let conn: Deno.TcpConn;
      try {
        conn = await this.#listener.accept();
      } catch (error) {
        if (this.#closed) return;
        if (error instanceof Deno.errors.ConnectionAborted || error instanceof Deno.errors.ConnectionReset) {
          continue;
        }
        throw error;
      }
      let socket: RealTcpSocket;
      try {
        socket = new RealTcpSocket(conn);
      } catch { // gone between accept and the first look at it: as if it had never come
        conn.close();
        continue;
      }
      accept(socket);
    }
  }
  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#closed) this.#closed = true, this.#listener.close();
    await this.#done;
  }
}

/** One listener for both families where the host has both, else IPv4. */
function bind(port: number, ip: string | undefined): Deno.TcpListener {
  const listen = (hostname: string) => Deno.listen({ transport: "tcp", hostname, port });
  try {
    if (ip) return listen(ip);
    try {
      return listen("::");
    } catch (error) {
      if (error instanceof Deno.errors.AddrInUse) throw error;
      return listen("0.0.0.0");
    }
  } catch (cause) {
    const inUse = cause instanceof Deno.errors.AddrInUse;
    throw new CoreError(inUse ? "net/port-in-use" : "net/bind", { port, ip }, { cause });
  }
}
