/** The program `kith`: reads its arguments, runs one command in the real world, ends with its exit code. */
import { runSync } from "@optique/run";
import denoJson from "../../deno.json" with { type: "json" };
import { LogBook, parseLogLevels, realClock, realRandom } from "../base/mod.ts";
import { realStreamNet } from "../net/mod.ts";
import type { NodeEnv } from "../node/mod.ts";
import { type Command, kith } from "./arguments.ts";
import { runCommand } from "./commands.ts";
import { Report } from "./terminal.ts";
import { ProcessTerminal } from "./terminal_io.ts";
import { explain } from "./words.ts";

const WRONG_ARGUMENTS = 2;

/** Runs `kith ARGS…` and gives the exit code. Help, version and wrong arguments end the process at once. */
export async function main(args: readonly string[]): Promise<number> {
  const command = understand(args);
  using terminal = new ProcessTerminal();
  const report = new Report(terminal, command.json);
  try {
    const log = Deno.env.get("LOG");
    const levels = parseLogLevels(log ?? "");
    const book = new LogBook({ levels, json: command.json, write: (line) => terminal.note(line) });
    const env: NodeEnv = {
      clock: realClock,
      random: realRandom,
      net: realStreamNet,
      log: book.log,
    };
    const { KITH_HOME, XDG_DATA_HOME, HOME } = Deno.env.toObject();
    return await runCommand(command, env, report, { KITH_HOME, XDG_DATA_HOME, HOME }, Deno.cwd());
  } catch (error) {
    const { code, sentence } = explain(error);
    report.fail(code, sentence);
    return 1;
  }
}

function understand(args: readonly string[]): Command {
  const words = args.slice(0, args.findIndex((arg) => !/^[a-z]+$/.test(arg)) >>> 0);
  return runSync(kith, {
    programName: "kith",
    args,
    help: "both",
    version: { value: denoJson.version, option: true },
    aboveError: "none",
    errorExitCode: WRONG_ARGUMENTS,
    stderr: (text) => console.error(`${text.trim().replace(/\s*\n\s*/g, " ")} See: ${helpFor(words, text)}`),
    onExit: (code) => Deno.exit(code),
  });
}

/** The help that covers as much of what was typed as was understood. */
function helpFor(words: readonly string[], error: string): string {
  const wrong = words.findIndex((word) => error.includes(`\`${word}\``)),
    deepest = ["start", "send", "log", "search", "status"].includes(words[0] ?? "") ? 1 : 2;
  return ["kith", ...words.slice(0, Math.min(wrong < 0 ? deepest : wrong, deepest)), "--help"].join(" ");
}

if (import.meta.main) Deno.exit(await main(Deno.args));
