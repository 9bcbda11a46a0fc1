/** The Jami daemon of 2023 (Debian's jamid) in a host of the lab, driven over a message bus of its own. */
import { Buffer } from "node:buffer";
import type { EventEmitter } from "node:events";
import * as dbus from "@jellybrick/dbus-next";
import { type JamiDaemon, SignalLog } from "./daemon.ts";
import type { Host } from "./lab.ts";

const NAME = "cx.ring.Ring",
  MANAGERS = ["ConfigurationManager", "PresenceManager", "CallManager"],
  START_MS = 20_000;
export const JAMID = "/usr/libexec/jamid";

type Methods = Record<string, (...args: unknown[]) => Promise<unknown>>;

export class Jamid23 implements JamiDaemon {
  readonly generation = "v23";
  private constructor(
    readonly host: Host,
    readonly folder: string,
    readonly signals: SignalLog,
    readonly managers: readonly Methods[],
  ) {}

  /** Starts bus and daemon, with what `prepare` put into its data folder. The host must be one without IPv6. */
  static async start(host: Host, prepare = (_dataFolder: string) => Promise.resolve()): Promise<Jamid23> {
    const folder = await host.lab.folder(), socket = `${folder}/bus`, signals = new SignalLog();
    for (const name of ["config", "data", "cache", "run"]) {
      await Deno.mkdir(`${folder}/${name}`, { mode: 0o700 });
    }
    await prepare(`${folder}/data`);
    await Deno.writeTextFile(`${folder}/bus.conf`, busConfig(socket));
    const busDaemon = ["--config-file=" + `${folder}/bus.conf`, "--nofork", "--nopidfile"];
    host.start("dbus-daemon", busDaemon, { name: `bus of ${host.name}` });
    await until("the bus to open", () => Deno.stat(socket).then(() => true, () => false));
    const bus = dbus.sessionBus({ busAddress: `unix:path=${socket}` });
    host.lab.own({ [Symbol.asyncDispose]: () => Promise.resolve(bus.disconnect()) });
    const events = bus as unknown as EventEmitter; // the package's types know only some of its events
    await new Promise<void>((connected, failed) => events.once("connect", connected).once("error", failed));
    events.on("error", () => {}); // the bus goes down with the lab
    events.on("message", ({ type, interface: from, member, body }: dbus.Message) => {
      if (type === dbus.MessageType.SIGNAL && from?.startsWith(NAME)) signals.add(member!, body);
    });
    await askBus(bus, "AddMatch", "type='signal'");
    const env = {
      LANG: "C.UTF-8",
      HOME: folder,
      XDG_CONFIG_HOME: `${folder}/config`,
      XDG_DATA_HOME: `${folder}/data`,
      XDG_CACHE_HOME: `${folder}/cache`,
      XDG_RUNTIME_DIR: `${folder}/run`,
      DBUS_SESSION_BUS_ADDRESS: `unix:path=${socket}`,
      NO_COLOR: "1",
    };
    const named = ["--uts", "sh", "-c", 'hostname "$0"; exec "$@"', `${host.name}-host`];
    host.start("unshare", [...named, JAMID, "-p", "-c"], { env, cwd: folder, name: `jamid on ${host.name}` });
    await until("the daemon to appear", async () => (await askBus(bus, "NameHasOwner", NAME))[0] === true);
    const proxies = await proxiesOf(bus);
    return new Jamid23(host, folder, signals, proxies);
  }

  async call(method: string, ...args: unknown[]): Promise<unknown> {
    const manager = this.managers.find((methods) => method in methods);
    if (!manager) throw new TypeError(`jamid has no ${method}`);
    return await manager[method]!(...args.map((arg) => arg instanceof Uint8Array ? Buffer.from(arg) : arg));
  }

  accountFolder(account: string): string {
    return `${this.folder}/data/jami/${account}`;
  }
}

async function askBus(bus: dbus.MessageBus, member: string, argument: string): Promise<unknown[]> {
  const service = "org.freedesktop.DBus", path = "/org/freedesktop/DBus";
  const target = { destination: service, path, interface: service, member, signature: "s", body: [argument] };
  return (await bus.call(new dbus.Message(target)))?.body ?? [];
}

async function proxiesOf(bus: dbus.MessageBus): Promise<Methods[]> {
  const proxies = await Promise.all(MANAGERS.map(async (manager) => {
    const object = await bus.getProxyObject(NAME, `/cx/ring/Ring/${manager}`);
    return object.getInterface(`${NAME}.${manager}`) as unknown as Methods;
  }));
  await proxies[0]!.getAccountList!();
  return proxies;
}

async function until<T>(what: string, look: () => Promise<T | undefined | false>): Promise<T> {
  for (const end = performance.now() + START_MS;;) {
    const found = await look();
    if (found) return found;
    if (performance.now() > end) throw new Error(`waited ${START_MS} ms for ${what}`);
    await new Promise((done) => setTimeout(done, 50));
  }
}

const busConfig = (socket: string) =>
  `<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type>
  <listen>unix:path=${socket}</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/>
  </policy>
  <limit name="max_incoming_bytes">1000000000</limit>
  <limit name="max_outgoing_bytes">1000000000</limit>
  <limit name="max_message_size">1000000000</limit>
</busconfig>
`;
