/** The DHT's door: owns one UDP socket and one timer, decides nothing. */
import { Driver, type Env, type UdpSocket, type Wake } from "../base/mod.ts";
import type { DhtIn, DhtOut } from "./messages.ts";
import type { DhtNode } from "./node.ts";

export interface PortOptions {
  /** UDP port; 0: any. */
  readonly port?: number;
  /** Local address; default all. */
  readonly ip?: string;
}

/** A socket that waits for its node. */
export class DhtPort implements AsyncDisposable {
  #driver: Driver<DhtIn, DhtOut> | undefined;
  #done: Promise<void> | undefined;
  private constructor(readonly env: Env, readonly socket: UdpSocket) {}

  /** @throws {CoreError} `net/port-in-use`, `net/bind`. */
  static async open(env: Env, options: PortOptions = {}): Promise<DhtPort> {
    return new DhtPort(env, await env.net.udp(options));
  }

  /** Runs `node` on the socket. Settles when the port is disposed; rejects if the node has a bug. */
  run(node: DhtNode, act: (out: DhtOut) => void): Promise<void> {
    const { socket, env } = this;
    const driver = new Driver<DhtIn, DhtOut>(
      node,
      env.clock,
      (out) => out.type === "send" ? socket.send(out.bytes, out.to) : act(out),
    );
    this.#driver = driver;
    this.feed({ type: "start", wall: env.clock.wall() });
    return this.#done = socket.run({
      datagram: (bytes, from) => driver.feed({ type: "packet", bytes, from, wall: env.clock.wall() }),
      failed: (to, code) => {
        if (!PASSING.has(code)) driver.feed({ type: "unreachable", to, code });
      },
    });
  }
  feed(input: DhtIn | Wake): void {
    this.#driver?.feed(input);
  }
  async [Symbol.asyncDispose](): Promise<void> {
    this.#driver?.[Symbol.dispose]();
    await this.socket[Symbol.asyncDispose]();
    await this.#done?.catch(() => {}); // whoever called run() has the reason
  }
}

/** The system was only busy: the next attempt may pass. */
const PASSING: ReadonlySet<string> = new Set([
  "EAGAIN",
  "EWOULDBLOCK",
  "ENOBUFS",
  "EINTR",
  "WouldBlock",
  "Interrupted",
]);
