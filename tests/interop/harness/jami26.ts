/** The Jami daemon of 2026 in a host of the lab: here as one more DHT node, with an account that announces itself. */
import { type JamiDaemon, SignalLog } from "./daemon.ts";
import type { Host } from "./lab.ts";
import { jami26 } from "./peers.ts";
import type { Process } from "./process.ts";

export interface Jami26Options {
  /** Where its DHT node joins. */
  bootstrap: { ip: string; port: number };
}

/** Signals whose D-Bus name differs by more than its first letter. */
const ON_DBUS: Readonly<Record<string, string>> = { VolatileDetailsChanged: "volatileAccountDetailsChanged" };

/** One daemon with one account. It ends with its lab. */
export class Jami26 implements JamiDaemon {
  readonly generation = "v26";
  readonly signals = new SignalLog();
  #next = 1;
  private constructor(readonly host: Host, readonly process: Process, readonly folder: string) {
    void this.#listen();
  }

  /** Starts the daemon, with what `prepare` put into its data folder. */
  static async start(host: Host, prepare = (_dataFolder: string) => Promise.resolve()): Promise<Jami26> {
    const { node: [command, ...before], addon } = jami26(), folder = await host.lab.folder();
    for (const name of ["config", "data", "cache", "run"]) {
      await Deno.mkdir(`${folder}/${name}`, { mode: 0o700 });
    }
    await prepare(`${folder}/data`);
    const program = new URL("jami26_peer.mjs", import.meta.url).pathname;
    const process = host.start(command!, [...before, program, addon], {
      cwd: folder,
      name: `jami26 on ${host.name}`,
      env: {
        HOME: folder,
        XDG_CONFIG_HOME: `${folder}/config`,
        XDG_DATA_HOME: `${folder}/data`,
        XDG_CACHE_HOME: `${folder}/cache`,
        XDG_RUNTIME_DIR: `${folder}/run`,
      },
    });
    await process.line(/^\{"ready"/);
    return new Jami26(host, process, folder);
  }

  /** Calls the daemon by its own name for it. @throws if it says no. */
  async call(method: string, ...args: unknown[]): Promise<unknown> {
    const n = this.#next++, since = this.process.mark();
    const sent = args.map((arg) => arg instanceof Uint8Array ? { $bytes: arg.toHex() } : arg);
    await this.process.write(JSON.stringify({ n, do: method, args: sent }) + "\n");
    const answer = JSON.parse((await this.process.line(new RegExp(`^\\{"n":${n},.*`), 20_000, since))[0]);
    if (!answer.ok) throw new Error(`${this.process.name}: ${method}: ${answer.error}`);
    return answer.result;
  }

  accountFolder(account: string): string {
    return `${this.folder}/data/jami/${account}`;
  }

  /** Notes every signal under its name on D-Bus, until the daemon ends. */
  async #listen(): Promise<void> {
    for (let at = 0; this.process.code === undefined;) {
      await this.process.line(/^\{"signal"/, 2 ** 31 - 1, at).catch(() => undefined);
      for (; at < this.process.lines.length; at++) {
        const line = this.process.lines[at]!;
        if (!line.startsWith('{"signal"')) continue;
        const { signal, args } = JSON.parse(line);
        this.signals.add(ON_DBUS[signal] ?? signal[0].toLowerCase() + signal.slice(1), args);
      }
    }
  }

  /** A new account, once its device is announced on the DHT. Creating its keys takes seconds. */
  async account(options: Jami26Options): Promise<{ account: string; jamiId: string; device: string }> {
    const { ip, port } = options.bootstrap, since = this.process.mark();
    const account = String(
      await this.call("addAccount", {
        "Account.type": "RING",
        "Account.alias": this.host.name,
        "Account.displayName": this.host.name,
        "Account.hostname": `${ip.includes(":") ? `[${ip}]` : ip}:${port}`,
        "Account.upnpEnabled": false,
        "Account.proxyEnabled": false,
        "Account.proxyListEnabled": false,
        "Account.dhtProxyServerEnabled": false,
        "Account.peerDiscovery": false,
        "Account.accountDiscovery": false,
        "Account.accountPublish": false,
        "TURN.enable": false,
        "RingNS.uri": "http://127.0.0.1:1",
      }),
    );
    await this.process.line(/"RegistrationStateChanged","args":\["[0-9a-f]+","REGISTERED"/, 60_000, since);
    await this.process.line(/"Account.deviceAnnounced":"true"/, 60_000, since);
    const details = await this.call("getAccountDetails", account) as Record<string, string>;
    const volatile = await this.call("getVolatileAccountDetails", account) as Record<string, string>;
    return {
      account,
      jamiId: details["Account.username"]!.replace("ring:", ""),
      device: volatile["Account.deviceID"] ?? details["Account.deviceID"] ?? "",
    };
  }
}
