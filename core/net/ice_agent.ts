/** The ICE agent: connectivity checks over TCP or UDP, nomination, keepalive. Pure. Spec: connection §2, RFC 8445, RFC 6544. */
import { type Endpoint, hex, type Machine, type Random } from "../base/mod.ts";
import type { IceCredentials, IceOffer } from "./ice_candidate.ts";
import { encodeCheck, type GoodCheck, type IceRole } from "./ice_check.ts";
import { type Check, OpenChecks } from "./ice_checks.ts";
import { Conns } from "./ice_conns.ts";
import { Doorkeeper } from "./ice_doorkeeper.ts";
import { Locals } from "./ice_locals.ts";
import { Nomination } from "./ice_nomination.ts";
import { Outbox } from "./ice_outbox.ts";
import { CheckList, type LocalCandidate, type Pair } from "./ice_pairs.ts";
import { admit, reflexive, straight } from "./ice_remotes.ts";
import { SelectedPairs } from "./ice_selected.ts";
import type { Conn, IceIn, IceOptions, IceOut, Path } from "./ice_words.ts";
import { ICE } from "./limits.ts";
import { decodeStun, METHOD, shortTermKey, type StunMessage, verifyIntegrity } from "./stun.ts";

export class IceAgent implements Machine<IceIn, IceOut> {
  readonly #list: CheckList;
  readonly #tieBreaker: Uint8Array;
  readonly #locals = new Locals();
  readonly #conns = new Conns();
  readonly #nomination = new Nomination();
  readonly #checks: OpenChecks;
  readonly #selected: SelectedPairs;
  readonly #door: Doorkeeper;
  #remote: IceCredentials | undefined;
  readonly #out = new Outbox();
  #nextConn = 1;
  #nextCheckAt = 0;
  /** Components that must get a pair: those both sides have. */
  #components = new Set<number>();
  #completed = false;
  #over = false;
  wakeAt = Infinity;

  constructor(readonly options: IceOptions, readonly random: Random) {
    this.#list = new CheckList(options.role);
    this.#tieBreaker = random.bytes(8);
    this.#checks = new OpenChecks(this.#out, options.transport === "tcp");
    this.#selected = new SelectedPairs(this.#out, random, (pair, id) => this.#encode(pair, id, false));
    this.#door = new Doorkeeper(this.#out, options, this.#tieBreaker);
  }

  get role(): IceRole {
    return this.#list.role;
  }
  get over(): boolean {
    return this.#over;
  }
  /** True if a selected pair leaves through this socket. */
  uses(socket: number | undefined): boolean {
    return this.#selected.all.some((pair) => pair.local.socket === socket);
  }

  step(now: number, input: IceIn): IceOut[] {
    if (!this.#over) {
      this.#take(now, input);
      if (!this.#over) this.#timers(now);
    } else if (input.type === "accepted") this.#out.close(input.conn);
    this.wakeAt = this.#over ? Infinity : this.#soonest();
    return this.#out.take();
  }

  #take(now: number, input: IceIn): void {
    switch (input.type) {
      case "local":
        return void this.#locals.all.push(...input.candidates);
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
        return this.#selected.pause(now, input.paused);
      case "stop":
        return this.#finish();
    }
  }

  // --- the other side's half ---

  #start(now: number, offer: IceOffer): void {
    if (this.#remote) return this.#out.drop("second-offer");
    this.#remote = { ufrag: offer.ufrag, pwd: offer.pwd };
    const ours = this.#locals.components;
    this.#components = ours.intersection(new Set(offer.candidates.map((c) => c.component)));
    if (!this.#components.size) this.#components = ours;
    const remotes = admit(offer.candidates, ours, this.options, (why) => this.#out.drop(why));
    this.#list.addAll(this.#locals.all, remotes);
    this.#nextCheckAt = now;
    this.#out.note("started", undefined, `${this.#list.pairs.length} pairs`);
  }

  // --- connections ---

  #accepted(now: number, conn: number, from: Endpoint, local: LocalCandidate): void {
    const why = this.#conns.accept(now, conn, from, local);
    if (!why) return;
    this.#out.drop(why);
    this.#out.close(conn);
  }

  #connected(now: number, id: number): void {
    const conn = this.#conns.get(id), pair = this.#pairOf(id);
    if (!conn || !pair) return void this.#out.close(id);
    if (this.#selected.get(pair.component)) return this.#close(now, conn); // a check now would make some nominate anew
    conn.deadline = Infinity;
    this.#out.note("connected", pair);
    this.#check(now, pair, this.#nominateNow());
  }

  #refused(now: number, id: number, code: string): void {
    const pair = this.#pairOf(id);
    this.#conns.delete(id);
    if (!pair) return;
    this.#out.note("refused", pair, code);
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
    const conn = this.#conns.delete(id), pair = this.#pairOf(id);
    const selected = pair && this.#selected.get(pair.component) === pair;
    if (selected || (conn?.used && this.#completed)) {
      if (code !== undefined) return this.#failed("net/ice-lost", code);
      this.#out.push({ type: "ended" });
      return this.#finish();
    }
    if (!pair) return;
    this.#checks.forget(pair);
    this.#out.note("lost", pair, code);
    this.#retry(now, pair, code ?? "closed");
  }

  #close(now: number, conn: Conn): void {
    this.#out.close(conn.id);
    this.#closed(now, conn.id, "closed-by-us");
  }

  #bytes(now: number, id: number, bytes: Uint8Array): void {
    const conn = this.#conns.get(id);
    if (!conn) return;
    conn.reader.push(
      bytes,
      (message) => this.#conns.get(id) && this.#message(now, message, { conn }),
      (piece) => this.#conns.get(id) && this.#stream(now, conn, piece),
    );
  }

  /** Data before a signed check is nobody's; after the first data nothing but that connection is read. */
  #stream(now: number, conn: Conn, piece: Uint8Array): void {
    const why = this.#conns.carry(conn);
    if (why) return this.#out.drop(why), this.#close(now, conn);
    this.#selected.heard(now);
    this.#out.push({ type: "data", component: conn.local.component, bytes: piece, conn: conn.id });
  }

  #datagram(now: number, socket: number, from: Endpoint, bytes: Uint8Array): void {
    const local = this.#locals.at(socket, from);
    if (!local) return this.#out.drop("socket-unknown");
    if (bytes.length >= 20 && bytes[0]! < 4) return this.#message(now, bytes, { socket, from, local });
    const pair = this.#list.find(local.component, socket, from, "udp");
    if (pair?.state !== "succeeded" && !this.#locals.trusts(socket, from)) {
      return this.#out.drop("data-unvalidated");
    }
    this.#selected.heard(now, local.component);
    this.#out.push({ type: "data", component: local.component, bytes, conn: undefined });
  }
  // --- messages ---

  #message(now: number, bytes: Uint8Array, path: Path): void {
    let message: StunMessage;
    try {
      message = decodeStun(bytes);
    } catch (error) {
      return this.#out.drop((error as { code?: string }).code ?? "stun");
    }
    if (message.method !== METHOD.binding && this.#completed) {
      this.#out.drop("method"); // a stream of TLS records never looks like this
      return "conn" in path ? this.#close(now, path.conn) : undefined;
    }
    if (message.class === "indication") {
      if ("socket" in path ? this.#locals.trusts(path.socket, path.from) : path.conn.valid) {
        this.#selected.heard(now, "socket" in path ? path.local.component : undefined);
      }
    } else if (message.class === "request") this.#request(now, message, path);
    else this.#response(now, message, path);
  }

  #request(now: number, message: StunMessage, path: Path): void {
    const verdict = this.#door.judge(now, message, path, this.role, () => this.#switchRole());
    if (verdict === "close" && "conn" in path) return this.#close(now, path.conn);
    if (typeof verdict === "string") return;
    const pair = this.#pairFor(verdict, path);
    if ("conn" in path) path.conn.valid = true, path.conn.deadline = Infinity;
    else if (pair) this.#locals.trust(path.socket, path.from);
    if (!pair) return this.#out.drop("pair-excess");
    this.#selected.heard(now, pair.component);
    this.#nomination.calm(); // it is alive; counted anew when everything has settled again
    const nominated = verdict.nominate && this.role === "controlled";
    if (pair.state === "succeeded") {
      if (nominated) this.#select(now, pair);
      return;
    }
    pair.nominateLater ||= nominated;
    if (pair.state !== "connecting" && pair.state !== "checking") {
      pair.state = "waiting", pair.triggered = true;
      if (this.#remote && "conn" in path) this.#check(now, pair, this.#nominateNow()); // no new socket: no pace to keep
    } else if ("socket" in path) this.#checks.hurry(now, pair);
  }

  #pairFor(check: GoodCheck, path: Path): Pair | undefined {
    if ("conn" in path) {
      const { conn } = path;
      return this.#pairOf(conn.id) ??
        this.#list.add(conn.local, reflexive(check, path), "waiting", conn.id);
    }
    const { local, socket, from } = path;
    const known = this.#list.find(local.component, socket, from, "udp");
    if (known || !this.#locals.trust(socket, from)) return known;
    return this.#list.add(local, reflexive(check, path), "waiting");
  }

  #switchRole(): void {
    this.#list.switchRole(this.role === "controlling" ? "controlled" : "controlling");
    this.#out.note("role", undefined, this.role);
  }

  #response(now: number, message: StunMessage, path: Path): void {
    const id = hex(message.id), pair = this.#checks.get(id)?.pair ?? this.#selected.asked(id);
    if (!pair || !this.#remote) return this.#out.drop("response-unasked");
    if (!straight(pair, path)) return this.#out.drop("response-elsewhere");
    const signed = verifyIntegrity(message, shortTermKey(this.#remote.pwd));
    if (signed && this.#selected.asked(id)) return this.#selected.answered(now, id);
    const { check, verdict } = this.#checks.judge(message, id, signed, "conn" in path);
    if (verdict === "ignore") return this.#out.drop("response-unsigned");
    if (verdict === "role") return this.#yield(now, check);
    if (verdict !== "good") return this.#fail(pair, verdict);
    if ("conn" in path) path.conn.valid = true;
    else this.#locals.trust(path.socket, path.from);
    this.#out.note(check.nominate ? "nominated" : "checked", pair);
    this.#list.succeeded(pair);
    this.#nomination.succeeded(now, pair.component);
    if (check.nominate || pair.nominateLater) this.#select(now, pair);
  }

  /** The other side insists on our role. */
  #yield(now: number, check: Check): void {
    this.#out.drop("role-conflict");
    if (!this.#door.mayYield()) return this.#fail(check.pair, "refused-487");
    if (this.role === check.role) this.#switchRole();
    this.#check(now, check.pair, this.#nominateNow());
  }

  // --- checks ---

  /** Aggressive nomination; over TCP for one check at a time, or the two sides could settle on different connections. */
  #nominateNow(): boolean {
    if (this.role !== "controlling" || this.options.nomination !== "aggressive") return false;
    return this.options.transport === "udp" || !this.#checks.nominating;
  }

  #check(now: number, pair: Pair, nominate: boolean): void {
    if (!this.#remote) return;
    pair.triggered = false;
    const tcp = pair.local.transport === "tcp";
    if (tcp && pair.conn === undefined) return this.#dial(now, pair);
    const id = this.random.bytes(12), bytes = this.#encode(pair, id, nominate);
    if (pair.state !== "succeeded") pair.state = "checking";
    this.#checks.send(now, id, { pair, bytes, nominate, role: this.role });
  }

  #encode(pair: Pair, id: Uint8Array, nominate: boolean): Uint8Array {
    const { role } = this, [local, remote, tieBreaker] = [this.options, this.#remote!, this.#tieBreaker];
    const index = this.#locals.indexOf(pair.local), { component } = pair;
    return encodeCheck({ id, role, tieBreaker, local, remote, component, index, nominate });
  }

  #dial(now: number, pair: Pair): void {
    const conn = this.newConn();
    pair.conn = conn, pair.state = "connecting", pair.retryAt = Infinity;
    this.#conns.dial(now, conn, pair.remote, pair.local);
    this.#out.push({ type: "connect", conn, to: { ip: pair.remote.ip, port: pair.remote.port } });
    this.#out.note("connecting", pair);
  }
  /** A connection number nobody has used: for connections the owner makes on its own, too. */
  newConn(): number {
    return this.#nextConn++;
  }

  #fail(pair: Pair, why: string): void {
    pair.state = "failed", pair.triggered = false, pair.retryAt = Infinity;
    this.#nomination.failed(pair.component);
    this.#out.note("failed", pair, why);
    this.#list.thaw();
  }

  #select(now: number, pair: Pair): void {
    const before = this.#selected.get(pair.component);
    const better = !before || (pair.local.transport === "udp" && pair.priority > before.priority);
    if (!better || before === pair) return;
    this.#selected.set(now, pair);
    const { component, local, remote, conn } = pair;
    this.#out.note("selected", pair);
    this.#out.push({ type: "selected", component, local, remote, conn });
    if (this.#completed || [...this.#components].some((c) => !this.#selected.get(c))) return;
    this.#completed = true;
    this.#conns.completed(now);
    this.#nomination.calm();
    this.#out.push({ type: "completed" });
  }

  // --- time ---

  #timers(now: number): void {
    for (const conn of this.#conns.overdue(now)) {
      if (conn.outgoing) {
        this.#out.close(conn.id);
        this.#refused(now, conn.id, "ETIMEDOUT");
      } else this.#out.drop("connection-silent"), this.#close(now, conn);
      if (this.#over) return;
    }
    for (const pair of this.#checks.wake(now)) this.#fail(pair, "timeout");
    if (!this.#completed) this.#progress(now);
    const silent = this.#over ? undefined : this.#selected.wake(now);
    if (silent) this.#failed("net/ice-silent", `component ${silent.component}`);
    const spares = this.#conns.spares(now, new Set(this.#selected.all.map((pair) => pair.conn)));
    if (!spares || this.#over) return;
    this.#out.push({ type: "unlisten" });
    for (const { id } of spares) this.#out.close(id);
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
      if (this.#selected.get(component)) continue;
      const chosen = this.role === "controlling" && this.#nomination.choose(now, component, this.#list);
      if (chosen) this.#check(now, chosen, true);
      settled &&= this.#list.settled(component) && !this.#nomination.running(component);
    }
    if (!this.#nomination.exhausted(now, settled)) return;
    const reached = [...this.#components].some((c) => this.#list.best(c));
    this.#failed("net/ice-failed", reached ? "not-nominated" : "no-path");
  }

  #soonest(): number {
    const times = [this.#nomination.patienceEnds, this.#checks.wakeAt, this.#selected.wakeAt];
    times.push(this.#conns.wakeAt);
    if (this.#completed || !this.#remote) return Math.min(...times);
    if (this.#list.next()) times.push(this.#nextCheckAt);
    for (const pair of this.#list.pairs) times.push(pair.retryAt);
    if (this.role !== "controlling") return Math.min(...times);
    for (const c of this.#components) if (!this.#selected.get(c)) times.push(this.#nomination.chooseAt(c));
    return Math.min(...times);
  }

  // --- ends ---

  #failed(code: string, why: string): void {
    this.#out.push({ type: "failed", code, why });
    this.#finish();
  }

  #finish(): void {
    this.#over = true;
    if (this.#conns.listening) this.#out.push({ type: "unlisten" });
    for (const id of this.#conns.ids) this.#out.close(id);
    this.#conns.clear(), this.#checks.clear(), this.#selected.clear();
  }

  #pairOf = (conn: number): Pair | undefined => this.#list.pairs.find((p) => p.conn === conn);
}
