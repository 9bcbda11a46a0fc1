/**
 * The one gate: everything that must be green before a change goes out. Says which step failed, and shows why.
 * `--only NAME` runs a single step.
 */
const deno = Deno.execPath(), decoder = new TextDecoder();
const all: [name: string, args: string[]][] = [
  ["fmt", ["fmt", "--check"]],
  ["lint", ["lint"]],
  ["check", ["check", "."]],
  ["layers", ["task", "layers"]],
  ["wasm", ["task", "wasm", "--check"]],
  ["conformance", ["task", "conformance"]],
  ["test", ["task", "test"]],
  ["fuzz corpus", ["task", "fuzz", "--replay"]],
];

const only = Deno.args[0] === "--only" ? Deno.args[1] : undefined;
const steps = all.filter(([name]) => only === undefined || name === only);
if (!steps.length) {
  console.error(`there is no step "${only}"; steps: ${all.map(([name]) => name).join(", ")}`);
  Deno.exit(2);
}
let failed = 0;
for (const [name, args] of steps) {
  const start = performance.now();
  const { code, stdout, stderr } = await new Deno.Command(deno, {
    args,
    env: { DENO_NO_UPDATE_CHECK: "1", NO_COLOR: "1" },
    stdin: "null",
  }).output();
  const seconds = ((performance.now() - start) / 1000).toFixed(1);
  console.log(`${code === 0 ? "ok    " : "FAILED"} ${name} (${seconds} s)`);
  if (code !== 0) {
    failed++;
    console.log(
      `${decoder.decode(stdout)}${decoder.decode(stderr)}`.trimEnd().split("\n").slice(-80).join("\n"),
    );
  }
}
console.log(failed ? `${failed} of ${steps.length} steps failed` : "all is well");
Deno.exit(failed ? 1 : 0);
