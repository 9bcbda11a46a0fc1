/** Signed and encrypted values between us and real dhtnodes of both generations, directly and through their proxies. */
import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import {
  type Env,
  isError,
  realClock,
  realNet,
  realRandom,
  silentLog,
  text,
  utf8,
} from "../../core/base/mod.ts";
import { encryptTo, importPrivateKey } from "../../core/crypto/mod.ts";
import {
  certificateKeys,
  certificateValue,
  type CheckedValue,
  decodeCertificate,
  decodeValue,
  Dht,
  type DhtAccess,
  type Identity,
  makeValue,
  nodeIdOf,
  parseQuery,
  ProxyDht,
  SecureDht,
} from "../../core/dht/mod.ts";
import { v23, v26 } from "../vectors/dht/values.ts";
import { peerTest, Process, programs } from "./harness/mod.ts";

const NETWORK = 4207, env: Env = { clock: realClock, random: realRandom, net: realNet, log: silentLog };
const b64 = (packed: string) => Uint8Array.fromBase64(packed);
const randomKey = () => realRandom.bytes(20).toHex();

async function identityOf(world: typeof v23): Promise<Identity> {
  const { chain } = decodeCertificate(decodeValue(b64(world.certificate.packed)).data);
  return { key: await importPrivateKey(b64(world.deviceKey)), chain };
}
const me = await identityOf(v23), friend = await identityOf(v26);

/** A dhtnode on loopback with an identity and a proxy; its command line is open. */
class Node implements AsyncDisposable {
  private constructor(
    readonly process: Process,
    readonly port: number,
    readonly proxy: number,
    readonly keyId: string,
  ) {}

  /** Without an identity it forwards values it cannot open, as proxies in the field do. */
  static async start(
    kind: "v23" | "v26",
    port: number,
    identity: boolean,
    bootstrap?: number,
  ): Promise<Node> {
    const { dhtnode: [command, ...before], env } = programs(kind), proxy = port + 1;
    const args = ["-p", String(port), "-n", String(NETWORK), "--proxyserver", String(proxy)];
    if (identity) args.push("-i");
    if (bootstrap) args.push("-b", `127.0.0.1:${bootstrap}`);
    const process = Process.start(command!, [...before, ...args], {
      env: { ...env },
      name: `dhtnode ${kind}`,
    });
    const [, keyId = ""] = identity ? await process.line(/Public key ID ([0-9a-f]{40})/, 60_000) : [];
    await process.line(/type 'h' or 'help'/);
    return new Node(process, port, proxy, keyId);
  }
  /** Types a command and waits for what it must print. */
  async type(command: string, answer: RegExp): Promise<RegExpMatchArray> {
    const since = this.process.mark();
    await this.process.write(command + "\n");
    return await this.process.line(answer, 30_000, since);
  }
  /** Everything printed by a `g`. */
  async get(key: string): Promise<string> {
    const since = this.process.mark();
    await this.type(`g ${key}`, /Get: (completed|failure)/);
    return this.process.lines.slice(since).join("\n");
  }
  [Symbol.asyncDispose](): Promise<void> {
    return this.process[Symbol.asyncDispose]();
  }
}

async function until<T>(what: string, look: () => Promise<T | undefined>): Promise<T> {
  for (const end = performance.now() + 20_000;;) {
    const found = await look();
    if (found !== undefined) return found;
    if (performance.now() > end) throw new Error(`not within 20 s: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}
const one = async (dht: SecureDht, key: string): Promise<CheckedValue | undefined> =>
  (await Array.fromAsync(dht.get(key)))[0];
const secure = (dht: DhtAccess, identity?: Identity) =>
  new SecureDht(dht, { random: realRandom, ...(identity && { identity }) });

/** Everything that a node with `kind` and one of ours must be able to do with each other. */
async function together(t: Deno.TestContext, node: Node, dht: DhtAccess): Promise<void> {
  const ours = secure(dht, me), plainReader = secure(dht);

  await t.step("[dht 57] what it signs, we verify", async () => {
    const key = randomKey();
    await node.type(`s ${key} signed-by-dhtnode`, /Put signed: success/);
    const found = await until("the signed value", () => one(plainReader, key));
    strictEqual(found.sender!.shortId, node.keyId);
    strictEqual(text(found.value.data), "signed-by-dhtnode");
  });

  await t.step("[dht 57] what we sign, it verifies, shows and replaces by a higher seq", async () => {
    const key = randomKey();
    await ours.putSigned(key, { id: 0x1234n, data: utf8("first"), userType: "text/plain" });
    await until("our first value", async () => (await node.get(key)).includes("first") || undefined);
    await ours.putSigned(key, { id: 0x1234n, data: utf8("second"), userType: "text/plain" });
    const shown = await until("our second value", async () => {
      const printed = await node.get(key);
      return printed.includes("second") ? printed : undefined;
    });
    ok(/signed/i.test(shown), shown);
    const restarted = secure(dht, me); // knows nothing of what it put before
    await restarted.putSigned(key, { id: 0x1234n, data: utf8("third"), userType: "text/plain" });
    await until("our third value", async () => (await node.get(key)).includes("third") || undefined);
    strictEqual((await one(plainReader, key))!.value.seq, 2);
  });

  await t.step("[dht 53] it finds our certificate and encrypts to us; only we can read it", async () => {
    const stop = new AbortController();
    const { short } = await ours.publishCertificate(stop.signal);
    ok(short > 0);
    const key = randomKey();
    await until("an encrypted put", async () => {
      const [, outcome] = await node.type(
        `e ${key} ${me.key.publicKey.shortId} for-our-eyes`,
        /Put encrypted: (success|failure)/,
      );
      return outcome === "success" || undefined;
    });
    const found = await until("the encrypted value", () => one(ours, key));
    strictEqual(found.encrypted, true);
    strictEqual(found.sender!.shortId, node.keyId);
    strictEqual(text(found.value.data), "for-our-eyes");
    strictEqual(await one(secure(dht, friend), key), undefined);
    stop.abort();
  });

  await t.step(
    "[dht 42] we find its certificate and encrypt to it, short and long; it reads both",
    async () => {
      const certificate = await until("its certificate", () => ours.findCertificate({ shortId: node.keyId }));
      strictEqual(certificate.publicKey.shortId, node.keyId);
      for (const body of ["for-dhtnode", "long-".repeat(900)]) {
        const key = randomKey();
        await ours.putEncrypted(key, { shortId: node.keyId }, { data: utf8(body), userType: "text/plain" });
        const shown = await until("our value at dhtnode", async () => {
          const printed = await node.get(key);
          return printed.includes(body.slice(0, 200)) ? printed : undefined;
        });
        ok(
          shown.includes("ncrypted") || shown.includes("ecrypted") ||
            shown.includes(me.key.publicKey.shortId),
          shown,
        );
      }
    },
  );

  await t.step("[dht 53] it finds certificates at both keys of their subject", async () => {
    const value = certificateValue(friend.chain);
    for (const place of certificateKeys(friend.key.publicKey)) {
      await dht.put(place, value);
      strictEqual((await Array.fromAsync(dht.get(place))).length, 1);
      await until(
        "the certificate",
        async () => (await node.get(place)).includes("Certificate") || undefined,
      );
    }
  });

  await t.step("[dht 41] a query selects what it must, encrypted values stay sealed to others", async () => {
    const key = randomKey();
    await ours.putSigned(key, { id: 7n, data: utf8("x"), userType: "a" });
    await ours.put(key, { id: 8n, data: utf8("y"), userType: "b" });
    await ours.putEncrypted(key, friend.key.publicKey, { id: 9n, data: utf8("z") });
    const all = await until("three values", async () => {
      const found = await Array.fromAsync(dht.get(key));
      return found.length === 3 ? found : undefined;
    });
    deepStrictEqual(all.map(({ id }) => id).sort(), [7n, 8n, 9n]);
    const byUser = await Array.fromAsync(ours.get(key, { query: parseQuery('WHERE user_type="b"') }));
    deepStrictEqual(byUser.map(({ value }) => value.id), [8n]);
    const opened = await Array.fromAsync(secure(dht, friend).get(key));
    deepStrictEqual(opened.map(({ value, encrypted }) => [value.id, encrypted]).sort(), [[7n, false], [
      8n,
      false,
    ], [9n, true]]);
  });

  await t.step("[dht 53] listening hears it sign and encrypt", async () => {
    const key = randomKey(), stop = new AbortController(), heard: string[] = [];
    const until20 = AbortSignal.any([stop.signal, AbortSignal.timeout(20_000)]);
    const listening = (async () => {
      for await (const { type, value } of ours.listen(key, { signal: until20 })) {
        if (heard.push(`${type} ${text(value.data)}`) === 2) break;
      }
    })();
    await node.type(`s ${key} heard-signed`, /Put signed: success/);
    await until("the signed one", () => Promise.resolve(heard.length > 0 || undefined));
    await ours.putEncrypted(key, me.key.publicKey, { data: utf8("heard-encrypted") });
    await listening;
    deepStrictEqual(heard, ["value heard-signed", "value heard-encrypted"]);
    stop.abort();
  });
}

for (const [kind, port] of [["v23", 47110], ["v26", 47120]] as const) {
  peerTest(`our node and a dhtnode of ${kind} sign and encrypt for each other`, [kind], async (t) => {
    await using node = await Node.start(kind, port, true);
    await using dht = await Dht.open(env, {
      network: NETWORK,
      id: nodeIdOf(me.key.publicKey.shortId),
      bootstrap: [`127.0.0.1:${node.port}`],
    });
    await dht.connected(AbortSignal.timeout(20_000));
    strictEqual(dht.id, nodeIdOf(me.key.publicKey.shortId).toHex());
    await together(t, node, dht);
  });

  peerTest(`through the proxy of ${kind} the same holds`, [kind], async (t) => {
    await using first = await Node.start(kind, port + 4, true);
    await using node = await Node.start(kind, port + 6, false, first.port);
    await using proxy = new ProxyDht({ ...env, url: `127.0.0.1:${node.proxy}` });
    await until("a good node behind the proxy", async () => {
      try {
        return (await proxy.info()).good4 > 0 || undefined;
      } catch (error) {
        if (isError(error, "dht/proxy-answer")) return undefined; // 503: it has just started
        throw error;
      }
    });
    await together(t, first, proxy);
    await t.step(
      "[dht 56] plain values, big values, permanent values, expiry of what the proxy loses",
      async () => {
        const key = randomKey(), data = realRandom.bytes(60_000), stop = new AbortController();
        await proxy.put(key, makeValue({ id: 1n, data }));
        await proxy.put(key, makeValue({ id: 2n ** 64n - 1n, data: utf8("x"), userType: "é" }), {
          permanent: true,
          signal: stop.signal,
        });
        const found = await Array.fromAsync(proxy.get(key));
        deepStrictEqual(found.map(({ id }) => id).sort(), [1n, 2n ** 64n - 1n]);
        deepStrictEqual(found.find(({ id }) => id === 1n)!.data, data);
        strictEqual(proxy.badLines, 0);
        stop.abort();
      },
    );
  });
}

for (const kind of ["v23", "v26"] as const) {
  peerTest(`[dht 42] OpenDHT of ${kind} opens what encryptTo() seals, in both forms`, [kind], async () => {
    const { python: [command, ...before], env } = programs(kind);
    const script = new URL("./opendht_keys.py", import.meta.url).pathname;
    await using process = Process.start(command!, [...before, script], {
      env: { ...env },
      name: `key of ${kind}`,
    });
    const { pem, id } = JSON.parse((await process.line(/^{/, 60_000)).input!);
    const { publicKey } = decodeCertificate(utf8(pem));
    strictEqual(publicKey.shortId, id);
    for (const size of [1, 244, 245, 246, 5000, 65_000]) {
      const plain = realRandom.bytes(size), since = process.mark();
      await process.write((await encryptTo(publicKey, plain)).toHex() + "\n");
      const [, answer] = await process.line(/^plain (.*)/, 10_000, since);
      strictEqual(answer, plain.toHex());
    }
  });
}
