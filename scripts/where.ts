/**
 * Finds the code, tests and limits that carry a tag of the protocol dossiers.
 *
 * `deno task where "dht 1.9"`  lines that name this section or one below it;
 * `deno task where "dht 24"`   tests of checklist statement 24; `"dht H3"`: of hostile input 3.
 */
import { claims } from "./conformance.ts";

/** True if `line` names `section` of `room`, as in `Spec: dht §1.5, §1.9`. */
export function names(line: string, room: string, section: string): boolean {
  for (const [run] of line.matchAll(new RegExp(`\\b${room}(?:[\\s,;()–-]|and|to|§|\\d|\\.(?=\\d))+`, "g"))) {
    for (const [, first, last] of run.matchAll(/§\s*(\d+(?:\.\d+)*)(?:\s*[–-]\s*§?(\d+(?:\.\d+)*))?/g)) {
      if (isAt(first!, section) || (last && (isAt(last, section) || between(first!, section, last)))) {
        return true;
      }
    }
  }
  return false;
}

const isAt = (found: string, asked: string): boolean => found === asked || found.startsWith(`${asked}.`);

function between(first: string, asked: string, last: string): boolean {
  const numbers = (text: string) => text.split(".").map(Number),
    a = numbers(first),
    m = numbers(asked),
    z = numbers(last);
  if (a.length !== m.length || z.length !== m.length) return false;
  if (a.slice(0, -1).join() !== m.slice(0, -1).join() || z.slice(0, -1).join() !== m.slice(0, -1).join()) {
    return false;
  }
  return a.at(-1)! <= m.at(-1)! && m.at(-1)! <= z.at(-1)!;
}

/** Which of the three lists a file belongs to. */
export function kindOf(path: string): "code" | "test" | "limit" {
  if (path.startsWith("tests/") || /_(test|bench|fuzz)\.tsx?$/.test(path)) return "test";
  return path.endsWith("/limits.ts") ? "limit" : "code";
}

async function* sources(folder: string): AsyncGenerator<string> {
  for await (const { name, isDirectory } of Deno.readDir(folder)) {
    const path = `${folder}/${name}`;
    if (isDirectory && name !== "dist" && name !== "node_modules") yield* sources(path);
    else if (/\.tsx?$/.test(name)) yield path;
  }
}

if (import.meta.main) {
  const [room, what] = Deno.args.join(" ").replaceAll(/[[\]§]/g, "").trim().split(/\s+/);
  if (!room || !what) {
    console.error(
      'Say a room and a section or a number: deno task where "dht 1.9", deno task where "dht H3"',
    );
    Deno.exit(2);
  }
  const found = { code: [] as string[], test: [] as string[], limit: [] as string[] };
  const folders = (await Array.fromAsync(Deno.readDir("."))).map(({ name }) => name);
  for (const folder of ["core", "ui", "wasm", "tests"].filter((name) => folders.includes(name))) {
    for await (const path of sources(folder)) {
      for (const [i, line] of (await Deno.readTextFile(path)).split("\n").entries()) {
        const hit = names(line, room, what) || claims(line).includes(`${room} ${what}`);
        if (hit) found[kindOf(path)].push(`  ${path}:${i + 1}  ${line.trim().slice(0, 120)}`);
      }
    }
  }
  for (const [kind, lines] of Object.entries(found)) {
    if (lines.length) console.log(`${kind}\n${lines.sort().join("\n")}`);
  }
  if (!Object.values(found).some((lines) => lines.length)) {
    console.error(`Nothing carries "${room} ${what}".`);
    Deno.exit(1);
  }
}
