/** Where a home lies: the flag, the variable, or the XDG rules. Pure. */
import { CoreError } from "../base/mod.ts";

/** The part of the environment that decides. */
export interface PathEnvironment {
  readonly KITH_HOME?: string | undefined;
  readonly XDG_DATA_HOME?: string | undefined;
  readonly HOME?: string | undefined;
}

/**
 * The home folder: `flag` (`--home`), else `KITH_HOME`, else `$XDG_DATA_HOME/kith`, else `$HOME/.local/share/kith`.
 * A relative `XDG_DATA_HOME` is ignored, as the XDG rules say.
 * @param cwd what a relative flag or `KITH_HOME` starts from.
 * @throws {CoreError} `storage/no-home-folder` when nothing names one.
 */
export function homeFolder(flag: string | undefined, env: PathEnvironment, cwd: string): string {
  const named = flag || env.KITH_HOME;
  if (named) return named.startsWith("/") ? trim(named) : trim(`${cwd}/${named}`);
  if (env.XDG_DATA_HOME?.startsWith("/")) return `${trim(env.XDG_DATA_HOME)}/kith`;
  if (env.HOME?.startsWith("/")) return `${trim(env.HOME)}/.local/share/kith`;
  throw new CoreError("storage/no-home-folder");
}

const trim = (path: string) => path.replace(/(?<=.)\/+$/, "");
