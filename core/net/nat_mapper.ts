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
import {
  encodeAction,
  encodeSearch,
  parseActionAnswer,
  parseDescription,
  parseSearchAnswer,
  SSDP,
  type UpnpAction,
  type UpnpAnswer,
  type UpnpService,
} from "./nat_upnp.ts";

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
    | { method: NatMethod; external: number; sends: number; gap: number; due: number; tries: number }
    | undefined;
  held:
    | { method: NatMethod; external: Endpoint; renewAt: number; service: UpnpService | undefined }
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
  readonly #requests = new Map<number, (now: number, answer: HttpAnswer | undefined) => void>();
  readonly #methods: readonly NatMethod[];
  #network: { gateway: string | undefined; local: string } | undefined;
  #ready = new Set<NatMethod>();
  #pmpExternal: string | undefined;
  #services: UpnpService[] = [];
  #upnpExternal: string | undefined;
  #permanentOnly = false;
  #locations = 0;
  #probes: Probe[] = [];
  #searchEnds = Infinity;
  #searchAgainAt = Infinity;
  #ssdpAgainAt = Infinity;
  #epochs = new Map<NatMethod, { epoch: number; at: number }>();
  #nextRequest = 1;
  #out: NatOut[] = [];

  constructor(readonly random: Random, options: { methods?: readonly NatMethod[] } = {}) {
    this.#methods = options.methods ?? ["pcp", "pmp", "upnp"];
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
      case "http": {
        const done = this.#requests.get(input.request);
        this.#requests.delete(input.request);
        done?.(now, input.answer);
        break;
      }
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
    this.#ready = new Set(), this.#services = [], this.#probes = [], this.#epochs = new Map();
    this.#pmpExternal = this.#upnpExternal = undefined;
    this.#permanentOnly = false, this.#locations = 0;
    this.#searchEnds = this.#searchAgainAt = this.#ssdpAgainAt = Infinity;
    this.#requests.clear();
    for (const want of this.#wants.values()) {
      if (want.held) this.#lose(want, "lost");
      want.asking = undefined, want.told = false, want.tried.clear();
    }
  }

  #search(now: number): void {
    const { gateway } = this.#network ?? {};
    this.#searchEnds = now + NAT.searchMs, this.#searchAgainAt = Infinity;
    this.#locations = 0;
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
    if (++this.#locations > NAT.gateways) return this.#drop("nat-gateway-excess");
    this.#http({ to: url, method: "GET" }, (_, answer) => {
      try {
        if (answer?.status !== 200) return this.#drop("upnp-description");
        const known = new Set(this.#services.map((s) => `${s.type} ${s.control.path}`));
        const fresh = parseDescription(answer.body, url).filter((s) =>
          !known.has(`${s.type} ${s.control.path}`)
        );
        this.#services.push(...fresh);
      } catch (error) {
        return this.#drop((error as { code?: string }).code ?? "upnp");
      }
      if (this.#services.length && this.#upnpExternal === undefined) this.#askExternal(0);
    });
  }

  /** The first service that knows a public address is the one to use. */
  #askExternal(index: number): void {
    const service = this.#services[index];
    if (!service) return;
    this.#soap(service, { name: "GetExternalIPAddress" }, (at, answer) => {
      const ip = answer?.ok ? answer.values.get("NewExternalIPAddress") ?? "" : "";
      if (!/^[0-9.]{7,15}$/.test(ip) || kindOfText(ip) === undefined) return this.#askExternal(index + 1);
      this.#upnpExternal = ip;
      this.#services = [service, ...this.#services.filter((s) => s !== service)];
      this.#found(at, "upnp");
    });
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
      tries: 0,
    };
    if (method === "upnp") this.#askUpnp(want, this.#services[0]!, this.#services[0]!.anyPort);
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
    service?: UpnpService,
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
    want.held = { method, external, renewAt, service };
    want.tried.clear(), want.told = false;
    if (!same) this.#out.push({ type: "mapped", id: want.id, external, by: method });
  }

  #release(id: number): void {
    const want = this.#wants.get(id), held = want?.held;
    this.#wants.delete(id);
    if (!want || !held || !this.#network) return;
    const request = { protocol: want.protocol, internalPort: want.port, externalPort: 0, lifetimeS: 0 };
    const { gateway, local } = this.#network;
    if (held.method === "upnp") {
      const action = {
        name: "DeletePortMapping",
        protocol: want.protocol,
        externalPort: held.external.port,
      } as const;
      return this.#soap(held.service!, action, () => {});
    }
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

  // --- UPnP ---

  #askUpnp(want: Want, service: UpnpService, anyPort: boolean): void {
    const asking = want.asking!, leaseS = this.#permanentOnly ? 0 : NAT.leaseS;
    const ports = { externalPort: asking.external, internalPort: want.port, client: this.#network!.local };
    const name = anyPort ? "AddAnyPortMapping" : "AddPortMapping";
    this.#soap(service, { name, protocol: want.protocol, ...ports, leaseS }, (now, answer) => {
      if (want.asking !== asking || this.#wants.get(want.id) !== want) return;
      if (answer?.ok) {
        const reserved = Number(answer.values.get("NewReservedPort") ?? asking.external);
        const good = Number.isInteger(reserved) && reserved > 0 && reserved < 65536;
        const external = good ? { ip: this.#upnpExternal!, port: reserved } : undefined;
        return this.#answered(now, want, external, leaseS, service);
      }
      const code = answer?.code ?? 0;
      if (++asking.tries >= NAT.tries || !answer) return this.#answered(now, want, undefined, 0);
      if (code === 725 && !this.#permanentOnly) this.#permanentOnly = true; // only leases without end
      else if (code === 718 || code === 724) asking.external = this.#otherPort(want, code); // taken; or must equal ours
      else if (!anyPort) return this.#answered(now, want, undefined, 0);
      this.#askUpnp(want, service, anyPort && (code === 725 || code === 718));
    });
  }

  #otherPort(want: Want, code: number): number {
    if (code === 724) return want.port;
    const [low, high] = want.protocol === "tcp" ? NAT.tcpPorts : NAT.udpPorts;
    return low + Math.floor(this.random.float() * (high - low + 1));
  }

  #soap(
    service: UpnpService,
    action: UpnpAction,
    done: (now: number, answer: UpnpAnswer | undefined) => void,
  ): void {
    const { soapAction, body } = encodeAction(service, action);
    const headers = { "Content-Type": 'text/xml; charset="utf-8"', SOAPAction: soapAction };
    this.#http({ to: service.control, method: "POST", headers, body }, (now, answer) => {
      let read: UpnpAnswer | undefined;
      try {
        read = answer && parseActionAnswer(answer.status, answer.body, action.name);
      } catch (error) {
        this.#drop((error as { code?: string }).code ?? "upnp");
      }
      done(now, read);
    });
  }

  #http(http: HttpRequest, done: (now: number, answer: HttpAnswer | undefined) => void): void {
    const request = this.#nextRequest++;
    this.#requests.set(request, done);
    this.#out.push({ type: "http", request, http });
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

function kindOfText(ip: string): string | undefined {
  try {
    return kindOf(ip);
  } catch {
    return undefined; // not an address
  }
}
