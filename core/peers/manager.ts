/**
 * "An open channel to that device": asks over the DHT, finds a path, proves who is there, and keeps the link for
 * everybody. Strangers are met with silence. Spec: connection §1.
 */
import { CoreError, isError } from "../base/mod.ts";
import type { PublicKey } from "../crypto/mod.ts";
import { decodeCertificate, verifyChain } from "../identity/mod.ts";
import {
  type ByteBudget,
  type Channel,
  formatIceText,
  IceLink,
  type IceOffer,
  MUX_LIMITS,
  openLink,
  parseIceText,
} from "../net/mod.ts";
import { Asking } from "./asking.ts";
import { Doorman } from "./doorman.ts";
import { LIMITS } from "./limits.ts";
import { Links, type PeerLink } from "./links.ts";
import { listenForRequests, type Sealed } from "./listening.ts";
import { decodeRequest, type KeyForm, type PeerRequest } from "./request.ts";
import { SeenIds } from "./seen.ts";
import { Trace, type TraceReport } from "./trace.ts";
import { Turnstile } from "./turnstile.ts";
import type { ChannelOptions, ConnectOptions, Device, Peer, PeerEvent, PeersOptions } from "./words.ts";

/** An attempt of ours: `ready` is any link to the device, whoever made it. */
interface Dialling {
  readonly ready: PromiseWithResolvers<PeerLink>;
  readonly abort: AbortController;
}

type DeviceIds = { readonly longId: string; readonly shortId?: string };

export class PeerManager implements AsyncDisposable {
  /** How often something from outside was ignored, by reason. */
  readonly drops: Record<string, number> = {};
  readonly #seen: SeenIds;
  readonly #doorman = new Doorman();
  readonly #outgoing = new Turnstile(LIMITS.attempts);
  readonly #budget: ByteBudget;
  readonly #links = new Links();
  readonly #dialling = new Map<string, Dialling>();
  readonly #asking: Asking;
  readonly #traces: Trace[] = [];
  readonly #stop = new AbortController();
  readonly #work = new Set<Promise<unknown>>();
  readonly #device: { longId: string; shortId: string };
  readonly #watchers = new Set<(event: PeerEvent) => void>();
  #traceId = 0;
  #announced = false;

  private constructor(readonly options: PeersOptions) {
    const { env, own, seen } = options, [leaf] = own.chain;
    this.#device = { longId: leaf!.longId, shortId: leaf!.id };
    this.#budget = options.budget ?? { used: 0, limit: MUX_LIMITS.accountBuffer };
    this.#asking = new Asking(options.dht, env);
    this.#seen = new SeenIds(env.clock.wall(), seen);
  }

  /**
   * Starts to listen for requests, under both keys. They are answered once {@linkcode announced} was called: what is
   * heard earlier lay there from before, nobody waits for it any more, and a late answer does harm.
   */
  static open(options: PeersOptions): PeerManager {
    const manager = new PeerManager(options);
    const { dht, env } = options, device = manager.#device, { signal } = manager.#stop;
    const heard = (sealed: Sealed) => manager.#heard(sealed), unsealed = () => manager.#drop("unsealed");
    for (const form of ["long", "short"] as const) {
      manager.#track(listenForRequests(dht, env, device, form, { heard, unsealed }, signal));
    }
    return manager;
  }

  /**
   * A channel to `device` by its name, over the link there is or a new one. If a link ends before the
   * peer has answered, it is tried once more.
   * @throws {CoreError} `net/channel-refused`; as {@linkcode connect}; `peers/not-connected` with `existing`.
   */
  async open(device: Device, name: string, options: ChannelOptions = {}): Promise<Channel> {
    for (let again = true;; again = false) {
      const link = await this.#linkTo(device, options);
      try {
        return await link.mux.open(name, options);
      } catch (error) {
        if (!again || !isError(error, "net/link-closed")) throw error;
      }
    }
  }

  /**
   * A link to `device`; concurrent callers share one attempt, and a link the device makes meanwhile serves them too.
   * @throws {CoreError} `peers/self`, `peers/no-certificate`, `peers/refused` (we do not trust it), `peers/no-answer`,
   * `net/ice-…`, `net/tls-…`, `identity/chain`, `peers/other-device`, `dht/put-failed`, `peers/closed`.
   */
  connect(device: Device, options: ConnectOptions = {}): Promise<PeerLink> {
    return this.#linkTo(device, options);
  }

  /** Others can find this device from now on, so a request that comes now is a fresh one. Spec: connection §1.5. */
  announced(): void {
    this.#announced = true;
  }

  /** Calls `watch` for every event until the returned thing is disposed. */
  watch(watch: (event: PeerEvent) => void): Disposable {
    this.#watchers.add(watch);
    return { [Symbol.dispose]: () => void this.#watchers.delete(watch) };
  }

  /** The links there are. */
  links(): PeerLink[] {
    return this.#links.all();
  }
  /** The last attempts, oldest first. */
  traces(): TraceReport[] {
    return this.#traces.map((trace) => trace.report());
  }

  /** The host's network changed: every link must prove that it lives, or is dropped within seconds. Spec: connection §6.3. */
  connectivityChanged(): void {
    for (const { mux } of this.#links.all()) mux.probe().catch(() => {}); // its end is told to its users
  }

  /** Trust changed: links to whom it no longer reaches are closed. */
  async recheck(): Promise<void> {
    await Promise.all(
      this.#links.all().map(async (link) => {
        const why = await this.options.trust(link.peer, link.direction);
        if (why) link.mux.abort(new CoreError("peers/refused", { why }));
      }),
    );
  }

  /** Says goodbye on all links and stops listening. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort(new CoreError("peers/closed"));
    await Promise.all(this.#links.all().map(({ mux }) => mux.close()));
    while (this.#work.size) await Promise.allSettled([...this.#work]);
  }

  // ---- our attempts

  async #linkTo(whom: Device, { existing, connType = "", signal }: ChannelOptions): Promise<PeerLink> {
    const ids = typeof whom === "string" ? { longId: whom } : whom, { longId: device } = ids;
    signal?.throwIfAborted();
    this.#stop.signal.throwIfAborted();
    if (device === this.#device.longId) throw new CoreError("peers/self");
    const best = this.#links.best(device);
    if (best) return best;
    let dialling = this.#dialling.get(device);
    if (!dialling) {
      if (existing) throw new CoreError("peers/not-connected", { device });
      dialling = { ready: Promise.withResolvers(), abort: new AbortController() };
      this.#dialling.set(device, dialling);
      this.#track(this.#attempt(ids, connType, dialling));
    }
    if (!signal) return await dialling.ready.promise;
    const aborted = Promise.withResolvers<never>(), onAbort = () => aborted.reject(signal.reason);
    signal.addEventListener("abort", onAbort); // others may wait for the same attempt: it goes on
    try {
      return await Promise.race([dialling.ready.promise, aborted.promise]);
    } finally {
      signal.removeEventListener("abort", onAbort);
    }
  }

  async #attempt(ids: DeviceIds, connType: string, { ready, abort }: Dialling): Promise<void> {
    const { longId: device } = ids;
    const trace = this.#trace(device, "out");
    ready.promise.catch(() => {}); // all who asked may have left
    try {
      const signal = AbortSignal.any([abort.signal, this.#stop.signal]);
      ready.resolve(await this.#outgoing.pass(() => this.#dial(ids, connType, trace, signal), signal));
      trace.end("connected");
    } catch (error) {
      const code = error instanceof CoreError ? error.code : "failed";
      trace.end(code);
      this.options.env.log.debug("no link", { device, code });
      ready.reject(error);
    } finally {
      this.#dialling.delete(device);
      this.#tell({ type: "attempt", trace: trace.report() });
    }
  }

  async #dial(ids: DeviceIds, connType: string, trace: Trace, signal: AbortSignal): Promise<PeerLink> {
    const { dht } = this.options, { longId: device } = ids;
    const found = await dht.findCertificate(ids, signal);
    if (!found) throw new CoreError("peers/no-certificate", { device });
    const peer = await this.#judge(found.chain, device, "out");
    trace.note("dht", "certificate found", peer.account);
    const ice = await this.#gather("controlled", trace, signal);
    try {
      const text = formatIceText(ice.offer);
      const { request, form } = await this.#asking.ask(found.publicKey, text, connType, trace, signal);
      trace.note("answer", `answer came on the ${form} key`);
      return await this.#finish(ice, parseIceText(request.ice), peer, "out", trace, signal);
    } catch (error) {
      await ice[Symbol.asyncDispose]();
      throw error;
    }
  }

  // ---- what others ask

  #heard({ data, sender, form }: Sealed): void {
    let request: PeerRequest;
    try {
      request = decodeRequest(data);
    } catch (error) {
      if (!(error instanceof CoreError)) throw error;
      return this.#drop("request");
    }
    if (request.isAnswer) {
      if (!this.#asking.answered(request, sender, form)) this.#drop("answer-unasked");
      return;
    }
    if (!this.#seen.first(request.id, this.options.env.clock.wall())) return this.#drop("seen");
    if (!this.#announced) return this.#drop("backlog");
    if (sender.longId === this.#device.longId) return this.#drop("self");
    this.#track(this.#serve(request, sender, form));
  }

  /** Answers a request, if its author is somebody; else says nothing. */
  async #serve(request: PeerRequest, sender: PublicKey, form: KeyForm): Promise<void> {
    const device = sender.longId, { env: { clock, log } } = this.options;
    const peer = await this.#author(sender);
    if (!peer) return;
    const verdict = this.#doorman.mayTry(clock.now(), device, peer.account);
    if (verdict !== "yes") return this.#drop(verdict);
    const trace = this.#trace(device, "in");
    trace.note("request", `request came on the ${form} key`, request.connType);
    try {
      await this.#answer(request, sender, form, peer, trace);
      trace.end("connected");
    } catch (error) {
      const code = error instanceof CoreError ? error.code : "failed";
      trace.end(code);
      log.debug("request came to nothing", { device, code });
    } finally {
      this.#doorman.left(device);
      this.#tell({ type: "attempt", trace: trace.report() });
    }
  }

  /** The verified and trusted author of a request, or nobody. */
  async #author(sender: PublicKey): Promise<Peer | undefined> {
    const { dht, env: { clock, log } } = this.options, { longId, shortId } = sender;
    const verdict = this.#doorman.mayLookUp(clock.now(), longId);
    if (verdict !== "yes") return this.#drop(verdict), undefined;
    let found;
    try {
      const late = new AbortController();
      using _timer = clock.at(clock.now() + LIMITS.lookupMs, () => late.abort(new CoreError("peers/lookup")));
      found = await dht.findCertificate(
        { longId, shortId },
        AbortSignal.any([this.#stop.signal, late.signal]),
      );
    } catch (error) {
      log.debug("certificate lookup failed", { device: longId, error });
    } finally {
      this.#doorman.looked(clock.now(), longId, found !== undefined);
    }
    if (!found) return this.#drop("no-certificate"), undefined;
    try {
      return await this.#judge(found.chain, longId, "in");
    } catch (error) {
      if (!(error instanceof CoreError)) throw error;
      log.debug("request refused", { device: longId, code: error.code, why: error.data.why });
      return this.#drop(error.code === "peers/refused" ? `refused-${error.data.why}` : error.code), undefined;
    }
  }

  async #answer(
    request: PeerRequest,
    sender: PublicKey,
    form: KeyForm,
    peer: Peer,
    trace: Trace,
  ): Promise<void> {
    const offer = parseIceText(request.ice), { signal } = this.#stop;
    const ice = await this.#gather("controlling", trace, signal);
    try {
      const body = { id: request.id, ice: formatIceText(ice.offer), isAnswer: true, connType: "" };
      this.#asking.put(sender, form, body, signal).then(
        () => trace.note("answer", `answer stored under ${form}`),
        (error) => ice.abort(error),
      );
      trace.note("answer", "answer put");
      await this.#finish(ice, offer, peer, "in", trace, signal);
    } catch (error) {
      await ice[Symbol.asyncDispose]();
      throw error;
    }
  }

  // ---- both

  /** @throws {CoreError} `identity/…` for a chain that proves nothing, `peers/other-device`, `peers/refused`. */
  async #judge(chain: readonly Uint8Array[], device: string, direction: "in" | "out"): Promise<Peer> {
    const { env: { clock }, trust, crls } = this.options, certificates = chain.map(decodeCertificate);
    const account = certificates[1]?.id ?? "";
    const peer = await verifyChain(certificates, { wall: clock.wall(), crls: crls?.(account) ?? [] });
    if (peer.device !== device) throw new CoreError("peers/other-device", { device });
    const why = await trust(peer, direction);
    if (why) throw new CoreError("peers/refused", { why });
    return peer;
  }

  async #gather(role: "controlled" | "controlling", trace: Trace, signal: AbortSignal): Promise<IceLink> {
    const { env, ice } = this.options;
    trace.note("gathering", "begun");
    const note = ({ what, pair, detail }: { what: string; pair?: string; detail?: string }) =>
      trace.note("checks", what, [pair, detail].filter(Boolean).join(" "));
    const link = await IceLink.open(env, { ...ice?.(), role, note }, signal);
    trace.note("gathering", "done", `${link.offer.candidates.length} candidates`);
    return link;
  }

  async #finish(
    ice: IceLink,
    offer: IceOffer,
    peer: Peer,
    direction: "in" | "out",
    trace: Trace,
    signal: AbortSignal,
  ): Promise<PeerLink> {
    const { env: { clock, log }, own, onChannel, transport = openLink } = this.options;
    await ice.connect(offer, { signal });
    const { path: selected } = ice,
      path = selected ? `${selected.local.type} to ${selected.remote.type}` : "";
    trace.note("checks", "path selected", path);
    const link = await transport(ice, {
      role: direction === "out" ? "server" : "client", // the reverse of who asked. Spec: connection §0.4
      chain: own.chainPem,
      key: own.keyPem,
      checkPeer: async (chain) => {
        const shown = await this.#judge(chain, peer.device, direction);
        if (shown.account !== peer.account) throw new CoreError("peers/other-account");
        return shown;
      },
      onRequest: (name, who) => onChannel(name, who),
      ...{ clock, signal, budget: this.#budget, log: log.child({ device: peer.device }) },
    });
    trace.note("tls", "peer proven", link.cipher);
    trace.note("link", "ready", path);
    trace.end("connected"); // whoever waits for the link may look at the trace at once
    const { device, account } = peer;
    return this.#adopt({ ...link, device, account, direction, since: clock.wall(), path });
  }

  #adopt(link: PeerLink): PeerLink {
    const { env: { log } } = this.options, { device, account } = link.peer;
    if (this.#stop.signal.aborted) link.mux.abort();
    const { first, surplus } = this.#links.add(link);
    log.info("link up", { device, direction: link.direction, path: link.path });
    this.#dialling.get(device)?.ready.resolve(link);
    if (first) this.#tell({ type: "connected", account, device });
    if (surplus) void surplus.mux.close();
    for (const { mux } of this.#links.of(device)) { // older ones may be dead without knowing
      if (mux !== link.mux && mux !== surplus?.mux) mux.probe().catch(() => {});
    }
    this.#track(link.mux.done.then((why) => {
      log.info("link down", { device, why: why?.code });
      if (this.#links.remove(link)) this.#tell({ type: "disconnected", account, device });
      return link.mux[Symbol.asyncDispose]();
    }));
    return link;
  }

  #trace(device: string, direction: "in" | "out"): Trace {
    const trace = new Trace(++this.#traceId, device, direction, this.options.env.clock);
    this.#traces.push(trace);
    if (this.#traces.length > LIMITS.traces) this.#traces.shift();
    return trace;
  }

  #track(work: Promise<unknown>): void {
    const done = work.catch((error) => this.options.env.log.error("connection manager failed", { error }))
      .finally(() => this.#work.delete(done));
    this.#work.add(done);
  }

  #tell(event: PeerEvent): void {
    this.options.onEvent?.(event);
    for (const watch of [...this.#watchers]) watch(event);
  }

  #drop(why: string): void {
    this.drops[why] = (this.drops[why] ?? 0) + 1;
    this.options.env.log.debug("request dropped", { why });
  }
}
