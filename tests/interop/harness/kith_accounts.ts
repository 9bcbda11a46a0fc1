/** Our node with accounts, as a process in a host of the lab. */
import type { Host } from "./lab.ts";
import type { Process } from "./process.ts";

export interface KithAccount {
  readonly id: string;
  readonly jamiId: string;
  readonly deviceId: string;
}

/** It ends with its lab. */
export class KithAccounts {
  #next = 1;
  private constructor(readonly host: Host, readonly process: Process) {}

  /** @param bootstrap `IP:PORT` of the DHT. */
  static async start(host: Host, bootstrap: string): Promise<KithAccounts> {
    const program = new URL("kith_account_peer.ts", import.meta.url).pathname, home = await host.lab.folder();
    const setup = JSON.stringify({ home, bootstrap: [bootstrap] }), name = `kith on ${host.name}`;
    const process = host.start(Deno.execPath(), ["run", "-A", program, setup], { name });
    await process.line(/^\{"ready"/);
    return new KithAccounts(host, process);
  }

  /** Does one thing and gives its fields. @throws if it says no. */
  async ask(verb: string, args: Record<string, unknown> = {}): Promise<Record<string, unknown>> {
    const n = this.#next++, since = this.process.mark();
    await this.process.write(JSON.stringify({ n, do: verb, ...args }) + "\n");
    const answer = JSON.parse((await this.process.line(new RegExp(`^\\{"n":${n},.*`), 60_000, since))[0]);
    if (!answer.ok) throw new Error(`${this.process.name}: ${verb}: ${answer.error}`);
    return answer;
  }
  async create(name: string, password = ""): Promise<KithAccount> {
    return await this.ask("create", { name, password }) as unknown as KithAccount;
  }
  async import(file: string, password = ""): Promise<KithAccount> {
    return await this.ask("import", { file, password }) as unknown as KithAccount;
  }
  /** Resolves when the device is announced. */
  async online(account: KithAccount): Promise<Record<string, unknown>> {
    const since = this.process.mark();
    await this.ask("online", { id: account.id });
    return await this.event(account, "announced", since);
  }
  /** First event of that kind about `account` from position `since` on whose line matches. */
  async event(
    account: KithAccount,
    event: string,
    since = 0,
    match = "",
    timeout = 60_000,
  ): Promise<Record<string, unknown>> {
    const pattern = new RegExp(`^\\{"event":"${event}","id":"${account.id}".*${match}.*`);
    return JSON.parse((await this.process.line(pattern, timeout, since))[0]);
  }
}
