/** What `kith name …` and `kith names …` do. */
import { accountId, CoreError, isError } from "../base/mod.ts";
import { ethAddress } from "../identity/mod.ts";
import { NameCache, NameClient, type NameRecord, readDaemonNames, serveNames } from "../names/mod.ts";
import { homeFolder, openHome, readWhole } from "../storage/mod.ts";
import { type AccountSetting, chosen, lockOf, openAccounts } from "./account_commands.ts";
import type { CommandOf, Verb } from "./arguments.ts";

export type NameCommand = CommandOf<Extract<Verb, `name ${string}` | `names ${string}`>>;

/** Runs one command and gives the exit code. @throws {CoreError} with what stopped it. */
export async function runName(command: NameCommand, setting: AccountSetting): Promise<number> {
  switch (command.verb) {
    case "name lookup":
      return await lookup(command, setting);
    case "name import":
      return await importNames(command, setting);
    case "name register":
      return await register(command, setting);
    case "names serve":
      return await serve(command, setting);
  }
}

/** Asks afresh: who looks by hand wants to know what is true now. Only a silent server is answered for from memory. */
async function lookup(command: CommandOf<"name lookup">, setting: AccountSetting): Promise<number> {
  const { word, server } = command, { env, report } = setting;
  const client = new NameClient({ server, clock: env.clock }), signal = report.terminal.ending;
  const id = /^(?:jami:\/*)?([0-9a-f]{40})$/i.exec(word)?.[1];
  report.progress(`asking ${client.server}`);
  let found: NameRecord | undefined, silent = "";
  try {
    found = id ? await client.reverse(accountId(id), { signal }) : await client.lookup(word, { signal });
  } catch (error) {
    if (!isError(error, "names/unreachable")) throw error;
    found = await remembered(client.server, id ? accountId(id) : word, command.home, setting);
    if (!found) throw error;
    silent = " (remembered; the server does not answer)";
  }
  if (!found) {
    report.remark({ event: "not-found", word }, id ? "This account has no name." : "Nobody has this name.");
    return 1;
  }
  const { name, jamiId, verified } = found;
  const doubt = silent || (verified ? "" : " (the server showed no proof)");
  report.tell(
    { event: "name", name, jamiId, verified, ...(silent && { remembered: true }) },
    `${name} is ${jamiId}${doubt}`,
  );
  return 0;
}

/** What was taken over from a daemon, if it is not too old. */
async function remembered(
  server: string,
  word: string,
  flag: string | undefined,
  { env, paths, cwd }: AccountSetting,
): Promise<NameRecord | undefined> {
  try {
    await using home = await openHome(homeFolder(flag, paths, cwd), { readOnly: true });
    const cache = new NameCache(home), wall = env.clock.wall();
    if (!/^[0-9a-f]{40}$/.test(word)) return cache.name(server, word.toLowerCase(), wall) ?? undefined;
    const name = cache.address(server, accountId(word), wall);
    return name ? { name, jamiId: accountId(word), verified: false } : undefined;
  } catch (error) {
    if (isError(error, "storage/")) return undefined; // there is no home, or nothing was ever remembered in it
    throw error;
  }
}

/** Unproven as they are, they only spare questions: whatever matters asks the server. */
async function importNames(
  { file, server, home: flag }: CommandOf<"name import">,
  { env, report, paths, cwd }: AccountSetting,
): Promise<number> {
  const bytes = await readWhole(file.startsWith("/") ? file : `${cwd}/${file}`);
  if (!bytes) throw new CoreError("cli/no-file", { path: file });
  const names = readDaemonNames(bytes);
  await using home = await openHome(homeFolder(flag, paths, cwd));
  const cache = new NameCache(home),
    wall = env.clock.wall(),
    { server: at } = new NameClient({ server, clock: env.clock });
  for (const { jamiId, name } of names) {
    cache.rememberName(at, name, { name, jamiId, verified: false }, wall);
    cache.rememberAddress(at, jamiId, name, wall);
  }
  report.tell({ event: "names-imported", names: names.length }, `${names.length} names taken over.`);
  return 0;
}

async function register(command: CommandOf<"name register">, setting: AccountSetting): Promise<number> {
  const { env, report } = setting;
  await using owned = new AsyncDisposableStack();
  const accounts = (await openAccounts(command.home, setting, false, owned))!;
  const record = chosen(accounts, command.account),
    client = new NameClient({ server: command.server, clock: env.clock });
  const name = command.name.toLowerCase(), signal = report.terminal.ending;
  const result = await accounts.withArchive(record.id, await lockOf(record, command, setting), (archive) => {
    report.progress(`registering ${name} at ${client.server}`);
    const eth = ethAddress(archive.ethKey);
    if (!eth) throw new CoreError("cli/no-eth-key");
    return client.register(name, archive.accountKey, eth, { signal });
  });
  if (result === "registered") accounts.rename(record.id, { registeredName: name });
  const sentence = {
    registered: `${name} is yours.`,
    taken: `${name} is taken, or the account has a name already.`,
    refused: `The server does not accept ${name}.`,
    "bad-signature": "The server does not accept the account's signature.",
  }[result];
  const fact = {
    event: result === "registered" ? "registered" : "not-registered",
    name,
    jamiId: record.jamiId,
    result,
  };
  if (result === "registered") report.tell(fact, sentence);
  else report.remark(fact, sentence);
  return result === "registered" ? 0 : 1;
}

async function serve(
  { home: flag, port, listen }: CommandOf<"names serve">,
  setting: AccountSetting,
): Promise<number> {
  const { env, report, paths, cwd } = setting, { ending } = report.terminal;
  await using home = await openHome(homeFolder(flag, paths, cwd));
  await using server = serveNames({ home, clock: env.clock, port, ip: listen });
  const { url, directory } = server;
  report.tell({ event: "serving", url, port: server.port, names: directory.size }, `Serving names at ${url}`);
  if (!ending.aborted) await new Promise((ended) => ending.addEventListener("abort", ended, { once: true }));
  return 0;
}
