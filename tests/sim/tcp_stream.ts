/**
 * One TCP connection: sequence numbers, one cumulative acknowledgement, a window, retransmission with back-off.
 * Segments are large (one event carries up to 16 KiB); congestion control is a fixed window. Links turn the loss of
 * a segment into delay, so retransmission here is for what really vanishes: partitions, forgetful NATs, dead hosts.
 */
import { concat, type Endpoint } from "../../core/base/mod.ts";
import type { TcpHandler, TcpSocket } from "../../core/net/socket.ts";
import type { Plug } from "./host.ts";
import type { Packet, TcpHead } from "./packet.ts";
import type { TcpStack } from "./tcp_stack.ts";

const SEGMENT = 16_384, SEND_WINDOW = 1_048_576, RECEIVE_BUFFER = 262_144;
/** What the system takes off our hands before it is acknowledged, and what may wait beyond that. */
const SYSTEM_BUFFER = 65_536, HIGH_WATER = 65_536;
const FIRST_RTO_MS = 1000, LEAST_RTO_MS = 200, LONGEST_RTO_MS = 120_000;
/** As Linux counts: about two minutes to give a handshake up, a quarter of an hour for data. */
const SYN_RETRIES = 6, DATA_RETRIES = 15, LINGER_MS = 10_000, ORPHAN_MS = 60_000;
const NOTHING = new Uint8Array(0);

type State = "syn-sent" | "syn-received" | "open" | "closed";

export class TcpConnection implements TcpSocket {
  state: State;
  /** Handshake outcome, for the stack. */
  onOpen: (() => void) | undefined;
  onFail: ((code: string) => void) | undefined;
  // sending: bytes [una, una + buffered) are kept; SYN is byte 0, FIN one past the last
  #chunks: Uint8Array[] = [];
  #buffered = 0;
  #una = 0;
  #next = 0;
  #peerWindow = SEGMENT;
  #finQueued = false;
  #finAt = -1; // sequence number of our FIN, once it is known
  #full = false;
  // receiving
  #expected = -1;
  #early = new Map<number, { bytes: Uint8Array; fin: boolean }>();
  #inbox: Uint8Array[] = [];
  #inboxBytes = 0;
  #peerFin = false;
  #endTold = false;
  #paused = false;
  // retransmission
  #timer: Disposable | undefined;
  #rto = FIRST_RTO_MS;
  #retries = 0;
  #srtt = -1;
  #probe: { seq: number; at: number } | undefined;
  #handler: TcpHandler | undefined;
  /** How it ended, to be told once. */
  #outcome: { code: string | undefined } | undefined;
  #told = false;
  /** Nobody here holds this stream any more. */
  #orphan = false;

  constructor(
    readonly stack: TcpStack,
    readonly local: Endpoint,
    readonly remote: Endpoint,
    readonly plug: Plug | undefined,
    passive: boolean,
  ) {
    this.state = passive ? "syn-received" : "syn-sent";
  }

  get buffered(): number {
    return Math.max(0, this.#buffered - SYSTEM_BUFFER);
  }

  /** Sends the first SYN. */
  open(): void {
    this.#emit({ syn: true, seq: 0 }, NOTHING);
    this.#next = 1;
    this.#probe = { seq: 0, at: this.#now };
    this.#arm();
  }

  run(handler: TcpHandler): void {
    if (this.#handler) throw new TypeError("a socket runs once");
    this.#handler = handler;
    this.#soon(() => this.#deliver());
  }

  write(bytes: Uint8Array): boolean {
    if (this.state === "closed" || this.#finQueued) return true;
    if (bytes.length) this.#chunks.push(bytes), this.#buffered += bytes.length;
    this.#push();
    if (this.buffered > HIGH_WATER) this.#full = true;
    return !this.#full;
  }

  end(): void {
    if (this.state === "closed" || this.#finQueued) return;
    this.#finQueued = true;
    this.#push();
  }

  /** Says RST and is gone; what was not sent is lost. */
  reset(): void {
    if (this.state === "closed") return;
    this.#emit({ rst: true, seq: this.#next }, NOTHING);
    this.#close(undefined);
  }

  /** As kernels do: RST if something was left unsent or unread, a FIN otherwise. */
  destroy(): void {
    if (this.state === "closed" || this.#orphan) return;
    if (this.state !== "open" || this.#buffered || this.#inbox.length) return this.reset();
    this.#orphan = true;
    this.end();
    this.#finish(undefined);
    this.stack.process.at(this.#now + ORPHAN_MS, () => {
      if (this.state !== "closed") this.#close(undefined);
    });
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.#soon(() => {
      const wasFull = this.#inboxBytes >= RECEIVE_BUFFER / 2;
      this.#deliver();
      if (wasFull && this.state === "open") this.#acknowledge();
    });
  }

  receive(packet: Packet): void {
    const head = packet.tcp!;
    if (this.state === "closed") return;
    if (head.rst) return this.#onReset();
    if (head.syn) {
      this.#expected = Math.max(this.#expected, 1);
      if (this.state === "open") return this.#acknowledge(); // our last word got lost
      if (this.state === "syn-received") {
        this.#emit({ syn: true, seq: 0 }, NOTHING);
        this.#probe = this.#next === 0 ? { seq: 0, at: this.#now } : undefined;
        this.#next = 1;
        this.#peerWindow = head.window;
        return this.#arm();
      }
    }
    if (head.ack > 0) this.#onAck(head);
    if (this.state === "syn-sent" || this.state === "syn-received") return;
    if (this.#orphan && packet.bytes.length) return this.reset();
    if (packet.bytes.length || head.fin) this.#onData(packet, head);
    else if (head.seq < this.#expected) this.#acknowledge(); // a probe for our window, or SYN+ACK
    this.#push();
    this.#maybeFinished();
  }

  get #now(): number {
    return this.stack.process.host.world.now;
  }

  #onReset(): void {
    this.#close(this.state === "syn-sent" ? "ECONNREFUSED" : "ECONNRESET");
  }

  #onAck(head: TcpHead): void {
    this.#peerWindow = head.window;
    if (this.state !== "open" && head.ack >= 1) {
      this.state = "open";
      this.#una = 1;
      this.#progress(head.ack);
      this.onOpen?.();
      if (head.syn) this.#acknowledge();
      return;
    }
    if (head.ack <= this.#una) {
      if (this.#next === this.#una) this.#retries = 0; // the peer lives, its window is shut
      return;
    }
    let acked = Math.min(head.ack, this.#una + this.#buffered) - this.#una;
    this.#una = head.ack;
    this.#next = Math.max(this.#next, this.#una);
    while (acked > 0) {
      const first = this.#chunks[0]!, cut = Math.min(acked, first.length);
      if (cut === first.length) this.#chunks.shift();
      else this.#chunks[0] = first.subarray(cut);
      acked -= cut, this.#buffered -= cut;
    }
    this.#progress(head.ack);
    if (this.#full && this.buffered === 0) {
      this.#full = false;
      this.#soon(() => this.state === "open" && !this.#orphan && this.#handler?.drain());
    }
  }

  #progress(ack: number): void {
    if (this.#probe && ack > this.#probe.seq) {
      const rtt = this.#now - this.#probe.at;
      this.#srtt = this.#srtt < 0 ? rtt : this.#srtt * 0.875 + rtt * 0.125;
      this.#probe = undefined;
    }
    this.#retries = 0;
    this.#rto = this.#srtt < 0 ? FIRST_RTO_MS : Math.max(LEAST_RTO_MS, 3 * this.#srtt);
    this.#disarm();
    this.#arm();
  }

  #onData(packet: Packet, head: TcpHead): void {
    const end = head.seq + packet.bytes.length;
    if (end + (head.fin ? 1 : 0) > this.#expected && end <= this.#expected + this.#room() && !this.#peerFin) {
      this.#early.set(head.seq, { bytes: packet.bytes, fin: head.fin });
      this.#gather();
    }
    this.#acknowledge();
    this.#deliver();
  }

  /** Moves what follows without a gap from the early packets to the inbox. */
  #gather(): void {
    for (let moved = true; moved;) {
      moved = false;
      for (const [seq, { bytes, fin }] of this.#early) {
        if (seq > this.#expected) continue;
        this.#early.delete(seq);
        const fresh = bytes.subarray(this.#expected - seq);
        if (fresh.length) this.#inbox.push(fresh), this.#inboxBytes += fresh.length;
        this.#expected = Math.max(this.#expected, seq + bytes.length);
        if (fin && seq + bytes.length === this.#expected) this.#expected++, this.#peerFin = true;
        moved = true;
      }
    }
    if (this.#peerFin) this.#early.clear();
  }

  /** Hands over what arrived, then how it ended. Only ever called from an event of its own. */
  #deliver(): void {
    const handler = this.#handler;
    if (!handler) return;
    if (
      !this.#paused && !this.#orphan && this.state !== "closed" ||
      this.#peerFin && !this.#paused && !this.#orphan
    ) {
      if (this.#inbox.length) {
        const bytes = this.#inbox.length === 1 ? this.#inbox[0]! : concat(...this.#inbox);
        this.#inbox.length = 0, this.#inboxBytes = 0;
        handler.data(bytes);
        return this.#deliver(); // it may have paused
      }
      if (this.#peerFin && !this.#endTold) {
        this.#endTold = true;
        handler.end();
      }
    }
    this.#maybeFinished();
    if (this.#outcome && !this.#told) {
      this.#told = true;
      handler.closed(this.#outcome.code);
    }
  }

  #soon(what: () => void): void {
    this.stack.process.at(this.#now, what);
  }

  /** Sends what the windows allow. */
  #push(): void {
    if (this.state !== "open") return;
    const last = this.#una + this.#buffered, limit = this.#una + Math.min(this.#peerWindow, SEND_WINDOW);
    while (this.#next < last && this.#next < limit) {
      const size = Math.min(SEGMENT, last - this.#next, limit - this.#next);
      this.#probe ??= { seq: this.#next, at: this.#now };
      this.#emit({ seq: this.#next }, this.#slice(this.#next - this.#una, size));
      this.#next += size;
    }
    if (this.#finQueued && this.#next === last && (this.#finAt < 0 || this.#una <= this.#finAt)) {
      this.#finAt = last;
      this.#emit({ fin: true, seq: last }, NOTHING);
      this.#next = last + 1;
    }
    this.#arm();
  }

  #slice(from: number, size: number): Uint8Array {
    const parts: Uint8Array[] = [];
    for (const chunk of this.#chunks) {
      if (size <= 0) break;
      if (from >= chunk.length) {
        from -= chunk.length;
        continue;
      }
      const part = chunk.subarray(from, from + size);
      parts.push(part), size -= part.length, from = 0;
    }
    return concat(...parts); // a copy: the receiver keeps it
  }

  #room(): number {
    return Math.max(0, RECEIVE_BUFFER - this.#inboxBytes);
  }

  #acknowledge(): void {
    this.#emit({ seq: this.#next }, NOTHING);
  }

  #emit(head: Partial<TcpHead> & { seq: number }, bytes: Uint8Array): void {
    const { process } = this.stack;
    if (!process.alive || !process.host.owns(this.local.ip)) return;
    const tcp = { syn: false, fin: false, rst: false, ack: this.#expected, window: this.#room(), ...head };
    const { local: src, remote: dst } = this;
    process.host.send({ proto: "tcp", src, dst, bytes, tcp, origin: process.host }, this.plug);
  }

  #arm(): void {
    const waiting = this.#next > this.#una || (this.#buffered > 0 && this.#peerWindow === 0);
    if (this.#timer || !waiting || this.state === "closed") return;
    this.#timer = this.stack.process.at(this.#now + this.#rto, () => {
      this.#timer = undefined;
      this.#again();
    });
  }

  #disarm(): void {
    this.#timer?.[Symbol.dispose]();
    this.#timer = undefined;
  }

  #again(): void {
    const opening = this.state !== "open";
    if (++this.#retries > (opening ? SYN_RETRIES : DATA_RETRIES)) {
      return this.#close("ETIMEDOUT");
    }
    this.#probe = undefined;
    this.#rto = Math.min(LONGEST_RTO_MS, this.#rto * 2);
    this.stack.process.host.world.count("tcp resent");
    if (opening) this.#emit({ syn: true, seq: 0 }, NOTHING);
    else if (this.#next > this.#una) {
      this.#next = this.#una; // everything after the gap again
      if (this.#peerWindow === 0) this.#peerWindow = 1;
      this.#push();
    } else this.#emit({ seq: this.#una - 1 }, NOTHING); // asks for the window
    this.#arm();
  }

  #maybeFinished(): void {
    if (this.state === "closed" || !this.#peerFin || this.#finAt < 0 || this.#una <= this.#finAt) return;
    if (!this.#endTold && !this.#orphan) return;
    this.state = "closed";
    this.#disarm();
    this.stack.linger(this, LINGER_MS);
    this.#finish(undefined);
  }

  /** Answers a repeated FIN of a connection that is over. */
  afterlife(packet: Packet): void {
    if (!packet.tcp!.rst && (packet.tcp!.fin || packet.bytes.length)) this.#acknowledge();
  }

  #close(code: string | undefined): void {
    const opening = this.state === "syn-sent" || this.state === "syn-received";
    this.state = "closed";
    this.#disarm();
    this.stack.remove(this);
    this.#chunks.length = 0, this.#buffered = 0;
    if (opening) this.onFail?.(code ?? "ECONNABORTED");
    this.#finish(code);
  }

  #finish(code: string | undefined): void {
    if (this.#outcome) return;
    this.#outcome = { code };
    this.#soon(() => this.#deliver());
  }
}
