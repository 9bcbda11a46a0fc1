/**
 * Links beside those of real daemons, in one run on one machine: throughput of one channel, and how long a cold link takes.
 * `--judge` ends with 1 if a target is missed in three tries. Needs root, Debian's jamid and gcc with libgnutls28-dev.
 */
import {
  addAccount,
  type DaemonAccount,
  Dhtnode,
  followPresence,
  type Host,
  Jamid23,
  Lab,
  Process,
} from "../interop/harness/mod.ts";
import type { Setup } from "../interop/peers_node.ts";

const BYTES = 400_000_000, FILE_BYTES = 200_000_000, COLD = 5;
const here = (file: string) => new URL(file, import.meta.url).pathname;
const median = (values: number[]) => values.toSorted((a, b) => a - b)[values.length >> 1]!;
const deno = (program: string, ...args: string[]) =>
  [Deno.execPath(), ["run", "-A", "--unstable-net", "--no-check", here(program), ...args]] as const;

/** MB/s of bare GnuTLS between two processes: what the encryption alone allows here. */
async function bareTls(): Promise<number> {
  const folder = await Deno.makeTempDir({ prefix: "kith-bench-" }), peer = `${folder}/gnutls_peer`;
  try {
    const source = here("../interop/harness/gnutls_peer.c");
    const built = await new Deno.Command("gcc", { args: ["-O2", "-o", peer, source, "-lgnutls"] }).output();
    if (!built.success) throw new Error("gcc failed");
    const files = (who: string) => [here(`../keys/tls_${who}_chain.pem`), here(`../keys/tls_${who}_key.pem`)];
    await using sink = Process.start(peer, ["server", "0", ...files("alice"), "sink"]);
    const [, port] = await sink.line(/^port (\d+)/), begun = performance.now();
    await using _source = Process.start(peer, ["client", port!, ...files("bob"), `source:${BYTES}`]);
    const [, got] = await sink.line(/^done received=(\d+)/, 120_000);
    return Number(got) / (performance.now() - begun) / 1000;
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** Two nodes of ours: cold links with a channel, in ms, and MB/s of one channel over ICE, TLS and the mux. */
async function ours(lab: Lab, bootstrap: string): Promise<{ cold: number[]; channel: number }> {
  const start = async (host: Host) => {
    const [program, args] = deno("../interop/peers_node.ts", JSON.stringify({ bootstrap } satisfies Setup));
    const process = host.start(program, [...args]);
    const [line] = await process.line(/^\{"ready".*/, 60_000);
    return { process, ...JSON.parse(line) as { jamiId: string } };
  };
  const [one, two] = [
    await start(await lab.host("ours1", { ipv6: false })),
    await start(await lab.host("ours2", { ipv6: false })),
  ];
  let n = 0;
  const ask = async (verb: string, fields: object = {}) => {
    await one.process.write(JSON.stringify({ n: ++n, do: verb, ...fields }) + "\n");
    const answer = JSON.parse((await one.process.line(new RegExp(`^\\{"n":${n},.*`), 60_000))[0]);
    if (!answer.ok) throw new Error(`${verb}: ${answer.code}`);
    return answer;
  };
  const [device] = (await ask("find", { account: two.jamiId })).devices, times: number[] = [];
  for (let i = 0; i < COLD; i++) {
    times.push((await ask("open", { device, name: "sip" })).ms);
    await ask("drop");
  }
  const since = two.process.mark();
  await ask("pour", { device, bytes: BYTES, name: "sink:plain" });
  const [line] = await two.process.line(/^\{"event":\{"type":"sunk".*/, 60_000, since),
    { event } = JSON.parse(line);
  return { cold: times, channel: event.bytes / event.ms / 1000 };
}

/** Calls between accounts of two daemons that have never met, until the other one rings, in ms. */
async function theirCold(pairs: readonly [DaemonAccount, DaemonAccount][]): Promise<number[]> {
  const times: number[] = [];
  for (const [from, to] of pairs) {
    await (await followPresence(from, to.jamiId))(true);
    const since = to.daemon.signals.mark(), begun = performance.now();
    await from.daemon.call("placeCallWithMedia", from.id, to.jamiId, []);
    const rings = to.daemon.signals.wait(
      "incomingCallWithMedia",
      (account: string) => account === to.id,
      since,
      35_000,
    );
    if (await rings.then(() => true, () => false)) times.push(performance.now() - begun); // one that never rings is no figure
  }
  if (!times.length) throw new Error("no call between the two daemons rang");
  return times;
}

/** MB/s of a file between two daemons: the one bulk channel they have. */
async function theirFile(lab: Lab, [from, to]: [DaemonAccount, DaemonAccount]): Promise<number> {
  const mine = from.daemon.signals, theirs = to.daemon.signals, folder = await lab.folder();
  const before = [mine.mark(), theirs.mark()] as const;
  await from.daemon.call("sendTrustRequest", from.id, to.jamiId, []);
  const [, conversation] = await theirs.wait(
    "incomingTrustRequest",
    (account: string) => account === to.id,
    before[1],
  );
  await to.daemon.call("acceptTrustRequest", to.id, from.jamiId);
  const joined = (account: string, _: string, who: string, event: number) =>
    account === from.id && who === to.jamiId && event === 1;
  await mine.wait("conversationMemberEvent", joined, before[0], 90_000);
  const path = `${folder}/file`, block = crypto.getRandomValues(new Uint8Array(65536));
  {
    using file = await Deno.create(path);
    for (let at = 0; at < FILE_BYTES; at += block.length) await file.write(block);
  }
  const sent = theirs.mark();
  await from.daemon.call("sendFile", from.id, conversation, path, "file", "");
  const offered = (account: string, _: string, message: Record<string, string>) =>
    account === to.id && message["type"] === "application/data-transfer+json";
  const [, , message] = await theirs.wait("messageReceived", offered, sent) as [
    string,
    string,
    Record<string, string>,
  ];
  const asked = theirs.mark(), begun = performance.now();
  await to.daemon.call(
    "downloadFile",
    to.id,
    conversation,
    message["id"],
    message["fileId"],
    `${folder}/copy`,
  );
  await theirs.wait(
    "dataTransferEvent",
    (_a: string, _c: string, _i: string, _f: string, code: number) => code === 6,
    asked,
  );
  return FILE_BYTES / (performance.now() - begun) / 1000;
}

async function daemons(lab: Lab, bootstrap: string): Promise<[DaemonAccount, DaemonAccount][]> {
  const [one, two] = [
    await Jamid23.start(await lab.host("theirs1", { ipv6: false })),
    await Jamid23.start(await lab.host("theirs2", { ipv6: false })),
  ];
  const pairs: [DaemonAccount, DaemonAccount][] = [];
  for (let i = 0; i < 3; i++) {
    pairs.push([
      await addAccount(one, { bootstrap, displayName: `a${i}` }),
      await addAccount(two, { bootstrap, displayName: `b${i}` }),
    ]);
  }
  return pairs;
}

for (let attempt = 1;; attempt++) {
  await using lab = await Lab.open();
  const dht = await Dhtnode.start("v26", await lab.host("dht", { ipv6: false })),
    bootstrap = `${dht.host.ip4}:${dht.port}`;
  const pairs = await daemons(lab, bootstrap);
  const { cold: ourTimes, channel } = await ours(lab, bootstrap);
  const cold = { theirs: median(await theirCold(pairs)), ours: median(ourTimes) };
  const file = await theirFile(lab, pairs[0]!);
  const bare = await bareTls();
  const rows: [name: string, ours: number, theirs: number, met: boolean, note: string][] = [
    [
      "one channel, MB/s",
      channel,
      file,
      channel >= file,
      `a file between two jamid; bare GnuTLS ${bare.toFixed(0)}`,
    ],
    [
      "cold link with a channel, ms",
      cold.ours,
      cold.theirs,
      cold.ours <= cold.theirs,
      "a first call between two jamid, until it rings",
    ],
  ];
  for (const [name, ours, theirs, met, note] of rows) {
    console.log(
      `${met ? "ok    " : "MISSED"} ${name}: ${ours.toFixed(0)} beside ${theirs.toFixed(0)} (${note})`,
    );
  }
  if (!Deno.args.includes("--judge") || rows.every(([, , , met]) => met)) break;
  if (attempt === 3) Deno.exit(1);
}
