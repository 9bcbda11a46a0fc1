/**
 * Our ICE on a DHT, up to the first bytes of the other side: runs in a host of the lab, driven by lines.
 * argv: `{"home":…,"bootstrap":["IP:PORT"],"archive":FILE,"relay":{"ip":…,"port":…}}` (relay and `stay` seconds optional). It takes part as a second device of that account, answers
 * every request it hears, and asks for a path itself on `{"dial":LONG_ID,"form":"short"|"long"}`.
 * Out, one JSON object a line: `ready`, `asked`, `answered`, `connected` (with both ends, times, the first bytes),
 * `alive` (still connected after the given seconds), `failed`.
 */
import { type InfoHash, realClock, realNet, realRandom, Secret, silentLog } from "../../core/base/mod.ts";
import { Dht } from "../../core/dht/mod.ts";
import { Accounts } from "../../core/identity/mod.ts";
import { formatIceText, IceLink, type IceNote, parseIceText, realStreamNet } from "../../core/net/mod.ts";
import { bringOnline } from "../../core/node/mod.ts";
import {
  decodeRequest,
  encodeRequest,
  type KeyForm,
  newRequestId,
  peerKey,
  REQUEST_USER_TYPE,
} from "../../core/peers/request.ts";
import { openHome } from "../../core/storage/mod.ts";

const env = { clock: realClock, random: realRandom, net: realStreamNet, log: silentLog };
const { home: folder, bootstrap, archive, stay = 0, relay } = JSON.parse(Deno.args[0]!);
const relays = relay ? [{ server: relay, user: "ring", password: new Secret("ring") }] : [];
const common = { relays, anyAddress: true } as const;
const say = (fields: Record<string, unknown>) => console.log(JSON.stringify(fields));

await using home = await openHome(folder);
const accounts = Accounts.open(home, env);
const made = await accounts.import(await Deno.readFile(archive), { deviceName: "kith" }, { password: "" });
await using dht = await Dht.open({ ...env, net: realNet }, { bootstrap });
const account = await accounts.load(made.id), own = account.deviceKey.publicKey;
const { secure } = bringOnline(
  dht,
  account,
  env,
  (event) => event.type === "announced" && say({ ready: own.longId }),
);

const forms = ["long", "short"] as const,
  waiting = new Map<bigint, (ice: string) => void>(),
  seen = new Set<string>();
for (const form of forms) listen(form);

async function listen(form: KeyForm): Promise<void> {
  for await (const heard of secure.listen(peerKey(own, form))) {
    const { value, sender } = heard;
    if (heard.type !== "value" || !sender || value.userType !== REQUEST_USER_TYPE) continue;
    const request = decodeRequest(value.data), name = `${request.id} ${request.isAnswer}`;
    if (seen.has(name)) continue;
    seen.add(name);
    if (request.isAnswer) waiting.get(request.id)?.(request.ice);
    else {answer(form, sender.longId, sender.shortId, request.id, request.ice).catch((e) =>
        say({ failed: String(e) })
      );}
  }
}

async function put(
  form: KeyForm,
  longId: string,
  shortId: InfoHash,
  id: bigint,
  link: IceLink,
  isAnswer: boolean,
) {
  const data = encodeRequest({ id, ice: formatIceText(link.offer), isAnswer, connType: "" });
  const key = peerKey({ longId, shortId }, form);
  await secure.putEncrypted(key, { longId, shortId }, { type: 0, data, userType: REQUEST_USER_TYPE });
}

async function answer(
  form: KeyForm,
  longId: string,
  shortId: InfoHash,
  id: bigint,
  ice: string,
): Promise<void> {
  const notes: IceNote[] = [], started = performance.now();
  const link = await IceLink.open(env, { ...common, role: "controlling", note: (n) => void notes.push(n) });
  const putting = put(form, longId, shortId, id, link, true);
  say({ answered: longId, form, theirs: ice });
  await Promise.all([putting, connected(link, ice, notes, started, "responder")]);
}

async function dial(longId: string, form: KeyForm): Promise<void> {
  const notes: IceNote[] = [], id = newRequestId(realRandom), started = performance.now();
  const key = await secure.findPublicKey({ longId });
  if (!key) return say({ failed: "no certificate" });
  const link = await IceLink.open(env, { ...common, role: "controlled", note: (n) => void notes.push(n) });
  const half = new Promise<string>((resolve) => waiting.set(id, resolve));
  await put(form, longId, key.shortId, id, link, false);
  say({ asked: longId, form });
  await connected(link, await half, notes, started, "initiator");
}

async function connected(
  link: IceLink,
  ice: string,
  notes: IceNote[],
  started: number,
  as: string,
): Promise<void> {
  const offered = performance.now();
  await link.connect(parseIceText(ice));
  const selected = performance.now(), path = link.path!, what = notes.map((n) => n.what);
  const times = { totalMs: selected - started, checksMs: selected - offered };
  const first = as === "initiator" ? (await link.read())?.subarray(0, 6).toHex() : undefined;
  say({
    connected: as,
    local: path.local.type,
    remote: path.remote.type,
    ...times,
    first,
    what,
    drops: [...link.drops],
  });
  if (stay) {
    const reading = link.read().then((bytes) => bytes ? "bytes" : "ended", (error) => String(error));
    const still = new Promise<string>((done) => setTimeout(() => done("alive"), stay * 1000));
    say({ alive: await Promise.race([reading, still]), as, drops: [...link.drops] });
  }
  await link.close();
}

let rest = "";
for await (const text of Deno.stdin.readable.pipeThrough(new TextDecoderStream())) {
  const lines = (rest + text).split("\n");
  rest = lines.pop()!;
  for (const line of lines) {
    const { dial: device, form } = JSON.parse(line);
    dial(device, form).catch((error) => say({ failed: String(error) }));
  }
}
