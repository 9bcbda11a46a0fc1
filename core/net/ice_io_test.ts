import { deepStrictEqual, rejects, strictEqual } from "node:assert/strict";
import { realClock, realRandom, silentLog } from "../base/mod.ts";
import { formatIceText, parseIceText } from "./ice_candidate.ts";
import { IceLink } from "./ice_io.ts";
import { IceMedia } from "./ice_media_io.ts";
import type { IceEnv, IceNote, OpenOptions } from "./ice_runner_io.ts";
import { realStreamNet } from "./socket_io.ts";

const env: IceEnv = { clock: realClock, random: realRandom, net: realStreamNet, log: silentLog };
const lab = { policy: { loopback: true }, anyAddress: true } as const;

/** Two links, connected with each other. */
async function pair(a: Partial<OpenOptions> = {}, b: Partial<OpenOptions> = {}) {
  const initiator = await IceLink.open(env, { ...lab, role: "controlled", ...a });
  const responder = await IceLink.open(env, { ...lab, role: "controlling", ...b });
  const [offer, answer] = [initiator.offer, responder.offer].map((o) => parseIceText(formatIceText(o)));
  await Promise.all([responder.connect(offer!), initiator.connect(answer!)]);
  return { initiator, responder };
}

async function readAll(link: IceLink, length: number): Promise<Uint8Array> {
  const all = new Uint8Array(length);
  for (let at = 0; at < length;) {
    const piece = await link.read();
    if (!piece) throw new Error(`ended after ${at} of ${length}`);
    all.set(piece, at), at += piece.length;
  }
  return all;
}

Deno.test("IceLink connects two nodes on one host and carries bytes both ways", async () => {
  const { initiator, responder } = await pair();
  await using _a = initiator, _b = responder;
  const bytes = realRandom.bytes(300_000);
  bytes[0] = 0x17;
  const [there, back] = await Promise.all([
    readAll(responder, bytes.length),
    readAll(initiator, 5),
    initiator.write(bytes),
    responder.write(new Uint8Array([0x17, 3, 3, 0, 0])),
  ]);
  deepStrictEqual(there, bytes);
  deepStrictEqual(back, new Uint8Array([0x17, 3, 3, 0, 0]));
  strictEqual(initiator.path!.remote.port !== 0, true);
});

Deno.test("IceLink.close() lets written bytes arrive, then ends the other side's reads", async () => {
  const { initiator, responder } = await pair();
  await using _a = initiator, _b = responder;
  const bytes = realRandom.bytes(100_000).fill(1);
  const reading = readAll(responder, bytes.length);
  await initiator.write(bytes);
  await initiator.close();
  deepStrictEqual(await reading, bytes);
  strictEqual(await responder.read(), undefined);
  await rejects(responder.write(new Uint8Array(3)), { code: "net/ice-ended" });
  await rejects(initiator.write(new Uint8Array(3)), { code: "net/ice-closed" });
});

Deno.test("IceLink slows the sender down when nobody reads, and goes on when somebody does", async () => {
  const { initiator, responder } = await pair();
  await using _a = initiator, _b = responder;
  const piece = new Uint8Array(64 * 1024).fill(7), total = 512;
  let written = 0;
  const writing = (async () => {
    for (; written < total; written++) await initiator.write(piece);
  })();
  let before = -1;
  while (written !== before) { // until it stands still for a while
    before = written;
    await new Promise((done) => setTimeout(done, 300));
  }
  strictEqual(written < total, true, `${written} pieces went out to a reader that does not read`);
  const got = await readAll(responder, total * piece.length);
  await writing;
  strictEqual(got.every((byte) => byte === 7), true);
});

Deno.test("IceLink.open() and connect() obey their signals and leave nothing open", async () => {
  await rejects(IceLink.open(env, { ...lab, role: "controlled" }, AbortSignal.abort(new Error("no"))), /no/);
  await using link = await IceLink.open(env, { ...lab, role: "controlled" });
  const abort = new AbortController();
  await using other = await IceLink.open(env, { ...lab, role: "controlled" });
  const connecting = link.connect(other.offer, { signal: abort.signal }); // nobody will nominate
  abort.abort(new Error("enough"));
  await rejects(connecting, /enough/);
  await rejects(link.read(), /enough/);
});

for (const nomination of ["regular", "aggressive"] as const) {
  Deno.test(`IceMedia finds a pair for four components (${nomination})`, async () => {
    const components = [1, 2, 3, 4], notes: IceNote[] = [];
    const note = (n: IceNote) => void notes.push(n);
    await using a = await IceMedia.open(env, { ...lab, role: "controlling", components, nomination, note });
    await using b = await IceMedia.open(env, { ...lab, role: "controlled", components });
    const heard: [number, string][] = [], all = Promise.withResolvers<void>();
    b.onData = (component, bytes) => {
      heard.push([component, bytes.toHex()]);
      if (heard.length === 4) all.resolve();
    };
    strictEqual(a.send(1, new Uint8Array([0x80])), false);
    await Promise.all([a.connect(b.offer), b.connect(a.offer)]);
    for (const c of components) strictEqual(a.send(c, new Uint8Array([0x80, c])), true);
    await all.promise;
    deepStrictEqual(heard.sort(), components.map((c) => [c, `800${c}`]));
    strictEqual(notes.filter((n) => n.what === "selected").length >= 4, true);
  });
}

Deno.test("IceMedia leaves out components the other side does not have", async () => {
  await using a = await IceMedia.open(env, { ...lab, role: "controlling", components: [1, 2, 3, 4] });
  await using b = await IceMedia.open(env, { ...lab, role: "controlled", components: [1, 2] });
  await Promise.all([a.connect(b.offer), b.connect(a.offer)]);
  deepStrictEqual([1, 2, 3, 4].map((c) => a.path(c) !== undefined), [true, true, false, false]);
});
