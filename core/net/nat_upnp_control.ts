/** Conversations with UPnP gateways: description, public address, a mapping with all its refusals. Pure. Spec: connection §3.4. */
import { type Endpoint, isIp, type Random } from "../base/mod.ts";
import { NAT } from "./limits.ts";
import type { HttpAnswer, HttpRequest } from "./nat_http.ts";
import type { MapProtocol } from "./nat_pmp.ts";
import {
  encodeAction,
  parseActionAnswer,
  parseDescription,
  type UpnpAction,
  type UpnpAnswer,
  type UpnpService,
  type UpnpUrl,
} from "./nat_upnp.ts";

export interface UpnpMapping {
  readonly service: UpnpService;
  readonly external: Endpoint;
  /** 0: until it is removed. */
  readonly leaseS: number;
}
interface Wish {
  readonly protocol: MapProtocol;
  readonly port: number;
  readonly external: number;
}
type Done = (now: number, got: UpnpMapping | undefined) => void;

/** What gateways say instead of yes. */
const CONFLICT = 718, SAME_PORTS_ONLY = 724, PERMANENT_ONLY = 725;

export class UpnpControl {
  readonly #requests = new Map<number, (now: number, answer: HttpAnswer | undefined) => void>();
  #services: UpnpService[] = [];
  #external: string | undefined;
  #permanentOnly = false;
  #locations = 0;
  #next = 1;

  constructor(
    readonly random: Random,
    readonly ask: (request: number, http: HttpRequest) => void,
    readonly drop: (why: string) => void,
  ) {}

  forget(): void {
    this.#requests.clear();
    this.#services = [], this.#external = undefined, this.#permanentOnly = false, this.#locations = 0;
  }

  /** How a request ended. */
  answer(now: number, request: number, answer: HttpAnswer | undefined): void {
    const done = this.#requests.get(request);
    this.#requests.delete(request);
    done?.(now, answer);
  }

  /** Reads a description; `ready` is called once a service has told the public address. */
  describe(url: UpnpUrl, ready: (now: number) => void): void {
    if (++this.#locations > NAT.gateways) return this.drop("nat-gateway-excess");
    this.#http({ to: url, method: "GET" }, (_, answer) => {
      try {
        if (answer?.status !== 200) return this.drop("upnp-description");
        const name = (s: UpnpService) => `${s.type} ${s.control.port} ${s.control.path}`;
        const known = new Set(this.#services.map(name));
        this.#services.push(...parseDescription(answer.body, url).filter((s) => !known.has(name(s))));
      } catch (error) {
        return this.drop((error as { code?: string }).code ?? "upnp");
      }
      if (this.#external === undefined) this.#askExternal(0, ready);
    });
  }

  /** The first service that knows a public address is the one to use. */
  #askExternal(index: number, ready: (now: number) => void): void {
    const service = this.#services[index];
    if (!service) return;
    this.#soap(service, { name: "GetExternalIPAddress" }, (now, answer) => {
      const ip = answer?.ok ? answer.values.get("NewExternalIPAddress") ?? "" : "";
      if (ip.includes(":") || !isIp(ip)) return this.#askExternal(index + 1, ready);
      this.#external = ip;
      this.#services = [service, ...this.#services.filter((s) => s !== service)];
      ready(now);
    });
  }

  /** Opens a port; another one than wished if that is taken. */
  map(wish: Wish, client: string, done: Done): void {
    const service = this.#services[0]!;
    this.#map(service, wish, client, service.anyPort, 1, done);
  }

  #map(service: UpnpService, wish: Wish, client: string, anyPort: boolean, tries: number, done: Done): void {
    const leaseS = this.#permanentOnly ? 0 : NAT.leaseS, { protocol, port, external: externalPort } = wish;
    const name = anyPort ? "AddAnyPortMapping" : "AddPortMapping";
    this.#soap(
      service,
      { name, protocol, externalPort, internalPort: port, client, leaseS },
      (now, answer) => {
        if (answer?.ok) {
          const reserved = Number(answer.values.get("NewReservedPort") ?? externalPort);
          const good = Number.isInteger(reserved) && reserved > 0 && reserved < 65536;
          return done(
            now,
            good ? { service, external: { ip: this.#external!, port: reserved }, leaseS } : undefined,
          );
        }
        const code = answer?.code;
        if (code === undefined || tries >= NAT.tries) return done(now, undefined);
        const next = { ...wish };
        if (code === PERMANENT_ONLY && !this.#permanentOnly) this.#permanentOnly = true;
        else if (code === CONFLICT) next.external = this.#otherPort(protocol);
        else if (code === SAME_PORTS_ONLY) next.external = port;
        else if (!anyPort) return done(now, undefined);
        else anyPort = false;
        this.#map(service, next, client, anyPort, tries + 1, done);
      },
    );
  }

  unmap({ service, external }: UpnpMapping, protocol: MapProtocol): void {
    this.#soap(service, { name: "DeletePortMapping", protocol, externalPort: external.port }, () => {});
  }

  #otherPort(protocol: MapProtocol): number {
    const [low, high] = protocol === "tcp" ? NAT.tcpPorts : NAT.udpPorts;
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
        this.drop((error as { code?: string }).code ?? "upnp");
      }
      done(now, read);
    });
  }

  #http(http: HttpRequest, done: (now: number, answer: HttpAnswer | undefined) => void): void {
    const request = this.#next++;
    this.#requests.set(request, done);
    this.ask(request, http);
  }
}
