/** What `kith account …` does. Facts go to the report, secrets never do. */
import { CoreError, type Env, isError } from "../base/mod.ts";
import { type AccountRecord, Accounts, type Lock, type NewDevice, type Progress } from "../identity/mod.ts";
import { type Home, homeFolder, openHome, type PathEnvironment } from "../storage/mod.ts";
import { type AccountWorld, passwordFrom } from "./account_io.ts";
import type { Announce } from "./account_online.ts";
import type { CommandOf, Verb } from "./arguments.ts";
import type { Report } from "./terminal.ts";

export type AccountCommand = CommandOf<Extract<Verb, `account ${string}`>>;

/** What a command gets beside its arguments. */
export interface AccountSetting {
  readonly env: Env;
  readonly report: Report;
  readonly paths: PathEnvironment;
  readonly cwd: string;
  readonly world: AccountWorld;
  readonly announce: Announce;
}

/** Runs one command and gives the exit code. @throws {CoreError} with what stopped it. */
export async function runAccount(command: AccountCommand, setting: AccountSetting): Promise<number> {
  const looking = command.verb === "account list" || command.verb === "account show";
  await using owned = new AsyncDisposableStack();
  const accounts = await openAccounts(command.home, setting, looking, owned);
  if (!accounts) return tellAll([], setting.report, command.verb);
  switch (command.verb) {
    case "account create":
      return await create(command, accounts, setting);
    case "account import":
      return await bring(command, accounts, setting);
    case "account export":
      return await save(command, accounts, setting);
    case "account list":
      return tellAll(accounts.list(), setting.report, command.verb);
    case "account show":
      return tell(chosen(accounts, command.account), setting.report), 0;
    case "account password":
      return await change(command, accounts, setting);
    case "account delete":
      return await remove(command, accounts, setting);
  }
}

/** The home's accounts; `undefined` if we only look and there is nothing yet. `owned` closes the home. */
export async function openAccounts(
  flag: string | undefined,
  { env, paths, cwd }: Pick<AccountSetting, "env" | "paths" | "cwd">,
  readOnly: boolean,
  owned: AsyncDisposableStack,
): Promise<Accounts | undefined> {
  try {
    const home: Home = owned.use(await openHome(homeFolder(flag, paths, cwd), { readOnly }));
    return Accounts.open(home, env);
  } catch (error) {
    if (readOnly && isError(error, "storage/no-home")) return undefined;
    throw error;
  }
}

/** The account meant, or the only one. @throws {CoreError} `cli/which-account`, `cli/no-account`, `identity/unknown-account`. */
export function chosen(accounts: Accounts, word: string | undefined): AccountRecord {
  if (word !== undefined) return accounts.find(word);
  const all = accounts.list();
  if (all.length > 1) throw new CoreError("cli/which-account", { count: all.length });
  if (!all[0]) throw new CoreError("cli/no-account");
  return all[0];
}

type Passwords = { readonly password?: string | undefined; readonly passwordFile?: string | undefined };

/** The password that was given, if one was. @throws {CoreError} `cli/two-passwords`, `cli/no-file`. */
export async function givenPassword(
  { password, passwordFile }: Passwords,
  world: AccountWorld,
): Promise<string | undefined> {
  if (password !== undefined && passwordFile !== undefined) throw new CoreError("cli/two-passwords");
  return passwordFile === undefined ? password : await passwordFrom(world, passwordFile);
}

/** What opens an account's archive: nothing, what was given, or what the person types. @throws {CoreError} `cli/password-needed`. */
export async function lockOf(
  { hasPassword }: Pick<AccountRecord, "hasPassword">,
  given: Passwords,
  { world, report }: Pick<AccountSetting, "world" | "report">,
): Promise<Lock> {
  const password = await givenPassword(given, world);
  if (password !== undefined || !hasPassword) return { password: password ?? "" };
  if (report.json || !world.interactive) throw new CoreError("cli/password-needed");
  return { password: await world.askPassword("Password of the account") };
}

/** Asks twice, because a slip would lock the person out. @throws {CoreError} `cli/passwords-differ`. */
async function newPassword(world: AccountWorld, question: string): Promise<string> {
  const password = await world.askPassword(question);
  if (password && password !== await world.askPassword("Once more")) {
    throw new CoreError("cli/passwords-differ");
  }
  return password;
}

async function create(command: CommandOf<"account create">, accounts: Accounts, setting: AccountSetting) {
  const { world, report } = setting, given = await givenPassword(command, world);
  const asked = given === undefined && world.interactive && !report.json
    ? await newPassword(world, "Password to protect the account (empty: none)")
    : given ?? "";
  const record = await accounts.create(newDevice(command, setting), asked);
  return await welcome(record, command, accounts, setting);
}

async function bring(command: CommandOf<"account import">, accounts: Accounts, setting: AccountSetting) {
  const { world, report } = setting, file = await world.readFile(command.file);
  const given = await givenPassword(command, world), device = newDevice(command, setting);
  let record: AccountRecord;
  try {
    record = await accounts.import(file, device, { password: given ?? "" });
  } catch (error) {
    const ask = isError(error, "identity/archive-locked") && given === undefined;
    if (!ask) throw error;
    record = await accounts.import(
      file,
      device,
      await lockOf({ hasPassword: true }, command, { world, report }),
    );
  }
  return await welcome(record, command, accounts, setting);
}

type Online = CommandOf<"account create" | "account import">;

function newDevice(command: Online, { world, report }: AccountSetting): NewDevice {
  return {
    deviceName: command.device ?? world.hostName(),
    ...(command.name !== undefined && { displayName: command.name }),
    signal: report.terminal.ending,
    onProgress: (progress) => report.progress(progressSentence(progress)),
  };
}

const progressSentence = (progress: Progress): string =>
  progress.step === "keys"
    ? `making keys: ${progress.done} of ${progress.of}`
    : { unlocking: "opening the archive", signing: "signing", storing: "storing" }[progress.step];

/** Tells the new account; unless off line, shows it to the network once. That failing loses nothing. */
async function welcome(record: AccountRecord, command: Online, accounts: Accounts, setting: AccountSetting) {
  const { report } = setting;
  tell(record, report);
  if (command.offline) return 0;
  report.progress("announcing the device");
  try {
    const { nodes } = await setting.announce(
      await accounts.load(record.id),
      command,
      setting.env,
      report.terminal.ending,
    );
    report.tell({ event: "announced", id: record.id, nodes }, `Announced on the network (${nodes} nodes).`);
  } catch (error) {
    if (!(error instanceof CoreError)) throw error;
    const { code } = error;
    report.remark(
      { event: "not-announced", id: record.id, code },
      `Not announced yet (${code}); that happens when the node runs.`,
    );
  }
  return 0;
}

async function save(command: CommandOf<"account export">, accounts: Accounts, setting: AccountSetting) {
  const { world, report } = setting, record = chosen(accounts, command.account);
  const bytes = await accounts.export(record.id, await lockOf(record, command, setting));
  await world.writeFile(command.file, bytes, command.force);
  const { id, jamiId, hasPassword } = record, { file } = command;
  const warning = hasPassword ? "" : " It has no password: whoever reads it has the account.";
  report.tell(
    { event: "exported", id, jamiId, file, bytes: bytes.length, hasPassword },
    `Written to ${file}.${warning}`,
  );
  return 0;
}

async function change(command: CommandOf<"account password">, accounts: Accounts, setting: AccountSetting) {
  const { world, report } = setting, record = chosen(accounts, command.account);
  const old = await lockOf(record, command, setting);
  let next = await givenPassword({ password: command.next, passwordFile: command.nextFile }, world);
  if (next === undefined) {
    if (report.json || !world.interactive) throw new CoreError("cli/new-password-needed");
    next = await newPassword(world, "New password (empty: none)");
  }
  await accounts.changePassword(record.id, old, next);
  const hasPassword = next !== "", { id, jamiId } = record;
  report.tell(
    { event: "password", id, jamiId, hasPassword },
    hasPassword ? "The password is changed." : "There is no password any more.",
  );
  return 0;
}

async function remove(command: CommandOf<"account delete">, accounts: Accounts, setting: AccountSetting) {
  const { world, report } = setting, record = chosen(accounts, command.account), { id, jamiId } = record;
  if (!command.yes) {
    if (report.json || !world.interactive) throw new CoreError("cli/yes-needed");
    if (!await world.confirm(`Delete ${titleOf(record)}? Without an exported archive it is gone for ever.`)) {
      return 1;
    }
  }
  accounts.remove(id);
  report.tell({ event: "deleted", id, jamiId }, `Deleted ${titleOf(record)}.`);
  return 0;
}

function tellAll(records: readonly AccountRecord[], report: Report, verb: AccountCommand["verb"]): number {
  if (verb === "account show") throw new CoreError("cli/no-account");
  for (const record of records) tell(record, report);
  if (!records.length && !report.json) {
    report.terminal.note("No account yet; make one with: kith account create --name NAME");
  }
  return 0;
}

const titleOf = ({ displayName, jamiId }: AccountRecord) =>
  displayName ? `${displayName} (${jamiId})` : jamiId;

function tell(record: AccountRecord, report: Report): void {
  const { id, jamiId, deviceId, displayName, deviceName, registeredName, hasPassword, created } = record;
  const lines = [
    titleOf(record),
    ...(registeredName ? [`  name      ${registeredName}`] : []),
    `  Jami id   ${jamiId}`,
    `  device    ${deviceName} ${deviceId}`,
    `  password  ${hasPassword ? "yes" : "no"}`,
    `  local id  ${id}`,
  ];
  const fact = { id, jamiId, deviceId, displayName, deviceName, registeredName, hasPassword };
  report.tell({ event: "account", ...fact, created: new Date(created).toISOString() }, lines.join("\n"));
}
