/** Our node with one account that talks, as a process in a host of the lab. */
import type { Host } from "./lab.ts";
import type { Process } from "./process.ts";

export type Answer = Record<string, unknown> & { readonly ok: boolean; readonly code?: string };
export interface Line {
  readonly id: string;
  readonly type: string;
  readonly text?: string;
  readonly account: string;
  readonly body: Record<string, unknown>;
  readonly edited: boolean;
  readonly deleted: boolean;
  readonly replyTo?: string;
  readonly reactions: readonly { readonly account: string; readonly text: string }[];
}

/** It ends with its lab. */
export class KithTalk {
  #next = 1;
  private constructor(
    readonly host: Host,
    readonly process: Process,
    readonly jamiId: string,
    readonly device: string,
    readonly home: string,
    readonly bootstrap: string,
  ) {}

  /** @param bootstrap `IP:PORT` of the DHT. @param home of an earlier run, to start it again. */
  static async start(host: Host, bootstrap: string, home?: string): Promise<KithTalk> {
    const program = new URL("../swarm_node.ts", import.meta.url).pathname,
      folder = home ?? await host.lab.folder();
    const setup = JSON.stringify({ home: folder, bootstrap, name: host.name });
    const args = ["run", "-A", "--unstable-net", "--no-check", program, setup], name = `kith on ${host.name}`;
    const process = host.start(Deno.execPath(), args, { name, env: { LOG: Deno.env.get("LOG") ?? "" } });
    const [line] = await process.line(/^\{"ready".*/, 60_000), { jamiId, device } = JSON.parse(line);
    return new KithTalk(host, process, jamiId, device, folder, bootstrap);
  }

  /** Ends the process and starts it again on the same home. */
  async restart(): Promise<KithTalk> {
    await this.process[Symbol.asyncDispose]();
    return await KithTalk.start(this.host, this.bootstrap, this.home);
  }

  async ask(verb: string, fields: Record<string, unknown> = {}, timeout = 60_000): Promise<Answer> {
    const n = this.#next++, since = this.process.mark();
    await this.process.write(JSON.stringify({ n, do: verb, ...fields }) + "\n");
    return JSON.parse((await this.process.line(new RegExp(`^\\{"n":${n},.*`), timeout, since))[0]);
  }
  /** As `ask`, and it must go well. */
  async does(verb: string, fields: Record<string, unknown> = {}): Promise<Answer> {
    const answer = await this.ask(verb, fields);
    if (!answer.ok) {
      throw new Error(`${this.process.name}: ${verb}: ${answer.code} ${JSON.stringify(answer.data)}`);
    }
    return answer;
  }
  /** First event of that type from position `since` on whose line matches. */
  async event(type: string, since = 0, match = "", timeout = 60_000): Promise<Record<string, unknown>> {
    const pattern = new RegExp(`^\\{"event":\\{"type":"${type}".*${match}.*`);
    try {
      return JSON.parse((await this.process.line(pattern, timeout, since))[0]).event;
    } catch (error) {
      throw new Error(
        `${(error as Error).message}\n${JSON.stringify(await this.ask("state"), null, 1).slice(0, 4000)}`,
      );
    }
  }
  async page(conversation: string, limit = 200): Promise<Line[]> {
    return (await this.does("page", { conversation, limit })).messages as Line[];
  }
  /** Waits until `test` holds of the newest lines. */
  async shows(
    conversation: string,
    test: (lines: Line[]) => boolean,
    what: string,
    timeout = 60_000,
  ): Promise<Line[]> {
    const end = performance.now() + timeout;
    for (;;) {
      const lines = await this.page(conversation);
      if (test(lines)) return lines;
      if (performance.now() > end) {
        throw new Error(
          `${this.process.name} never showed ${what}: ${JSON.stringify(lines.slice(0, 8))}\n${
            JSON.stringify(await this.ask("state"), null, 1).slice(0, 4000)
          }`,
        );
      }
      await new Promise((go) => setTimeout(go, 50));
    }
  }
}
