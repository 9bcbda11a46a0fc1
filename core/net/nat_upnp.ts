/** UPnP gateways as text: search, description, actions and their answers. Every input is bounded. Spec: connection §3.4, UPnP IGD:1 and IGD:2. */
import { parseXml, type XmlDocument, XmlElement } from "@rgrove/parse-xml";
import { DecodeError, type Endpoint, isIp, text, utf8 } from "../base/mod.ts";
import { NAT } from "./limits.ts";
import type { MapProtocol } from "./nat_pmp.ts";

export const SSDP: Endpoint = { ip: "239.255.255.250", port: 1900 };
const DEVICE = "urn:schemas-upnp-org:device:InternetGatewayDevice";

/** Search messages: one for each generation of gateways. */
export const encodeSearch = (): Uint8Array[] =>
  [1, 2].map((version) =>
    utf8(
      `M-SEARCH * HTTP/1.1\r\nHOST: ${SSDP.ip}:${SSDP.port}\r\nMAN: "ssdp:discover"\r\nMX: 1\r\nST: ${DEVICE}:${version}\r\n\r\n`,
    )
  );

/** Where something is described or controlled: always an address, never a name. */
export interface UpnpUrl extends Endpoint {
  /** With query, at least "/". */
  readonly path: string;
}

/**
 * The description's place from an answer to our search; undefined if it is not the answer of a gateway, or leads to
 * another machine than the one that answered.
 */
export function parseSearchAnswer(bytes: Uint8Array, from: Endpoint): UpnpUrl | undefined {
  const answer = bytes.length <= NAT.ssdp ? text(bytes) : undefined;
  if (!answer || !/^HTTP\/1\.[01] 200\b/.test(answer)) return undefined;
  const headers = new Map(
    answer.split(/\r?\n/).slice(1, 40).map((line) => {
      const colon = line.indexOf(":");
      return [line.slice(0, colon).trim().toLowerCase(), line.slice(colon + 1).trim()];
    }),
  );
  if (!headers.get("st")?.startsWith(`${DEVICE}:`)) return undefined;
  const url = parseUrl(headers.get("location") ?? "");
  return url?.ip === from.ip ? url : undefined;
}

/** An `http` URL with a literal address, or a path relative to `base`. */
export function parseUrl(url: string, base?: UpnpUrl): UpnpUrl | undefined {
  if (url.length === 0 || url.length > NAT.url || /[^\x21-\x7e]/.test(url)) return undefined;
  const full = /^http:\/\/(?:\[([0-9a-fA-F:.]+)\]|([0-9.]+))(?::(\d{1,5}))?(\/[^#]*)?$/.exec(url);
  if (full) {
    const ip = full[1] ?? full[2]!, port = Number(full[3] ?? 80);
    return isIp(ip) && port > 0 && port < 65536 ? { ip, port, path: full[4] ?? "/" } : undefined;
  }
  if (!base || url.includes("://")) return undefined;
  const folder = base.path.slice(0, base.path.lastIndexOf("/") + 1);
  return { ...base, path: url.startsWith("/") ? url : folder + url };
}

/** A connection service of a gateway. */
export interface UpnpService {
  readonly type: string;
  readonly control: UpnpUrl;
  /** IGD:2 can choose the external port itself. */
  readonly anyPort: boolean;
}

const SERVICES = /^urn:schemas-upnp-org:service:(WANIPConnection:[12]|WANPPPConnection:1)$/;

/** Connection services of a description, best first. @throws {DecodeError} `net/upnp-xml`, `net/upnp-description`. */
export function parseDescription(body: Uint8Array, location: UpnpUrl): UpnpService[] {
  const root = parse(body).root, base = parseUrl(textOf(root, "URLBase")?.trim() ?? "", location) ?? location;
  if (!root || base.ip !== location.ip) throw new DecodeError("net/upnp-description");
  const found: UpnpService[] = [];
  for (const service of elements(root).filter((e) => localName(e) === "service").slice(0, NAT.services)) {
    const type = textOf(service, "serviceType")?.trim() ?? "";
    const control = parseUrl(textOf(service, "controlURL")?.trim() ?? "", base);
    if (SERVICES.test(type) && control?.ip === location.ip) {
      found.push({ type, control, anyPort: type.endsWith(":2") });
    }
  }
  const rank = (s: UpnpService) => s.anyPort ? 0 : s.type.includes("WANIP") ? 1 : 2;
  return found.sort((a, b) => rank(a) - rank(b));
}

export type UpnpAction =
  | { name: "GetExternalIPAddress" }
  | {
    name: "AddPortMapping" | "AddAnyPortMapping";
    protocol: MapProtocol;
    externalPort: number;
    internalPort: number;
    client: string;
    leaseS: number;
  }
  | { name: "DeletePortMapping"; protocol: MapProtocol; externalPort: number };

/** The SOAP body and its SOAPACTION header. */
export function encodeAction(
  service: UpnpService,
  action: UpnpAction,
): { soapAction: string; body: Uint8Array } {
  const values: [string, string | number][] = [];
  if (action.name !== "GetExternalIPAddress") {
    values.push(["NewRemoteHost", ""], ["NewExternalPort", action.externalPort], [
      "NewProtocol",
      action.protocol.toUpperCase(),
    ]);
  }
  if (action.name === "AddPortMapping" || action.name === "AddAnyPortMapping") {
    values.push(["NewInternalPort", action.internalPort], ["NewInternalClient", action.client]);
    values.push(["NewEnabled", 1], ["NewPortMappingDescription", "Kith"], [
      "NewLeaseDuration",
      action.leaseS,
    ]);
  }
  const inner = values.map(([name, value]) => `<${name}>${value}</${name}>`).join("");
  const body = `<?xml version="1.0"?>\r\n<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/" ` +
    `s:encodingStyle="http://schemas.xmlsoap.org/soap/encoding/"><s:Body><u:${action.name} xmlns:u="${service.type}">` +
    `${inner}</u:${action.name}></s:Body></s:Envelope>\r\n`;
  return { soapAction: `"${service.type}#${action.name}"`, body: utf8(body) };
}

export type UpnpAnswer =
  | { ok: true; values: ReadonlyMap<string, string> }
  /** UPnP error code, or 0 if the answer names none. */
  | { ok: false; code: number };

/** @throws {DecodeError} `net/upnp-xml`. */
export function parseActionAnswer(status: number, body: Uint8Array, name: string): UpnpAnswer {
  const root = parse(body).root, all = root ? elements(root) : [];
  const answer = all.find((e) => localName(e) === `${name}Response`);
  if (status === 200 && answer) {
    return {
      ok: true,
      values: new Map(elements(answer).slice(0, 64).map((e) => [localName(e), e.text.trim()])),
    };
  }
  const code = all.find((e) => localName(e) === "errorCode")?.text.trim() ?? "";
  return { ok: false, code: /^\d{1,4}$/.test(code) ? Number(code) : 0 };
}

function parse(body: Uint8Array): XmlDocument {
  const xml = body.length <= NAT.httpBody ? text(body) : undefined;
  try {
    if (xml === undefined) throw new RangeError("too long or not UTF-8");
    return parseXml(xml.replace(/\0+$/, ""));
  } catch (cause) { // also a RangeError from thousands of nested elements
    throw new DecodeError("net/upnp-xml", { length: body.length }, { cause });
  }
}

/** The element and everything below it, without recursion; at most 4096. */
function elements(root: XmlElement): XmlElement[] {
  const found: XmlElement[] = [], open = [root];
  while (open.length && found.length < 4096) {
    const next = open.pop()!;
    found.push(next);
    for (let i = next.children.length - 1; i >= 0; i--) {
      const child = next.children[i];
      if (child instanceof XmlElement) open.push(child);
    }
  }
  return found;
}
const localName = (e: XmlElement) => e.name.slice(e.name.indexOf(":") + 1);
function textOf(parent: XmlElement | null, name: string): string | undefined {
  return parent?.children.find((c): c is XmlElement => c instanceof XmlElement && localName(c) === name)
    ?.text;
}
