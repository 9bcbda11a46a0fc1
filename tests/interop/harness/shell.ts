/** Runs a program to its end. For set-up and tear-down; what lives longer is a {@linkcode Process}. */

/** Standard output of `command`. @throws if it ends with anything but 0, with what it wrote to standard error. */
export async function sh(command: string, ...args: string[]): Promise<string> {
  const child = new Deno.Command(command, { args, stdin: "null", stdout: "piped", stderr: "piped" });
  const { code, stdout, stderr } = await child.output(), decoder = new TextDecoder();
  if (code !== 0) {
    const said = `${decoder.decode(stderr)}${decoder.decode(stdout)}`.trim().slice(-2000);
    throw new Error(`${command} ${args.join(" ")}: ended with ${code}: ${said}`);
  }
  return decoder.decode(stdout);
}

/** Like {@linkcode sh}, but an error is an answer too: undefined. */
export async function tryRun(command: string, ...args: string[]): Promise<string | undefined> {
  try {
    return await sh(command, ...args);
  } catch {
    return undefined;
  }
}

/** Path of an executable in PATH, or undefined. */
export async function which(program: string): Promise<string | undefined> {
  for (const folder of (Deno.env.get("PATH") ?? "").split(":")) {
    try {
      const info = await Deno.stat(`${folder}/${program}`);
      if (info.isFile && (info.mode ?? 0o111) & 0o111) return `${folder}/${program}`;
    } catch {
      continue; // not in this folder
    }
  }
  return undefined;
}
