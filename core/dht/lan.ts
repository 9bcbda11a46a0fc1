/** Finds nodes and accounts on the same link: one question, one announcement, both by multicast. Pure. Spec: dht §4.12. */
import {
  CoreError,
  type Endpoint,
  equal,
  type Family,
  familyOf,
  hex,
  type Machine,
  parseIp,
  utf8,
} from "../base/mod.ts";
import { bytesLike, decode, type MsgpackValue, Writer } from "../codec/mod.ts";
import { LAN_LIMITS } from "./value_limits.ts";

/** Where everybody listens. */
export const LAN_PORT = 8888;
export const LAN_GROUPS: Readonly<Record<Family, string>> = { 4: "239.192.0.1", 6: "ff08::101" };
/** What a question looks like: the text `q`. */
export const LAN_QUERY: Uint8Array = Uint8Array.of(0xa1, 0x71);

/** An address of ours and how many of its leading bits its link shares. */
export interface Link {
  readonly ip: string;
  readonly prefix: number;
}

export interface LanOptions {
  /** Our node id, 20 bytes, and the network we belong to. */
  readonly id: Uint8Array;
  readonly network: number;
  /** Announce the node (by the UDP port it has in each family) / look for others. */
  readonly publish: boolean;
  readonly discover: boolean;
}

export type LanIn =
  /** The network came or changed; `links` are all our addresses now. */
  | {
    readonly type: "changed";
    readonly links: readonly Link[];
    readonly ports: Readonly<Partial<Record<Family, number>>>;
  }
  /** Announce this account too; undefined: no longer. */
  | { readonly type: "account"; readonly account: LanAccount | undefined }
  | { readonly type: "packet"; readonly bytes: Uint8Array; readonly from: Endpoint }
  | { readonly type: "wake" };

export type LanOut =
  /** `to` undefined: to the family's group. */
  | {
    readonly type: "send";
    readonly family: Family;
    readonly bytes: Uint8Array;
    readonly to: Endpoint | undefined;
  }
  /** A node of our network, at the address it spoke from. */
  | { readonly type: "node"; readonly id: Uint8Array; readonly at: Endpoint }
  /** An account lives near by; `gone` a minute after it was last heard. */
  | { readonly type: "account" | "gone"; readonly account: LanAccount; readonly at: Endpoint }
  | { readonly type: "drop"; readonly why: LanDrop };

export interface LanAccount {
  /** Account id, 40 hex digits. */
  readonly id: string;
  readonly name: string;
}

export type LanDrop = "off-link" | "size" | "malformed" | "rate" | "room";

const GAPS_MS = [10_000, 20_000, 40_000], ACCOUNT_MS = 60_000, WINDOW_MS = 1000;

/** Asks and announces at once when the network changes, and after 10, 20 and 40 seconds more. */
export class LanDiscovery implements Machine<LanIn, LanOut> {
  #links: readonly { bytes: Uint8Array; prefix: number }[] = [];
  #ports: Readonly<Partial<Record<Family, number>>> = {};
  #account: LanAccount | undefined;
  #repeats = GAPS_MS.length;
  #next = Infinity;
  #seen = new Map<string, { account: LanAccount; at: Endpoint; until: number }>();
  #window = { start: -Infinity, answered: new Set<string>(), packets: 0 };

  constructor(readonly options: LanOptions) {}

  get wakeAt(): number {
    return this.#seen.values().reduce((soonest, { until }) => Math.min(soonest, until), this.#next);
  }

  step(now: number, input: LanIn): LanOut[] {
    const out: LanOut[] = [];
    switch (input.type) {
      case "changed":
        this.#links = input.links.map(({ ip, prefix }) => ({ bytes: parseIp(ip), prefix }));
        this.#ports = input.ports;
        this.#repeats = 0;
        this.#speak(now, out);
        break;
      case "account":
        if (input.account && utf8(input.account.name).length > LAN_LIMITS.nameBytes) {
          throw new CoreError("dht/lan-name", { limit: LAN_LIMITS.nameBytes });
        }
        this.#account = input.account;
        if (this.#links.length) {
          for (const family of this.#families()) this.#announce(family, undefined, out);
        }
        break;
      case "packet":
        this.#packet(now, input.bytes, input.from, out);
    }
    if (now >= this.#next) this.#speak(now, out);
    for (const [id, { account, at, until }] of this.#seen) {
      if (until <= now) this.#seen.delete(id), out.push({ type: "gone", account, at });
    }
    return out;
  }

  #families(): Family[] {
    return ([4, 6] as const).filter((family) =>
      this.#links.some(({ bytes }) => bytes.length === (family === 4 ? 4 : 16))
    );
  }

  #speak(now: number, out: LanOut[]): void {
    for (const family of this.#families()) {
      if (this.options.discover) out.push({ type: "send", family, bytes: LAN_QUERY, to: undefined });
      this.#announce(family, undefined, out);
    }
    const gap = GAPS_MS[this.#repeats++];
    this.#next = gap === undefined ? Infinity : now + gap;
  }

  #announce(family: Family, to: Endpoint | undefined, out: LanOut[]): void {
    const { publish, id, network } = this.options, port = publish ? this.#ports[family] : undefined;
    const bytes = encodeAnnouncement({
      node: port ? { id, port, network } : undefined,
      account: this.#account,
    });
    if (bytes) out.push({ type: "send", family, bytes, to });
  }

  #packet(now: number, bytes: Uint8Array, from: Endpoint, out: LanOut[]): void {
    const drop = (why: LanDrop) => void out.push({ type: "drop", why });
    if (!this.#onLink(from)) return drop("off-link");
    if (bytes.length > LAN_LIMITS.packetBytes) return drop("size");
    if (now - this.#window.start >= WINDOW_MS) this.#window = { start: now, answered: new Set(), packets: 0 };
    if (++this.#window.packets > LAN_LIMITS.packetsPerSecond) return drop("rate");
    let value: MsgpackValue;
    try {
      value = decode(bytes, { depth: 8, length: bytes.length });
    } catch {
      return drop("malformed");
    }
    if (typeof value === "string") {
      if (value !== "q") return;
      const peer = `${from.ip} ${from.port}`;
      if (this.#window.answered.has(peer)) return drop("rate");
      this.#window.answered.add(peer);
      return this.#announce(familyOf(from.ip), from, out);
    }
    if (!(value instanceof Map)) return drop("malformed");
    if (!this.options.discover) return;
    const found = [
      this.#readNode(value.get("dht"), from, out),
      this.#readAccount(now, value.get("jami"), from, out),
    ];
    if (found.includes("malformed")) drop("malformed");
  }

  #readNode(entry: MsgpackValue | undefined, from: Endpoint, out: LanOut[]): "malformed" | undefined {
    if (entry === undefined) return;
    if (!Array.isArray(entry)) return "malformed";
    const [id, port, network] = entry;
    if (
      !(id instanceof Uint8Array) || id.length !== 20 || !inRange(port, 1, 0xffff) ||
      !inRange(network, 0, 0xffffffff)
    ) {
      return "malformed";
    }
    if (network !== this.options.network || equal(id, this.options.id) || id.every((byte) => byte === 0)) {
      return;
    }
    if (isLinkLocal(parseIp(from.ip))) return; // such an address means nothing without the interface it came in by
    out.push({ type: "node", id: new Uint8Array(id), at: { ip: from.ip, port } });
  }

  #readAccount(
    now: number,
    entry: MsgpackValue | undefined,
    from: Endpoint,
    out: LanOut[],
  ): "malformed" | undefined {
    if (entry === undefined) return;
    if (!Array.isArray(entry)) return "malformed";
    const id = bytesLike(entry[0]), name = entry[1];
    if (!id || id.length !== 20 || typeof name !== "string" || utf8(name).length > LAN_LIMITS.nameBytes) {
      return "malformed";
    }
    const account = { id: hex(id), name }, before = this.#seen.get(account.id);
    if (account.id === this.#account?.id) return;
    if (!before && this.#seen.size >= LAN_LIMITS.accounts) {
      return void out.push({ type: "drop", why: "room" });
    }
    this.#seen.set(account.id, { account, at: from, until: now + ACCOUNT_MS });
    if (before?.account.name !== name || before.at.ip !== from.ip) {
      out.push({ type: "account", account, at: from });
    }
  }

  /** True if one of our links holds `from`; link-local IPv6 always is on a link of ours. */
  #onLink(from: Endpoint): boolean {
    const bytes = parseIp(from.ip);
    if (bytes.length === 16 && bytes[0] === 0xfe && (bytes[1]! & 0xc0) === 0x80) {
      return this.#families().includes(6);
    }
    return this.#links.some((link) =>
      link.bytes.length === bytes.length && samePrefix(link.bytes, bytes, link.prefix)
    );
  }
}

/** What is announced: a map of services in the order of their names, or `undefined` if there is nothing to say. */
export function encodeAnnouncement(
  { node, account }: {
    node?: { id: Uint8Array; port: number; network: number } | undefined;
    account?: LanAccount | undefined;
  },
): Uint8Array | undefined {
  if (!node && !account) return undefined;
  const w = new Writer().map((node ? 1 : 0) + (account ? 1 : 0));
  if (node) w.str("dht").array(3).bin(node.id).uint(node.port).uint(node.network);
  if (account) w.str("jami").array(2).bin(Uint8Array.fromHex(account.id)).str(account.name);
  return w.finish();
}

function samePrefix(a: Uint8Array, b: Uint8Array, bits: number): boolean {
  for (let i = 0; i < a.length && bits > 0; i++, bits -= 8) {
    const mask = bits >= 8 ? 0xff : 0xff00 >> bits & 0xff;
    if ((a[i]! ^ b[i]!) & mask) return false;
  }
  return true;
}

const isLinkLocal = (ip: Uint8Array): boolean =>
  ip.length === 16 && ip[0] === 0xfe && (ip[1]! & 0xc0) === 0x80;

const inRange = (value: unknown, least: number, most: number): value is number =>
  typeof value === "number" && Number.isInteger(value) && value >= least && value <= most;
