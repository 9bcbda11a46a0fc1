/**
 * Our DHT node behind the same JSON lines as `opendht_peer.py`. argv: JSON of the options of {@linkcode Peer.start}.
 * SIGTERM or the end of input stops it; with `state` it then writes that file.
 */
import {
  type Env,
  infoHash,
  LogBook,
  parseLogLevels,
  realClock,
  realNet,
  realRandom,
} from "../../../core/base/mod.ts";
import { Dht, FIELD, makeValue, parseQuery, type Row, type Value } from "../../../core/dht/mod.ts";
import { readWhole, writeWhole } from "../../../core/storage/mod.ts";

interface Setup {
  port: number;
  bootstrap: [host: string, port: number][];
  network?: number;
  nodeId?: string;
  rate?: number;
  state?: string;
}
type Fields = Record<string, unknown>;

const setup: Setup = JSON.parse(Deno.args[0]!);
const { network, rate, nodeId } = setup,
  at = (host: string, port: number) => `${host.includes(":") ? `[${host}]` : host}:${port}`;
const { log } = new LogBook({ levels: parseLogLevels(Deno.env.get("LOG") ?? "") });
const env: Env = { clock: realClock, random: realRandom, net: realNet, log };
const state = setup.state === undefined ? undefined : await readWhole(setup.state);
const dht = await Dht.open(env, {
  port: setup.port,
  network,
  ...(nodeId !== undefined && { id: Uint8Array.fromHex(nodeId) }),
  ...(rate !== undefined && { globalRate: rate, addressRate: rate }),
  bootstrap: setup.bootstrap.map(([host, port]) => at(host, port)),
  state,
});
dht.done.catch((error) => {
  console.error(error);
  Deno.exit(3);
});

const out = new TextEncoder();
const say = (fields: Fields) => {
  for (let bytes = out.encode(JSON.stringify(fields) + "\n"); bytes.length;) {
    bytes = bytes.subarray(Deno.stdout.writeSync(bytes));
  }
};
const shown = ({ id, data, userType, encrypted, owner, seq }: Value) => ({
  id: String(id),
  data: data.toHex(),
  userType,
  ...(encrypted && { encrypted: encrypted.toHex() }),
  ...(owner && { owner: owner.toHex(), seq }),
});
const shownRow = ({ fields, cells }: Row) => {
  const names: Record<number, string> = {
    [FIELD.id]: "id",
    [FIELD.type]: "type",
    [FIELD.owner]: "owner",
    [FIELD.seq]: "seq",
    [FIELD.userType]: "userType",
  };
  const text = (field: number, cell: Row["cells"][number]) =>
    cell instanceof Uint8Array
      ? field === FIELD.userType ? new TextDecoder().decode(cell) : cell.toHex()
      : String(cell);
  return Object.fromEntries(fields.map((field, i) => [names[field], text(field, cells[i]!)]));
};
const collect = async <T, U>(items: AsyncIterable<T>, show: (item: T) => U) => {
  const all: U[] = [];
  for await (const item of items) all.push(show(item));
  return all;
};

const listens: AbortController[] = [];
const verbs: Record<string, (fields: Fields) => Promise<Fields> | Fields> = {
  async put({ key, data, id, type, userType, permanent, created }) {
    const value = makeValue({
      id: id === undefined ? 0n : BigInt(String(id)),
      type: Number(type ?? 0),
      userType: String(userType ?? ""),
      data: Uint8Array.fromHex(String(data)),
    });
    try {
      const options = {
        permanent: Boolean(permanent),
        ...(created !== undefined && { created: Number(created) }),
      };
      const done = await dht.put(infoHash(String(key)), value, options);
      return { ok: true, id: String(done.id), nodes: done.nodes };
    } catch (error) {
      if ((error as { code?: string }).code !== "dht/put-failed") throw error;
      return { ok: false, id: String(value.id) };
    }
  },
  async get({ key, where }) {
    const query = where === undefined ? undefined : parseQuery(String(where));
    const values = await collect(dht.get(infoHash(String(key)), { query }), shown);
    return { ok: dht.status === "connected", values };
  },
  async query({ key, query }) {
    return {
      ok: true,
      rows: await collect(dht.query(infoHash(String(key)), parseQuery(String(query))), shownRow),
    };
  },
  listen({ key }) {
    const end = new AbortController(), number = listens.push(end) - 1;
    (async () => {
      try {
        for await (const { type, value } of dht.listen(infoHash(String(key)), { signal: end.signal })) {
          say({ listen: number, event: type, value: shown(value) });
        }
      } catch (error) {
        if (!end.signal.aborted) throw error;
      }
    })();
    return { ok: true, listen: number };
  },
  cancel({ listen }) {
    listens[Number(listen)]!.abort();
    return { ok: true };
  },
  bootstrap({ host, port }) {
    dht.bootstrap([at(String(host), Number(port))]);
    return { ok: true };
  },
  connectivityChanged() {
    dht.connectivityChanged();
    return { ok: true };
  },
  info() {
    const info = dht.info();
    return { ok: true, ...info, good4: info.ipv4?.good ?? 0, good6: info.ipv6?.good ?? 0 };
  },
  /** `count` puts and gets one after the other, each of a fresh key; milliseconds of each. */
  async time({ count }) {
    const puts: number[] = [], gets: number[] = [], value = makeValue({ data: new Uint8Array(100).fill(7) });
    for (let i = 0; i < Number(count); i++) {
      const key = infoHash(realRandom.bytes(20).toHex()), start = performance.now();
      await dht.put(key, value);
      puts.push(performance.now() - start);
      const middle = performance.now();
      if ((await collect(dht.get(key), () => 1)).length !== 1) throw new Error("the value is not there");
      gets.push(performance.now() - middle);
    }
    return { ok: true, puts, gets };
  },
};

async function end(): Promise<never> {
  for (const listen of listens) listen.abort();
  if (setup.state !== undefined) await writeWhole(setup.state, dht.exportState());
  await dht[Symbol.asyncDispose]();
  Deno.exit(0);
}
for (const name of ["SIGTERM", "SIGINT"] as const) Deno.addSignalListener(name, end);
say({ ready: true, id: dht.id, port: dht.local.port });

let rest = "";
for await (const text of Deno.stdin.readable.pipeThrough(new TextDecoderStream())) {
  const lines = (rest + text).split("\n");
  rest = lines.pop()!;
  for (const line of lines) {
    const { n, do: verb, ...fields } = JSON.parse(line);
    if (verb === "quit") await end();
    Promise.try(() => verbs[verb]!(fields)).then(
      (answer) => say({ n, ...answer }),
      (error) => say({ n, ok: false, error: String(error) }),
    );
  }
}
await end();
