/** The real network: UDP sockets and host names. */
import { lookup } from "node:dns/promises";
import { canonicalIp, type Endpoint } from "./address.ts";
import type { NamedNet, UdpHandler, UdpOptions, UdpSocket } from "./env.ts";
import { CoreError } from "./errors.ts";

const DATAGRAM_BYTES = 65536;
/** Addresses whose objects are kept for the next packet. */
const PEERS_KEPT = 65536;
/** Bytes on their way out lie in buffers that are used again; larger datagrams get one of their own. */
const ROOM_BYTES = 2048, ROOMS_KEPT = 64;

export const realNet: NamedNet = {
  udp: (options = {}) => Promise.try(openUdp, options), // a failure rejects
  async resolve(host) {
    try {
      const found = await lookup(host, { all: true, verbatim: true });
      return [...new Set(found.map(({ address }) => canonicalIp(address)))];
    } catch (cause) {
      throw new CoreError("net/unknown-host", { host }, { cause });
    }
  },
};

/** An endpoint that remembers how the system wants to be told of it. */
class Peer implements Endpoint {
  constructor(readonly ip: string, readonly port: number, readonly address: Deno.NetAddr) {}
}

class RealUdpSocket implements UdpSocket {
  readonly local: Endpoint;
  readonly #mapped: boolean;
  #handler: UdpHandler | undefined;
  #closed = false;
  #running: Promise<void> | undefined;
  #peers = new Map<string, Map<number, Peer>>();
  #kept = 0;
  #rooms: Uint8Array[] = [];

  constructor(readonly conn: Deno.DatagramConn) {
    const { hostname, port } = conn.addr as Deno.NetAddr;
    this.local = { ip: hostname, port };
    this.#mapped = hostname.includes(":");
  }
  send(bytes: Uint8Array, to: Endpoint): void {
    if (this.#closed) return;
    const address = to instanceof Peer ? to.address : this.#address(to);
    const { length } = bytes, room = length > ROOM_BYTES ? bytes.slice() : this.#rooms.pop() ?? newRoom();
    if (length <= ROOM_BYTES) room.set(bytes);
    const sent = this.conn.send(length < room.length ? room.subarray(0, length) : room, address);
    sent.then(() => this.#free(room), (error) => (this.#free(room), this.#failed(error, to)));
  }
  run(handler: UdpHandler): Promise<void> {
    this.#handler = handler;
    return this.#running ??= this.#receive(handler);
  }
  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#closed) {
      this.#closed = true;
      this.conn.close();
    }
    await this.#running?.catch(() => {}); // whoever called run() has the reason
  }

  async #receive(handler: UdpHandler): Promise<void> {
    const buffer = new Uint8Array(DATAGRAM_BYTES);
    while (!this.#closed) {
      let received: [Uint8Array, Deno.Addr];
      try {
        received = await this.conn.receive(buffer);
      } catch (error) {
        if (this.#closed) return;
        if (error instanceof Deno.errors.ConnectionRefused) continue; // an ICMP message for an earlier packet
        throw error;
      }
      handler.datagram(received[0], this.#peer(received[1] as Deno.NetAddr));
    }
  }
  /** The system has taken, or refused, what lay in `room`. */
  #free(room: Uint8Array): void {
    if (room.length === ROOM_BYTES && this.#rooms.length < ROOMS_KEPT) this.#rooms.push(room);
  }
  #failed(error: unknown, to: Endpoint): void {
    if (this.#closed) return;
    const code = (error as { code?: unknown } | undefined)?.code;
    this.#handler?.failed?.(to, typeof code === "string" ? code : (error as Error).name);
  }
  #peer({ hostname, port }: Deno.NetAddr): Peer {
    let ports = this.#peers.get(hostname);
    if (this.#kept > PEERS_KEPT) this.#peers.clear(), this.#kept = 0, ports = undefined;
    if (!ports) this.#peers.set(hostname, ports = new Map());
    let peer = ports.get(port);
    if (!peer) {
      peer = new Peer(canonicalIp(hostname), port, { transport: "udp", hostname, port });
      ports.set(port, peer), this.#kept++;
    }
    return peer;
  }
  #address({ ip, port }: Endpoint): Deno.NetAddr {
    const hostname = this.#mapped && !ip.includes(":") ? `::ffff:${ip}` : ip;
    return { transport: "udp", hostname, port };
  }
}

const newRoom = () => new Uint8Array(ROOM_BYTES);

/** One socket for both families where the host has both, else IPv4. */
function openUdp({ port = 0, ip }: UdpOptions): UdpSocket {
  const bind = (hostname: string) => Deno.listenDatagram({ transport: "udp", hostname, port });
  try {
    if (ip) return new RealUdpSocket(bind(ip));
    try {
      return new RealUdpSocket(bind("::"));
    } catch (error) {
      if (error instanceof Deno.errors.AddrInUse) throw error;
      return new RealUdpSocket(bind("0.0.0.0"));
    }
  } catch (cause) {
    const inUse = cause instanceof Deno.errors.AddrInUse;
    throw new CoreError(inUse ? "net/port-in-use" : "net/bind", { port, ip }, { cause });
  }
}
