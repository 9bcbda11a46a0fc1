/** What a room may ask of the world. Everything is handed in, so that a thousand nodes fit into one test. */
import type { Clock } from "./machine.ts";
import type { Endpoint } from "./address.ts";
import type { Log } from "./log.ts";

/** Randomness; cryptographic in the real world, seeded in simulation. */
export interface Random {
  /** `length` fresh random bytes. */
  bytes(length: number): Uint8Array;
  /** Uniform in [0, 1). */
  float(): number;
  /** Uniform integer in [0, 2³²). */
  uint32(): number;
}

/** What happens on a UDP socket. `bytes` belong to the socket and are valid during the call only. */
export interface UdpHandler {
  datagram(bytes: Uint8Array, from: Endpoint): void;
  /** Sending to `to` failed at once; `code` is an errno name such as `ENETUNREACH`. */
  failed?(to: Endpoint, code: string): void;
}

/** A bound UDP socket, real or simulated. */
export interface UdpSocket extends AsyncDisposable {
  /** Bound address; `ip` may be the any-address. */
  readonly local: Endpoint;
  /** Hands over `bytes` (they may be reused after the call returns). Never throws. */
  send(bytes: Uint8Array, to: Endpoint): void;
  /** Starts delivery; once per socket. Settles when the socket is disposed, rejects if the handler threw. */
  run(handler: UdpHandler): Promise<void>;
}

export interface UdpOptions {
  /** 0 = any. */
  port?: number;
  /** Local address; default: every address of both families where the host has both. */
  ip?: string;
}

/** The network, real or simulated. Rooms that need more than UDP widen this interface beside their doors. */
export interface Net {
  /** @throws {CoreError} `net/port-in-use`, `net/bind`. */
  udp(options?: UdpOptions): Promise<UdpSocket>;
}

/** A network that knows host names too. */
export interface NamedNet extends Net {
  /** Addresses of `host`, canonical text, in the system's order. @throws {CoreError} `net/unknown-host`. */
  resolve(host: string): Promise<readonly string[]>;
}

/** The bundle handed from room to room. */
export interface Env {
  readonly clock: Clock;
  readonly random: Random;
  readonly net: Net;
  readonly log: Log;
}
