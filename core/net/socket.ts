/** TCP, and the addresses of this host, as the net room asks for them: real sockets or simulated ones fulfil it. */
import type { Endpoint, Net } from "../base/mod.ts";

/** What happens on one TCP connection. Calls come one at a time, never from inside a call to the socket. */
export interface TcpHandler {
  /** Bytes arrived. They belong to the handler from now on. */
  data(bytes: Uint8Array): void;
  /** The peer has sent its last byte (FIN). Writing may still go on. */
  end(): void;
  /** After a `write` that returned false: everything written has been taken, writing may go on. */
  drain(): void;
  /** Last call: nothing is open any more. `code` is an errno name such as `ECONNRESET`, or undefined for an orderly end. */
  closed(code: string | undefined): void;
}

/** A connected TCP stream. */
export interface TcpSocket {
  readonly local: Endpoint;
  readonly remote: Endpoint;
  /** Bytes written and not yet taken by the system. */
  readonly buffered: number;
  /**
   * Queues `bytes`, which must not be changed afterwards. False means that more than the high-water mark waits:
   * better stop until `drain`. Never throws; after `end` or `destroy` the bytes are dropped.
   */
  write(bytes: Uint8Array): boolean;
  /** Stops delivery of `data` and `end`, and with it reading from the network; repeated calls change nothing. */
  pause(): void;
  resume(): void;
  /** Sends FIN once everything queued has gone out. */
  end(): void;
  /** Drops what is queued and closes at once; `closed` still comes. */
  destroy(): void;
  /** Starts delivery; once per socket. Until then arrived bytes wait in the system's buffers. */
  run(handler: TcpHandler): void;
}

export interface TcpListenOptions {
  /** 0 = any. */
  port?: number;
  /** Local address; default: every address of both families where the host has both. */
  ip?: string;
}

/** A listening socket. Disposing stops accepting; accepted connections live on. */
export interface TcpListener extends AsyncDisposable {
  /** Bound address; `ip` may be the any-address. */
  readonly local: Endpoint;
}

export interface ConnectOptions {
  /** Aborting rejects with the signal's reason and leaves nothing open. */
  signal?: AbortSignal;
}

/** One address of this host. */
export interface LocalAddress {
  /** Canonical text without zone. */
  readonly ip: string;
  /** Interface name, for log lines and to tell virtual interfaces apart. */
  readonly interface: string;
}

/** {@linkcode Net} with streams. Times are the caller's business: hand in a signal. */
export interface StreamNet extends Net {
  /** @throws {CoreError} `net/connect` with `code` (errno name: `ECONNREFUSED`, `EHOSTUNREACH`, `ETIMEDOUT` …). */
  connect(to: Endpoint, options?: ConnectOptions): Promise<TcpSocket>;
  /** Calls `accept` for each connection. @throws {CoreError} `net/port-in-use`, `net/bind`. */
  listen(options: TcpListenOptions, accept: (socket: TcpSocket) => void): Promise<TcpListener>;
  /** The addresses of this host as they are now, loopback and link-local ones included. */
  addresses(): LocalAddress[];
}
