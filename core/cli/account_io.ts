/** What accounts need of the world: passwords from a terminal, files of the user's choice, the name of this computer. */
import { confirm, isCancel, password as askPassword } from "@clack/prompts";
import { CoreError, text } from "../base/mod.ts";
import { readWhole, writeWhole } from "../storage/mod.ts";
import { ACCOUNT_LIMITS } from "./limits.ts";

/** The user's side of an account command. A test hands in another one. */
export interface AccountWorld {
  /** Somebody can be asked. */
  readonly interactive: boolean;
  /** Asks without showing what is typed. @throws {CoreError} `cli/cancelled`. */
  askPassword(question: string): Promise<string>;
  /** @throws {CoreError} `cli/cancelled`. */
  confirm(question: string): Promise<boolean>;
  /** @throws {CoreError} `cli/no-file`, `storage/file-size`. */
  readFile(path: string): Promise<Uint8Array>;
  /** @throws {CoreError} `cli/file-exists` unless `force`; as `writeWhole`. */
  writeFile(path: string, bytes: Uint8Array, force: boolean): Promise<void>;
  hostName(): string;
}

export const accountWorld: AccountWorld = {
  get interactive() {
    return Deno.stdin.isTerminal() && Deno.stderr.isTerminal();
  },
  async askPassword(question) {
    const answer = await askPassword({ message: question, mask: "•" });
    if (isCancel(answer)) throw new CoreError("cli/cancelled");
    return answer ?? "";
  },
  async confirm(question) {
    const answer = await confirm({ message: question, initialValue: false });
    if (isCancel(answer)) throw new CoreError("cli/cancelled");
    return answer;
  },
  async readFile(path) {
    const bytes = await readWhole(path, ACCOUNT_LIMITS.archiveBytes);
    if (!bytes) throw new CoreError("cli/no-file", { path });
    return bytes;
  },
  async writeFile(path, bytes, force) {
    if (!force && await exists(path)) throw new CoreError("cli/file-exists", { path });
    await writeWhole(path, bytes);
  },
  hostName: () => Deno.hostname(),
};

/** First line of a password file. @throws {CoreError} `cli/no-file`, `cli/password-file`. */
export async function passwordFrom(world: AccountWorld, path: string): Promise<string> {
  const bytes = await world.readFile(path);
  const line = bytes.length <= ACCOUNT_LIMITS.passwordFileBytes
    ? text(bytes)?.split(/\r?\n/, 1)[0]
    : undefined;
  if (line === undefined) throw new CoreError("cli/password-file", { path });
  return line;
}

async function exists(path: string): Promise<boolean> {
  try {
    await Deno.lstat(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
