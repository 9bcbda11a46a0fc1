/** One ICE session with everything around the agent: gathering, relays, who owns which connection. Pure. Spec: connection §2.2, §3. */
import { type Endpoint, type Machine, type Random } from "../base/mod.ts";
import { IceAgent } from "./ice_agent.ts";
import type { IceIn, IceOptions, IceOut } from "./ice_words.ts";
import type { IceCredentials, IceOffer } from "./ice_candidate.ts";
import { type BoundSocket, OwnCandidates, type OwnOptions } from "./ice_own.ts";
import type { LocalCandidate } from "./ice_pairs.ts";
import { ICE, TURN } from "./limits.ts";
import { type BindOut, TurnBind } from "./turn_bind.ts";
import { TurnClient, type TurnIn, type TurnOut } from "./turn_client.ts";
import type { TurnAccount } from "./turn_requests.ts";

/** A relay we may use: resolved, and tested by whoever names it. */
export interface RelayServer extends TurnAccount {
  readonly server: Endpoint;
  /** How to reach it; default: TCP for links, UDP for media. */
  readonly transport?: "udp" | "tcp";
  readonly family?: 4 | 6;
}

export interface SessionOptions
  extends Omit<IceOptions, keyof IceCredentials>, Omit<OwnOptions, "transport"> {
  readonly relays?: readonly RelayServer[];
  /** Sockets for which a port mapping is on its way. */
  readonly mappings?: number;
}

export type SessionIn =
  | { type: "open"; sockets: readonly BoundSocket[] }
  /** What became of the mapping asked for a socket. */
  | { type: "mapped"; socket: number; external: Endpoint | undefined }
  | { type: "accepted"; conn: number; socket: number; local: Endpoint; from: Endpoint }
  | Exclude<IceIn, { type: "local" } | { type: "accepted" }>;
export type SessionOut =
  | Exclude<IceOut, { type: "send" }>
  | { type: "send"; socket: number; to: Endpoint; bytes: Uint8Array }
  /** Gathering is over: this is our half. */
  | { type: "offer"; offer: IceOffer };

interface Relay {
  readonly index: number;
  readonly server: RelayServer;
  readonly client: TurnClient;
  readonly component: number;
  /** TCP path to the server, or the UDP socket it shares with the host candidate. */
  readonly conn: number | undefined;
  readonly socket: number | undefined;
  candidate: LocalCandidate | undefined;
  decided: boolean;
  over: boolean;
}
type Owner = { relay: Relay; bind?: TurnBind; piped?: boolean; from?: Endpoint };
const RELAY_SOCKETS = 1000;

export class IceSession implements Machine<SessionIn, SessionOut> {
  readonly agent: IceAgent;
  readonly credentials: IceCredentials;
  readonly #relays: Relay[] = [];
  readonly #owners = new Map<number, Owner>();
  readonly #own: OwnCandidates;
  #sockets: readonly BoundSocket[] = [];
  #mappingsOpen: number;
  #gatherEnds = Infinity;
  #offered = false;
  #remoteIps: string[] = [];
  #out: SessionOut[] = [];
  #over = false;

  constructor(readonly options: SessionOptions, readonly random: Random) {
    this.credentials = { ufrag: random.bytes(4).toHex(), pwd: random.bytes(12).toHex() };
    this.agent = new IceAgent({ ...options, ...this.credentials }, random);
    this.#own = new OwnCandidates(options);
    this.#mappingsOpen = options.mappings ?? 0;
  }

  get wakeAt(): number {
    const times = [this.agent.wakeAt, this.#offered ? Infinity : this.#gatherEnds];
    for (const relay of this.#relays) if (!relay.over) times.push(relay.client.wakeAt);
    for (const owner of this.#owners.values()) if (owner.bind) times.push(owner.bind.wakeAt);
    return this.#over ? Infinity : Math.min(...times);
  }

  step(now: number, input: SessionIn): SessionOut[] {
    this.#out = [];
    if (this.#over) {
      if (input.type === "accepted") this.#out.push({ type: "close", conn: input.conn });
      return this.#out;
    }
    this.#take(now, input);
    if (!this.#offered && !this.agent.over) this.#maybeOffer(now);
    if (this.agent.over && !this.#over) this.#shut(now);
    return this.#out;
  }

  #take(now: number, input: SessionIn): void {
    switch (input.type) {
      case "open":
        return this.#open(now, input.sockets);
      case "mapped":
        return this.#mapped(input.socket, input.external);
      case "accepted": {
        const local = this.#own.passiveOf(input.socket, input.local);
        if (!local) return void this.#out.push({ type: "close", conn: input.conn });
        return this.#agent(now, { type: "accepted", conn: input.conn, from: input.from, local });
      }
      case "remote":
        this.#remoteIps = [...new Set(input.offer.candidates.map((c) => c.ip))];
        for (const relay of this.#relays) this.#turn(now, relay, { type: "permit", ips: this.#remoteIps });
        return this.#agent(now, input);
      case "datagram": {
        const relay = this.#relays.find((r) => r.socket === input.socket && isServer(r, input.from));
        if (relay) return this.#turn(now, relay, { type: "datagram", bytes: input.bytes });
        return this.#agent(now, input);
      }
      case "connected":
      case "refused":
      case "bytes":
      case "closed": {
        const owner = this.#owners.get(input.conn);
        return owner && !owner.piped ? this.#owned(now, input, owner) : this.#agent(now, input);
      }
      case "wake":
        for (const relay of this.#relays) this.#turn(now, relay, input);
        for (const [conn, owner] of [...this.#owners]) {
          if (owner.bind) this.#bind(now, conn, owner, owner.bind.step(now, input));
        }
        return this.#agent(now, input);
      default:
        return this.#agent(now, input);
    }
  }

  // --- gathering ---

  #open(now: number, sockets: readonly BoundSocket[]): void {
    this.#sockets = sockets;
    this.#gatherEnds = now + ICE.gatherMs;
    for (const bound of sockets) this.#own.hosts(bound);
    this.#own.publish();
    const servers = (this.options.relays ?? []).slice(0, TURN.servers);
    for (const [index, server] of servers.entries()) {
      const seen = new Set<number>();
      for (const { component, socket } of sockets) {
        if (seen.has(component)) continue;
        seen.add(component), this.#addRelay(now, index, server, component, socket);
      }
    }
  }

  #mapped(socket: number, external: Endpoint | undefined): void {
    this.#mappingsOpen--;
    if (!external || this.#offered) return;
    if (!this.#own.map(socket, external)) this.#out.push({ type: "drop", why: "mapped-address" });
  }

  #addRelay(now: number, index: number, server: RelayServer, component: number, socket: number): void {
    const transport = server.transport ?? this.options.transport, relay = this.options.transport;
    const { user, password, family } = server, { anyAddress } = this.options;
    const client = new TurnClient({ user, password, family, transport, relay, anyAddress }, this.random);
    const conn = transport === "tcp" ? this.agent.newConn() : undefined;
    const shared = transport === "udp" ? socket : undefined;
    const blank = { candidate: undefined, decided: false, over: false };
    const made: Relay = { index, server, client, component, conn, socket: shared, ...blank };
    this.#relays.push(made);
    if (conn === undefined) return this.#turn(now, made, { type: "start" });
    this.#owners.set(conn, { relay: made });
    this.#out.push({ type: "connect", conn, to: server.server });
  }

  #maybeOffer(now: number): void {
    const waiting = this.#mappingsOpen > 0 || this.#relays.some((r) => !r.decided);
    if (!this.#sockets.length || (waiting && now < this.#gatherEnds)) return;
    this.#offered = true;
    for (const relay of this.#relays) if (!relay.decided) this.#giveUp(now, relay);
    this.#agent(now, { type: "local", candidates: this.#own.offered });
    this.#out.push({ type: "offer", offer: { ...this.credentials, candidates: this.#own.plain } });
  }

  // --- relays ---

  #turn(now: number, relay: Relay, input: TurnIn): void {
    if (relay.over) return;
    for (const out of relay.client.step(now, input)) this.#fromTurn(now, relay, out);
  }

  #fromTurn(now: number, relay: Relay, out: TurnOut): void {
    switch (out.type) {
      case "send":
        if (relay.conn !== undefined) this.#out.push({ type: "write", conn: relay.conn, bytes: out.bytes });
        else {this.#out.push({
            type: "send",
            socket: relay.socket!,
            to: relay.server.server,
            bytes: out.bytes,
          });}
        return;
      case "allocated":
        return this.#allocated(now, relay, out.relayed, out.reflexive);
      case "data":
        return this.#agent(now, {
          type: "datagram",
          socket: RELAY_SOCKETS + this.#relays.indexOf(relay),
          from: out.from,
          bytes: out.bytes,
        });
      case "attempt": {
        const conn = this.agent.newConn();
        const bind = new TurnBind(out.id, relay.client.credentials, this.random, now);
        this.#owners.set(conn, { relay, bind, from: out.from });
        return void this.#out.push({ type: "connect", conn, to: relay.server.server });
      }
      case "failed":
        this.#note(`relay ${out.code}`, out.why);
        relay.decided = relay.over = true;
        return this.#closeControl(relay);
      case "stopped":
        relay.over = true;
        return this.#closeControl(relay);
      case "permitted":
        return this.#note("relay permitted", out.ip);
      case "denied":
        return this.#note("relay denied", `${out.ip} ${out.code}`);
      case "drop":
        return void this.#out.push(out);
    }
  }

  #allocated(now: number, relay: Relay, relayed: Endpoint, reflexive: Endpoint | undefined): void {
    relay.decided = true;
    if (this.#offered) return this.#giveUp(now, relay); // too late for the offer
    const { component, index } = relay, socket = RELAY_SOCKETS + this.#relays.indexOf(relay);
    if (reflexive && relay.socket !== undefined) this.#own.reflect(relay.socket, reflexive, index);
    relay.candidate = this.#own.relay(relayed, relay.server.server, component, index, socket);
    this.#note("relay allocated", `${relayed.ip}:${relayed.port}`);
    if (this.#remoteIps.length) this.#turn(now, relay, { type: "permit", ips: this.#remoteIps });
  }

  #giveUp(now: number, relay: Relay): void {
    relay.decided = true;
    this.#turn(now, relay, { type: "stop" });
  }
  #closeControl(relay: Relay): void {
    if (relay.conn === undefined || !this.#owners.delete(relay.conn)) return;
    this.#out.push({ type: "close", conn: relay.conn });
  }

  /** Events of a connection to a relay: its control path, or a data connection being bound. */
  #owned(now: number, input: Extract<SessionIn, { conn: number }>, owner: Owner): void {
    const { relay, bind } = owner;
    if (input.type === "refused" || input.type === "closed") {
      this.#owners.delete(input.conn);
      if (bind) return this.#turn(now, relay, { type: "released" });
      return this.#turn(now, relay, { type: "lost", code: input.code ?? "closed" });
    }
    if (bind && (input.type === "bytes" || input.type === "connected")) {
      return this.#bind(now, input.conn, owner, bind.step(now, input));
    }
    if (input.type === "connected") this.#turn(now, relay, { type: "start" });
    else if (input.type === "bytes") this.#turn(now, relay, { type: "bytes", bytes: input.bytes });
  }

  #bind(now: number, conn: number, owner: Owner, outs: BindOut[]): void {
    for (const out of outs) {
      if (out.type === "send") this.#out.push({ type: "write", conn, bytes: out.bytes });
      else if (out.type === "drop") this.#out.push(out);
      else if (out.type === "failed") {
        this.#note("relay bind failed", out.why);
        this.#owners.delete(conn);
        this.#out.push({ type: "close", conn });
        this.#turn(now, owner.relay, { type: "released" });
      } else {
        owner.bind = undefined, owner.piped = true;
        this.#agent(now, { type: "accepted", conn, from: owner.from!, local: owner.relay.candidate! });
        if (out.rest.length) this.#agent(now, { type: "bytes", conn, bytes: out.rest });
      }
    }
  }

  // --- the agent ---

  #agent(now: number, input: IceIn): void {
    if ("conn" in input && (input.type === "closed" || input.type === "refused")) {
      this.#forget(now, input.conn);
    }
    for (const out of this.agent.step(now, input)) this.#fromAgent(now, out);
  }

  #fromAgent(now: number, out: IceOut): void {
    switch (out.type) {
      case "send": {
        const relay = out.socket >= RELAY_SOCKETS ? this.#relays[out.socket - RELAY_SOCKETS] : undefined;
        if (!relay) return void this.#out.push(out);
        return this.#turn(now, relay, { type: "relay", to: out.to, bytes: out.bytes });
      }
      case "close":
        this.#forget(now, out.conn);
        return void this.#out.push(out);
      case "selected": {
        const relay = this.#relays.find((r) => r.candidate === out.local);
        if (relay && out.local.transport === "udp") {
          this.#turn(now, relay, { type: "channel", to: out.remote });
        }
        if (relay) relay.decided = true;
        return void this.#out.push(out);
      }
      case "unlisten":
        this.#out.push(out);
        return this.#dropRelays(now);
      case "failed":
      case "ended":
        this.#out.push(out);
        return;
      default:
        this.#out.push(out);
    }
    if (out.type === "completed") {
      for (const relay of this.#relays) if (!relay.candidate) this.#giveUp(now, relay);
    }
  }

  #forget(now: number, conn: number): void {
    const owner = this.#owners.get(conn);
    if (!owner?.piped) return;
    this.#owners.delete(conn);
    this.#turn(now, owner.relay, { type: "released" });
  }

  #shut(now: number): void {
    this.#over = true;
    for (const relay of this.#relays) this.#turn(now, relay, { type: "stop" });
    for (const conn of this.#owners.keys()) this.#out.push({ type: "close", conn });
    this.#owners.clear();
  }

  /** Relays that carry nothing are given back. */
  #dropRelays(now: number): void {
    const used = new Set<Relay>();
    for (const owner of this.#owners.values()) if (owner.piped) used.add(owner.relay);
    for (const relay of this.#relays) {
      if (this.agent.uses(relay.candidate?.socket)) used.add(relay);
      if (!used.has(relay)) this.#turn(now, relay, { type: "stop" });
    }
  }

  /** Data for the peer over a selected UDP pair. */
  sendTo(now: number, socket: number, to: Endpoint, bytes: Uint8Array): SessionOut[] {
    this.#out = [];
    this.#fromAgent(now, { type: "send", socket, to, bytes });
    return this.#out;
  }

  #note = (what: string, detail: string): void => void this.#out.push({ type: "note", what, detail });
}

const isServer = (relay: Relay, from: Endpoint) =>
  relay.server.server.ip === from.ip && relay.server.server.port === from.port;
