/** What `kith start` and `kith dht node` do: run until the user has had enough, keep state across restarts. */
import { CoreError, DecodeError, type Env } from "../base/mod.ts";
import { Dht, type DhtOptions } from "../dht/mod.ts";
import type { NodeEnv } from "../node/mod.ts";
import { homeFolder, openHome, type PathEnvironment, readWhole, writeWhole } from "../storage/mod.ts";
import type { CommandOf } from "./arguments.ts";
import { aborted, hostsOf } from "./dht_commands.ts";
import { runAccounts } from "./home_node.ts";
import { LIMITS } from "./limits.ts";
import type { Report } from "./terminal.ts";

const STATE = "dht.state"; // in the home's files

/** Where state is kept between two runs. */
interface Keep {
  /** The file the user named: then it must be one of ours, or we do not touch it. */
  readonly named?: string;
  read(): Promise<Uint8Array | undefined>;
  write(bytes: Uint8Array): Promise<void>;
}
interface Running {
  readonly port: number;
  readonly network: number;
  readonly bootstrap: readonly string[];
  readonly keep: Keep | undefined;
  /** Brings accounts on line. */
  readonly accounts?: (dht: Dht) => Promise<AsyncDisposable>;
}

/** Runs the node of the home folder. @throws {CoreError} `storage/…`, `net/port-in-use`, `net/bind`. */
export async function start(
  command: CommandOf<"start">,
  env: NodeEnv,
  report: Report,
  paths: PathEnvironment,
  cwd: string,
): Promise<number> {
  const folder = homeFolder(command.home, paths, cwd);
  await using home = await openHome(folder);
  report.remark({ event: "home", folder }, `Everything is kept in ${folder}.`);
  const keep: Keep = {
    read: () => home.files.read(STATE),
    write: (bytes) => home.files.write(STATE, bytes),
  };
  const accounts = (dht: Dht) => runAccounts(dht, home, env, report);
  return await run({ ...command, bootstrap: hostsOf(command.bootstrap), keep, accounts }, env, report);
}

/** Runs a DHT node. @throws {CoreError} `net/port-in-use`, `net/bind`, `dht/state`, `storage/…`. */
export async function node(command: CommandOf<"dht node">, env: Env, report: Report): Promise<number> {
  const { state, first } = command;
  const keep = state === undefined ? undefined : {
    named: state,
    read: () => readWhole(state),
    write: (bytes: Uint8Array) => writeWhole(state, bytes),
  };
  return await run({ ...command, bootstrap: first ? [] : hostsOf(command.bootstrap), keep }, env, report);
}

async function run(running: Running, env: Env, report: Report): Promise<number> {
  const { port, network, bootstrap, keep, accounts } = running;
  const { ending } = report.terminal, state = await keep?.read();
  await using dht = await open({ port, network, bootstrap, state }, keep, env, report);
  const { id, local } = dht;
  report.tell(
    { event: "ready", id, port: local.port, network },
    `DHT node ${id} listens on UDP port ${local.port}${
      network ? `, network ${network}` : ""
    }. Ctrl+C ends it.`,
  );
  if (bootstrap.length) {
    report.remark({ event: "joining", hosts: bootstrap }, `Joining the network at ${bootstrap.join(", ")} …`);
  }
  using _watching = dht.onEvent((event) => {
    if (event.type !== "status") return;
    const { good: v4 = 0 } = dht.info().ipv4 ?? {}, { good: v6 = 0 } = dht.info().ipv6 ?? {};
    report.tell({ event: "status", status: event.status, good4: v4, good6: v6 }, STATUS[event.status]);
  });
  await using _accounts = await accounts?.(dht);
  using _saving = keep && every(env, LIMITS.saveEvery, () => save(dht, keep, env));
  await Promise.race([aborted(ending), dht.done]);
  const saved = keep ? await save(dht, keep, env) : false;
  report.tell({ event: "stopped", saved }, saved ? "Stopped; nodes and values are saved." : "Stopped.");
  return 0;
}

const STATUS = {
  connected: "Connected to the network.",
  connecting: "Connecting …",
  disconnected: "No connection to the network; trying again by itself.",
} as const;

/** An unreadable state of our own stops nobody from joining: the node starts afresh and says so. */
async function open(options: DhtOptions, keep: Keep | undefined, env: Env, report: Report): Promise<Dht> {
  try {
    return await Dht.open(env, options);
  } catch (cause) {
    if (!options.state || !(cause instanceof DecodeError)) throw cause;
    if (keep?.named) throw new CoreError("cli/state", { path: keep.named }, { cause });
    report.remark({ event: "state-unreadable" }, "The saved state cannot be read; starting without it.");
    return await Dht.open(env, { ...options, state: undefined });
  }
}

async function save(dht: Dht, keep: Keep, env: Env): Promise<boolean> {
  try {
    await keep.write(dht.exportState());
    return true;
  } catch (error) {
    env.log.error("saving the state failed", { error });
    return false;
  }
}

/** Runs `work` every `ms` until disposed; a run that still goes on is not joined by another. */
function every(env: Env, ms: number, work: () => Promise<unknown>): Disposable {
  let alarm: Disposable | undefined, stopped = false;
  const next = () => {
    alarm = env.clock.at(env.clock.now() + ms, () =>
      work().finally(() => {
        if (!stopped) next();
      }));
  };
  next();
  return {
    [Symbol.dispose]() {
      stopped = true;
      alarm?.[Symbol.dispose]();
    },
  };
}
