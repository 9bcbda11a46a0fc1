/**
 * Builds the WebAssembly modules. Nothing is done when sources, limits and flags are as they were.
 * `--check` fails when a module differs from wasm/checksums.txt, `--update` rewrites that file.
 */
import { createHash } from "node:crypto";
import { KERNEL_LIMITS } from "../wasm/limits.ts";

interface Module {
  readonly name: string;
  readonly folder: string;
  readonly limits: Readonly<Record<string, number>>;
  /** Fixed memory in pages of 64 KiB. */
  readonly pages: number;
}
const MODULES: readonly Module[] = [
  {
    name: "dht",
    folder: "wasm/assembly/dht",
    limits: { ...KERNEL_LIMITS, idBytes: 20 },
    pages: 2560,
  },
];

const root = new URL("../", import.meta.url);
const path = (name: string) => new URL(name, root);
const sha256 = (data: string | Uint8Array) => createHash("sha256").update(data).digest("hex");
const flagsOf = (module: Module) => [
  ...["-O3", "--noAssert", "--runtime", "stub", "--enable", "simd", "--enable", "bulk-memory"],
  ...["--initialMemory", `${module.pages}`, "--maximumMemory", `${module.pages}`, "--converge"],
];

/** The named numbers of a room as AssemblyScript constants: `nodesListed` becomes `NODES_LISTED`. */
function limitsSource(limits: Module["limits"]): string {
  return Object.entries(limits).map(([name, value]) => {
    const constant = name.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase();
    const type = name === "rateSlots" ? "i64" : name.endsWith("Ms") ? "f64" : "u32";
    return `export const ${constant}: ${type} = ${value}${
      type === "f64" && Number.isInteger(value) ? ".0" : ""
    };`;
  }).join("\n");
}

async function sourcesOf(module: Module): Promise<Map<string, string>> {
  const files = new Map<string, string>();
  const names = [...Deno.readDirSync(path(module.folder))].filter((e) => e.isFile && e.name.endsWith(".ts"));
  for (const { name } of names.sort((a, b) => a.name < b.name ? -1 : 1)) {
    files.set(`${module.folder}/${name}`, await Deno.readTextFile(path(`${module.folder}/${name}`)));
  }
  files.set(`${module.folder}/limits.ts`, limitsSource(module.limits));
  return files;
}

async function build(module: Module): Promise<Uint8Array> {
  const files = await sourcesOf(module), flags = flagsOf(module);
  const built = path(`wasm/dist/${module.name}.wasm`), stampFile = path(`wasm/dist/${module.name}.stamp`);
  const stamp = sha256(JSON.stringify([version, flags, ...files]));
  const before = await Deno.readTextFile(stampFile).catch(() => ""),
    there = await Deno.readFile(built).catch(() => undefined);
  if (there && before === `${stamp} ${sha256(there)}`) return there;
  const asc = await import("assemblyscript/asc");
  let binary: Uint8Array | undefined;
  const { error, stderr } = await asc.main([`${module.folder}/index.ts`, ...flags, "--outFile", "out.wasm"], {
    readFile: (name: string) => files.get(name) ?? null,
    writeFile: (_name: string, contents: string | Uint8Array) => {
      if (typeof contents !== "string") binary = contents;
    },
    listFiles: () => [],
  });
  if (error || !binary) throw new Error(`${module.name}: ${stderr.toString()}`, { cause: error });
  await Deno.mkdir(path("wasm/dist"), { recursive: true });
  const temporary = path(`wasm/dist/${module.name}.${Deno.pid}.tmp`);
  await Deno.writeFile(temporary, binary);
  await Deno.rename(temporary, built);
  await Deno.writeTextFile(stampFile, `${stamp} ${sha256(binary)}`);
  console.log(`wasm: built ${module.name}, ${binary.length} bytes`);
  return binary;
}

const version = "assemblyscript 0.28.20"; // as pinned in deno.json
const sums: string[] = [];
for (const module of MODULES) sums.push(`${sha256(await build(module))}  ${module.name}.wasm\n`);
const expected = path("wasm/checksums.txt");
if (Deno.args.includes("--update")) await Deno.writeTextFile(expected, sums.join(""));
if (Deno.args.includes("--check") && await Deno.readTextFile(expected).catch(() => "") !== sums.join("")) {
  console.error("wasm: the modules differ from wasm/checksums.txt");
  Deno.exit(1);
}
