/** The command line node of OpenDHT, either generation: for what only it can do (permanent, signed, state file). */
import type { Host } from "./lab.ts";
import type { Process } from "./process.ts";
import { programs } from "./peers.ts";

export interface DhtnodeOptions {
  /** Default 4222. */
  port?: number;
  bootstrap?: { ip: string; port: number };
  /** Default 0. */
  network?: number;
  /** Makes a key and a certificate at the start; takes a second or two. */
  identity?: boolean;
  /** File that keeps its nodes and values. */
  persist?: string;
  /** Serves without limits. */
  noRateLimit?: boolean;
  /** REST proxy on this port. */
  proxy?: number;
}

/** A value as dhtnode prints it. */
export interface Printed {
  /** 16 hex digits. */
  readonly id: string;
  /** The line it was printed on. */
  readonly line: string;
}

const OPERATION_MS = 30_000;

/** One `dhtnode` with its command line open. It ends with its lab. */
export class Dhtnode {
  private constructor(
    readonly host: Host,
    readonly process: Process,
    readonly port: number,
    /** Node id, 40 hex digits. */
    readonly id: string,
    /** Id of its public key, if it has an identity. */
    readonly publicKeyId: string | undefined,
  ) {}

  static async start(kind: "v23" | "v26", host: Host, options: DhtnodeOptions = {}): Promise<Dhtnode> {
    const { port = 4222, bootstrap, network = 0, identity, persist, noRateLimit, proxy } = options;
    const { dhtnode: [command, ...before], env } = programs(kind);
    const to = bootstrap &&
      (bootstrap.ip.includes(":") ? `[${bootstrap.ip}]` : bootstrap.ip) + `:${bootstrap.port}`;
    const args = [
      ...["-p", String(port), "-n", String(network)],
      ...(to ? ["-b", to] : []),
      ...(identity ? ["-i"] : []),
      ...(persist ? ["--persist", persist] : []),
      ...(noRateLimit ? ["--no-rate-limit"] : []),
      ...(proxy ? ["--proxyserver", String(proxy)] : []),
    ];
    const process = host.start(command!, [...before, ...args], {
      env,
      name: `dhtnode ${kind} on ${host.name}`,
    });
    const [, id, bound] = await process.line(/OpenDHT node ([0-9a-f]{40}) running on port (\d+)/);
    const [, own] = identity ? await process.line(/Public key ID ([0-9a-f]{40})/) : [];
    await process.line(/type 'h' or 'help'/);
    return new Dhtnode(host, process, Number(bound), id!, own);
  }

  get at4(): { ip: string; port: number } {
    return { ip: this.host.ip4, port: this.port };
  }
  get at6(): { ip: string; port: number } {
    return { ip: this.host.ip6, port: this.port };
  }

  /** `text`: one word. @throws if it fails. */
  async put(key: string, text: string, how: "plain" | "permanent" | "signed" = "plain"): Promise<void> {
    const verb = { plain: "p", permanent: "pp", signed: "s" }[how];
    const [, outcome] = await this.#command(`${verb} ${key} ${text}`, /Put(?: \w+)?: (success|failure)/);
    if (outcome !== "success") throw new Error(`${this.process.name}: put failed`);
  }
  /** Encrypted for the public key whose id is `to`. @throws if it fails. */
  async putEncrypted(key: string, to: string, text: string): Promise<void> {
    const [, outcome] = await this.#command(`e ${key} ${to} ${text}`, /Put encrypted: (success|failure)/);
    if (outcome !== "success") throw new Error(`${this.process.name}: encrypted put failed`);
  }
  /** The values at `key`. @throws if it fails. */
  async get(key: string): Promise<Printed[]> {
    const since = this.process.mark(),
      [, outcome] = await this.#command(`g ${key}`, /Get: (completed|failure)/);
    if (outcome !== "completed") throw new Error(`${this.process.name}: get failed`);
    return printed(this.process.lines.slice(since));
  }
  /** Starts listening; what it prints from then on is in `process.lines`. */
  async listen(key: string): Promise<void> {
    await this.process.write(`l ${key}\n`);
  }
  /** What it holds in storage for all keys, as printed. */
  async storage(): Promise<string> {
    const since = this.process.mark();
    await this.#command("ld", /Storage|Total|keys?,/);
    return this.process.lines.slice(since).join("\n");
  }
  /** Good nodes it knows. */
  async goodNodes(): Promise<{ v4: number; v6: number }> {
    const since = this.process.mark();
    await this.process.write("ll\n");
    const [v4] =
      (await this.process.line(/IPv4 stats:/, OPERATION_MS, since),
        await this.process.line(/Known nodes: (\d+) good/, OPERATION_MS, since)).slice(1);
    const at = this.process.lines.findIndex((line, i) => i >= since && /IPv6 stats:/.test(line));
    const v6 = at < 0
      ? undefined
      : /Known nodes: (\d+) good/.exec(this.process.lines.slice(at).join("\n"))?.[1];
    return { v4: Number(v4), v6: Number(v6 ?? 0) };
  }

  async #command(line: string, answer: RegExp): Promise<RegExpMatchArray> {
    const since = this.process.mark();
    await this.process.write(line + "\n");
    return await this.process.line(answer, OPERATION_MS, since);
  }
}

/** Every value that was printed among `lines`. */
export function printed(lines: readonly string[]): Printed[] {
  return lines.flatMap((line) => {
    const id = /Value\[id:([0-9a-f]{1,16})/i.exec(line)?.[1];
    return id === undefined ? [] : [{ id: id.padStart(16, "0"), line }];
  });
}
