/** Keeps ports open on the home gateway, by PCP, NAT-PMP or UPnP, whichever answers. Pure. Spec: connection §3.4. */
import { type Endpoint, equal, type Machine, type Random, type Wake } from "../base/mod.ts";
import { kindOf } from "./ice_candidate.ts";
import { NAT } from "./limits.ts";
import type { HttpAnswer, HttpRequest } from "./nat_http.ts";
import {
  decodePcp,
  decodePmp,
  encodePcpAnnounce,
  encodePcpMap,
  encodePmpExternal,
  encodePmpMap,
  GATEWAY_PORT,
  type MapProtocol,
} from "./nat_pmp.ts";
import { encodeSearch, parseSearchAnswer, SSDP } from "./nat_upnp.ts";
import { UpnpControl, type UpnpMapping } from "./nat_upnp_control.ts";

export type NatMethod = "pcp" | "pmp" | "upnp";

export type NatIn =
  /** Where we are; also after a change of network, which forgets everything learnt. */
  | { type: "network"; gateway: string | undefined; local: string }
  | { type: "want"; id: number; protocol: MapProtocol; port: number }
  | { type: "release"; id: number }
  | { type: "datagram"; from: Endpoint; bytes: Uint8Array }
  /** How an `http` output ended; undefined: no usable answer. */
  | { type: "http"; request: number; answer: HttpAnswer | undefined }
  | { type: "stop" }
  | Wake;

export type NatOut =
  | { type: "send"; to: Endpoint; bytes: Uint8Array }
  | { type: "http"; request: number; http: HttpRequest }
  | { type: "mapped"; id: number; external: Endpoint; by: NatMethod }
  /** No gateway gives us this, for now: `no-gateway`, `refused`, `lost`. */
  | { type: "unmapped"; id: number; why: string }
  | { type: "drop"; why: string };

interface Want {
  readonly id: number;
  readonly protocol: MapProtocol;
  readonly port: number;
  readonly nonce: Uint8Array;
  readonly tried: Set<NatMethod>;
  /** What is being asked now. */
  asking:
    | { method: NatMethod; external: number; sends: number; gap: number; due: number }
    | undefined;
  held:
    | { method: NatMethod; external: Endpoint; renewAt: number; upnp: UpnpMapping | undefined }
    | undefined;
  told: boolean;
}

interface Probe {
  method: "pcp" | "pmp";
  sends: number;
  due: number;
}

export class NatMapper implements Machine<NatIn, NatOut> {
  readonly #wants = new Map<number, Want>();
  readonly #methods: readonly NatMethod[];
  #network: { gateway: string | undefined; local: string } | undefined;
  #ready = new Set<NatMethod>();
  #pmpExternal: string | undefined;
  readonly #upnp: UpnpControl;
  #probes: Probe[] = [];
  #searchEnds = Infinity;
  #searchAgainAt = Infinity;
  #ssdpAgainAt = Infinity;
  #epochs = new Map<NatMethod, { epoch: number; at: number }>();
  #out: NatOut[] = [];

  constructor(readonly random: Random, options: { methods?: readonly NatMethod[] } = {}) {
    this.#methods = options.methods ?? ["pcp", "pmp", "upnp"];
    const ask = (request: number, http: HttpRequest) => void this.#out.push({ type: "http", request, http });
    this.#upnp = new UpnpControl(random, ask, (why) => this.#drop(why));
  }

  get wakeAt(): number {
    const times = [
      this.#searchEnds,
      this.#searchAgainAt,
      this.#ssdpAgainAt,
      ...this.#probes.map((p) => p.due),
    ];
    for (const want of this.#wants.values()) {
      times.push(want.asking?.due ?? Infinity, want.asking ? Infinity : want.held?.renewAt ?? Infinity);
    }
    return Math.min(...times);
  }

  step(now: number, input: NatIn): NatOut[] {
    this.#out = [];
    switch (input.type) {
      case "network":
        this.#forget();
        this.#network = { gateway: input.gateway, local: input.local };
        if (this.#wants.size) this.#search(now);
        break;
      case "want":
        this.#want(now, input.id, input.protocol, input.port);
        break;
      case "release":
        this.#release(input.id);
        break;
      case "datagram":
        this.#datagram(now, input.from, input.bytes);
        break;
      case "http":
        this.#upnp.answer(now, input.request, input.answer);
        break;
      case "stop":
        for (const id of [...this.#wants.keys()]) this.#release(id);
        this.#forget();
        break;
    }
    this.#timers(now);
    return this.#out;
  }

  // --- finding gateways ---

  #forget(): void {
    this.#ready = new Set(), this.#probes = [], this.#epochs = new Map();
    this.#pmpExternal = undefined;
    this.#searchEnds = this.#searchAgainAt = this.#ssdpAgainAt = Infinity;
    this.#upnp.forget();
    for (const want of this.#wants.values()) {
      if (want.held) this.#lose(want, "lost");
      want.asking = undefined, want.told = false, want.tried.clear();
    }
  }

  #search(now: number): void {
    const { gateway } = this.#network ?? {};
    this.#searchEnds = now + NAT.searchMs, this.#searchAgainAt = Infinity;
    for (const want of this.#wants.values()) want.tried.clear();
    if (gateway) {
      const probes = (["pcp", "pmp"] as const).filter((m) =>
        this.#methods.includes(m) && !this.#ready.has(m)
      );
      this.#probes = probes.map((method) => ({ method, sends: 0, due: now }));
    }
    if (this.#methods.includes("upnp")) this.#ssdpAgainAt = now;
  }

  #probe(now: number, probe: Probe): void {
    const { gateway, local } = this.#network!;
    const bytes = probe.method === "pcp" ? encodePcpAnnounce(local) : encodePmpExternal();
    this.#out.push({ type: "send", to: { ip: gateway!, port: GATEWAY_PORT }, bytes });
    probe.due = now + NAT.pmpRtoMs * 2 ** probe.sends++;
    if (probe.sends >= NAT.pmpSends) this.#probes = this.#probes.filter((p) => p !== probe);
  }

  #found(now: number, method: NatMethod): void {
    this.#probes = this.#probes.filter((p) => p.method !== method);
    if (this.#ready.has(method)) return;
    this.#ready.add(method);
    for (const want of this.#wants.values()) if (!want.asking && !want.held) this.#next(now, want);
  }

  #datagram(now: number, from: Endpoint, bytes: Uint8Array): void {
    const { gateway } = this.#network ?? {};
    if (from.port === GATEWAY_PORT && from.ip === gateway) return this.#fromGateway(now, bytes);
    const url = parseSearchAnswer(bytes, from),
      near = gateway ? from.ip === gateway : kindOf(from.ip) !== "public";
    if (!url || !near || !this.#methods.includes("upnp")) return this.#drop("nat-datagram");
    this.#upnp.describe(url, (at) => this.#found(at, "upnp"));
  }

  // --- mapping ---

  #want(now: number, id: number, protocol: MapProtocol, port: number): void {
    if (this.#wants.size >= NAT.mappings || this.#wants.has(id)) {
      return void this.#out.push({ type: "unmapped", id, why: "excess" });
    }
    const nonce = this.random.bytes(12);
    const want: Want = {
      id,
      protocol,
      port,
      nonce,
      tried: new Set(),
      asking: undefined,
      held: undefined,
      told: false,
    };
    this.#wants.set(id, want);
    if (!this.#network) return this.#unmapped(want, "no-gateway");
    const fresh = !this.#ready.size && this.#searchEnds === Infinity && this.#searchAgainAt === Infinity;
    if (fresh) this.#search(now); // else somebody looked a moment ago
    else this.#next(now, want);
  }

  /** Asks the next method that is ready and has not refused this. */
  #next(now: number, want: Want): void {
    want.asking = undefined;
    const method = this.#methods.find((m) => this.#ready.has(m) && !want.tried.has(m));
    if (method) return this.#ask(now, want, method, want.port);
    if (this.#searchEnds === Infinity) {
      this.#unmapped(want, this.#ready.size ? "refused" : "no-gateway");
      this.#searchAgainAt = Math.min(this.#searchAgainAt, now + NAT.lookAgainMs);
    }
  }

  #ask(now: number, want: Want, method: NatMethod, external: number): void {
    want.asking = {
      method,
      external,
      sends: 0,
      gap: NAT.pmpRtoMs,
      due: method === "upnp" ? Infinity : now,
    };
    if (method !== "upnp") return;
    const asking = want.asking, wish = { protocol: want.protocol, port: want.port, external };
    this.#upnp.map(wish, this.#network!.local, (at, got) => {
      const stale = want.asking !== asking || this.#wants.get(want.id) !== want;
      if (stale) return got && this.#upnp.unmap(got, want.protocol);
      this.#answered(at, want, got?.external, got?.leaseS ?? 0, got);
    });
  }

  #sendAsk(now: number, want: Want): void {
    const { gateway, local } = this.#network!, asking = want.asking!;
    if (asking.sends >= NAT.pmpSends) {
      want.tried.add(asking.method);
      if (want.held) this.#lose(want, "lost");
      return this.#next(now, want);
    }
    const request = {
      protocol: want.protocol,
      internalPort: want.port,
      externalPort: asking.external,
      lifetimeS: NAT.leaseS,
    };
    const externalIp = want.held?.external.ip;
    const bytes = asking.method === "pcp"
      ? encodePcpMap({ ...request, nonce: want.nonce, client: local, ...(externalIp && { externalIp }) })
      : encodePmpMap(request);
    this.#out.push({ type: "send", to: { ip: gateway!, port: GATEWAY_PORT }, bytes });
    asking.sends++, asking.due = now + asking.gap, asking.gap *= 2;
  }

  #fromGateway(now: number, bytes: Uint8Array): void {
    const pcp = decodePcp(bytes);
    if (pcp) return this.#fromPcp(now, pcp);
    const pmp = decodePmp(bytes);
    if (!pmp) return this.#drop("nat-datagram");
    if (pmp.kind === "unsupported") {
      return void (this.#probes = this.#probes.filter((p) => p.method !== "pcp"));
    }
    this.#epoch(now, "pmp", pmp.epoch);
    if (pmp.kind === "external") {
      if (pmp.result !== 0) return void (this.#probes = this.#probes.filter((p) => p.method !== "pmp"));
      this.#pmpExternal = pmp.ip;
      return this.#found(now, "pmp");
    }
    const want = [...this.#wants.values()].find((w) =>
      w.asking?.method === "pmp" && w.protocol === pmp.protocol && w.port === pmp.internalPort
    );
    if (!want) return this.#drop("nat-unasked");
    const ok = pmp.result === 0 && pmp.lifetimeS > 0 && pmp.externalPort > 0;
    this.#answered(
      now,
      want,
      ok ? { ip: this.#pmpExternal!, port: pmp.externalPort } : undefined,
      pmp.lifetimeS,
    );
  }

  #fromPcp(now: number, answer: NonNullable<ReturnType<typeof decodePcp>>): void {
    this.#epoch(now, "pcp", answer.epoch);
    const { map } = answer;
    if (!map) return answer.result === 0 ? this.#found(now, "pcp") : this.#drop("pcp-error");
    const want = [...this.#wants.values()].find((w) =>
      w.asking?.method === "pcp" && equal(w.nonce, map.nonce) && w.protocol === map.protocol &&
      w.port === map.internalPort
    );
    if (!want) return this.#drop("nat-unasked");
    const ok = answer.result === 0 && answer.lifetimeS > 0 && map.externalPort > 0;
    this.#answered(
      now,
      want,
      ok ? { ip: map.externalIp, port: map.externalPort } : undefined,
      answer.lifetimeS,
    );
  }

  /** A gateway whose clock fell back has restarted and lost what we had. Spec: RFC 6886 §3.6. */
  #epoch(now: number, method: NatMethod, epoch: number): void {
    const before = this.#epochs.get(method);
    this.#epochs.set(method, { epoch, at: now });
    if (!before || epoch + 2 >= before.epoch + ((now - before.at) / 1000) * (7 / 8)) return;
    for (const want of this.#wants.values()) if (want.held?.method === method) want.held.renewAt = now;
  }

  #answered(
    now: number,
    want: Want,
    external: Endpoint | undefined,
    lifetimeS: number,
    upnp?: UpnpMapping,
  ): void {
    const { method } = want.asking!;
    want.asking = undefined;
    if (!external) {
      want.tried.add(method);
      if (want.held) this.#lose(want, "lost");
      return this.#next(now, want);
    }
    const renewAt = lifetimeS === 0
      ? Infinity
      : now + Math.min(lifetimeS, 7 * NAT.leaseS) * 1000 * NAT.renewAt;
    const same = want.held?.external.ip === external.ip && want.held.external.port === external.port;
    want.held = { method, external, renewAt, upnp };
    want.tried.clear(), want.told = false;
    if (!same) this.#out.push({ type: "mapped", id: want.id, external, by: method });
  }

  #release(id: number): void {
    const want = this.#wants.get(id), held = want?.held;
    this.#wants.delete(id);
    if (!want || !held || !this.#network) return;
    const request = { protocol: want.protocol, internalPort: want.port, externalPort: 0, lifetimeS: 0 };
    const { gateway, local } = this.#network;
    if (held.upnp) return this.#upnp.unmap(held.upnp, want.protocol);
    const bytes = held.method === "pcp"
      ? encodePcpMap({ ...request, nonce: want.nonce, client: local })
      : encodePmpMap(request);
    this.#out.push({ type: "send", to: { ip: gateway!, port: GATEWAY_PORT }, bytes });
  }

  #lose(want: Want, why: string): void {
    want.held = undefined;
    this.#unmapped(want, why);
  }
  #unmapped(want: Want, why: string): void {
    if (!want.told) this.#out.push({ type: "unmapped", id: want.id, why });
    want.told = true;
  }

  // --- time ---

  #timers(now: number): void {
    if (!this.#network) return;
    for (const probe of this.#probes) if (probe.due <= now) this.#probe(now, probe);
    if (this.#ssdpAgainAt <= now) {
      for (const bytes of encodeSearch()) this.#out.push({ type: "send", to: SSDP, bytes });
      const first = this.#ssdpAgainAt <= this.#searchEnds - NAT.searchMs;
      this.#ssdpAgainAt = first ? now + 1000 : Infinity;
    }
    if (this.#searchEnds <= now) {
      this.#searchEnds = Infinity;
      for (const want of this.#wants.values()) if (!want.held && !want.asking) this.#next(now, want);
    }
    if (this.#searchAgainAt <= now) this.#search(now);
    for (const want of this.#wants.values()) {
      const { held } = want;
      if (held && !want.asking && held.renewAt <= now) this.#ask(now, want, held.method, held.external.port);
    }
    for (const want of this.#wants.values()) {
      if (want.asking && want.asking.due <= now) this.#sendAsk(now, want);
    }
  }

  #drop = (why: string): void => void this.#out.push({ type: "drop", why });
}
