/** A DHT node in a process of its own, driven by JSON lines: ours and the real ones answer to the same verbs. */
import type { Host } from "./lab.ts";
import type { Process } from "./process.ts";
import { programs } from "./peers.ts";

export type Kind = "kith" | "v23" | "v26";

export interface PeerOptions {
  /** Default 4222. */
  port?: number;
  /** Where to join. Default: nowhere, others come to us. */
  bootstrap?: readonly { ip: string; port: number }[];
  /** Default 0. */
  network?: number;
  /** 40 hex digits. */
  nodeId?: string;
  /** Requests per second, from one address and from all. Default: the node's own limits. */
  rate?: number;
  /** Ours only: the file that keeps nodes and values across restarts. */
  state?: string;
}

/** A stored value as a peer shows it. */
export interface PeerValue {
  /** Decimal. */
  readonly id: string;
  /** Hex. */
  readonly data: string;
  readonly userType: string;
}
export interface PutOptions {
  /** Decimal; default: chosen by the node. */
  id?: string;
  type?: number;
  userType?: string;
  /** Ours only: keep it alive until the process ends. */
  permanent?: boolean;
  /** Ours only: milliseconds since 1970. */
  created?: number;
}
export interface Heard {
  readonly event: "value" | "expired";
  readonly value: PeerValue;
}

type Answer = Record<string, unknown> & { n: number; ok: boolean; error?: string };
const ANSWER_MS = 30_000, START_MS = 30_000;

/** One node. It ends with its lab. */
export class Peer {
  #next = 1;
  private constructor(
    readonly kind: Kind,
    readonly host: Host,
    readonly process: Process,
    readonly port: number,
    /** Node id, 40 hex digits. */
    readonly id: string,
  ) {}

  static async start(kind: Kind, host: Host, options: PeerOptions = {}): Promise<Peer> {
    const { port = 4222, bootstrap = [], ...rest } = options;
    const setup = JSON.stringify({ port, bootstrap: bootstrap.map(({ ip, port }) => [ip, port]), ...rest });
    const here = (file: string) => new URL(file, import.meta.url).pathname;
    const { python, env } = kind === "kith" ? { python: [], env: {} } : programs(kind);
    const [command, ...args] = kind === "kith"
      ? [Deno.execPath(), "run", "-A", here("kith_peer.ts"), setup]
      : [...python, here("opendht_peer.py"), setup];
    const process = host.start(command!, args, { env, name: `${kind} on ${host.name}` });
    const ready = JSON.parse((await process.line(/^\{"ready".*/, START_MS))[0]);
    return new Peer(kind, host, process, ready.port, ready.id);
  }

  get at4(): { ip: string; port: number } {
    return { ip: this.host.ip4, port: this.port };
  }
  get at6(): { ip: string; port: number } {
    return { ip: this.host.ip6, port: this.port };
  }

  /** Sends one request and waits for its answer. @throws if the peer says it could not. */
  async ask(verb: string, fields: Record<string, unknown> = {}, timeout = ANSWER_MS): Promise<Answer> {
    const n = this.#next++, since = this.process.mark();
    await this.process.write(JSON.stringify({ n, do: verb, ...fields }) + "\n");
    const answer: Answer = JSON.parse(
      (await this.process.line(new RegExp(`^\\{"n": ?${n},.*`), timeout, since))[0],
    );
    if (answer.error) throw new Error(`${this.process.name}: ${verb}: ${answer.error}`);
    return answer;
  }

  /** `data`: bytes. Resolves when enough nodes acknowledged; `ok` false if none did. */
  async put(key: string, data: Uint8Array, options: PutOptions = {}): Promise<{ ok: boolean; id: string }> {
    const { ok, id } = await this.ask("put", { key, data: data.toHex(), ...options });
    return { ok, id: String(id) };
  }

  /** All values found; `where` in the text form of §1.8, such as `WHERE id=5`. */
  async get(key: string, where?: string): Promise<PeerValue[]> {
    const { values } = await this.ask("get", { key, ...(where !== undefined && { where }) });
    return values as PeerValue[];
  }

  async listen(key: string): Promise<Listening> {
    const since = this.process.mark(), { listen } = await this.ask("listen", { key });
    return new Listening(this, Number(listen), since);
  }

  bootstrap(to: { ip: string; port: number }): Promise<Answer> {
    return this.ask("bootstrap", { host: to.ip, port: to.port });
  }
  info(): Promise<Answer> {
    return this.ask("info");
  }
  /** Ends the process and waits for it; ours saves its state. */
  async stop(): Promise<void> {
    await this.process[Symbol.asyncDispose]();
  }

  /** Waits until a get of a random key succeeds with an answer from somebody: the node is on the network. */
  async connected(timeout = 20_000): Promise<void> {
    const end = performance.now() + timeout;
    for (;;) {
      const key = crypto.getRandomValues(new Uint8Array(20)).toHex();
      if ((await this.ask("get", { key })).ok) return;
      if (performance.now() > end) throw new Error(`${this.process.name} found no network in ${timeout} ms`);
      await new Promise((done) => setTimeout(done, 100));
    }
  }
}

/** What one listen operation heard, from its start on. */
export class Listening {
  constructor(readonly peer: Peer, readonly number: number, readonly since: number) {}
  /** Everything heard so far, in order. */
  heard(): Heard[] {
    return this.peer.process.lines.slice(this.since).flatMap((line) => {
      if (!line.startsWith('{"listen"')) return [];
      const { listen, event, value } = JSON.parse(line);
      return listen === this.number ? [{ event, value }] : [];
    });
  }
  /** Waits for an event of that kind about value `id`. */
  async wait(event: Heard["event"], id: string, timeout = 20_000): Promise<PeerValue> {
    const line = `^\\{"listen": ?${this.number}, ?"event": ?"${event}".*"id": ?"${id}".*`;
    return JSON.parse((await this.peer.process.line(new RegExp(line), timeout, this.since))[0]).value;
  }
  async cancel(): Promise<void> {
    await this.peer.ask("cancel", { listen: this.number });
  }
}
