import { deepStrictEqual, ok, strictEqual, throws } from "node:assert/strict";
import { CoreError } from "./errors.ts";
import { Secret } from "./log.ts";
import { formatLine, LogBook, parseLogLevels } from "./log_io.ts";

Deno.test("parseLogLevels() reads rooms and the rest, and refuses nonsense", () => {
  const { all, rooms } = parseLogLevels("dht:debug, net:trace,info");
  deepStrictEqual([all, [...rooms]], ["info", [["dht", "debug"], ["net", "trace"]]]);
  strictEqual(parseLogLevels("").all, "warning");
  for (const bad of ["loud", "dht:", ":debug", "dht:loud", "dht:debug:x", "DHT:debug"]) {
    throws(() => parseLogLevels(bad), { code: "base/log-levels" }, bad);
  }
});

Deno.test("LogBook shows what was asked for, remembers from info on, and counts", () => {
  const seen: string[] = [];
  const book = new LogBook({ levels: parseLogLevels("dht:debug,warning"), write: (line) => seen.push(line) });
  const dht = book.log.child({ room: "dht", peer: "ab" }), net = book.log.child({ room: "net" });
  dht.trace("not even remembered");
  dht.debug("asked a node", { tries: 3 });
  net.debug("not remembered either");
  net.info("remembered, not shown");
  net.error("shown");
  book.log.warning("without a room");
  deepStrictEqual(seen.map((line) => line.slice(13)), [
    "debug dht: asked a node (peer=ab tries=3)",
    "error net: shown",
    "warning kith: without a room",
  ]);
  deepStrictEqual(book.lines().map((line) => [line.number, line.sentence]), [
    [1, "asked a node"],
    [2, "remembered, not shown"],
    [3, "shown"],
    [4, "without a room"],
  ]);
  deepStrictEqual(book.lines(3).map((line) => line.sentence), ["without a room"]);
});

Deno.test("LogBook keeps the last 10,000 lines", () => {
  const book = new LogBook({ write: () => {} });
  for (let i = 0; i < 10_050; i++) book.log.info("line", { i });
  const lines = book.lines();
  deepStrictEqual([lines.length, lines[0]!.number, lines.at(-1)!.number], [10_000, 51, 10_050]);
});

Deno.test("LogBook never writes a secret, and nothing without end", () => {
  const seen: string[] = [], circle: Record<string, unknown> = { name: "circle" };
  circle.self = circle;
  const book = new LogBook({ json: true, write: (line) => seen.push(line) });
  const key = new Secret(new Uint8Array(32).fill(0xab));
  book.log.child({ room: "identity", account: { key } }).error("failed", {
    password: "hunter2",
    nested: { list: [key, new Map([["k", key]])], archivePassword: "hunter2", privateKey: "abab" },
    error: new CoreError("identity/broken", { key }),
    bytes: new Uint8Array(1000),
    many: new Array(100_000).fill(1),
    long: "x".repeat(100_000),
    big: 2n ** 64n,
    circle,
    call: () => "abab",
  });
  strictEqual(seen.length, 1);
  ok(!/hunter2|abab|171/.test(seen[0]!), seen[0]);
  ok(seen[0]!.length < 4000, String(seen[0]!.length));
  const { event, room, sentence, fields } = JSON.parse(seen[0]!);
  deepStrictEqual([event, room, sentence, fields.big, fields.error.code], [
    "log",
    "identity",
    "failed",
    "18446744073709551616",
    "identity/broken",
  ]);
  strictEqual(formatLine(book.lines()[0]!).includes("hunter2"), false);
});
