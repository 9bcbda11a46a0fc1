/**
 * The multiplexed socket: many channels on one link, as a machine. It answers for both generations of peers, and keeps
 * every bound; bytes themselves wait in the hands of whoever drives it. Spec: connection §5, §9 H20–H31.
 */
import { CoreError, type Machine } from "../base/mod.ts";
import { MUX_LIMITS as L } from "./limits.ts";
import { Beacons } from "./mux_beacons.ts";
import { type ByteBudget, Inbox } from "./mux_inbox.ts";
import { ChannelNumbers } from "./mux_numbers.ts";
import { Outbox } from "./mux_outbox.ts";
import type { MuxChannelState as Channel, MuxIn, MuxOut, State } from "./mux_words.ts";
import {
  CONTROL,
  type ControlMessage,
  encodeBeacon,
  encodeChannel,
  encodeVersion,
  FrameReader,
  PROTOCOL,
  valueHeader,
  type WireName,
} from "./mux_wire.ts";
import { Tokens } from "./tokens.ts";

/** Our version. Higher ones of a peer count as this. Spec: connection §5.3. */
const VERSION = 1;

/** One end of a link. `role` is the TLS role, it decides from which half our channel numbers come. */
export class Mux implements Machine<MuxIn, MuxOut> {
  #reader = new FrameReader();
  #channels = new Map<number, Channel>(); // by key, until nothing of it is left
  #byId = new Map<number, Channel>(); // by number, while it is in use
  #numbers: ChannelNumbers;
  #outbox = new Outbox<Channel>();
  #inbox: Inbox<Channel>;
  #out: MuxOut[] = [];
  #nextKey = -1; // keys of the peer's channels are negative, the caller's are not
  #peerVersion = 0;
  #closed = false;
  #progress = 0; // when the stream below last took something
  #heard = 0; // when the peer last said something, or was allowed to again
  #bad = 0;
  #stray = 0;
  #beacons = new Beacons();
  #requestTokens = new Tokens(L.requestBurst, L.requestsPerSecond);

  constructor(readonly role: "client" | "server", budget: ByteBudget = { used: 0, limit: Infinity }) {
    this.#numbers = new ChannelNumbers(role, (id) => this.#byId.has(id));
    this.#inbox = new Inbox(budget);
  }

  /** True if a writer of this channel had better wait for `room`. */
  isFull(key: number): boolean {
    return this.#channels.get(key)?.full ?? false;
  }
  /** Version the peer announced; 0: none. */
  get peerVersion(): number {
    return this.#peerVersion;
  }

  get wakeAt(): number {
    if (this.#closed) return Infinity;
    let at = Math.min(this.#beacons.wakeAt, this.#inbox.stallAt);
    if (this.#outbox.inFlight) at = Math.min(at, this.#progress + L.stuckMs);
    if (this.#reader.partial && !this.#inbox.held) at = Math.min(at, this.#heard + L.stuckMs);
    if (this.#inbox.waitsForBudget) at = Math.min(at, this.#heard + L.budgetPollMs);
    for (const channel of this.#byId.values()) {
      if (channel.state === "asked") at = Math.min(at, channel.since + L.answerMs);
    }
    return at;
  }

  step(now: number, input: MuxIn): readonly MuxOut[] {
    if (this.#closed) return [];
    switch (input.type) {
      case "start":
        this.#heard = this.#progress = now;
        this.#outbox.control(encodeVersion(VERSION));
        break;
      case "bytes":
        this.#receive(now, input.bytes);
        break;
      case "open":
        this.#open(now, input.key, input.name);
        break;
      case "answer":
        this.#answer(now, input.key, input.accept);
        break;
      case "write":
        this.#write(now, input.key, input.bytes);
        break;
      case "finish":
      case "reset":
        this.#finish(now, input.key, input.type === "reset");
        break;
      case "taken":
        this.#taken(now, input.key, input.bytes);
        break;
      case "flushed":
        this.#outbox.flushed(input.bytes);
        this.#progress = now;
        break;
      case "probe":
        this.#probe(now);
        break;
      case "over":
        this.#inbox.clear();
        this.#closed = true;
        break;
      case "wake":
        this.#wake(now);
    }
    if (!this.#closed) this.#pump(now);
    const out = this.#out;
    this.#out = [];
    return out;
  }

  // ---- from the peer

  #receive(now: number, bytes: Uint8Array): void {
    this.#heard = now;
    let frames;
    try {
      frames = this.#reader.push(bytes);
    } catch (error) {
      return this.#close(error instanceof CoreError ? error.code : "net/mux-value");
    }
    for (const frame of frames) {
      if (this.#closed) return;
      if (frame.type === "data") this.#data(now, frame.channel, frame.bytes);
      else if (frame.type === "end") this.#ended(frame.channel);
      else if (frame.type === "control") {
        for (const message of frame.messages) this.#message(now, message);
      } else {
        this.#drop(`value-${frame.why}`);
        if (++this.#bad >= L.badValues) return this.#close("net/mux-bad-values");
      }
    }
    this.#balance(now);
  }

  #data(now: number, id: number, bytes: Uint8Array): void {
    const channel = this.#byId.get(id);
    if (channel?.state === "open" && !channel.finishing) {
      this.#inbox.add(now, channel, bytes.length);
      this.#out.push({ type: "data", key: channel.key, bytes });
      return;
    }
    if (channel?.finishing || this.#numbers.warm(now, id)) return this.#drop("data-after-our-end"); // it was on its way
    this.#drop(channel ? "data-before-accept" : "data-unknown-channel");
    if ((this.#stray += bytes.length) > L.strayBytes) this.#close("net/mux-stray-data");
  }

  #ended(id: number): void {
    const channel = this.#byId.get(id);
    if (!channel) {
      if (!this.#numbers.cool(id)) this.#drop("end-unknown-channel");
      return;
    }
    if (channel.state === "asking") this.#out.push({ type: "refused", key: channel.key, why: "ended" });
    else this.#out.push({ type: "ended", key: channel.key, why: "peer" });
    this.#retire(channel);
  }

  #message(now: number, message: ControlMessage): void {
    switch (message.type) {
      case "request":
        return this.#requested(now, message.name, message.channel);
      case "accept":
        return this.#accepted(now, message.channel);
      case "decline":
        return this.#declined(message.channel);
      case "version":
        this.#peerVersion = Math.min(message.version, VERSION);
        return;
      case "beacon":
        return this.#beacons.owe() ? this.#reply(now) : this.#drop("beacon-flood");
      case "beaconReply": {
        const which = this.#beacons.answered();
        if (which === "unasked") this.#drop("beacon-unasked");
        if (which === "last") this.#out.push({ type: "probed", answered: true });
        return;
      }
      case "unknown":
        this.#drop("control-unknown");
    }
  }

  #requested(now: number, name: WireName, id: number): void {
    const taken = this.#byId.get(id);
    const why = id === CONTROL || id === PROTOCOL
      ? "request-reserved"
      : taken
      ? "request-used"
      : typeof name !== "string"
      ? "request-name-text"
      : name === "" || name.length > L.nameBytes
      ? "request-name-size"
      : this.#byId.size >= L.channels
      ? "request-channels"
      : this.#requestTokens.take(now)
      ? undefined
      : "request-rate";
    if (why === undefined) {
      this.#numbers.cool(id); // the peer has seen our end
      const channel = this.#add(this.#nextKey--, id, name as string, false, "asked", now);
      this.#out.push({ type: "asked", key: channel.key, channel: id, name: channel.name });
      return;
    }
    this.#drop(why);
    this.#outbox.control(encodeChannel("decline", name, id));
    if (why === "request-used" && taken!.state === "asking") this.#askAgain(now, taken!);
  }

  /** Both sides chose one number at once, which only the generation without halves does: ours moves. */
  #askAgain(now: number, channel: Channel): void {
    this.#byId.delete(channel.id);
    this.#numbers.leave(now, channel.id, false);
    const id = this.#numbers.take(now);
    if (id === undefined) return this.#refuse(channel, "no-number");
    this.#byId.set(channel.id = id, channel);
    this.#outbox.control(encodeChannel("request", channel.name, id));
  }

  #accepted(now: number, id: number): void {
    const channel = this.#byId.get(id);
    if (channel?.state === "asking") {
      channel.state = "open";
      channel.since = now;
      this.#out.push({ type: "opened", key: channel.key, channel: id });
      return;
    }
    if (!channel && this.#numbers.settle(now, id)) this.#outbox.control(valueHeader(id, 0)); // no longer wanted
    else this.#drop("accept-unasked");
  }

  #declined(id: number): void {
    const channel = this.#byId.get(id);
    if (channel?.state === "asking") return this.#refuse(channel, "declined");
    if (channel?.state === "open" && channel.ours) return this.#ended(id);
    if (!this.#numbers.cool(id)) this.#drop("decline-unasked");
  }

  // ---- from our side

  #open(now: number, key: number, name: string): void {
    const refuse = (why: string) => void this.#out.push({ type: "refused", key, why });
    if (this.#byId.size >= L.channels) return refuse("channels");
    const id = this.#numbers.take(now);
    if (id === undefined) return refuse("no-number");
    this.#add(key, id, name, true, "asking", now);
    this.#outbox.control(encodeChannel("request", name, id));
  }

  #answer(now: number, key: number, accept: boolean): void {
    const channel = this.#channels.get(key);
    if (channel?.state !== "asked") return; // the peer took it back, or we took too long
    this.#outbox.control(encodeChannel(accept ? "accept" : "decline", channel.name, channel.id));
    if (!accept) return this.#retire(channel);
    channel.state = "open";
    channel.since = now;
  }

  #write(now: number, key: number, bytes: Uint8Array): void {
    const channel = this.#channels.get(key);
    if (channel?.state !== "open" || channel.finishing || !bytes.length) return;
    if (!this.#outbox.inFlight) this.#progress = now;
    this.#outbox.write(channel, bytes);
  }

  #finish(now: number, key: number, atOnce: boolean): void {
    const channel = this.#channels.get(key);
    if (!channel) return;
    this.#inbox.forget(channel); // its reader is gone, whatever else happens
    if (channel.state === "asked") return this.#answer(now, key, false);
    if (channel.state === "ended") return void this.#channels.delete(key);
    if (channel.state === "asking") {
      this.#numbers.leave(now, channel.id, false);
      return this.#retire(channel);
    }
    if (atOnce) this.#outbox.forget(channel);
    channel.finishing = true;
    if (!channel.out.length) this.#sendEnd(now, channel);
  }

  #taken(now: number, key: number, bytes: number): void {
    const channel = this.#channels.get(key);
    if (!channel || bytes > channel.buffered) return; // forgotten before it was taken
    this.#inbox.take(now, channel, bytes);
    if (channel.state === "ended" && !channel.buffered) this.#channels.delete(key);
    this.#balance(now);
  }

  #probe(now: number): void {
    if (!this.#peerVersion) return void this.#out.push({ type: "probed", answered: false });
    if (this.#beacons.ask(now)) this.#outbox.control(encodeBeacon(false));
  }

  #wake(now: number): void {
    if (this.#beacons.dead(now)) return this.#close("net/mux-dead");
    if (this.#outbox.inFlight && now >= this.#progress + L.stuckMs) return this.#close("net/mux-stuck");
    if (this.#reader.partial && !this.#inbox.held && now >= this.#heard + L.stuckMs) {
      return this.#close("net/mux-slow-value");
    }
    this.#reply(now);
    for (const channel of [...this.#byId.values()]) {
      if (channel.state === "asked" && now >= channel.since + L.answerMs) {
        this.#out.push({ type: "ended", key: channel.key, why: "taken-back" });
        this.#answer(now, channel.key, false);
      }
    }
    for (const channel of this.#inbox.stalled(now)) this.#stalled(now, channel);
    if (this.#inbox.waitsForBudget) this.#heard = now;
    this.#balance(now);
  }

  // ---- memory

  /** Stops or starts reading from the link by what its readers have not taken. */
  #balance(now: number): void {
    const hold = this.#inbox.balance();
    if (hold === undefined) return;
    this.#heard = now;
    this.#out.push({ type: hold ? "hold" : "release" });
  }

  #stalled(now: number, channel: Channel): void {
    this.#drop("channel-stalled");
    this.#inbox.forget(channel);
    this.#outbox.forget(channel);
    this.#out.push({ type: "ended", key: channel.key, why: "stalled" });
    if (channel.state === "open") this.#sendEnd(now, channel);
    else this.#channels.delete(channel.key);
  }

  // ---- sending

  #sendEnd(now: number, channel: Channel): void {
    this.#outbox.control(valueHeader(channel.id, 0));
    this.#ending(now, channel);
  }

  #ending(now: number, channel: Channel): void {
    this.#numbers.leave(now, channel.id, true);
    this.#out.push({ type: "finished", key: channel.key });
    this.#retire(channel);
  }

  #pump(now: number): void {
    if (!this.#outbox.inFlight) this.#progress = now;
    for (const bytes of this.#outbox.pump((channel) => this.#ending(now, channel))) {
      this.#out.push({ type: "send", bytes });
    }
    for (const { key } of this.#outbox.roomy()) this.#out.push({ type: "room", key });
    if (this.#outbox.overrun) this.#close("net/mux-not-listening");
  }

  #reply(now: number): void {
    for (let n = this.#beacons.pay(now); n > 0; n--) this.#outbox.control(encodeBeacon(true));
  }

  // ---- numbers

  #add(key: number, id: number, name: string, ours: boolean, state: State, since: number): Channel {
    const channel: Channel = {
      ...{ key, id, name, ours, state, since, out: [], backlog: 0 },
      ...{ finishing: false, full: false, buffered: 0 },
    };
    this.#channels.set(key, channel);
    this.#byId.set(id, channel);
    return channel;
  }

  /** Its number is free again; the rest stays until the reader has taken everything. */
  #retire(channel: Channel): void {
    channel.state = "ended";
    this.#byId.delete(channel.id);
    this.#outbox.forget(channel);
    if (!channel.buffered) this.#channels.delete(channel.key);
  }

  #refuse(channel: Channel, why: string): void {
    this.#out.push({ type: "refused", key: channel.key, why });
    this.#retire(channel);
  }

  #drop(why: string): void {
    this.#out.push({ type: "drop", why });
  }

  #close(why: string): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#inbox.clear();
    this.#out.push({ type: "close", why });
  }
}
