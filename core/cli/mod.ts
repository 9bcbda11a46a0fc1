/** The command line: what can be typed, what it says, how it ends. Floor 10. */
export { type Command, type CommandOf, kith, type Verb } from "./arguments.ts";
export { runCommand } from "./commands.ts";
export { type Fact, Report, type Terminal } from "./terminal.ts";
export { explain } from "./words.ts";
