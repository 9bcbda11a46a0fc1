/** Standard input as a message: read to its end, bounded. */
import { CoreError, text } from "../base/mod.ts";
import { TALK_LIMITS } from "./limits.ts";

/** What is typed or piped in, without the line end behind it. @throws {CoreError} `cli/message-size`, `cli/text-encoding`. */
export async function readText(note: (line: string) => void): Promise<string> {
  if (Deno.stdin.isTerminal()) note("Write your message; Ctrl+D on an empty line sends it.");
  const parts: Uint8Array[] = [], limit = TALK_LIMITS.textBytes;
  let size = 0;
  for await (const part of Deno.stdin.readable) {
    size += part.length;
    if (size > limit + 2) throw new CoreError("cli/message-size", { limit });
    parts.push(part);
  }
  const whole = new Uint8Array(size);
  let at = 0;
  for (const part of parts) whole.set(part, at), at += part.length;
  const words = text(whole);
  if (words === undefined) throw new CoreError("cli/text-encoding");
  return words.replace(/\r?\n$/, "");
}
