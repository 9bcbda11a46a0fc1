/** What `kith dht put|get|listen|info` do: join as a visitor, do one thing, tell it, leave. */
import {
  type Clock,
  CoreError,
  type Env,
  formatEndpoint,
  infoHash,
  isError,
  isIp,
  type NamedNet,
  text,
  utf8,
} from "../base/mod.ts";
import { sha1 } from "../crypto/mod.ts";
import {
  Dht,
  FIELD,
  makeValue,
  parseHost,
  parseQuery,
  type Query,
  type Row,
  type Value,
} from "../dht/mod.ts";
import type { CommandOf } from "./arguments.ts";
import { formatHostPort, type HostPort } from "./host_port.ts";
import { DEFAULTS, LIMITS } from "./limits.ts";
import type { Report } from "./terminal.ts";

export type Visit = CommandOf<"dht put" | "dht get" | "dht listen" | "dht info">;
type Visitor = { bootstrap: readonly HostPort[]; network: number; timeout: number };

/** 40 hex digits are a key; any other text has one: its SHA-1. @throws {CoreError} `cli/key` for "". */
export function keyOf(typed: string): string {
  if (!typed) throw new CoreError("cli/key");
  return /^[0-9a-fA-F]{40}$/.test(typed) ? infoHash(typed) : sha1(utf8(typed)).toHex();
}

/** Runs one visit. Gives the exit code. @throws {CoreError} with what stopped it. */
export async function visit(command: Visit, env: Env, report: Report, ending: AbortSignal): Promise<number> {
  const query = "query" in command && command.query !== undefined ? parseQuery(command.query) : undefined;
  const key = "key" in command ? keyOf(command.key) : "";
  const value = command.verb === "dht put" ? valueOf(command) : undefined;
  let joined: Dht;
  try {
    joined = await join(command, env, report, ending);
  } catch (error) {
    if (ending.aborted) return INTERRUPTED;
    throw error;
  }
  await using dht = joined;
  switch (command.verb) {
    case "dht put":
      return await put(dht, key, value!, command, env, report, ending);
    case "dht get":
      return await get(dht, key, query, command, env, report, ending);
    case "dht listen":
      return await listen(dht, key, query, report, ending);
    case "dht info":
      return await info(dht, env, report, ending);
  }
}

/** The hosts to join at: those given, or the public network's. */
export const hostsOf = (given: readonly HostPort[]): readonly string[] =>
  given.length ? given.map(formatHostPort) : [DEFAULTS.bootstrap];

/** Joins as a visitor on any port. @throws {CoreError} `cli/unreachable`, `cli/unknown-host`. */
async function join(visitor: Visitor, env: Env, report: Report, ending: AbortSignal): Promise<Dht> {
  const { network, timeout: seconds } = visitor, names = hostsOf(visitor.bootstrap), hosts = names.join(", ");
  report.progress(`Joining the network at ${hosts} …`);
  const bootstrap = await addressesOf(names, env);
  if (!bootstrap.length) throw new CoreError("cli/unknown-host", { hosts });
  await using opened = new AsyncDisposableStack();
  const dht = opened.use(await Dht.open(env, { network, client: true, bootstrap }));
  using limit = deadline(env.clock, 1000 * seconds, ending);
  try {
    await dht.connected(limit.signal);
  } catch (cause) {
    throw limit.passed ? new CoreError("cli/unreachable", { hosts, seconds }, { cause }) : cause;
  }
  opened.move();
  return dht;
}

/** Every address of every host, those without one left out: a visitor does not try a name again. */
async function addressesOf(
  names: readonly string[],
  env: Env & { net: Partial<NamedNet> },
): Promise<string[]> {
  const found = await Promise.all(names.map(async (name) => {
    const { host, port } = parseHost(name);
    try {
      const ips = isIp(host) ? [host] : await env.net.resolve?.(host) ?? [];
      return ips.map((ip) => formatEndpoint({ ip, port }));
    } catch (error) {
      if (isError(error, "net/unknown-host")) return [];
      throw error;
    }
  }));
  return found.flat();
}

async function put(
  dht: Dht,
  key: string,
  value: Value,
  command: CommandOf<"dht put">,
  env: Env,
  report: Report,
  ending: AbortSignal,
): Promise<number> {
  report.progress("Storing …");
  using limit = deadline(env.clock, 1000 * command.timeout, ending);
  using until = deadline(env.clock, Infinity, ending);
  const { permanent } = command;
  let done;
  try {
    done = await dht.put(key, value, { permanent, signal: permanent ? until.signal : limit.signal });
  } catch (error) {
    if (ending.aborted) return INTERRUPTED;
    if (limit.passed) throw new CoreError("cli/not-stored", { seconds: command.timeout }, { cause: error });
    throw error;
  }
  const { id, nodes } = done;
  report.tell(
    { event: "stored", key, id, nodes },
    `Stored under ${key} as value ${id}; ${count(nodes, "node")} confirmed.`,
  );
  if (!permanent) return 0;
  report.remark({ event: "keeping", key, id }, "Keeping it alive until you end this command (Ctrl+C).");
  await aborted(ending);
  return 0;
}

async function get(
  dht: Dht,
  key: string,
  query: Query | undefined,
  command: CommandOf<"dht get">,
  env: Env,
  report: Report,
  ending: AbortSignal,
): Promise<number> {
  report.progress("Looking …");
  using limit = deadline(env.clock, 1000 * command.timeout, ending);
  const { signal } = limit;
  let found = 0;
  try {
    if (query?.select.length) {
      for await (const row of dht.query(key, query, { signal })) found++, tellRow(report, key, row);
    } else {
      for await (const value of dht.get(key, { query, signal })) found++, tellValue(report, key, value);
    }
  } catch (error) {
    if (ending.aborted) return INTERRUPTED;
    if (!limit.passed) throw error;
    report.remark({ event: "timeout" }, `Stopped looking after ${command.timeout} s.`);
  }
  report.tell({ event: "done", key, values: found }, found ? undefined : `Nothing is stored under ${key}.`);
  return found ? 0 : 1;
}

async function listen(
  dht: Dht,
  key: string,
  query: Query | undefined,
  report: Report,
  ending: AbortSignal,
): Promise<number> {
  report.remark({ event: "listening", key }, `Listening at ${key} until you end this command (Ctrl+C).`);
  try {
    for await (const { type, value } of dht.listen(key, { query, signal: ending })) {
      if (type === "value") tellValue(report, key, value);
      else report.tell({ event: "expired", key, id: value.id }, `gone: value ${value.id}`);
    }
  } catch (error) {
    if (!ending.aborted) throw error;
  }
  return 0;
}

const COLUMNS: Readonly<Record<number, string>> = {
  [FIELD.id]: "id",
  [FIELD.type]: "type",
  [FIELD.owner]: "owner",
  [FIELD.seq]: "seq",
  [FIELD.userType]: "userType",
};

function tellRow(report: Report, key: string, { fields, cells }: Row): void {
  const shown = fields.map((field, i): [string, unknown] => {
    const cell = cells[i]!;
    return [
      COLUMNS[field]!,
      field === FIELD.userType && cell instanceof Uint8Array ? text(cell) ?? cell : cell,
    ];
  });
  const words = shown.map(([name, cell]) => `${name} ${cell instanceof Uint8Array ? cell.toHex() : cell}`)
    .join(", ");
  report.tell({ event: "row", key, ...Object.fromEntries(shown) }, words);
}

async function info(dht: Dht, env: Env, report: Report, ending: AbortSignal): Promise<number> {
  report.progress("Looking around …");
  using limit = deadline(env.clock, LIMITS.lookAround, ending);
  try {
    await collect(dht.get(dht.id, { signal: limit.signal })); // asks for our neighbours
  } catch (error) {
    if (ending.aborted) return INTERRUPTED;
    if (!limit.passed) throw error;
  }
  const told = dht.info(), { ipv4, ipv6, publicAddresses, claimedAddresses } = told;
  const family = (name: string, of: typeof ipv4) =>
    of && `${name}: ${of.status}, ${count(of.good, "node")} answered, ${of.known} known`;
  const seen = publicAddresses.length ? publicAddresses : claimedAddresses.map(({ ip }) => ip);
  const doubt = publicAddresses.length ? "" : " (confirmed by too few)";
  const lines = [
    `Network ${told.network}: ${told.status}`,
    family("IPv4", ipv4),
    family("IPv6", ipv6),
    seen.length ? `Others see us as ${seen.join(", ")}${doubt}` : "Nobody told how others see us",
  ];
  report.tell({ event: "info", ...told }, lines.filter((line) => line !== undefined).join("\n"));
  return 0;
}

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}

function tellValue(report: Report, key: string, value: Value): void {
  const { id, type, userType, data, seq } = value,
    words = text(data),
    owner = value.owner && sha1(value.owner);
  const fact = {
    ...{ event: "value", key, id, type, userType, data },
    ...(words !== undefined && !value.encrypted && { text: words }),
    ...(owner && { owner, seq }),
    ...(value.encrypted && { encrypted: true }),
  };
  const facts = [
    `value ${id}`,
    ...(type ? [`type ${type}`] : []),
    ...(userType ? [userType] : []),
    ...(owner ? [`signed by ${owner.toHex()}, version ${seq}`] : []),
  ];
  const shown = value.encrypted
    ? `(encrypted, ${value.encrypted.length} bytes)`
    : words !== undefined && isPrintable(words)
    ? words
    : `0x${data.toHex()}`;
  report.tell(fact, `${shown}    (${facts.join(", ")})`);
}

/** What may go to a terminal as it is: no control characters but line ends and tabs. */
const isPrintable = (words: string): boolean =>
  !/[\p{Cc}\p{Cf}\p{Co}\p{Cn}]/u.test(words.replace(/[\n\t]/g, ""));
const count = (n: number, noun: string): string => `${n} ${noun}${n === 1 ? "" : "s"}`;

function valueOf(command: CommandOf<"dht put">): Value {
  const data = utf8(command.text),
    { id = 0n, type, userType } = command,
    size = data.length + utf8(userType).length;
  if (size > LIMITS.textBytes) throw new CoreError("cli/text-size", { size, limit: LIMITS.textBytes });
  return makeValue({ id, type, userType, data });
}

/** Exit code of a command that was ended before it was done: 128 + SIGINT, as shells have it. */
export const INTERRUPTED = 130;

/** Resolves when `signal` is aborted. */
export function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((done) =>
    signal.aborted ? done() : signal.addEventListener("abort", () => done(), { once: true })
  );
}

/** A signal that is aborted after `ms`, or with `parent`. Dispose it, or its alarm stays. */
export function deadline(
  clock: Clock,
  ms: number,
  parent: AbortSignal,
): Disposable & { readonly signal: AbortSignal; readonly passed: boolean } {
  const own = new AbortController();
  const alarm = ms === Infinity ? undefined : clock.at(clock.now() + ms, () => own.abort());
  return {
    signal: AbortSignal.any([own.signal, parent]),
    get passed() {
      return own.signal.aborted;
    },
    [Symbol.dispose]: () => alarm?.[Symbol.dispose](),
  };
}
