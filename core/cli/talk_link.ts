/** How a command talks to the running node: one question after the other, names looked up where the node knows none. */
import { CoreError, isError } from "../base/mod.ts";
import { NameClient } from "../names/mod.ts";
import { ControlClient } from "../node/mod.ts";
import { homeFolder } from "../storage/mod.ts";
import type { AccountSetting } from "./account_commands.ts";

export type TalkSetting = Pick<AccountSetting, "env" | "report" | "paths" | "cwd">;
type Fields = Readonly<Record<string, unknown>>;
export type Reply = Readonly<Record<string, unknown>>;

const NAME = /^[a-z0-9_-]{3,32}(@.+)?$/i, DIGITS = /^[0-9a-f]{4,40}$/i;

/** One open line to the node. */
export class TalkLink implements Disposable {
  private constructor(
    readonly client: ControlClient,
    readonly folder: string,
    readonly account: string | undefined,
    readonly setting: TalkSetting,
  ) {}

  /** @throws {CoreError} `node/not-running`, `node/control`, `storage/no-home-folder`. */
  static async open(
    wish: { readonly home?: string | undefined; readonly account?: string | undefined },
    setting: TalkSetting,
  ): Promise<TalkLink> {
    const folder = homeFolder(wish.home, setting.paths, setting.cwd);
    return new TalkLink(await ControlClient.connect(folder), folder, wish.account, setting);
  }

  /** Asks about the account that was meant. @throws {CoreError} what the node says. */
  ask(verb: string, fields: Fields = {}): Promise<Reply> {
    return this.client.ask(verb, { ...fields, ...(this.account !== undefined && { account: this.account }) });
  }

  /**
   * Asks about somebody. If the node knows no such person, `word` is taken for a registered name and `ask` runs again
   * with the account behind it. `anyName`: also words that look like the beginning of an id.
   * @throws {CoreError} `cli/nobody`, `names/…`, what `ask` throws.
   */
  async about<T>(
    word: string,
    server: string,
    ask: (word: string, name?: string) => Promise<T>,
    { anyName = false } = {},
  ): Promise<T> {
    try {
      return await ask(word);
    } catch (error) {
      const unknown = isError(error, "node/unknown-person") || isError(error, "node/unknown-conversation");
      if (!unknown || !NAME.test(word) || (!anyName && DIGITS.test(word)) || /^[0-9a-f]{40}$/i.test(word)) {
        throw error;
      }
    }
    const { env, report } = this.setting, names = new NameClient({ server, clock: env.clock });
    report.progress(`asking ${names.server} who ${word} is`);
    const found = await names.lookup(word, { signal: report.terminal.ending });
    if (!found) throw new CoreError("cli/nobody", { word });
    return await ask(found.jamiId, found.name);
  }

  [Symbol.dispose](): void {
    this.client[Symbol.dispose]();
  }
}
