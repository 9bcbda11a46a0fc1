/** The command line as people and programs meet it: a process with arguments, two outputs and an exit code. */
import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { Process } from "../../tests/interop/harness/process.ts";

const main = new URL("main_io.ts", import.meta.url).pathname;
const flags = [
  "--allow-net",
  "--allow-read",
  "--allow-write",
  "--allow-env",
  "--allow-sys=networkInterfaces",
];
type Fact = Record<string, unknown> & { event: string };

/** Starts `kith ARGS…`. */
const start = (args: readonly string[], env: Record<string, string> = {}) =>
  Process.start(Deno.execPath(), ["run", "--quiet", "--no-check", ...flags, main, ...args], {
    name: `kith ${args.join(" ")}`,
    env,
  });

/** Runs `kith ARGS…` to its end. */
async function run(args: readonly string[], env: Record<string, string> = {}) {
  await using process = start(args, env);
  const code = await process.ended();
  return { code, lines: process.lines, text: process.lines.join("\n") };
}
const facts = (lines: readonly string[]): Fact[] =>
  lines.filter((line) => line.startsWith("{")).map((line) => JSON.parse(line));

/** A network of one node on loopback. */
async function network(args: readonly string[] = []): Promise<{ node: Process; at: string[] }> {
  const node = start(["dht", "node", "--port", "0", "--first", "--json", ...args]);
  const { port } = JSON.parse((await node.line(/^\{"event":"ready".*/))[0]);
  return { node, at: ["-b", `127.0.0.1:${port}`] };
}

Deno.test("kith tells its version and how it is used", async () => {
  const version = await run(["--version"]);
  match(version.text, /^\d+\.\d+\.\d+$/);
  strictEqual(version.code, 0);
  for (const args of [["--help"], ["dht", "--help"], ["dht", "put", "--help"], ["help", "dht"]]) {
    const { code, text } = await run(args);
    strictEqual(code, 0, text);
    match(text, /Usage: kith/);
  }
});

Deno.test("kith answers wrong arguments with one sentence, where to read on, and 2", async () => {
  for (
    const [args, pattern] of [
      [[], /See: kith --help/],
      [["dht", "put", "k"], /TEXT.*See: kith dht put --help/],
      [["dht", "node", "--port", "x"], /--port.*See: kith dht node --help/],
      [["dht", "get", "k", "-b", "a:b:c"], /a:b:c.*See: kith dht get --help/],
      [["dnt"], /`dnt`.*`dht`.*See: kith --help/],
      [["dht", "git"], /`git`.*See: kith dht --help/],
    ] as const
  ) {
    const { code, lines, text } = await run(args);
    deepStrictEqual([code, lines.length], [2, 1], text);
    match(text, pattern);
  }
});

Deno.test("kith says in one sentence what to do when it cannot, and ends with 1", async () => {
  const taken = Deno.listenDatagram({ transport: "udp", hostname: "0.0.0.0", port: 0 });
  const folder = await Deno.makeTempDir();
  try {
    const port = String((taken.addr as Deno.NetAddr).port);
    await Deno.writeTextFile(`${folder}/file`, "");
    for (
      const [args, pattern, env] of [
        [["dht", "node", "--port", port, "--first"], /port \d+ is in use.*--port/],
        [
          ["dht", "get", "k", "-b", "127.0.0.1:1", "--timeout", "1"],
          /answered at 127\.0\.0\.1:1 within 1 s.*--bootstrap/,
        ],
        [
          ["dht", "get", "k", "-b", "host.invalid", "--timeout", "1"],
          /No address.*host\.invalid.*--bootstrap/,
        ],
        [["dht", "get", "k", "-q", "WHERE colour=5"], /colour=5.*WHERE id=5/],
        [["dht", "get", ""], /KEY is empty/],
        [["dht", "put", "k", "x".repeat(70_000)], /70010 bytes.*65472/],
        [["dht", "get", "k"], /LOG: "loud".*debug/, { LOG: "loud" }],
        [["dht", "node", "--first", "--port", "0", "--state", main], /main_io.ts is no state file.*--state/],
        [["start", "--home", `${folder}/file/home`], /home or state file.*check/],
      ] as const
    ) {
      const { code, lines, text } = await run(args, env);
      deepStrictEqual([code, lines.length], [1, 1], text);
      match(text, pattern);
    }
    const { lines } = await run(["dht", "get", "", "--json"]);
    deepStrictEqual(facts(lines).map(({ event, code }) => [event, code]), [["error", "cli/key"]]);
  } finally {
    taken.close();
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("kith dht put, get and listen meet at a node", async () => {
  const { node, at } = await network();
  await using _node = node;
  await using listening = start(["dht", "listen", "greeting", "--json", ...at]);
  await listening.line(/"event":"listening"/);
  const put = facts(
    (await run(["dht", "put", "greeting", "hello\u001b[31m", "--id", "77", "--json", ...at])).lines,
  );
  const key = "a0f7e779f9247566c84036f07f7bdf4a40a869bd"; // SHA-1 of "greeting"
  deepStrictEqual(put, [{ event: "stored", key, id: "77", nodes: 1 }]);
  const value = {
    ...{ event: "value", key, id: "77", type: 0, userType: "text/plain" },
    ...{ data: "68656c6c6f1b5b33316d", text: "hello\u001b[31m" },
  };
  deepStrictEqual(JSON.parse((await listening.line(/"event":"value".*/)).input!), value);

  const found = await run(["dht", "get", key.toUpperCase(), "--json", ...at]);
  deepStrictEqual([found.code, facts(found.lines)], [0, [value, { event: "done", key, values: 1 }]]);
  const shown = await run(["dht", "get", "greeting", ...at]);
  match(
    shown.text,
    /^0x68656c6c6f1b5b33316d +\(value 77, text\/plain\)$/,
    "no escape sequence reaches a terminal",
  );

  const row = await run([
    "dht",
    "get",
    "greeting",
    "--query",
    "SELECT id,user_type WHERE id=77",
    "--json",
    ...at,
  ]);
  deepStrictEqual(facts(row.lines)[0], { event: "row", key, id: "77", userType: "text/plain" });
  const none = await run(["dht", "get", "greeting", "--where", "WHERE id=78", ...at]);
  deepStrictEqual([none.code, none.lines.length], [1, 1]);
  match(none.text, /Nothing is stored/);

  const info = await run(["dht", "info", "--json", ...at]);
  const [told] = facts(info.lines);
  deepStrictEqual([info.code, told!.event, told!.status], [0, "info", "connected"]);
  listening.signal("SIGINT");
  strictEqual(await listening.ended(), 0);
});

Deno.test("kith dht put --permanent keeps the value until it is ended; an interrupted search says 130", async () => {
  const { node, at } = await network();
  await using _node = node;
  await using put = start(["dht", "put", "k", "v", "--permanent", "--json", ...at]);
  await put.line(/"event":"keeping"/);
  strictEqual((await run(["dht", "get", "k", ...at])).code, 0);
  put.signal("SIGTERM");
  strictEqual(await put.ended(), 0);
  await using lost = start(["dht", "get", "k", "-b", "127.0.0.1:1"]);
  await new Promise((done) => setTimeout(done, 1500));
  lost.signal("SIGINT");
  strictEqual(await lost.ended(), 130);
});

Deno.test("kith start keeps its state, ends cleanly, and comes back as the same node", async () => {
  const home = await Deno.makeTempDir();
  try {
    const { node, at } = await network();
    await using _node = node;
    const begin = () => start(["start", "--home", home, "--port", "0", "--json", ...at]);
    const ids: string[] = [];
    for (const signal of ["SIGINT", "SIGTERM"] as const) {
      await using kith = begin();
      ids.push(JSON.parse((await kith.line(/"event":"ready".*/)).input!).id);
      await kith.line(/"status":"connected"/);
      const second = await run(["start", "--home", home, ...at]);
      strictEqual(second.code, 1);
      match(second.text, new RegExp(`process ${kith.pid}.*--home`));
      kith.signal(signal);
      strictEqual(await kith.ended(), 0);
      deepStrictEqual(facts(kith.lines).at(-1), { event: "stopped", saved: true });
    }
    strictEqual(ids[0], ids[1]);
    await Deno.writeTextFile(`${home}/files/dht.state`, "garbage");
    await using kith = begin();
    await kith.line(/"event":"state-unreadable"/);
    await kith.line(/"status":"connected"/);
  } finally {
    await Deno.remove(home, { recursive: true });
  }
});

Deno.test("kith dht listen ends when its reader has gone", async () => {
  const { node, at } = await network();
  await using _node = node;
  const kith = [
    Deno.execPath(),
    "run",
    "--quiet",
    "--no-check",
    ...flags,
    main,
    "dht",
    "listen",
    "k",
    "--json",
    ...at,
  ];
  await using pipe = Process.start("sh", ["-c", '"$@" | head -n 1', "sh", ...kith]);
  await pipe.line(/"event":"listening"/);
  for (const word of ["one", "two"]) strictEqual((await run(["dht", "put", "k", word, ...at])).code, 0);
  ok(await pipe.ended() === 0);
});
