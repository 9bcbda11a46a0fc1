/** The ICE agent: connectivity checks over TCP or UDP, nomination, keepalive. Pure. Spec: connection §2, RFC 8445, RFC 6544. */
import { type Endpoint, familyOf, hex, type Machine, type Random, type Wake } from "../base/mod.ts";
import { FrameReader, frameStun } from "./framing.ts";
import {
  type Candidate,
  type DialPolicy,
  foundationOf,
  type IceCredentials,
  type IceOffer,
  whyNotDial,
} from "./ice_candidate.ts";
import {
  encodeCheck,
  encodeKeepalive,
  encodeRefusal,
  encodeSuccess,
  type GoodCheck,
  type IceRole,
  judgeCheck,
  type Refusal,
  tieWon,
} from "./ice_check.ts";
import { CheckList, type LocalCandidate, type Pair } from "./ice_pairs.ts";
import { ICE } from "./limits.ts";
import {
  ATTR,
  attributeAddress,
  attributeError,
  decodeStun,
  METHOD,
  shortTermKey,
  type StunMessage,
  verifyIntegrity,
} from "./stun.ts";

export interface IceOptions extends IceCredentials {
  readonly transport: "udp" | "tcp";
  /** Who sent the request is controlled; an offerer of media is controlling. */
  readonly role: IceRole;
  /** Default regular. */
  readonly nomination?: "regular" | "aggressive";
  /** Default fixed: a claimed conflict is answered 487 and never makes us switch. Spec: connection §9 H17. */
  readonly conflict?: "fixed" | "switch";
  readonly policy?: DialPolicy;
}

export type IceIn =
  | { type: "local"; candidates: readonly LocalCandidate[] }
  /** The other side's half: checks begin. Only the first one counts. */
  | { type: "remote"; offer: IceOffer }
  | { type: "accepted"; conn: number; from: Endpoint; local: LocalCandidate }
  | { type: "connected"; conn: number }
  | { type: "refused"; conn: number; code: string }
  | { type: "bytes"; conn: number; bytes: Uint8Array }
  | { type: "closed"; conn: number; code?: string }
  | { type: "datagram"; socket: number; from: Endpoint; bytes: Uint8Array }
  /** We stopped or started reading the selected connection: silence means nothing meanwhile. */
  | { type: "paused"; paused: boolean }
  | { type: "stop" }
  | Wake;

export type IceOut =
  | { type: "connect"; conn: number; to: Endpoint }
  | { type: "write"; conn: number; bytes: Uint8Array }
  | { type: "close"; conn: number }
  | { type: "send"; socket: number; to: Endpoint; bytes: Uint8Array }
  /** Data of the peer: in order on TCP (until something is selected it is early), one datagram on UDP. */
  | { type: "data"; component: number; bytes: Uint8Array; conn: number | undefined }
  | {
    type: "selected";
    component: number;
    local: LocalCandidate;
    remote: Candidate;
    conn: number | undefined;
  }
  /** Every component has its pair. */
  | { type: "completed" }
  /** No more connections are wanted: listeners may close. */
  | { type: "unlisten" }
  /** Before or after completion; `code` is `net/ice-failed`, `net/ice-lost`, `net/ice-silent`. */
  | { type: "failed"; code: string; why: string }
  /** The peer ended the selected connection in order. */
  | { type: "ended" }
  | { type: "drop"; why: string }
  /** For the trace of a connection attempt. */
  | { type: "note"; what: string; pair?: string; detail?: string };

interface Conn {
  readonly id: number;
  readonly from: Endpoint;
  readonly outgoing: boolean;
  readonly local: LocalCandidate;
  readonly reader: FrameReader;
  open: boolean;
  /** A signed check or answer went over it. */
  valid: boolean;
  /** Data came over it. */
  used: boolean;
  unauthorized: number;
  deadline: number;
}

interface Check {
  readonly pair: Pair;
  readonly id: Uint8Array;
  readonly bytes: Uint8Array;
  readonly nominate: boolean;
  readonly role: IceRole;
  sends: number;
  gap: number;
  due: number;
}

interface Selected {
  readonly pair: Pair;
  keepalive: number;
  heard: number;
  asks: number;
  askAt: number;
}

/** Where a message came from and where its answer goes. */
type Path = { conn: Conn } | { socket: number; from: Endpoint; local: LocalCandidate };

export class IceAgent implements Machine<IceIn, IceOut> {
  readonly #list: CheckList;
  readonly #tieBreaker: Uint8Array;
  readonly #locals: LocalCandidate[] = [];
  readonly #remotes: Candidate[] = [];
  readonly #conns = new Map<number, Conn>();
  readonly #checks = new Map<string, Check>();
  readonly #selected = new Map<number, Selected>();
  readonly #probes = new Map<string, Selected>();
  #remote: IceCredentials | undefined;
  #out: IceOut[] = [];
  #nextConn = 1;
  #nextCheckAt = 0;
  #firstSuccess = new Map<number, number>();
  #nominating = new Set<number>();
  #patienceEnds = Infinity;
  #spareEnds = Infinity;
  #listening = true;
  /** Components that must get a pair: those both sides have. */
  #components = new Set<number>();
  #unauthorized = { count: 0, until: 0 };
  #conflicts = 0;
  #completed = false;
  #paused = false;
  #over = false;
  wakeAt = Infinity;

  constructor(readonly options: IceOptions, readonly random: Random) {
    this.#list = new CheckList(options.role);
    this.#tieBreaker = random.bytes(8);
  }

  get role(): IceRole {
    return this.#list.role;
  }
  get completed(): boolean {
    return this.#completed;
  }

  get over(): boolean {
    return this.#over;
  }
  /** True if a selected pair leaves through this socket. */
  uses(socket: number | undefined): boolean {
    return [...this.#selected.values()].some((s) => s.pair.local.socket === socket);
  }

  step(now: number, input: IceIn): IceOut[] {
    this.#out = [];
    if (!this.#over) {
      this.#take(now, input);
      if (!this.#over) this.#timers(now);
    } else if (input.type === "accepted") this.#out.push({ type: "close", conn: input.conn });
    this.wakeAt = this.#over ? Infinity : this.#soonest();
    return this.#out;
  }

  #take(now: number, input: IceIn): void {
    switch (input.type) {
      case "local":
        return void this.#locals.push(...input.candidates);
      case "remote":
        return this.#start(now, input.offer);
      case "accepted":
        return this.#accepted(now, input.conn, input.from, input.local);
      case "connected":
        return this.#connected(now, input.conn);
      case "refused":
        return this.#refused(now, input.conn, input.code);
      case "bytes":
        return this.#bytes(now, input.conn, input.bytes);
      case "closed":
        return this.#closed(now, input.conn, input.code);
      case "datagram":
        return this.#datagram(now, input.socket, input.from, input.bytes);
      case "paused":
        this.#paused = input.paused;
        for (const s of this.#selected.values()) s.heard = now;
        return;
      case "stop":
        return this.#finish();
    }
  }

  // --- the other side's half ---

  #start(now: number, offer: IceOffer): void {
    if (this.#remote) return this.#drop("second-offer");
    this.#remote = { ufrag: offer.ufrag, pwd: offer.pwd };
    const targets = new Set<string>(), ours = new Set(this.#locals.map((l) => l.component));
    this.#components = ours.intersection(new Set(offer.candidates.map((c) => c.component)));
    if (!this.#components.size) this.#components = ours;
    for (const c of offer.candidates) {
      const why = c.transport !== this.options.transport
        ? "transport"
        : !ours.has(c.component)
        ? "component"
        : c.tcpType === "active"
        ? "active"
        : whyNotDial(c, this.options.policy ?? {});
      if (why === "active") continue; // it will come to us
      if (why) this.#drop(`candidate-${why}`);
      else if (targets.add(`${c.ip} ${c.port}`).size > ICE.targets || this.#remotes.length >= ICE.remotes) {
        this.#drop("candidate-excess");
      } else this.#remotes.push(c);
    }
    this.#list.addAll(this.#locals, this.#remotes);
    this.#nextCheckAt = now;
    this.#note("started", undefined, `${this.#list.pairs.length} pairs`);
  }

  // --- connections ---

  #accepted(now: number, conn: number, from: Endpoint, local: LocalCandidate): void {
    const waiting = [...this.#conns.values()].filter((c) => !c.outgoing).length;
    if (waiting >= ICE.accepted || !this.#listening) {
      this.#drop(this.#listening ? "connection-excess" : "connection-late");
      return void this.#out.push({ type: "close", conn });
    }
    this.#conns.set(conn, this.#newConn(conn, from, local, false, now + ICE.silentAcceptMs));
  }

  #newConn(id: number, from: Endpoint, local: LocalCandidate, outgoing: boolean, deadline: number): Conn {
    const reader = new FrameReader();
    const counts = { open: !outgoing, valid: false, used: false, unauthorized: 0 };
    return { id, from, local, outgoing, deadline, reader, ...counts };
  }

  #connected(now: number, id: number): void {
    const conn = this.#conns.get(id), pair = this.#pairOf(id);
    if (!conn || !pair) return void this.#out.push({ type: "close", conn: id });
    conn.open = true, conn.deadline = Infinity;
    this.#note("connected", pair);
    this.#check(now, pair, this.#nominateNow());
  }

  #refused(now: number, id: number, code: string): void {
    const pair = this.#pairOf(id);
    this.#conns.delete(id);
    if (!pair) return;
    this.#note("refused", pair, code);
    this.#retry(now, pair, code);
  }

  /** A relay that has no permission for us yet refuses, or accepts and resets. Spec: connection §3.3. */
  #retry(now: number, pair: Pair, code: string): void {
    pair.conn = undefined;
    if (pair.retries === 0 || pair.state === "succeeded") return this.#fail(pair, code);
    pair.retries--, pair.retryAt = now + ICE.relayRetryMs;
    pair.state = "connecting";
  }

  #closed(now: number, id: number, code: string | undefined): void {
    const conn = this.#conns.get(id), pair = this.#pairOf(id);
    this.#conns.delete(id);
    const selected = [...this.#selected.values()].find((s) => s.pair.conn === id);
    if (selected || (conn?.used && this.#completed)) {
      if (code === undefined) {
        this.#out.push({ type: "ended" });
        return this.#finish();
      }
      return this.#failed("net/ice-lost", code);
    }
    if (pair) {
      for (const [key, check] of this.#checks) if (check.pair === pair) this.#checks.delete(key);
      this.#note("lost", pair, code);
      this.#retry(now, pair, code ?? "closed");
    }
  }

  #close(now: number, conn: Conn): void {
    this.#out.push({ type: "close", conn: conn.id });
    this.#closed(now, conn.id, "closed-by-us");
  }

  #bytes(now: number, id: number, bytes: Uint8Array): void {
    const conn = this.#conns.get(id);
    if (!conn) return;
    conn.reader.push(
      bytes,
      (message) => this.#conns.has(id) && this.#message(now, message, { conn }),
      (piece) => this.#conns.has(id) && this.#stream(now, conn, piece),
    );
  }

  /** Data before a signed check is nobody's; after the first data nothing but that connection is read. */
  #stream(now: number, conn: Conn, piece: Uint8Array): void {
    const other = [...this.#conns.values()].find((c) => c.used && c !== conn);
    if (!conn.valid || other) {
      this.#drop(other ? "data-second-connection" : "data-unvalidated");
      return this.#close(now, conn);
    }
    conn.used = true;
    this.#heard(now);
    this.#out.push({ type: "data", component: conn.local.component, bytes: piece, conn: conn.id });
  }

  #datagram(now: number, socket: number, from: Endpoint, bytes: Uint8Array): void {
    const local = this.#locals.find((l) => l.socket === socket && familyOf(l.ip) === familyOf(from.ip)) ??
      this.#locals.find((l) => l.socket === socket);
    if (!local) return this.#drop("socket-unknown");
    if (bytes.length >= 20 && bytes[0]! < 4) return this.#message(now, bytes, { socket, from, local });
    const pair = this.#list.find(local.component, socket, from, "udp");
    if (pair?.state !== "succeeded" && !this.#heardFrom.has(this.#key(socket, from))) {
      return this.#drop("data-unvalidated");
    }
    this.#heard(now, local.component);
    this.#out.push({ type: "data", component: local.component, bytes, conn: undefined });
  }
  /** Addresses that sent us a signed check: their data counts even before our own check succeeded. */
  readonly #heardFrom = new Set<string>();
  #key = (socket: number, from: Endpoint) => `${socket} ${from.ip} ${from.port}`;

  #heard(now: number, component?: number): void {
    for (const [id, s] of this.#selected) {
      if (component !== undefined && id !== component) continue;
      s.heard = now, s.asks = 0;
    }
  }

  // --- messages ---

  #message(now: number, bytes: Uint8Array, path: Path): void {
    let message: StunMessage;
    try {
      message = decodeStun(bytes);
    } catch (error) {
      return this.#drop((error as { code?: string }).code ?? "stun");
    }
    if (message.method !== METHOD.binding && this.#completed) {
      this.#drop("method"); // a stream of TLS records never looks like this
      return "conn" in path ? this.#close(now, path.conn) : undefined;
    }
    if (message.class === "indication") {
      if ("socket" in path ? this.#heardFrom.has(this.#key(path.socket, path.from)) : path.conn.valid) {
        this.#heard(now, "socket" in path ? path.local.component : undefined);
      }
    } else if (message.class === "request") this.#request(now, message, path);
    else this.#response(now, message, path);
  }

  #request(now: number, message: StunMessage, path: Path): void {
    const verdict = judgeCheck(message, this.options), from = "conn" in path ? path.conn.from : path.from;
    if ("code" in verdict) return this.#refuse(now, message, verdict, path);
    if (verdict.role === this.role && this.#conflict(message, verdict, path)) return;
    this.#reply(encodeSuccess(message.id, from, this.options), path);
    const pair = this.#pairFor(verdict, path);
    if ("conn" in path) path.conn.valid = true, path.conn.deadline = Infinity;
    else if (pair) this.#heardFrom.add(this.#key(path.socket, path.from));
    if (!pair) return this.#drop("pair-excess");
    this.#heard(now, pair.component);
    this.#patienceEnds = Infinity; // it is alive; counted anew when everything has settled again
    const nominated = verdict.nominate && this.role === "controlled";
    if (pair.state === "succeeded") {
      if (nominated) this.#select(now, pair);
      return;
    }
    pair.nominateLater ||= nominated;
    if (pair.state !== "connecting" && pair.state !== "checking") {
      pair.state = "waiting", pair.triggered = true;
      if (this.#remote && "conn" in path) this.#check(now, pair, this.#nominateNow()); // no new socket: no pace to keep
    } else if ("socket" in path) {
      for (const check of this.#checks.values()) { // the way is open now: do not wait for the back-off
        if (check.pair !== pair || check.sends >= ICE.sends) continue;
        check.due = Math.min(check.due, now + ICE.paceMs), check.gap = ICE.rtoMs / 2;
      }
    }
  }

  #pairFor(check: GoodCheck, path: Path): Pair | undefined {
    if ("conn" in path) {
      const { conn } = path;
      return this.#pairOf(conn.id) ??
        this.#list.add(conn.local, this.#reflexive(check, path), "waiting", conn.id);
    }
    const { local, socket, from } = path;
    return this.#list.find(local.component, socket, from, "udp") ??
      (this.#heardFrom.size < ICE.remotes
        ? this.#list.add(this.#baseOf(local), this.#reflexive(check, path), "waiting")
        : undefined);
  }
  /** The host or relay candidate behind a socket. */
  #baseOf(local: LocalCandidate): LocalCandidate {
    return this.#locals.find((l) =>
      l.socket === local.socket && familyOf(l.ip) === familyOf(local.ip) && l.type !== "srflx"
    ) ?? local;
  }

  #reflexive(check: GoodCheck, path: Path): Candidate {
    const tcp = "conn" in path,
      local = tcp ? path.conn.local : path.local,
      from = tcp ? path.conn.from : path.from;
    return {
      ip: from.ip,
      port: from.port,
      foundation: foundationOf("prflx", from.ip),
      component: local.component,
      type: "prflx",
      priority: check.priority,
      ...(tcp ? { transport: "tcp", tcpType: "active" } as const : { transport: "udp" } as const),
    };
  }

  /** True if the request was answered 487. Spec: RFC 8445 §7.3.1.1, connection §9 H17. */
  #conflict(message: StunMessage, check: GoodCheck, path: Path): boolean {
    const won = tieWon(this.#tieBreaker, check.tieBreaker ?? new Uint8Array(8));
    const theyYield = this.role === "controlling" ? won : !won;
    if (this.options.conflict === "switch" && !theyYield) {
      this.#switchRole();
      return false;
    }
    this.#drop("role-conflict");
    if (this.#conflicts++ < ICE.conflicts) {
      this.#reply(encodeRefusal({ code: 487, signed: true }, message.id, this.options), path);
    }
    return true;
  }

  #switchRole(): void {
    this.#list.switchRole(this.role === "controlling" ? "controlled" : "controlling");
    this.#note("role", undefined, this.role);
  }

  #refuse(now: number, message: StunMessage, refusal: Refusal, path: Path): void {
    this.#drop(`check-${refusal.code}`);
    if ("conn" in path) {
      if (!refusal.signed && ++path.conn.unauthorized > ICE.unauthorized) return this.#close(now, path.conn);
    } else if (!refusal.signed) {
      if (now >= this.#unauthorized.until) this.#unauthorized = { count: 0, until: now + ICE.silentAcceptMs };
      if (++this.#unauthorized.count > ICE.unauthorized) return; // a flood gets no echo
    }
    this.#reply(encodeRefusal(refusal, message.id, this.options), path);
  }

  #reply(bytes: Uint8Array, path: Path): void {
    if ("conn" in path) this.#out.push({ type: "write", conn: path.conn.id, bytes: frameStun(bytes) });
    else this.#out.push({ type: "send", socket: path.socket, to: path.from, bytes });
  }

  #response(now: number, message: StunMessage, path: Path): void {
    const key = hex(message.id), check = this.#checks.get(key), probe = this.#probes.get(key);
    const pair = check?.pair ?? probe?.pair;
    if (!pair || !this.#remote) return this.#drop("response-unasked");
    const straight = "conn" in path
      ? pair.conn === path.conn.id
      : pair.local.socket === path.socket && pair.remote.ip === path.from.ip &&
        pair.remote.port === path.from.port;
    if (!straight) return this.#drop("response-elsewhere");
    const signed = verifyIntegrity(message, shortTermKey(this.#remote.pwd));
    if (probe && signed) return this.#probes.delete(key), this.#heard(now, pair.component);
    if (!check) return this.#drop("response-unsigned");
    if (message.class === "error") return this.#checkRefused(now, message, signed, key, check);
    if (!signed || !attributeAddress(message, ATTR.xorMappedAddress)) return this.#drop("response-unsigned");
    this.#checks.delete(key);
    if ("conn" in path) path.conn.valid = true;
    else this.#heardFrom.add(this.#key(path.socket, path.from));
    this.#note(check.nominate ? "nominated" : "checked", pair);
    this.#list.succeeded(pair);
    if (!this.#firstSuccess.has(pair.component)) this.#firstSuccess.set(pair.component, now);
    if (check.nominate || pair.nominateLater) this.#select(now, pair);
  }

  #checkRefused(now: number, message: StunMessage, signed: boolean, key: string, check: Check): void {
    const code = attributeError(message)?.code;
    if (code === 487 && signed) {
      this.#checks.delete(key);
      this.#drop("role-conflict");
      if (this.options.conflict === "switch" && this.role === check.role) this.#switchRole();
      if (this.options.conflict === "switch" && this.#conflicts++ < ICE.conflicts) {
        return this.#check(now, check.pair, this.#nominateNow());
      }
    } else if (!signed && code !== 400 && code !== 401) return this.#drop("response-unsigned");
    if (check.pair.conn === undefined && !signed) return; // anybody can forge a UDP refusal: let it time out
    this.#checks.delete(key);
    this.#fail(check.pair, `refused-${code}`);
  }

  // --- checks ---

  /** Aggressive nomination; over TCP for one check at a time, or the two sides could settle on different connections. */
  #nominateNow(): boolean {
    if (this.role !== "controlling" || this.options.nomination !== "aggressive") return false;
    return this.options.transport === "udp" || ![...this.#checks.values()].some((c) => c.nominate);
  }

  #check(now: number, pair: Pair, nominate: boolean): void {
    if (!this.#remote) return;
    pair.triggered = false;
    const tcp = pair.local.transport === "tcp";
    if (tcp && pair.conn === undefined) return this.#dial(now, pair);
    const id = this.random.bytes(12);
    const bytes = encodeCheck({
      id,
      role: this.role,
      tieBreaker: this.#tieBreaker,
      local: this.options,
      remote: this.#remote,
      component: pair.component,
      index: Math.max(0, this.#locals.indexOf(pair.local)),
      nominate,
    });
    const gap = tcp ? ICE.answerMs : ICE.rtoMs, sends = tcp ? ICE.sends : 1;
    if (pair.state !== "succeeded") pair.state = "checking";
    this.#checks.set(hex(id), { pair, id, bytes, nominate, role: this.role, sends, gap, due: now + gap });
    this.#transmit(pair, bytes);
  }

  #dial(now: number, pair: Pair): void {
    const conn = this.newConn();
    pair.conn = conn, pair.state = "connecting", pair.retryAt = Infinity;
    this.#conns.set(conn, this.#newConn(conn, pair.remote, pair.local, true, now + ICE.connectMs));
    this.#out.push({ type: "connect", conn, to: { ip: pair.remote.ip, port: pair.remote.port } });
    this.#note("connecting", pair);
  }
  /** A connection number nobody has used: for connections the owner makes on its own, too. */
  newConn(): number {
    return this.#nextConn++;
  }

  #transmit(pair: Pair, bytes: Uint8Array): void {
    if (pair.conn !== undefined) this.#out.push({ type: "write", conn: pair.conn, bytes: frameStun(bytes) });
    else {
      const to = { ip: pair.remote.ip, port: pair.remote.port };
      this.#out.push({ type: "send", socket: pair.local.socket, to, bytes });
    }
  }

  #fail(pair: Pair, why: string): void {
    pair.state = "failed", pair.triggered = false, pair.retryAt = Infinity;
    this.#nominating.delete(pair.component);
    this.#note("failed", pair, why);
    this.#list.thaw();
  }

  #select(now: number, pair: Pair): void {
    const before = this.#selected.get(pair.component);
    const better = !before || (pair.local.transport === "udp" && pair.priority > before.pair.priority);
    if (!better || before?.pair === pair) return;
    const keepalive = now + this.#keepaliveGap();
    this.#selected.set(pair.component, { pair, keepalive, heard: now, asks: 0, askAt: Infinity });
    const { component, local, remote, conn } = pair;
    this.#note("selected", pair);
    this.#out.push({ type: "selected", component, local, remote, conn });
    if (this.#completed || [...this.#components].some((c) => !this.#selected.has(c))) return;
    this.#completed = true;
    this.#spareEnds = now + ICE.spareMs;
    this.#patienceEnds = Infinity;
    this.#out.push({ type: "completed" });
  }

  #keepaliveGap = () => ICE.keepaliveMs + this.random.float() * ICE.keepaliveJitterMs;

  // --- time ---

  #timers(now: number): void {
    for (const conn of [...this.#conns.values()]) {
      if (conn.deadline > now) continue;
      if (conn.outgoing) {
        this.#out.push({ type: "close", conn: conn.id });
        this.#refused(now, conn.id, "ETIMEDOUT");
      } else this.#drop("connection-silent"), this.#close(now, conn);
      if (this.#over) return;
    }
    for (const [key, check] of [...this.#checks]) if (check.due <= now) this.#resend(now, key, check);
    if (!this.#completed) this.#progress(now);
    for (const s of this.#selected.values()) if (!this.#over) this.#maintain(now, s);
    if (this.#spareEnds <= now && !this.#over) this.#closeSpares();
  }

  #resend(now: number, key: string, check: Check): void {
    if (check.sends >= ICE.sends) {
      this.#checks.delete(key);
      return this.#fail(check.pair, "timeout");
    }
    check.sends++, check.gap *= 2;
    check.due = now + (check.sends === ICE.sends ? ICE.rtoMs * ICE.lastWaitFactor : check.gap);
    this.#transmit(check.pair, check.bytes);
  }

  /** New checks at their pace, nomination, and giving up. */
  #progress(now: number): void {
    if (!this.#remote) return;
    for (const pair of this.#list.pairs) if (pair.retryAt <= now) this.#dial(now, pair);
    while (this.#nextCheckAt <= now) {
      const pair = this.#list.next();
      if (!pair) break;
      this.#nextCheckAt = now + ICE.paceMs;
      this.#check(now, pair, this.#nominateNow());
    }
    let settled = true;
    for (const component of this.#components) {
      if (this.#selected.has(component)) continue;
      if (this.role === "controlling") this.#nominate(now, component);
      settled &&= this.#list.settled(component) && !this.#nominating.has(component);
    }
    if (!settled) this.#patienceEnds = Infinity;
    else if (this.#patienceEnds === Infinity) this.#patienceEnds = now + ICE.patienceMs;
    else if (this.#patienceEnds <= now) {
      this.#failed("net/ice-failed", this.#list.best(1) ? "not-nominated" : "no-path");
    }
  }

  /** Regular nomination: the best valid pair, once waiting cannot improve it or has lasted long enough. */
  #nominate(now: number, component: number): void {
    const best = this.#list.best(component), since = this.#firstSuccess.get(component);
    if (!best || since === undefined || this.#nominating.has(component)) return;
    const ready = now >= since + ICE.nominateMs || this.#list.bestIsFinal(component) ||
      this.#list.settled(component);
    if (!ready) return;
    this.#nominating.add(component);
    this.#check(now, best, true);
  }

  #maintain(now: number, s: Selected): void {
    if (s.keepalive <= now) {
      s.keepalive = now + this.#keepaliveGap();
      this.#transmit(s.pair, encodeKeepalive(this.random.bytes(12)));
    }
    if (this.#paused || (s.asks ? s.askAt : s.heard + ICE.quietMs) > now) return;
    if (s.asks++ >= ICE.quietAsks) return this.#failed("net/ice-silent", `component ${s.pair.component}`);
    s.askAt = now + ICE.quietGapMs;
    this.#probe(s);
  }

  /** Asks whether the selected path still lives: an ordinary check that nominates nothing. */
  #probe(s: Selected): void {
    if (!this.#remote) return;
    const id = this.random.bytes(12), { component } = s.pair;
    for (const [key, other] of this.#probes) {
      if (other === s && this.#probes.size > 8) this.#probes.delete(key);
    }
    this.#probes.set(hex(id), s);
    this.#note("probing", s.pair);
    const [local, remote, tieBreaker] = [this.options, this.#remote, this.#tieBreaker];
    this.#transmit(
      s.pair,
      encodeCheck({ id, role: this.role, tieBreaker, local, remote, component, index: 0, nominate: false }),
    );
  }

  #closeSpares(): void {
    this.#spareEnds = Infinity, this.#listening = false;
    this.#out.push({ type: "unlisten" });
    const kept = new Set([...this.#selected.values()].map((s) => s.pair.conn));
    for (const conn of [...this.#conns.values()]) {
      if (kept.has(conn.id) || conn.used) continue;
      this.#conns.delete(conn.id);
      this.#out.push({ type: "close", conn: conn.id });
    }
  }

  #soonest(): number {
    const times = [this.#patienceEnds, this.#spareEnds];
    for (const conn of this.#conns.values()) times.push(conn.deadline);
    for (const check of this.#checks.values()) times.push(check.due);
    for (const s of this.#selected.values()) {
      times.push(s.keepalive);
      if (!this.#paused) times.push(s.asks ? s.askAt : s.heard + ICE.quietMs);
    }
    if (!this.#completed && this.#remote) {
      if (this.#list.next()) times.push(this.#nextCheckAt);
      for (const pair of this.#list.pairs) times.push(pair.retryAt);
      for (const [component, since] of this.#firstSuccess) {
        const open = this.role === "controlling" && !this.#selected.has(component) &&
          !this.#nominating.has(component);
        if (open) times.push(since + ICE.nominateMs);
      }
    }
    return Math.min(...times);
  }

  // --- ends ---

  #failed(code: string, why: string): void {
    this.#out.push({ type: "failed", code, why });
    this.#finish();
  }

  #finish(): void {
    this.#over = true;
    if (this.#listening) this.#out.push({ type: "unlisten" });
    for (const id of this.#conns.keys()) this.#out.push({ type: "close", conn: id });
    this.#conns.clear(), this.#checks.clear(), this.#probes.clear(), this.#selected.clear();
  }

  #pairOf = (conn: number): Pair | undefined => this.#list.pairs.find((p) => p.conn === conn);
  #drop = (why: string): void => void this.#out.push({ type: "drop", why });
  #note(what: string, pair?: Pair, detail?: string): void {
    const text = pair &&
      `${pair.local.type} ${pair.local.ip} -> ${pair.remote.type} ${pair.remote.ip}:${pair.remote.port}/${pair.component}`;
    this.#out.push({ type: "note", what, ...(text && { pair: text }), ...(detail && { detail }) });
  }
}
