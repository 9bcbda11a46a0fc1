/** The program `kith` on a home of its own, in a host of the lab: commands as a person types them, `kith start` beside. */
import type { Host } from "./lab.ts";
import { Process } from "./process.ts";

const program = new URL("../../../core/cli/main_io.ts", import.meta.url).pathname;
const flags = [
  "--allow-net",
  "--allow-read",
  "--allow-write",
  "--allow-env",
  "--allow-sys=networkInterfaces,hostname",
];

export type Fact = Record<string, unknown> & { readonly event: string };
export interface Ended {
  readonly code: number;
  readonly text: string;
  readonly facts: readonly Fact[];
}

export class KithCli {
  constructor(readonly host: Host, readonly home: string, readonly bootstrap: string) {}

  /** A fresh home on `host`. @param bootstrap `IP:PORT`. */
  static async make(host: Host, bootstrap: string): Promise<KithCli> {
    return new KithCli(host, `${await host.lab.folder()}/home`, bootstrap);
  }

  /** Starts `kith ARGS… --home HOME`. */
  begin(...args: string[]): Process {
    return this.host.start(Deno.execPath(), [
      "run",
      "--quiet",
      "--no-check",
      ...flags,
      program,
      ...args,
      "--home",
      this.home,
    ], {
      name: `kith ${args.join(" ")}`,
      env: { LOG: Deno.env.get("LOG") ?? "" },
    });
  }
  /** `kith start`, ready to be talked to, its account (if it has one) on line. */
  async start(online = true): Promise<Process> {
    const node = this.begin("start", "--json", "--port", "0", "--bootstrap", this.bootstrap);
    await node.line(/"event":"control"/, 30_000);
    if (online) await node.line(/"event":"announced"/, 60_000);
    return node;
  }

  /** Runs a command to its end, `input` on its standard input. */
  async run(args: readonly string[], input?: string): Promise<Ended> {
    await using process = this.begin(...args);
    if (input !== undefined) {
      await process.write(input);
      await process.endInput();
    }
    const code = await process.ended(90_000); // making keys takes its time
    const facts = process.lines.filter((line) => line.startsWith("{")).map((line) => JSON.parse(line));
    return { code, text: process.lines.join("\n"), facts };
  }
  /** As `run` with `--json`, and it must go well. */
  async does(...args: string[]): Promise<readonly Fact[]> {
    const { code, text, facts } = await this.run([...args, "--json"]);
    if (code !== 0) throw new Error(`kith ${args.join(" ")} ended with ${code}: ${text}`);
    return facts;
  }
  /** As `run` in plain words, and it must go well. */
  async says(...args: string[]): Promise<string> {
    const { code, text } = await this.run(args);
    if (code !== 0) throw new Error(`kith ${args.join(" ")} ended with ${code}: ${text}`);
    return text;
  }
  /** Repeats a command until what it says passes. */
  async until(args: readonly string[], test: (text: string) => boolean, timeout = 60_000): Promise<string> {
    const end = performance.now() + timeout;
    for (;;) {
      const { text } = await this.run(args);
      if (test(text)) return text;
      if (performance.now() > end) throw new Error(`kith ${args.join(" ")} went on saying: ${text}`);
      await new Promise((go) => setTimeout(go, 300));
    }
  }
}
