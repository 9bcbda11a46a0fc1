/** Whole conversations of throw-away accounts, as packs; captured from real daemons of both generations. */
export const origin = "captured from V23 (Debian's daemon of 2023) and V26 (daemon 16.0.0)";
export interface RepositoryVector {
  readonly name: string;
  readonly conversation: string;
  readonly tip: string;
  readonly commits: number;
}
export const cases: readonly RepositoryVector[] = [
  {
    name: "v23-group",
    conversation: "2f8335b654b83a27253b38e89dd1116d82216793",
    tip: "58e709e319ec64089d3dac154d1a008a7b580543",
    commits: 9,
  },
  {
    name: "v23-one-to-one",
    conversation: "fe0ceaa9cbe062f372528770f77f4a3d3d721bfc",
    tip: "6836ba33282f068918ccd0a5e397d6b83afbee7a",
    commits: 15,
  },
  {
    name: "v26-group",
    conversation: "f351cc8afe319b1f66adef18e05eed41bda973d4",
    tip: "b07d4d9c2076c0e54935516f0f7cef69e246d743",
    commits: 11,
  },
  {
    name: "v26-one-to-one",
    conversation: "ce8fd44cdcaf8bffccefb92dd264b4889558a699",
    tip: "f69902917afa3c0b20c4d1f3860cd42613fdd344",
    commits: 20,
  },
];
export const pack = (name: string): Uint8Array =>
  Deno.readFileSync(new URL(`./${name}.pack`, import.meta.url));
