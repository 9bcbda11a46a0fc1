/** Helpers of tests that span rooms: seeds, and the command that repeats a failure. */

/** Seeds to run: `SEED=a,b` exactly these, `SEEDS=n` the first n of `SEED_FROM` (default 1); else `usual`. */
export function seeds(usual: readonly number[]): readonly number[] {
  const chosen = Deno.env.get("SEED"), count = Deno.env.get("SEEDS");
  if (chosen) return chosen.split(",").map(wholeNumber);
  if (!count) return usual;
  const from = wholeNumber(Deno.env.get("SEED_FROM") ?? "1");
  return Array.from({ length: wholeNumber(count) }, (_, i) => from + i);
}

function wholeNumber(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 0) throw new TypeError(`not a seed: ${text}`);
  return value;
}

/** One test per seed; a failure says how to see it again. */
export function seeded(
  name: string,
  usual: readonly number[],
  body: (seed: number) => Promise<void> | void,
): void {
  for (const seed of seeds(usual)) {
    Deno.test(`${name}, seed ${seed}`, async () => {
      try {
        await body(seed);
      } catch (error) {
        console.error(
          `\nrepeat it: SEED=${seed} deno task test:sim --filter "${name.replaceAll('"', '\\"')}"\n`,
        );
        throw error;
      }
    });
  }
}

/** Rows as text, columns aligned to the right. */
export function table(head: readonly string[], rows: readonly (readonly (string | number)[])[]): string {
  const cells = [head, ...rows].map((row) => row.map((cell) => typeof cell === "number" ? tidy(cell) : cell));
  const widths = head.map((_, i) => Math.max(...cells.map((row) => row[i]!.length)));
  return cells.map((row) => row.map((cell, i) => cell.padStart(widths[i]!)).join("  ")).join("\n");
}

const tidy = (value: number): string => Number.isInteger(value) ? String(value) : value.toFixed(2);

/** Value below which a share `p` of `list` lies; NaN for an empty list. */
export function percentile(list: readonly number[], p: number): number {
  const sorted = [...list].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(p * sorted.length))] ?? NaN;
}
