/** Both ends of git over a channel, against the git binary and against each other. */
import { deepStrictEqual, strictEqual } from "node:assert/strict";
import { concat, utf8 } from "../../base/mod.ts";
import { git, gitText } from "../../../tests/git_tool.ts";
import { LIMITS } from "../limits.ts";
import { isBehind, lacking } from "../repo/reach.ts";
import { type FetchOut, FetchPack } from "./fetch.ts";
import { type GitObject, type ObjectId, type ObjectType } from "./objects.ts";
import { memoryPack, readPack } from "./pack_read.ts";
import { packPieces } from "./pack_write.ts";
import { pktLine, PktReader, pktText } from "./pkt_line.ts";
import { type UploadIn, type UploadOut, UploadPack } from "./upload.ts";

const DEVICE = "d".repeat(64), CONVERSATION = "c".repeat(40);

class Store {
  readonly map = new Map<ObjectId, GitObject>();
  head: ObjectId | undefined;
  get = (id: ObjectId) => Promise.resolve(this.map.get(id));

  static async of(folder: string): Promise<Store> {
    const store = new Store();
    for (
      const row of (await gitText(folder, ["cat-file", "--batch-check", "--batch-all-objects"])).split("\n")
        .filter(Boolean)
    ) {
      const [id, type] = row.split(" ") as [string, ObjectType];
      store.map.set(id, { type, body: await git(folder, ["cat-file", type, id]) });
    }
    store.head = (await gitText(folder, ["rev-parse", "main"])).slice(0, 40);
    return store;
  }
}

async function repository(folder: string, commits: number): Promise<void> {
  await git(folder, ["init", "-q"]);
  await more(folder, 0, commits);
}
async function more(folder: string, from: number, to: number): Promise<void> {
  for (let i = from; i < to; i++) {
    await Deno.mkdir(`${folder}/sub`, { recursive: true });
    await Deno.writeTextFile(`${folder}/sub/f${i % 5}`, `${i}\n`.repeat(50));
    await git(folder, ["add", "."]);
    await git(folder, ["commit", "-qm", `commit ${i}`]);
  }
}
async function inFolders<T>(run: (a: string, b: string) => Promise<T>): Promise<T> {
  const top = await Deno.makeTempDir(), a = `${top}/a`, b = `${top}/b`;
  await Deno.mkdir(a);
  await Deno.mkdir(b);
  try {
    return await run(a, b);
  } finally {
    await Deno.remove(top, { recursive: true });
  }
}

/** Answers what the serving machine asks from `store` until nothing is left to answer. */
async function serve(machine: UploadPack, store: Store, input: UploadIn): Promise<UploadOut[]> {
  const done: UploadOut[] = [], todo = machine.step(0, input);
  for (let out = todo.shift(); out; out = todo.shift()) {
    if (out.type === "head") todo.push(...machine.step(0, { type: "head", id: store.head }));
    else if (out.type === "common") {
      todo.push(...machine.step(0, { type: "common", id: out.haves.find((id) => store.map.has(id)) }));
    } else if (out.type === "pack") {
      if (!await isBehind(store, out.want, store.head!)) {
        todo.push(...machine.step(0, { type: "refused" }));
        continue;
      }
      const ids = await lacking(store, out.want, out.haves);
      for (const bytes of packPieces(ids.length, ids.map((id) => store.map.get(id)!))) {
        todo.push(...machine.step(0, { type: "pack", bytes }));
      }
      todo.push(...machine.step(0, { type: "packed" }));
    } else done.push(out);
  }
  return done;
}

async function withServer(
  store: Store,
  run: (port: number, seen: UploadOut[]) => Promise<void>,
): Promise<void> {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const seen: UploadOut[] = [];
  const serving = (async () => {
    for await (const connection of listener) {
      const machine = new UploadPack(), buffer = new Uint8Array(65536);
      for (let n = await connection.read(buffer); n !== null; n = await connection.read(buffer)) {
        for (const out of await serve(machine, store, { type: "bytes", bytes: buffer.slice(0, n) })) {
          seen.push(out);
          if (out.type === "write") {
            for (let at = 0; at < out.bytes.length;) at += await connection.write(out.bytes.subarray(at));
          }
        }
      }
      connection.close();
    }
  })().catch((error) => {
    if (!(error instanceof Deno.errors.BadResource)) throw error;
  });
  await run((listener.addr as Deno.NetAddr).port, seen);
  listener.close();
  await serving;
}

Deno.test("[swarm 31] UploadPack serves a clone and a later fetch of the git binary", () =>
  inFolders(async (origin, copy) => {
    await repository(origin, 30);
    const store = await Store.of(origin);
    await withServer(store, async (port, seen) => {
      const url = `git://127.0.0.1:${port}/${CONVERSATION}`;
      await git(copy, ["clone", "-q", url, "."]);
      strictEqual(await gitText(copy, ["rev-parse", "HEAD"]), store.head);
      await git(copy, ["fsck", "--strict"]);
      await more(origin, 30, 40);
      const grown = await Store.of(origin);
      for (const [id, object] of grown.map) store.map.set(id, object);
      store.head = grown.head;
      await git(copy, ["pull", "-q"]);
      strictEqual(await gitText(copy, ["rev-parse", "HEAD"]), grown.head);
      await git(copy, ["fetch", "-q"]); // nothing new: a flush only
      deepStrictEqual(seen.filter((out) => out.type === "fetched").length >= 2, true);
      strictEqual(seen.some((out) => out.type === "close"), false);
      for (const out of seen) {
        if (out.type === "write") strictEqual(out.bytes.length <= LIMITS.pktBytes, true);
      }
    });
  }));

Deno.test("[swarm 35] [swarm 36] FetchPack clones and fetches from the git binary's daemon, byte by byte", () =>
  inFolders(async (origin) => {
    await repository(origin, 30);
    const store = await Store.of(origin), mine = new Store();
    const fetchOnce = async (): Promise<FetchOut> => {
      const child = new Deno.Command("git", {
        args: [
          "daemon",
          "--inetd",
          "--export-all",
          `--base-path=${origin}`,
          "--strict-paths",
          `${origin}/.git`,
        ],
        stdin: "piped",
        stdout: "piped",
        stderr: "null",
      }).spawn();
      const machine = new FetchPack(".git", DEVICE),
        writer = child.stdin.getWriter(),
        pack: Uint8Array[] = [];
      let end: FetchOut | undefined;
      const act = async (outs: readonly FetchOut[]) => {
        for (const out of outs) {
          if (out.type === "write") {
            strictEqual(out.bytes.length <= 65535, true);
            await writer.write(out.bytes as Uint8Array<ArrayBuffer>).catch((error) => {
              if (out.bytes.length !== 4) throw error; // git's daemon does not wait for the good-bye
            });
          } else if (out.type === "tip") {
            const haves = mine.head ? (await gitText(origin, ["rev-list", mine.head])).split("\n") : [];
            await act(machine.step(0, { type: "known", known: mine.map.has(out.id), haves }));
          } else if (out.type === "pack") pack.push(out.bytes);
          else end = out;
        }
      };
      await act(machine.step(0, { type: "start" }));
      reading: for await (const chunk of child.stdout) {
        for (const byte of chunk) {
          await act(machine.step(0, { type: "bytes", bytes: Uint8Array.of(byte) }));
          if (end) break reading;
        }
      }
      await writer.close().catch(() => {});
      await child.status;
      if (end?.type === "done" && end.fetched) {
        for (const object of readPack(memoryPack(concat(...pack)))) mine.map.set(object.id, object);
        mine.head = end.tip;
      }
      return end!;
    };
    deepStrictEqual(await fetchOnce(), { type: "done", tip: store.head, fetched: true });
    deepStrictEqual([...mine.map.keys()].sort(), [...store.map.keys()].sort());
    deepStrictEqual(await fetchOnce(), { type: "done", tip: store.head, fetched: false });
    await more(origin, 30, 60);
    const grown = await Store.of(origin);
    deepStrictEqual(await fetchOnce(), { type: "done", tip: grown.head, fetched: true });
    deepStrictEqual([...mine.map.keys()].sort(), [...grown.map.keys()].sort());
  }));

Deno.test("[swarm 33] UploadPack and FetchPack finish in one round however long the history is", () =>
  inFolders(async (origin) => {
    await repository(origin, 45);
    const store = await Store.of(origin), history = (await gitText(origin, ["rev-list", "main"])).split("\n");
    const server = new UploadPack(), client = new FetchPack(CONVERSATION, DEVICE), pack: Uint8Array[] = [];
    let bursts = 0, result: FetchOut | undefined;
    const act = async (outs: readonly FetchOut[]): Promise<void> => {
      for (const out of outs) {
        if (out.type === "write") {
          bursts++;
          const lines = new PktReader().push(out.bytes).filter((pkt) => pkt !== "flush").map((pkt) =>
            pktText(pkt as Uint8Array)
          );
          strictEqual(lines.filter((line) => line.startsWith("have ")).length <= 19, true);
          for (const answer of await serve(server, store, { type: "bytes", bytes: out.bytes })) {
            if (answer.type === "write") await act(client.step(0, { type: "bytes", bytes: answer.bytes }));
          }
        } else if (out.type === "tip") {
          await act(client.step(0, { type: "known", known: false, haves: history.slice(10) }));
        } else if (out.type === "pack") pack.push(out.bytes);
        else result = out;
      }
    };
    await act(client.step(0, { type: "start" }));
    deepStrictEqual(result, { type: "done", tip: store.head, fetched: true });
    strictEqual(bursts, 3, "request line, negotiation, good-bye");
    const commits = [...readPack(memoryPack(concat(...pack)))].filter((object) => object.type === "commit");
    strictEqual(commits.length, 10);
  }));

const head = "a".repeat(40);
const until = (machine: UploadPack, ...lines: (string | Uint8Array)[]) => {
  machine.step(0, { type: "bytes", bytes: pktLine(`git-upload-pack /${CONVERSATION}\0host=x\0`) });
  machine.step(0, { type: "head", id: head });
  return machine.step(0, {
    type: "bytes",
    bytes: concat(...lines.map((line) => (line === "0000" ? utf8(line) : pktLine(line)))),
  });
};

Deno.test("[swarm 31] UploadPack advertises exactly what the reference does", () => {
  const machine = new UploadPack();
  machine.step(0, { type: "bytes", bytes: pktLine(`git-upload-pack /${CONVERSATION}\0host=${DEVICE}\0`) });
  deepStrictEqual(machine.step(0, { type: "head", id: head }), [{
    type: "write",
    bytes: utf8(
      `006a${head} HEAD\0side-band side-band-64k shallow no-progress include-tag\n003d${head} refs/heads/main\n0000`,
    ),
  }]);
});

Deno.test("[swarm 32] UploadPack serves again after a flush alone, and knows what the peer has then", () => {
  const machine = new UploadPack();
  deepStrictEqual(until(machine, "0000"), [{ type: "fetched", id: head }]);
  deepStrictEqual(machine.step(0, { type: "bytes", bytes: pktLine("git-upload-pack /x\0host=y\0") }), [{
    type: "head",
  }]);
});

Deno.test("[swarm 33] UploadPack acknowledges an early flush as the reference does", () => {
  const machine = new UploadPack(), common = "b".repeat(40);
  until(machine, `want ${head} side-band-64k include-tag \n`, "0000", `have ${common}\n`, "0000");
  deepStrictEqual(machine.step(0, { type: "common", id: common }), [{
    type: "write",
    bytes: concat(pktLine(`ACK ${common} continue\n`), pktLine("NAK\n")),
  }]);
});

Deno.test("[swarm 38] [swarm H36] UploadPack closes when the wanted object is not its own to give", () => {
  const machine = new UploadPack();
  deepStrictEqual(until(machine, `want ${"b".repeat(40)}\n`, "0000", "done\n").at(-1), {
    type: "pack",
    want: "b".repeat(40),
    haves: [],
  });
  deepStrictEqual(machine.step(0, { type: "refused" }), [{ type: "close", reason: "refused" }]);
  deepStrictEqual(machine.step(0, { type: "bytes", bytes: utf8("0000") }), []);
});

Deno.test("[swarm H32] [swarm H35] UploadPack closes on nonsense and on too much of anything", () => {
  const endOf = (...lines: string[]) => until(new UploadPack(), ...lines).at(-1);
  deepStrictEqual(endOf("want nothing\n"), { type: "close", reason: "protocol" });
  deepStrictEqual(endOf("have " + head + "\n"), { type: "close", reason: "protocol" });
  deepStrictEqual(endOf(`want ${head}\n`, `want ${"b".repeat(40)}\n`), { type: "close", reason: "too-much" });
  deepStrictEqual(endOf(`want ${head}\n`, "0000", ...Array(LIMITS.haves + 1).fill(`have ${head}\n`)), {
    type: "close",
    reason: "too-much",
  });
  deepStrictEqual(endOf(`want ${head}\n`, "deepen 1\n"), { type: "close", reason: "protocol" });
  for (const bytes of ["0001", "0002", "0003", "fff1", "xyz1", "GET / HTTP/1.1\r\n"]) {
    deepStrictEqual(new UploadPack().step(0, { type: "bytes", bytes: utf8(bytes) }), [{
      type: "close",
      reason: "protocol",
    }], bytes);
  }
});

Deno.test("[swarm 39] [swarm H37] UploadPack and FetchPack give up on a peer that stalls, and wait for ever between sessions", () => {
  const server = new UploadPack();
  strictEqual(server.wakeAt, Infinity);
  until(server, `want ${head}\n`);
  strictEqual(server.wakeAt, LIMITS.stallMs);
  deepStrictEqual(server.step(LIMITS.stallMs, { type: "wake" }), [{ type: "close", reason: "stalled" }]);
  const client = new FetchPack(CONVERSATION, DEVICE);
  client.step(0, { type: "start" });
  for (let now = 0; now < LIMITS.fetchMs; now += LIMITS.stallMs - 1) {
    strictEqual(client.step(now, { type: "bytes", bytes: new Uint8Array() }).length, 0);
  }
  strictEqual(client.wakeAt, LIMITS.fetchMs);
  deepStrictEqual(client.step(LIMITS.fetchMs, { type: "wake" }), [{ type: "failed", reason: "too-long" }]);
});

Deno.test("[swarm H33] [swarm H34] FetchPack refuses floods of refs, progress and odd bands", () => {
  const started = () => {
    const machine = new FetchPack(CONVERSATION, DEVICE);
    machine.step(0, { type: "start" });
    return machine;
  };
  const feed = (machine: FetchPack, ...lines: (string | Uint8Array)[]) =>
    machine.step(0, {
      type: "bytes",
      bytes: concat(...lines.map((line) => (line === "0000" ? utf8(line) : pktLine(line)))),
    }).at(-1);
  deepStrictEqual(feed(started(), ...Array(1000).fill(`${head} refs/x/${"y".repeat(60)}\n`)), {
    type: "failed",
    reason: "too-much",
  });
  deepStrictEqual(feed(started(), `${head} refs/heads/other\0caps\n`, "0000"), {
    type: "failed",
    reason: "no-main",
  });
  deepStrictEqual(feed(started(), "ERR access denied\n"), { type: "failed", reason: "remote-error" });
  const packing = () => {
    const machine = started();
    feed(machine, `${head} HEAD\0caps\n`, `${head} refs/heads/main\n`, "0000");
    machine.step(0, { type: "known", known: false, haves: [] });
    feed(machine, "NAK\n");
    return machine;
  };
  deepStrictEqual(feed(packing(), concat(Uint8Array.of(3), utf8("no"))), {
    type: "failed",
    reason: "remote-error",
  });
  deepStrictEqual(feed(packing(), Uint8Array.of(0)), { type: "failed", reason: "protocol" });
  deepStrictEqual(feed(packing(), ...Array(5).fill(new Uint8Array(60_000).fill(2))), {
    type: "failed",
    reason: "too-much",
  });
  deepStrictEqual(feed(packing(), Uint8Array.of(1, 80), "0000"), { type: "done", tip: head, fetched: true });
});
