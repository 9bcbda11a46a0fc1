/** What a test may ask of a real Jami daemon, whatever its generation: calls by name, signals that can be waited for. */
import type { Host } from "./lab.ts";

/** One signal, by its name on D-Bus. */
export interface DaemonSignal {
  readonly name: string;
  readonly args: readonly unknown[];
}

const SIGNAL_MS = 60_000;

/** Signals in order of arrival. A wait is "first match at or after a position", taken before the action. */
export class SignalLog {
  readonly #all: DaemonSignal[] = [];
  readonly #waiting = new Set<() => void>();

  add(name: string, args: readonly unknown[]): void {
    this.#all.push({ name, args });
    for (const wake of [...this.#waiting]) wake();
  }
  mark(): number {
    return this.#all.length;
  }
  /** @throws after `timeout` ms, showing what came instead. */
  async wait(
    name: string,
    test: (...args: never[]) => boolean,
    since: number,
    timeout = SIGNAL_MS,
  ): Promise<readonly unknown[]> {
    const end = performance.now() + timeout;
    for (let at = since;;) {
      for (; at < this.#all.length; at++) {
        const signal = this.#all[at]!;
        if (signal.name === name && test(...signal.args as never[])) return signal.args;
      }
      if (!await this.#more(end)) {
        const seen = this.#all.slice(since).map((s) => `${s.name} ${JSON.stringify(s.args).slice(0, 160)}`);
        throw new Error(`no ${name} within ${timeout} ms; seen: ${seen.slice(-15).join("\n  ")}`);
      }
    }
  }
  async #more(end: number): Promise<boolean> {
    const left = end - performance.now();
    if (left <= 0) return false;
    return await new Promise((done) => {
      const finish = (news: boolean) => (clearTimeout(timer), this.#waiting.delete(wake), done(news));
      const wake = () => finish(true), timer = setTimeout(() => finish(false), left);
      this.#waiting.add(wake);
    });
  }
}

/** A running daemon. It ends with its lab. */
export interface JamiDaemon {
  readonly generation: "v23" | "v26";
  readonly host: Host;
  readonly signals: SignalLog;
  /** Calls the daemon by its own name for it. @throws if it says no. */
  call(method: string, ...args: unknown[]): Promise<unknown>;
  /** Folder of an account's files. */
  accountFolder(account: string): string;
}

/** One account of a daemon. */
export interface DaemonAccount {
  readonly daemon: JamiDaemon;
  /** 16 hex digits, the daemon's own. */
  readonly id: string;
  readonly jamiId: string;
  /** 64 hex digits. */
  readonly device: string;
}

export interface DaemonAccountOptions {
  /** `host:port` of the DHT. */
  readonly bootstrap: string;
  /** Default: nobody answers. */
  readonly nameServer?: string;
  /** Protects the archive, or opens the one at `archivePath`. */
  readonly password?: string;
  /** Import this file instead of making a new account. */
  readonly archivePath?: string;
  readonly displayName?: string;
}

const BAD_STATES = new Set(["ERROR_GENERIC", "ERROR_AUTH", "ERROR_NEED_MIGRATION", "ERROR_NETWORK"]);

/** Makes or imports an account and waits until its device is announced. @throws if the daemon refuses. */
export async function addAccount(daemon: JamiDaemon, options: DaemonAccountOptions): Promise<DaemonAccount> {
  const { signals } = daemon, since = signals.mark(), alias = options.displayName ?? daemon.host.name;
  const id = String(
    await daemon.call("addAccount", {
      ...await daemon.call("getAccountTemplate", "RING") as Record<string, string>,
      "Account.type": "RING",
      "Account.alias": alias,
      "Account.displayName": alias,
      "Account.hostname": options.bootstrap,
      "Account.archivePassword": options.password ?? "",
      "Account.archivePath": options.archivePath ?? "",
      "Account.upnpEnabled": "false",
      "Account.proxyEnabled": "false",
      "Account.proxyServer": "",
      "Account.dhtProxyListUrl": "",
      "Account.bootstrapListUrl": "",
      "Account.proxyListEnabled": "false",
      "Account.dhtProxyServerEnabled": "false",
      "Account.peerDiscovery": "false",
      "Account.accountDiscovery": "false",
      "Account.accountPublish": "false",
      "Account.ringtoneEnabled": "false",
      "TURN.enable": "false",
      "TURN.server": "",
      "DHT.PublicInCalls": "true",
      "RingNS.uri": options.nameServer ?? "http://127.0.0.1:1",
    }),
  );
  const state = (account: string, word: string) =>
    account === id && (word === "REGISTERED" || BAD_STATES.has(word));
  const [, word] = await signals.wait("registrationStateChanged", state, since);
  if (word !== "REGISTERED") throw new Error(`${daemon.host.name}: the daemon refuses the account: ${word}`);
  const announced = (account: string, details: Record<string, string>) =>
    account === id && details["Account.deviceAnnounced"] === "true";
  await signals.wait("volatileAccountDetailsChanged", announced, since);
  const details = await daemon.call("getAccountDetails", id) as Record<string, string>;
  const volatile = await daemon.call("getVolatileAccountDetails", id) as Record<string, string>;
  return {
    daemon,
    id,
    jamiId: details["Account.username"]!.replace(/^(ring|jami):/, ""),
    device: volatile["Account.deviceID"] ?? details["Account.deviceID"] ?? "",
  };
}

/** Bytes of the account's archive as the daemon keeps it. */
export const daemonArchive = (account: DaemonAccount): Promise<Uint8Array> =>
  Deno.readFile(`${account.daemon.accountFolder(account.id)}/archive.gz`);

/** Devices the daemon counts to its account: id → name. */
export async function knownDevices({ daemon, id }: DaemonAccount): Promise<Record<string, string>> {
  return await daemon.call("getKnownRingDevices", id) as Record<string, string>;
}

/** Waits until the daemon counts `device` to its own account. */
export async function waitForDevice(account: DaemonAccount, device: string, timeout = 60_000): Promise<void> {
  const end = performance.now() + timeout;
  while (!(device in await knownDevices(account))) {
    if (performance.now() > end) {
      throw new Error(
        `${account.daemon.host.name} knows no device ${device}: ${
          JSON.stringify(await knownDevices(account))
        }`,
      );
    }
    await new Promise((done) => setTimeout(done, 200));
  }
}

/** Follows the presence of `jamiId`; the result waits for it to be on line (or off line). */
export async function followPresence(
  { daemon, id }: DaemonAccount,
  jamiId: string,
): Promise<(online: boolean, timeout?: number) => Promise<void>> {
  const since = daemon.signals.mark();
  await daemon.call("subscribeBuddy", id, jamiId, true);
  return async (online, timeout) => {
    const same = (account: string, who: string, state: boolean | number) =>
      account === id && who === jamiId && Boolean(state) === online;
    await daemon.signals.wait("newBuddyNotification", same, since, timeout);
  };
}
