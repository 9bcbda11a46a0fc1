/** Test helper: the `git` binary as a judge, in throw-away folders. */
export async function git(
  folder: string,
  args: string[],
  input?: Uint8Array | string,
): Promise<Uint8Array<ArrayBuffer>> {
  const child = new Deno.Command("git", {
    args: ["-c", "user.name=Test", "-c", "user.email=test@example", "-c", "init.defaultBranch=main", ...args],
    cwd: folder,
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
    env: {
      GIT_CONFIG_NOSYSTEM: "1",
      GIT_CONFIG_GLOBAL: "/dev/null",
      GIT_CONFIG_COUNT: "1",
      GIT_CONFIG_KEY_0: "safe.directory",
      GIT_CONFIG_VALUE_0: "*",
      GIT_TERMINAL_PROMPT: "0",
    },
  }).spawn();
  const writer = child.stdin.getWriter();
  if (input) await writer.write(typeof input === "string" ? new TextEncoder().encode(input) : input);
  await writer.close();
  const { success, stdout, stderr } = await child.output();
  if (!success) throw new Error(`git ${args.join(" ")}: ${new TextDecoder().decode(stderr)}`);
  return stdout;
}
export const gitText = async (folder: string, args: string[], input?: string) =>
  new TextDecoder().decode(await git(folder, args, input)).trim();
