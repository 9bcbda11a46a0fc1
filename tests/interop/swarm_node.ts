/**
 * One account of ours with everything a person needs to talk, driven by JSON lines. argv: `{"home":FOLDER,"bootstrap":"IP:PORT","name":…}`.
 * Says `{"ready":…}` once its device is announced. SIGTERM or the end of input stops it.
 */
import {
  type AccountId,
  type CommitId,
  type ConversationId,
  LogBook,
  parseLogLevels,
  realClock,
  realRandom,
} from "../../core/base/mod.ts";
import { Dht } from "../../core/dht/mod.ts";
import { Accounts } from "../../core/identity/mod.ts";
import { realStreamNet } from "../../core/net/mod.ts";
import { AccountSession, type SessionEvent } from "../../core/node/mod.ts";
import { openHome } from "../../core/storage/mod.ts";

type Fields = Record<string, unknown>;
const setup = JSON.parse(Deno.args[0]!) as { home: string; bootstrap: string; name: string };
const out = new TextEncoder();
const plain = (key: string, value: unknown) =>
  key === "list" || key === "chain"
    ? undefined
    : typeof value === "bigint"
    ? String(value)
    : value instanceof Uint8Array
    ? value.toHex()
    : value;
const say = (fields: Fields) => void Deno.stdout.writeSync(out.encode(JSON.stringify(fields, plain) + "\n"));
const { log } = new LogBook(
  { levels: parseLogLevels(Deno.env.get("LOG") ?? ""), sink: (line: unknown) => say({ log: line }) } as never,
);
const env = { clock: realClock, random: realRandom, net: realStreamNet, log };

await using home = await openHome(setup.home);
const accounts = Accounts.open(home, env);
const record = accounts.list()[0] ?? await accounts.create({ deviceName: "kith", displayName: setup.name });
const account = await accounts.load(record.id), dht = await Dht.open(env, { bootstrap: [setup.bootstrap] });
const session = await AccountSession.open({
  dht,
  home,
  account,
  env,
  onEvent: (event: SessionEvent) => {
    if (event.type === "announced") say({ ready: true, jamiId: account.jamiId, device: account.deviceId });
    else if (event.type === "attempt") say({ attempt: event.trace });
    else say({ event });
  },
});
const id = (value: unknown) => String(value) as AccountId & ConversationId & CommitId;

const verbs: Record<string, (fields: Fields) => Promise<Fields> | Fields> = {
  add: async ({ account }) => ({ ...await session.addContact(id(account)) }),
  accept: async ({ account }) => ({ ...await session.acceptRequest(id(account)) }),
  decline: ({ account }) => (session.declineRequest(id(account)), {}),
  remove: async ({ account, ban }) => ({
    removed: await session.removeContact(id(account), { ban: Boolean(ban) }),
  }),
  contacts: () => ({ contacts: session.book.list(), requests: session.book.requests() }),
  group: async () => ({ conversation: (await session.swarm.create()).id }),
  invite: async ({ conversation, account }) => ({
    commit: await session.swarm.invite(id(conversation), id(account)),
  }),
  join: ({ conversation }) => (session.swarm.accept(id(conversation)), {}),
  leave: async ({ conversation }) => (await session.swarm.leave(id(conversation)), {}),
  send: async ({ conversation, text, reply }) => ({
    commit: await (await session.swarm.get(id(conversation))).send(
      String(text),
      reply ? id(reply) : undefined,
    ),
  }),
  edit: async ({ conversation, commit, text }) => ({
    commit: await (await session.swarm.get(id(conversation))).edit(id(commit), String(text)),
  }),
  react: async ({ conversation, commit, text }) => ({
    commit: await (await session.swarm.get(id(conversation))).react(id(commit), String(text)),
  }),
  ban: async ({ conversation, account }) => ({
    commit: await (await session.swarm.get(id(conversation))).ban(id(account)),
  }),
  title: async ({ conversation, title }) => ({
    commit: await (await session.swarm.get(id(conversation))).setProfile({ title: String(title) }),
  }),
  read: async ({ conversation, commit }) => (await session.swarm.read(id(conversation), id(commit)), {}),
  typing: async (
    { conversation, active },
  ) => (await session.swarm.typing(id(conversation), Boolean(active)), {}),
  page: ({ conversation, limit }) => ({
    messages: session.swarm.index.page(id(conversation), { limit: Number(limit ?? 50) }),
  }),
  members: async ({ conversation }) => {
    const open = await session.swarm.get(id(conversation));
    return { members: open.members, tip: open.tip, profile: open.profile() };
  },
  state: () => ({
    known: session.swarm.register.list(),
    drops: {
      swarm: session.swarm.drops,
      peers: session.peers.drops,
      requests: session.requests.drops,
      secure: session.online.secure.drops,
      online: session.online.online.drops,
    },
    links: session.peers.links().map(({ device, direction, path, mux }) => ({
      device,
      direction,
      path,
      ...mux.info(),
    })),
  }),
  usage: () => ({ rss: Deno.memoryUsage().rss }),
};

const stop = Promise.withResolvers<void>();
Deno.addSignalListener("SIGTERM", () => stop.resolve());
(async () => {
  let rest = "";
  for await (const text of Deno.stdin.readable.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + text).split("\n");
    rest = lines.pop()!;
    for (const line of lines) void run(JSON.parse(line));
  }
  stop.resolve();
})();
async function run({ n, do: verb, ...fields }: Fields): Promise<void> {
  try {
    say({ n, ok: true, ...(await verbs[String(verb)]!(fields)) });
  } catch (error) {
    const { code, data, message } = error as { code?: string; data?: unknown; message?: string };
    say({ n, ok: false, code: code ?? message, data });
  }
}
await stop.promise;
await session[Symbol.asyncDispose]();
await dht[Symbol.asyncDispose]();
await home[Symbol.asyncDispose]();
Deno.exit(0);
