/** One direction of a link: when does a packet come out, if at all? */
import { headerBytes, type Packet } from "./packet.ts";
import type { Seeded } from "./random.ts";

/** All off by default except the Ethernet MTU. Each packet draws its own luck, so jitter alone may swap neighbours. */
export interface LinkOptions {
  /** One way, ms. */
  readonly delayMs?: number;
  /** Added uniformly from [0, `jitterMs`). */
  readonly jitterMs?: number;
  /** Probability that a packet of up to one MTU is lost. TCP sees it as delay. */
  readonly loss?: number;
  /** Probability of a second copy. UDP only. */
  readonly duplicate?: number;
  /** Probability that a packet is held back by `reorderMs` while later ones pass. */
  readonly reorder?: number;
  readonly reorderMs?: number;
  /** Bandwidth; with it comes a queue of `queueBytes` that drops what does not fit. */
  readonly bytesPerSecond?: number;
  readonly queueBytes?: number;
  readonly mtu?: number;
  /** What happens to UDP datagrams above the MTU: each fragment takes its chance, or none ever arrives. */
  readonly fragments?: "pass" | "drop";
}

export type DropWhy = "loss" | "queue" | "mtu" | "down";

const TCP_RESEND_MS = 220, TCP_RESENDS = 7;

export class Pipe {
  readonly options: Required<LinkOptions>;
  #busyUntil = 0;
  /** Why the last packet was dropped. */
  why: DropWhy = "loss";

  constructor(options: LinkOptions, readonly luck: Seeded) {
    this.options = {
      delayMs: 0,
      jitterMs: 0,
      loss: 0,
      duplicate: 0,
      reorder: 0,
      reorderMs: 20,
      bytesPerSecond: Infinity,
      queueBytes: 262_144,
      mtu: 1500,
      fragments: "pass",
      ...options,
    };
  }

  /** True if `exit` does not depend on the order in which packets reach this end. */
  get free(): boolean {
    return this.options.bytesPerSecond === Infinity;
  }

  /** When `packet`, entering at `now`, comes out; -1 if it does not (see `why`). */
  exit(now: number, packet: Packet): number {
    const o = this.options, payload = packet.bytes.length, size = payload + headerBytes(packet);
    const pieces = Math.ceil(size / o.mtu);
    if (packet.proto === "udp" && pieces > 1 && o.fragments === "drop") return this.#drop("mtu");
    let out = now;
    if (o.bytesPerSecond !== Infinity) {
      const start = Math.max(now, this.#busyUntil), waiting = (start - now) * o.bytesPerSecond / 1000;
      if (packet.proto === "udp" && waiting + size > o.queueBytes) return this.#drop("queue");
      out = this.#busyUntil = start + size * 1000 / o.bytesPerSecond;
    }
    if (o.loss > 0) {
      const p = pieces === 1 ? o.loss : 1 - (1 - o.loss) ** pieces;
      if (packet.proto === "udp" ? this.luck.chance(p) : p >= 1) return this.#drop("loss");
      if (packet.proto === "tcp") {
        for (let i = 0; i < TCP_RESENDS && this.luck.chance(p); i++) out += TCP_RESEND_MS * 2 ** i;
      }
    }
    out += o.delayMs;
    if (o.jitterMs > 0) out += o.jitterMs * this.luck.float();
    if (this.luck.chance(o.reorder)) out += o.reorderMs;
    return out;
  }

  /** Does this packet come twice? */
  doubles(packet: Packet): boolean {
    return packet.proto === "udp" && this.luck.chance(this.options.duplicate);
  }

  #drop(why: DropWhy): number {
    this.why = why;
    return -1;
  }
}
