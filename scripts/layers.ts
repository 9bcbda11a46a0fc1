/** Checks the floors: imports only go down, rooms are entered by their mod.ts, and only doors touch the world. */
const FLOORS: Record<string, number> = {
  base: 0,
  codec: 1,
  wasm: 2,
  crypto: 2,
  storage: 2,
  identity: 3,
  net: 3,
  dht: 4,
  names: 4,
  peers: 5,
  contacts: 6,
  swarm: 6,
  calls: 7,
  files: 7,
  sync: 7,
  node: 8,
  api: 9,
  cli: 10,
  ui: 10,
};
const WORLD =
  /(?<!["'])\bDeno\.|["']node:|\bDate\.now\b|\bperformance\.now\b|\bMath\.random\b|\bcrypto\.(subtle|get|random)|\bset(Timeout|Interval)\(|\bfetch\(|\bconsole\./;
const IMPORT =
  /(?:^|\n)\s*(import|export)\s+(type\s)?[^"';]*?from\s+"([^"]+)"|(?:^|\n)\s*import\s+"([^"]+)"|\bimport\("([^"]+)"\)/g;
const KEPT_OUT = /playwright|dbus-next|werift|fast-check|axe-core|isomorphic-git/;

const root = new URL("../", import.meta.url).pathname;
const problems: string[] = [];

async function* sources(folder: string): AsyncGenerator<string> {
  for await (const entry of Deno.readDir(root + folder)) {
    const path = `${folder}/${entry.name}`;
    if (entry.isDirectory && !["assembly", "dist", "node_modules"].includes(entry.name)) yield* sources(path);
    else if (/\.tsx?$/.test(entry.name) && !/_(test|bench|fuzz)\.tsx?$/.test(entry.name)) yield path;
  }
}

const roomOf = (path: string): string => path.startsWith("core/") ? path.split("/")[1]! : path.split("/")[0]!;

const tops: string[] = [];
for await (const { name } of Deno.readDir(root)) if (["core", "wasm", "ui"].includes(name)) tops.push(name);
for (const top of tops) {
  for await (const path of sources(top)) {
    const text = await Deno.readTextFile(root + path), room = roomOf(path);
    if (!(room in FLOORS)) problems.push(`${path}: room "${room}" has no floor`);
    const code = text.replace(/\/\*[\s\S]*?\*\//g, "").replace(/(^|[^:"'`])\/\/.*$/gm, "$1");
    if (top === "core" && !path.endsWith("_io.ts") && WORLD.test(code)) {
      problems.push(`${path}: touches the world (${WORLD.exec(code)![0].trim()}); only *_io.ts may`);
    }
    for (const match of code.matchAll(IMPORT)) {
      const target = match[3] ?? match[4] ?? match[5]!;
      if (!target.startsWith(".")) {
        if (KEPT_OUT.test(target)) problems.push(`${path}: ${target} is a test tool`);
        continue;
      }
      const to = new URL(target, `file:///${path}`).pathname.slice(1), other = roomOf(to);
      if (other === room || to === "deno.json") continue;
      if (room === "ui") {
        if (!/^core\/api\/mod\.ts$/.test(to) || !match[2]) {
          problems.push(`${path}: ui may only import types of core/api/mod.ts`);
        }
      } else if (!(FLOORS[other]! < FLOORS[room]!)) {
        problems.push(`${path}: ${room} (floor ${FLOORS[room]}) imports ${other} (floor ${FLOORS[other]})`);
      } else if (!to.endsWith("/mod.ts")) {
        problems.push(`${path}: enters ${other} by ${to}, not by its mod.ts`);
      }
    }
  }
}

for (const problem of problems) console.error(problem);
console.log(problems.length ? `layers: ${problems.length} problems` : "layers: floors hold");
if (problems.length) Deno.exit(1);
