/** One allocation on a relay: UDP or TCP (RFC 6062), permissions, channels, refresh. Pure. Spec: connection §3, RFC 8656. */
import { type Endpoint, familyOf, hex, type Machine, type Random, type Wake } from "../base/mod.ts";
import { isRoutable } from "./ice_candidate.ts";
import { TURN } from "./limits.ts";
import {
  ATTR,
  attribute,
  attributeAddress,
  attributeU32,
  decodeStun,
  encodeStun,
  METHOD,
  type StunMessage,
  u32Attribute,
  xorAddressAttribute,
} from "./stun.ts";
import { type TurnAccount, TurnCredentials, TurnRequests } from "./turn_requests.ts";
import { encodeChannelData, readUnit, TurnReader, type TurnUnit } from "./turn_stream.ts";

export interface TurnOptions extends TurnAccount {
  /** How we reach the server. */
  readonly transport: "udp" | "tcp";
  /** What the relay carries: TCP connections for peer links, datagrams for media. TCP needs a TCP path to the server. */
  readonly relay: "udp" | "tcp";
  /** Family of the relayed address; default 4. */
  readonly family?: 4 | 6;
  /** Accept relayed addresses that are not routable: laboratories. */
  readonly anyAddress?: boolean;
}

export type TurnIn =
  | { type: "start" }
  | { type: "bytes"; bytes: Uint8Array }
  | { type: "datagram"; bytes: Uint8Array }
  /** Let these addresses reach us through the relay. */
  | { type: "permit"; ips: readonly string[] }
  | { type: "relay"; to: Endpoint; bytes: Uint8Array }
  /** Much will go to this peer: ask for a channel. */
  | { type: "channel"; to: Endpoint }
  /** A connection of {@linkcode TurnOut} `attempt` is over. */
  | { type: "released" }
  | { type: "lost"; code: string }
  | { type: "stop" }
  | Wake;

export type TurnOut =
  | { type: "send"; bytes: Uint8Array }
  /** Ready. `reflexive` is how the server sees us. */
  | { type: "allocated"; relayed: Endpoint; reflexive: Endpoint | undefined; lifetimeS: number }
  | { type: "permitted"; ip: string }
  /** `code` 403: the relay forbids this peer. */
  | { type: "denied"; ip: string; code: number }
  | { type: "data"; from: Endpoint; bytes: Uint8Array }
  /** A peer connected to our relay: open another connection to the server and bind it to `id` ({@linkcode TurnBind}). */
  | { type: "attempt"; id: Uint8Array; from: Endpoint }
  /** The allocation is gone. `code` is `net/turn-…`; the path to the server may be closed. */
  | { type: "failed"; code: string; why: string }
  | { type: "stopped" }
  | { type: "drop"; why: string };

interface Channel {
  readonly number: number;
  readonly to: Endpoint;
  bound: boolean;
  due: number;
}
const key = (e: Endpoint) => `${e.ip} ${e.port}`;

export class TurnClient implements Machine<TurnIn, TurnOut> {
  readonly credentials: TurnCredentials;
  readonly #requests: TurnRequests;
  readonly #reader = new TurnReader();
  readonly #permissions = new Map<string, { due: number; granted: boolean }>();
  readonly #channels = new Map<string, Channel>();
  readonly #byNumber = new Map<number, Channel>();
  readonly #seen = new Set<string>();
  #connections = 0;
  #out: TurnOut[] = [];
  #refreshAt = Infinity;
  #keepaliveAt = Infinity;
  #state: "new" | "asking" | "ready" | "over" = "new";

  constructor(readonly options: TurnOptions, readonly random: Random) {
    if (options.relay === "tcp" && options.transport !== "tcp") {
      throw new TypeError("TCP relay needs a TCP path");
    }
    this.credentials = new TurnCredentials(options);
    const send = (bytes: Uint8Array) => void this.#out.push({ type: "send", bytes });
    const drop = (why: string) => void this.#out.push({ type: "drop", why });
    this.#requests = new TurnRequests(this.credentials, options.transport === "tcp", random, send, drop);
  }

  get wakeAt(): number {
    if (this.#state === "over") return Infinity;
    const times = [this.#requests.wakeAt, this.#refreshAt, this.#keepaliveAt];
    for (const p of this.#permissions.values()) times.push(p.due);
    for (const c of this.#channels.values()) times.push(c.due);
    return Math.min(...times);
  }

  step(now: number, input: TurnIn): TurnOut[] {
    this.#out = [];
    if (this.#state !== "over") this.#take(now, input), this.#timers(now);
    return this.#out;
  }

  #take(now: number, input: TurnIn): void {
    switch (input.type) {
      case "start":
        return this.#allocate(now);
      case "bytes":
        return this.#bytes(now, input.bytes);
      case "datagram": {
        const unit = readUnit(input.bytes);
        return unit ? this.#unit(now, unit) : this.#drop("turn-unit");
      }
      case "permit":
        return input.ips.forEach((ip) => this.#permit(now, ip));
      case "relay":
        return this.#relay(now, input.to, input.bytes);
      case "channel":
        return this.#bindChannel(now, input.to);
      case "released":
        return void (this.#connections = Math.max(0, this.#connections - 1));
      case "lost":
        return this.#fail("net/turn-lost", input.code);
      case "stop":
        return this.#stop();
    }
  }

  // --- allocation ---

  #allocate(now: number): void {
    if (this.#state !== "new") return;
    this.#state = "asking";
    const transport = this.options.relay === "tcp" ? 6 : 17;
    const attributes = () => [
      u32Attribute(ATTR.requestedTransport, transport * 2 ** 24),
      ...(this.options.family === 6 ? [u32Attribute(ATTR.requestedFamily, 2 * 2 ** 24)] : []),
      ...(this.options.relay === "udp" ? [u32Attribute(ATTR.lifetime, TURN.lifetimeS)] : []),
    ];
    this.#requests.ask(now, METHOD.allocate, attributes, (at, answer) => {
      if (!answer.ok) return this.#fail("net/turn-refused", `${answer.code} ${answer.reason}`.slice(0, 80));
      const relayed = attributeAddress(answer.message, ATTR.xorRelayedAddress);
      const good = relayed && relayed.port > 0 && familyOf(relayed.ip) === (this.options.family ?? 4) &&
        (this.options.anyAddress || isRoutable(relayed.ip));
      if (!good) return this.#fail("net/turn-address", relayed?.ip ?? "none");
      const lifetimeS = this.#lifetime(at, answer.message);
      if (lifetimeS === undefined) return this.#fail("net/turn-lifetime", "out of bounds");
      this.#state = "ready";
      this.#keepaliveAt = at + TURN.keepaliveMs;
      const reflexive = attributeAddress(answer.message, ATTR.xorMappedAddress);
      this.#out.push({ type: "allocated", relayed, reflexive, lifetimeS });
    });
  }

  #lifetime(now: number, message: StunMessage): number | undefined {
    const said = attributeU32(message, ATTR.lifetime) ?? TURN.lifetimeS;
    if (said < TURN.lifetimeMinS) return undefined;
    const lifetime = Math.min(said, TURN.lifetimeMaxS) * 1000;
    this.#refreshAt = now + Math.max(lifetime - TURN.refreshBeforeMs, lifetime / 2);
    return Math.min(said, TURN.lifetimeMaxS);
  }

  #refresh(now: number): void {
    this.#refreshAt = Infinity;
    const attributes = () => [u32Attribute(ATTR.lifetime, TURN.lifetimeS)];
    this.#requests.ask(now, METHOD.refresh, attributes, (at, answer) => {
      if (!answer.ok) this.#fail("net/turn-lost", `${answer.code} ${answer.reason}`.slice(0, 80));
      else if (this.#lifetime(at, answer.message) === undefined) {
        this.#fail("net/turn-lifetime", "out of bounds");
      }
    });
  }

  /** Gives the allocation back; nobody waits for the answer. */
  #stop(): void {
    if (this.#state === "ready") {
      this.#requests.ask(0, METHOD.refresh, () => [u32Attribute(ATTR.lifetime, 0)], () => {});
    }
    this.#out.push({ type: "stopped" });
    this.#end();
  }

  #fail(code: string, why: string): void {
    this.#out.push({ type: "failed", code, why });
    this.#end();
  }
  #end(): void {
    this.#state = "over";
    this.#requests.clear(), this.#permissions.clear(), this.#channels.clear(), this.#byNumber.clear();
  }

  // --- permissions and channels ---

  #permit(now: number, ip: string): void {
    if (this.#state !== "ready" || familyOf(ip) !== (this.options.family ?? 4)) return;
    if (this.#permissions.has(ip)) return;
    if (this.#permissions.size >= TURN.permissions) return this.#drop("turn-permission-excess");
    this.#permissions.set(ip, { due: Infinity, granted: false });
    this.#askPermission(now, ip);
  }

  #askPermission(now: number, ip: string): void {
    const attributes = (id: Uint8Array) => [xorAddressAttribute(ATTR.xorPeerAddress, { ip, port: 0 }, id)];
    this.#requests.ask(now, METHOD.createPermission, attributes, (at, answer) => {
      const permission = this.#permissions.get(ip);
      if (!permission) return;
      if (!answer.ok) {
        this.#permissions.delete(ip);
        return void this.#out.push({ type: "denied", ip, code: answer.code });
      }
      if (!permission.granted) this.#out.push({ type: "permitted", ip });
      permission.granted = true, permission.due = at + TURN.permissionMs;
    });
  }

  #bindChannel(now: number, to: Endpoint): void {
    if (this.#state !== "ready" || this.options.relay !== "udp" || this.#channels.has(key(to))) return;
    if (this.#channels.size >= TURN.channels) return this.#drop("turn-channel-excess");
    const channel: Channel = { number: 0x4000 + this.#channels.size, to, bound: false, due: Infinity };
    this.#channels.set(key(to), channel), this.#byNumber.set(channel.number, channel);
    this.#askChannel(now, channel);
  }

  #askChannel(now: number, channel: Channel): void {
    channel.due = Infinity;
    const attributes = (id: Uint8Array) => [
      u32Attribute(ATTR.channelNumber, channel.number * 2 ** 16),
      xorAddressAttribute(ATTR.xorPeerAddress, channel.to, id),
    ];
    this.#requests.ask(now, METHOD.channelBind, attributes, (at, answer) => {
      channel.bound = answer.ok; // else indications go on serving; the number stays taken
      if (answer.ok) channel.due = at + TURN.channelMs;
      else this.#drop(`turn-channel-${answer.code}`);
    });
  }

  #relay(now: number, to: Endpoint, bytes: Uint8Array): void {
    if (this.#state !== "ready" || this.options.relay !== "udp") return this.#drop("turn-not-ready");
    const channel = this.#channels.get(key(to));
    if (channel?.bound) {
      const stream = this.options.transport === "tcp";
      return void this.#out.push({ type: "send", bytes: encodeChannelData(channel.number, bytes, stream) });
    }
    this.#permit(now, to.ip);
    const id = this.random.bytes(12);
    const attributes = [xorAddressAttribute(ATTR.xorPeerAddress, to, id), { type: ATTR.data, value: bytes }];
    this.#out.push({
      type: "send",
      bytes: encodeStun({ class: "indication", method: METHOD.send, id, attributes }),
    });
  }

  // --- from the server ---

  #bytes(now: number, bytes: Uint8Array): void {
    this.#reader.push(bytes);
    while (this.#state !== "over") {
      const unit = this.#reader.next();
      if (unit === "more") return;
      if (unit === "broken") return this.#fail("net/turn-stream", "neither STUN nor channel data");
      this.#unit(now, unit);
    }
  }

  #unit(now: number, unit: TurnUnit): void {
    if (unit.type === "channel") {
      const channel = this.#byNumber.get(unit.channel);
      if (!channel) return this.#drop("turn-channel-unknown");
      return void this.#out.push({ type: "data", from: channel.to, bytes: unit.bytes });
    }
    let message: StunMessage;
    try {
      message = decodeStun(unit.bytes, TURN.message);
    } catch (error) {
      return this.#drop((error as { code?: string }).code ?? "stun");
    }
    if (message.class === "indication") this.#indication(message);
    else if (message.class === "request") this.#drop("turn-request");
    else this.#requests.take(now, message);
  }

  #indication(message: StunMessage): void {
    if (message.method === METHOD.binding) return;
    const from = attributeAddress(message, ATTR.xorPeerAddress);
    if (!from || !this.#permissions.has(from.ip)) return this.#drop("turn-peer"); // only whom we let in
    const data = attribute(message, ATTR.data), id = attribute(message, ATTR.connectionId);
    if (message.method === METHOD.data && data && this.options.relay === "udp") {
      this.#out.push({ type: "data", from, bytes: data });
    } else if (
      message.method === METHOD.connectionAttempt && id?.length === 4 && this.options.relay === "tcp"
    ) {
      if (this.#seen.has(hex(id))) return this.#drop("turn-attempt-again");
      if (this.#connections >= TURN.connections) return this.#drop("turn-attempt-excess");
      if (this.#seen.size >= TURN.channels) return this.#drop("turn-attempt-excess");
      this.#connections++, this.#seen.add(hex(id));
      this.#out.push({ type: "attempt", id: id.slice(), from });
    } else this.#drop("turn-indication");
  }

  // --- time ---

  #timers(now: number): void {
    if (this.#state === "over") return;
    this.#requests.wake(now);
    if (this.#state !== "ready") return;
    if (this.#refreshAt <= now) this.#refresh(now);
    for (const [ip, p] of this.#permissions) if (p.due <= now) p.due = Infinity, this.#askPermission(now, ip);
    for (const channel of this.#channels.values()) if (channel.due <= now) this.#askChannel(now, channel);
    if (this.#keepaliveAt <= now) {
      this.#keepaliveAt = now + TURN.keepaliveMs; // keeps NATs on the way to the server awake
      const parts = { class: "indication", method: METHOD.binding, id: this.random.bytes(12) } as const;
      this.#out.push({ type: "send", bytes: encodeStun(parts) });
    }
  }

  #drop = (why: string): void => void this.#out.push({ type: "drop", why });
}
