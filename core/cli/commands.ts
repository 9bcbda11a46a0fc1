/** From an understood command line to what it does. */
import type { NodeEnv } from "../node/mod.ts";
import type { PathEnvironment } from "../storage/mod.ts";
import { runAccount } from "./account_commands.ts";
import { accountWorld } from "./account_io.ts";
import { announceOnce } from "./account_online.ts";
import type { Command } from "./arguments.ts";
import { type ContactCommand, runContact } from "./contact_commands.ts";
import { type ConversationCommand, runConversation } from "./conversation_commands.ts";
import { visit } from "./dht_commands.ts";
import { runName } from "./name_commands.ts";
import { node, start } from "./node_commands.ts";
import { runPeer } from "./peer_commands.ts";
import { runTalk } from "./talk_commands.ts";
import type { Report } from "./terminal.ts";

/** Runs `command` to its end and gives the exit code. @throws {CoreError} with what stopped it. */
export function runCommand(
  command: Command,
  env: NodeEnv,
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
    case "name import":
    case "name lookup":
    case "name register":
    case "names serve":
      return runName(command, setting);
    case "peer connect":
    case "peer list":
      return runPeer(command, setting);
    case "send":
    case "log":
    case "search":
    case "status":
      return runTalk(command, setting);
  }
  if (isContact(command)) return runContact(command, setting);
  return isConversation(command) ? runConversation(command, setting) : runAccount(command, setting);
}

const isContact = (command: Command): command is ContactCommand => command.verb.startsWith("contact ");
const isConversation = (command: Command): command is ConversationCommand =>
  command.verb.startsWith("conversation ");
