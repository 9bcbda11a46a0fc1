/** A little internet of network namespaces: a hub with a bridge, hosts on it, IPv4 and IPv6, no way out. */
import { sh, tryRun } from "./shell.ts";
import { Process, type ProcessOptions } from "./process.ts";

const PREFIX = "kith", NETWORK4 = "10.77.0.", NETWORK6 = "fd77::";
const open = new Set<Lab>();

export interface HostOptions {
  /** Default true. */
  ipv6?: boolean;
  /** Default true. */
  ipv4?: boolean;
}

/** One machine: its own namespace, one cable to the hub. */
export class Host {
  constructor(
    readonly lab: Lab,
    readonly name: string,
    readonly namespace: string,
    readonly number: number,
  ) {}
  get ip4(): string {
    return `${NETWORK4}${this.number}`;
  }
  get ip6(): string {
    return `${NETWORK6}${this.number.toString(16)}`;
  }
  /** Starts a program here. It ends with the lab at the latest. */
  start(command: string, args: readonly string[], options: ProcessOptions = {}): Process {
    return this.lab.own(Process.start(command, args, { ...options, namespace: this.namespace }));
  }
  /** Runs a program to its end and gives its output. */
  run(command: string, ...args: string[]): Promise<string> {
    return sh("ip", "netns", "exec", this.namespace, command, ...args);
  }
  /** Pulls the cable, or plugs it in again. */
  async cable(plugged: boolean): Promise<void> {
    await sh("ip", "-n", this.lab.hub.namespace, "link", "set", `v${this.number}`, plugged ? "up" : "down");
  }
  /** One more address on this host. */
  async address(ip: string): Promise<void> {
    const v6 = ip.includes(":");
    await sh(
      "ip",
      "-n",
      this.namespace,
      "addr",
      "add",
      `${ip}/${v6 ? 64 : 24}`,
      "dev",
      "eth0",
      ...(v6 ? ["nodad"] : []),
    );
  }
}

/**
 * Owns the namespaces and everything started in them; disposing it leaves nothing behind, also when the test
 * run is ended by a signal. What an earlier, killed run left is swept away at the next start. Needs root.
 */
export class Lab implements AsyncDisposable {
  readonly #processes: AsyncDisposable[] = [];
  readonly #namespaces: string[] = [];
  readonly #folders: string[] = [];
  readonly #names = new Map<string, string>();
  #next = 10;
  #closing: Promise<void> | undefined;
  hub!: Host;
  static #count = 0;

  private constructor(readonly id: string) {}

  static async open(): Promise<Lab> {
    await sweep();
    const lab = new Lab(`${PREFIX}${Deno.pid}-${Lab.#count++}`);
    if (!open.size) {
      for (const name of ["SIGINT", "SIGTERM"] as const) {
        Deno.addSignalListener(name, endAll);
      }
    }
    open.add(lab);
    try {
      lab.hub = new Host(lab, "hub", `${lab.id}-hub`, 1);
      await lab.#namespace(lab.hub);
      const ns = lab.hub.namespace;
      await sh("ip", "-n", ns, "link", "add", "br0", "type", "bridge");
      await sh("ip", "-n", ns, "addr", "add", `${lab.hub.ip4}/24`, "dev", "br0");
      await sh("ip", "-n", ns, "addr", "add", `${lab.hub.ip6}/64`, "dev", "br0", "nodad");
      await sh("ip", "-n", ns, "link", "set", "br0", "up");
    } catch (error) {
      await lab[Symbol.asyncDispose]();
      throw error;
    }
    return lab;
  }

  /** A new host on the bridge. */
  async host(name: string, options: HostOptions = {}): Promise<Host> {
    const { ipv4 = true, ipv6 = true } = options, number = this.#next++;
    const host = new Host(this, name, `${this.id}-${name}`, number),
      ns = host.namespace,
      hub = this.hub.namespace;
    await this.#namespace(host, ipv6);
    await sh(
      "ip",
      "-n",
      ns,
      "link",
      "add",
      "eth0",
      "type",
      "veth",
      "peer",
      "name",
      `v${number}`,
      "netns",
      hub,
    );
    await sh("ip", "-n", hub, "link", "set", `v${number}`, "master", "br0", "up");
    if (ipv4) await sh("ip", "-n", ns, "addr", "add", `${host.ip4}/24`, "dev", "eth0");
    if (ipv6) await sh("ip", "-n", ns, "addr", "add", `${host.ip6}/64`, "dev", "eth0", "nodad");
    await sh("ip", "-n", ns, "link", "set", "eth0", "up");
    if (ipv4) await sh("ip", "-n", ns, "route", "add", "default", "via", this.hub.ip4);
    if (ipv6) await sh("ip", "-n", ns, "-6", "route", "add", "default", "via", this.hub.ip6);
    return host;
  }

  /** Makes `name` lead to `ip` on hosts created from now on. */
  name(name: string, ip: string): void {
    this.#names.set(name, ip);
  }

  /** A new folder that goes with the lab. */
  async folder(): Promise<string> {
    const folder = await Deno.makeTempDir({ prefix: "kith-lab-" });
    this.#folders.push(folder);
    return folder;
  }

  /** `thing` is disposed with the lab, last in, first out. */
  own<T extends AsyncDisposable>(thing: T): T {
    this.#processes.push(thing);
    return thing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#closing ??= this.#close();
  }

  async #close(): Promise<void> {
    try {
      for (const thing of this.#processes.reverse()) await thing[Symbol.asyncDispose]();
    } finally {
      for (const ns of this.#namespaces.reverse()) await remove(ns);
      for (const folder of this.#folders) await Deno.remove(folder, { recursive: true });
      open.delete(this);
      if (!open.size) {
        for (const name of ["SIGINT", "SIGTERM"] as const) Deno.removeSignalListener(name, endAll);
      }
    }
  }

  async #namespace(host: Host, ipv6 = true): Promise<void> {
    const ns = host.namespace, folder = `/etc/netns/${ns}`;
    await Deno.mkdir(folder, { recursive: true });
    this.#namespaces.push(ns);
    await Deno.writeTextFile(`${folder}/resolv.conf`, "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n");
    const hosts = [["localhost", "127.0.0.1"], ["localhost", "::1"], [host.name, host.ip4], ...this.#names];
    await Deno.writeTextFile(`${folder}/hosts`, hosts.map(([name, ip]) => `${ip} ${name}\n`).join(""));
    await sh("ip", "netns", "add", ns);
    if (!ipv6) {
      for (const which of ["all", "default"]) {
        await sh("ip", "netns", "exec", ns, "sysctl", "-qw", `net.ipv6.conf.${which}.disable_ipv6=1`);
      }
    }
    await sh("ip", "-n", ns, "link", "set", "lo", "up");
  }
}

async function remove(ns: string): Promise<void> {
  await tryRun("ip", "netns", "del", ns);
  await Deno.remove(`/etc/netns/${ns}`, { recursive: true }).catch(() => {}); // never made: nothing to remove
}

function endAll(): void {
  Promise.allSettled([...open].map((lab) => lab[Symbol.asyncDispose]())).then(() => Deno.exit(130));
}

/** Removes namespaces whose test run is dead, with the programs still in them. */
async function sweep(): Promise<void> {
  const names = ((await tryRun("ip", "netns", "list")) ?? "").split("\n").map((line) => line.split(" ")[0]!);
  for (const ns of names) {
    const pid = new RegExp(`^${PREFIX}(\\d+)-\\d+-`).exec(ns)?.[1];
    if (!pid || (await exists(`/proc/${pid}`))) continue;
    for (const left of ((await tryRun("ip", "netns", "pids", ns)) ?? "").split("\n").filter(Boolean)) {
      await tryRun("kill", "-9", left);
    }
    await remove(ns);
  }
}

async function exists(path: string): Promise<boolean> {
  try {
    return Boolean(await Deno.stat(path));
  } catch {
    return false;
  }
}
