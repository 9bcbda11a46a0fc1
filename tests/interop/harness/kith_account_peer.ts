/**
 * Our node with accounts behind JSON lines. argv: `{"home":FOLDER,"bootstrap":["IP:PORT"]}`.
 * In: `{"n":1,"do":"create","name":…}`, `import` (file, password), `export` (id, file, password), `online` (id),
 * `offline` (id), `follow` (id, account), `names` (ip, port), `lookup`, `reverse`, `register` (server). Out: `{"n":1,"ok":true,…}` and `{"event":…,"id":…}` in between.
 */
import { accountId, realClock, realNet, realRandom, silentLog } from "../../../core/base/mod.ts";
import { Dht } from "../../../core/dht/mod.ts";
import { Accounts, ethAddress, UNLOCKED } from "../../../core/identity/mod.ts";
import { NameClient, serveNames } from "../../../core/names/mod.ts";
import { bringOnline, type OnlineAccount } from "../../../core/node/mod.ts";
import { openHome } from "../../../core/storage/mod.ts";

const env = { clock: realClock, random: realRandom, net: realNet, log: silentLog };
const { home: folder, bootstrap } = JSON.parse(Deno.args[0]!) as { home: string; bootstrap: string[] };
const say = (fields: Record<string, unknown>) => console.log(JSON.stringify(fields, plain));
const plain = (name: string, value: unknown) =>
  typeof value === "bigint" ? String(value) : name === "list" ? undefined : value;

await using owned = new AsyncDisposableStack();
const home = owned.use(await openHome(folder));
const accounts = Accounts.open(home, env), device = { deviceName: "kith" };
await using dht = await Dht.open(env, { bootstrap });
const online = new Map<string, OnlineAccount>();

const verbs: Record<string, (args: Record<string, string>) => Promise<Record<string, unknown>>> = {
  create: async ({ name = "", password }) => ({
    ...await accounts.create({ ...device, displayName: name }, password),
  }),
  import: async ({ file, password = "" }) => ({
    ...await accounts.import(await Deno.readFile(file!), device, { password }),
  }),
  export: async ({ id, file, password = "" }) => {
    await Deno.writeFile(file!, await accounts.export(id!, { password }));
    return {};
  },
  online: async ({ id }) => {
    online.set(
      id!,
      bringOnline(
        dht,
        await accounts.load(id!),
        env,
        (event) => say({ event: event.type, id, ...event, type: undefined }),
      ),
    );
    return {};
  },
  offline: async ({ id }) => {
    await online.get(id!)?.[Symbol.asyncDispose]();
    return {};
  },
  follow: ({ id, account }) => {
    online.get(id!)!.online.follow(accountId(account!));
    return Promise.resolve({});
  },
  names: ({ ip, port }) => {
    owned.use(serveNames({ home, clock: realClock, ip, port: Number(port) }));
    return Promise.resolve({});
  },
  lookup: async ({ server, word }) => ({
    found: await new NameClient({ server, clock: realClock }).lookup(word!),
  }),
  reverse: async ({ server, account }) => ({
    found: await new NameClient({ server, clock: realClock }).reverse(accountId(account!)),
  }),
  register: async ({ server, id, name }) => ({
    result: await accounts.withArchive(
      id!,
      UNLOCKED,
      ({ accountKey, ethKey }) =>
        new NameClient({ server, clock: realClock }).register(name!, accountKey, ethAddress(ethKey)!),
    ),
  }),
};

say({ ready: true });
let rest = "";
for await (const text of Deno.stdin.readable.pipeThrough(new TextDecoderStream())) {
  const lines = (rest + text).split("\n");
  rest = lines.pop()!;
  for (const line of lines) {
    const { n, do: verb, ...args } = JSON.parse(line);
    verbs[verb]!(args).then(
      (result) => say({ n, ok: true, ...result }),
      (error) => say({ n, ok: false, error: String(error) }),
    );
  }
}
for (const { [Symbol.asyncDispose]: end } of online.values()) await end();
