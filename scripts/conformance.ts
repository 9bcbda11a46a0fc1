/**
 * The score: which statements of the protocol checklists carry a test. It may only rise.
 *
 * `deno task conformance`          prints the score of each room and the numbers without a test;
 * `deno task conformance dht`      says in words what the missing ones of a room ask for;
 * `deno task conformance --raise`  also lifts the floor in docs/conformance.json to it.
 * A test claims a number by its name: `[dht 24] …`, `[dht 16, 17] …`, `[dht 43–47] …`, `[dht H3] …`.
 */

type Room = { readonly statements: Record<string, string>; readonly hostile: Record<string, string> };
export type Book = { floor: Record<string, number> } & Record<string, Room | Record<string, number>>;

/** `["dht 24", "dht H3"]` of every string in `source` that begins with such brackets. */
export function claims(source: string): string[] {
  const found: string[] = [];
  for (const [, tags] of source.matchAll(/["'`]((?:\[[a-z]+ [^\]\n]+\][ ,]*)+)/g)) {
    for (const [, room, list] of tags!.matchAll(/\[([a-z]+) ([^\]]+)\]/g)) {
      for (const part of list!.split(/[,\s]+/)) {
        const range = /^(H?)(\d+)(?:[-–]H?(\d+))?$/.exec(part);
        if (!range) continue;
        const [, hostile, first, last = first] = range;
        for (let n = Number(first); n <= Math.min(Number(last), Number(first) + 100); n++) {
          found.push(`${room} ${hostile}${n}`);
        }
      }
    }
  }
  return found;
}

/** What the book of a room asks for. */
const wanted = (name: string, room: Room): string[] => [
  ...Object.keys(room.statements).map((n) => `${name} ${n}`),
  ...Object.keys(room.hostile).map((n) => `${name} H${n}`),
];

export interface Score {
  readonly room: string;
  readonly have: number;
  readonly all: number;
  readonly missing: readonly string[];
}

/** Score per room of the book, and claims the book does not know. */
export function score(book: Book, claimed: ReadonlySet<string>): { scores: Score[]; strange: string[] } {
  const rooms = Object.entries(book).filter((entry): entry is [string, Room] => "statements" in entry[1]);
  const known = new Set(rooms.flatMap(([name, room]) => wanted(name, room)));
  const names = new Set(rooms.map(([name]) => name));
  const scores = rooms.map(([room, entry]) => {
    const all = wanted(room, entry), missing = all.filter((tag) => !claimed.has(tag));
    return { room, have: all.length - missing.length, all: all.length, missing };
  });
  return { scores, strange: [...claimed].filter((tag) => names.has(tag.split(" ")[0]!) && !known.has(tag)) };
}

/** `["1", "2", "3", "H1"]` as `["1–3", "H1"]`. */
export function ranges(numbers: readonly string[]): string[] {
  const runs: { kind: string; first: number; last: number }[] = [];
  for (const text of numbers) {
    const kind = text.startsWith("H") ? "H" : "", n = Number(text.slice(kind.length)), run = runs.at(-1);
    if (run?.kind === kind && run.last === n - 1) run.last = n;
    else runs.push({ kind, first: n, last: n });
  }
  return runs.map(({ kind, first, last }) =>
    first === last ? `${kind}${first}` : `${kind}${first}–${kind}${last}`
  );
}

async function* testFiles(folder: string): AsyncGenerator<string> {
  for await (const { name, isDirectory } of Deno.readDir(folder)) {
    const path = `${folder}/${name}`;
    if (isDirectory) yield* testFiles(path);
    else if (
      name.endsWith("_test.ts") || name.endsWith("_test.tsx") ||
      (path.startsWith("tests/") && name.endsWith(".ts"))
    ) yield path;
  }
}

if (import.meta.main) {
  const path = "docs/conformance.json", book: Book = JSON.parse(await Deno.readTextFile(path));
  const claimed = new Set<string>(), others = new Map<string, number>();
  const folders = (await Array.fromAsync(Deno.readDir("."))).map(({ name }) => name);
  for (const folder of ["core", "wasm", "ui", "tests"].filter((name) => folders.includes(name))) {
    for await (const file of testFiles(folder)) {
      for (const tag of claims(await Deno.readTextFile(file))) claimed.add(tag);
    }
  }
  const { scores, strange } = score(book, claimed);
  let fallen = false;
  for (const { room, have, all, missing } of scores) {
    const floor = book.floor[room] ?? 0;
    console.log(`${room}: ${have} of ${all} statements have a test (floor ${floor})`);
    const numbers = missing.map((tag) => tag.slice(room.length + 1)),
      { statements, hostile } = book[room] as Room;
    const words = (n: string) => n.startsWith("H") ? hostile[n.slice(1)] : statements[n];
    if (Deno.args.includes(room)) { for (const n of numbers) console.log(`  ${n.padStart(4)}  ${words(n)}`); }
    else if (numbers.length) console.log(`  without: ${ranges(numbers).join(", ")}`);
    if (have < floor) fallen = true;
    if (have > floor) book.floor[room] = have;
  }
  for (const tag of claimed) {
    const room = tag.split(" ")[0]!;
    if (!(room in book)) others.set(room, (others.get(room) ?? 0) + 1);
  }
  for (const [room, count] of others) {
    console.log(`${room}: ${count} numbers have a test; the checklist is not in ${path} yet`);
  }
  if (strange.length) console.error(`no such statement: ${strange.join(", ")}`);
  if (fallen) console.error("the score has fallen below its floor");
  if (Deno.args.includes("--raise") && !fallen) {
    await Deno.writeTextFile(path, JSON.stringify(book, null, 2) + "\n");
  }
  Deno.exit(fallen || strange.length ? 1 : 0);
}
