/** What waits to be sent on a link: control first, then the channels in turn, as far as the stream below has room. Spec: connection §5.6. */
import { MUX_LIMITS as L } from "./limits.ts";
import { valueHeader } from "./mux_wire.ts";

/** The sending half of a channel, kept by the outbox. */
export interface Sender {
  readonly key: number;
  id: number;
  out: Uint8Array[];
  backlog: number;
  /** Its end follows what waits. */
  finishing: boolean;
  /** Its writer was told to wait. */
  full: boolean;
}

export class Outbox<S extends Sender> {
  #control: Uint8Array[] = [];
  #ready: S[] = [];
  #waiting = new Set<S>(); // full ones
  #backlog = 0;
  #inFlight = 0;

  /** Given to the stream below and not taken yet. */
  get inFlight(): number {
    return this.#inFlight;
  }
  /** True when the peer makes us talk and does not listen. */
  get overrun(): boolean {
    return this.#inFlight > L.inFlight + L.linkBacklog;
  }

  control(bytes: Uint8Array): void {
    this.#control.push(bytes);
  }
  write(sender: S, bytes: Uint8Array): void {
    if (!sender.out.length) this.#ready.push(sender);
    sender.out.push(bytes);
    sender.backlog += bytes.length;
    this.#backlog += bytes.length;
    sender.full = sender.backlog > L.channelBacklog || this.#backlog > L.linkBacklog;
    if (sender.full) this.#waiting.add(sender);
  }
  flushed(bytes: number): void {
    this.#inFlight -= bytes;
  }

  /** Drops what waits of one channel. */
  forget(sender: S): void {
    this.#backlog -= sender.backlog;
    sender.backlog = sender.out.length = 0;
    this.#ready = this.#ready.filter((other) => other !== sender);
  }

  /** Bytes to send now, in order. `finished` is told of each channel whose end is among them. */
  pump(finished: (sender: S) => void): Uint8Array[] {
    const sent: Uint8Array[] = this.#control;
    this.#control = [];
    for (const bytes of sent) this.#inFlight += bytes.length;
    while (this.#ready.length && this.#inFlight < L.inFlight) {
      const sender = this.#ready.shift()!, most = this.#ready.length ? L.turnBytes : L.valueBytes;
      const head = sender.out[0]!, piece = head.length > most ? head.subarray(0, most) : head;
      const header = valueHeader(sender.id, piece.length);
      sent.push(header, piece);
      this.#inFlight += header.length + piece.length;
      sender.backlog -= piece.length;
      this.#backlog -= piece.length;
      if (piece === head) sender.out.shift();
      else sender.out[0] = head.subarray(piece.length);
      if (sender.out.length) this.#ready.push(sender);
      else if (sender.finishing) {
        const end = valueHeader(sender.id, 0);
        sent.push(end);
        this.#inFlight += end.length;
        finished(sender);
      }
    }
    return sent;
  }

  /** Channels whose writer may go on now. */
  roomy(): S[] {
    if (!this.#waiting.size || this.#backlog > L.linkBacklog) return [];
    const roomy = [...this.#waiting].filter(({ backlog }) => backlog <= L.channelBacklog);
    for (const sender of roomy) sender.full = false, this.#waiting.delete(sender);
    return roomy;
  }
}
