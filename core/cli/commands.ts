/** From an understood command line to what it does. */
import type { Env } from "../base/mod.ts";
import type { PathEnvironment } from "../storage/mod.ts";
import { runAccount } from "./account_commands.ts";
import { accountWorld } from "./account_io.ts";
import { announceOnce } from "./account_online.ts";
import type { Command } from "./arguments.ts";
import { visit } from "./dht_commands.ts";
import { runName } from "./name_commands.ts";
import { node, start } from "./node_commands.ts";
import type { Report } from "./terminal.ts";

/** Runs `command` to its end and gives the exit code. @throws {CoreError} with what stopped it. */
export function runCommand(
  command: Command,
  env: Env,
  report: Report,
  paths: PathEnvironment,
  cwd: string,
): Promise<number> {
  const setting = { env, report, paths, cwd, world: accountWorld, announce: announceOnce };
  switch (command.verb) {
    case "start":
      return start(command, env, report, paths, cwd);
    case "dht node":
      return node(command, env, report);
    case "dht put":
    case "dht get":
    case "dht listen":
    case "dht info":
      return visit(command, env, report, report.terminal.ending);
    case "name lookup":
    case "name register":
    case "names serve":
      return runName(command, setting);
    default:
      return runAccount(command, setting);
  }
}
