/**
 * Fuzzes every `*_fuzz.ts`: seeds and corpus first, then mutations of them, those kept that reach new code.
 * `deno task fuzz [name…] [--runs=N] [--seconds=N] [--seed=N] [--replay] [--keep]`
 * --runs: inputs per target (default: until the time is up); --seconds: for all targets together (default 60);
 * --replay: corpus only; --keep: writes inputs that reached new code to the corpus. A find is always written and fails the run.
 */
import { createHash } from "node:crypto";
import { Session } from "node:inspector";
import { Dice, mutate } from "../tests/fuzz/random.ts";

/** What a fuzz file exports. `run` throws when something is wrong; `restart` forgets all state. */
export interface FuzzTarget {
  readonly name: string;
  readonly seeds: readonly Uint8Array[];
  run(bytes: Uint8Array): void;
  restart?(): void;
  /** What to say at the end. */
  summary?(): string;
  /** Parts of the paths of the sources whose coverage guides; default: everything but packages. */
  readonly guide?: readonly string[];
  /** Longest input in bytes; default 4096. */
  readonly longest?: number;
}

const BATCH = 400, RESTART_EVERY = 4000, CORPUS_MOST = 4000;
const root = new URL("../", import.meta.url);
const option = (name: string, otherwise: number) =>
  Number(Deno.args.find((a) => a.startsWith(`--${name}=`))?.split("=")[1] ?? otherwise);
const has = (name: string) => Deno.args.includes(`--${name}`);
const wanted = Deno.args.filter((a) => !a.startsWith("--"));
const seed = option("seed", 1), runs = option("runs", Infinity), seconds = option("seconds", 60);

async function* fuzzFiles(folder: string): AsyncGenerator<string> {
  for await (const entry of Deno.readDir(new URL(folder, root))) {
    if (entry.isDirectory && entry.name !== "node_modules") yield* fuzzFiles(`${folder}${entry.name}/`);
    else if (entry.name.endsWith("_fuzz.ts")) yield folder + entry.name;
  }
}

/** Which characters of the guiding sources have run; grows only. */
class Coverage {
  #session = new Session();
  #seen = new Map<string, Uint8Array>();
  #hunted: [url: string, at: number][] = [];
  reached = 0;
  constructor(readonly guide: readonly string[] | undefined) {
    this.#session.connect();
  }
  #post(method: string, params?: object): Promise<{ result?: ScriptCoverage[] }> {
    return new Promise((done, failed) => {
      const post = this.#session.post.bind(this.#session) as (
        method: string,
        params: object | undefined,
        then: (error: unknown, result: { result?: ScriptCoverage[] }) => void,
      ) => void;
      post(method, params, (error, result) => error ? failed(error) : done(result));
    });
  }
  async start(): Promise<void> {
    await this.#post("Profiler.enable");
    await this.#post("Profiler.startPreciseCoverage", { callCount: true, detailed: true });
  }
  /** What ran since the last call: per source a byte for each character. */
  async #ran(): Promise<Map<string, Uint8Array>> {
    const { result = [] } = await this.#post("Profiler.takePreciseCoverage"),
      sources = new Map<string, Uint8Array>();
    for (const { url, functions } of result) {
      if (!url.startsWith(root.href) || url.includes("node_modules") || url.includes("/fuzz")) continue;
      if (this.guide && !this.guide.some((part) => url.includes(part))) continue;
      const ran = new Uint8Array(Math.max(...functions.map((f) => f.ranges[0]!.endOffset)));
      for (const { ranges } of functions) { // from the whole function to its innermost blocks
        for (const { startOffset, endOffset, count } of ranges) {
          ran.fill(count ? 1 : 0, startOffset, endOffset);
        }
      }
      sources.set(url, ran);
    }
    return sources;
  }
  /** True if code ran since the last look that never ran before; it counts as seen from now on. */
  async fresh(): Promise<boolean> {
    this.#hunted = [];
    for (const [url, ran] of await this.#ran()) {
      const known = this.#seen.get(url) ?? new Uint8Array(0),
        seen = new Uint8Array(Math.max(ran.length, known.length));
      seen.set(known);
      for (let i = 0; i < ran.length; i++) {
        if (ran[i] && !seen[i]) seen[i] = 1, this.#hunted.push([url, i]);
      }
      this.#seen.set(url, seen);
    }
    this.reached += this.#hunted.length;
    return this.#hunted.length > 0;
  }
  /** True if some of the code found fresh last ran again since the last look. */
  async again(): Promise<boolean> {
    const sources = await this.#ran();
    return this.#hunted.some(([url, i]) => sources.get(url)?.[i]);
  }
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#post("Profiler.stopPreciseCoverage");
    this.#session.disconnect();
  }
}
interface ScriptCoverage {
  readonly url: string;
  readonly functions: { ranges: { startOffset: number; endOffset: number; count: number }[] }[];
}

async function corpusOf(name: string): Promise<Uint8Array[]> {
  const list: Uint8Array[] = [], folder = new URL(`tests/fuzz/corpus/${name}/`, root);
  try {
    const names = [...Deno.readDirSync(folder)].map((e) => e.name).sort();
    for (const file of names) list.push(await Deno.readFile(new URL(file, folder)));
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  return list;
}

async function keep(name: string, bytes: Uint8Array): Promise<string> {
  const folder = new URL(`tests/fuzz/corpus/${name}/`, root),
    file = createHash("sha256").update(bytes).digest("hex").slice(0, 16);
  await Deno.mkdir(folder, { recursive: true });
  await Deno.writeFile(new URL(file, folder), bytes);
  return file;
}

async function fuzz(target: FuzzTarget, until: number): Promise<void> {
  const dice = new Dice(seed),
    longest = target.longest ?? 4096,
    corpus = [...target.seeds, ...await corpusOf(target.name)];
  const known = new Set(corpus.map((bytes) => bytes.toHex()));
  let count = 0, kept = 0;
  const run = async (bytes: Uint8Array) => {
    if (++count % RESTART_EVERY === 0) target.restart?.();
    try {
      target.run(bytes);
    } catch (error) {
      const file = await keep(target.name, bytes);
      throw new Error(
        `${target.name}: input ${count} of seed ${seed}, saved as ${file}: ${bytes.toHex().slice(0, 400)}`,
        { cause: error },
      );
    }
  };
  target.restart?.();
  for (const bytes of corpus) await run(bytes);
  if (!has("replay")) {
    await using coverage = new Coverage(target.guide);
    await coverage.start();
    for (const bytes of corpus) await run(bytes);
    await coverage.fresh();
    while (count < runs && performance.now() < until) {
      let batch: Uint8Array[] = [];
      for (let i = 0; i < BATCH; i++) {
        const junk = dice.oneIn(20);
        batch.push(
          junk ? dice.bytes(dice.below(120)) : mutate(dice, dice.pick(corpus), dice.pick(corpus), longest),
        );
        await run(batch[i]!);
      }
      if (!await coverage.fresh()) continue;
      while (batch.length > 1) { // halve it until one input is left that reaches new code
        const half = batch.slice(0, batch.length >> 1);
        for (const bytes of half) await run(bytes);
        batch = await coverage.again() ? half : batch.slice(half.length);
      }
      await run(batch[0]!);
      if (!await coverage.again()) continue; // it was the state before it, not the input
      if (corpus.length === CORPUS_MOST || known.has(batch[0]!.toHex())) continue;
      known.add(batch[0]!.toHex());
      corpus.push(batch[0]!);
      if (has("keep")) await keep(target.name, batch[0]!), kept++;
    }
    console.log(
      `fuzz: ${target.name}: ${count} inputs, ${coverage.reached} characters of code reached, corpus ${corpus.length}${
        kept ? `, ${kept} kept` : ""
      }`,
    );
  } else console.log(`fuzz: ${target.name}: ${count} inputs replayed`);
  if (target.summary) console.log(`  ${target.summary()}`);
}

const targets: FuzzTarget[] = [];
for (const folder of ["core/", "wasm/", "tests/fuzz/"]) {
  for await (const file of fuzzFiles(folder)) {
    const target = await import(new URL(file, root).href) as FuzzTarget;
    if (!wanted.length || wanted.includes(target.name)) targets.push(target);
  }
}
if (!targets.length) throw new Error(`no fuzz target named ${wanted.join(", ")}`);
const start = performance.now();
for (const [i, target] of targets.entries()) {
  await fuzz(target, start + seconds * 1000 * (i + 1) / targets.length);
}
