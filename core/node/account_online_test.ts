/** Accounts on line over real nodes on loopback. */
import { deepStrictEqual, strictEqual } from "node:assert/strict";
import { archiveBytes } from "../../tests/vectors/account/captured.ts";
import { goodChain } from "../../tests/tools/account.ts";
import { realClock, realNet, realRandom, silentLog, utf8 } from "../base/mod.ts";
import { derBits, derChildren, derSequence, encode, readDer } from "../codec/mod.ts";
import { Dht, makeValue, SecureDht } from "../dht/mod.ts";
import { Accounts, chainPem, decodeCertificate, type OnlineEvent, verifyDevice } from "../identity/mod.ts";
import { memoryHome } from "../storage/mod.ts";
import { bringOnline } from "./mod.ts";

const env = { clock: realClock, random: realRandom, net: realNet, log: silentLog },
  device = { deviceName: "kith" };

/** Three nodes that know each other. */
async function network(owned: AsyncDisposableStack): Promise<Dht[]> {
  const first = owned.use(await Dht.open(env, { ip: "127.0.0.1" })),
    bootstrap = [`127.0.0.1:${first.local.port}`];
  const others = await Promise.all(
    [1, 2].map(async () => owned.use(await Dht.open(env, { ip: "127.0.0.1", bootstrap }))),
  );
  await Promise.all([first, ...others].map((dht) => dht.connected()));
  return [first, ...others];
}

/** Events, and waiting for one. */
function events<E extends { type: string }>() {
  const seen: E[] = [], waiting: [(event: E) => boolean, (event: E) => void][] = [];
  return {
    seen,
    add(event: E) {
      seen.push(event);
      for (const [test, resolve] of waiting) if (test(event)) resolve(event);
    },
    wait(test: (event: E) => boolean): Promise<E> {
      const known = seen.find(test), { promise, resolve } = Promise.withResolvers<E>();
      if (known) return Promise.resolve(known);
      waiting.push([test, resolve]);
      return promise;
    },
  };
}

Deno.test("[account 12] [account 13] bringOnline() announces, is found at both keys, and sees contacts", async () => {
  await using owned = new AsyncDisposableStack();
  const [, a, b] = await network(owned), home = owned.use(memoryHome()), accounts = Accounts.open(home, env);
  const ada = await accounts.import(archiveBytes("v23_plain.gz"), device);
  const bob = await accounts.import(archiveBytes("v26_plain.gz"), device);
  const heard = events<OnlineEvent>(), quiet = events<OnlineEvent>();
  const adaOnline = owned.use(bringOnline(a!, await accounts.load(ada.id), env, heard.add));
  owned.use(bringOnline(b!, await accounts.load(bob.id), env, quiet.add));
  await Promise.all([
    heard.wait(({ type }) => type === "announced"),
    quiet.wait(({ type }) => type === "announced"),
  ]);
  adaOnline.online.follow(bob.jamiId);
  await heard.wait((e) =>
    e.type === "presence" && e.account === bob.jamiId && e.devices.includes(bob.deviceId)
  );
  strictEqual(adaOnline.online.presence(bob.jamiId)!.state, "seen");
  adaOnline.online.connection("connected", bob.jamiId, bob.deviceId);
  strictEqual(adaOnline.online.presence(bob.jamiId)!.state, "connected");
  const legacy = (await accounts.load(bob.id)).identity.legacyDevice;
  for (const ref of [{ longId: bob.deviceId }, { shortId: legacy }]) {
    const stranger = new SecureDht(a!, { random: realRandom });
    const found = await stranger.findCertificate(ref);
    await verifyDevice(found!.chain.map(decodeCertificate), { account: bob.jamiId, device: bob.deviceId }, {
      wall: Date.now(),
    });
  }
  strictEqual(
    (await adaOnline.secure.findCertificate({ longId: bob.deviceId }))?.publicKey.longId,
    bob.deviceId,
  );
});

Deno.test("[account H4] bringOnline() passes over a certificate with the right key and a forged signature", async () => {
  await using owned = new AsyncDisposableStack();
  const [, a, b] = await network(owned), home = owned.use(memoryHome()), accounts = Accounts.open(home, env);
  const ada = await accounts.import(archiveBytes("v23_plain.gz"), device), heard = events<OnlineEvent>();
  const { secure } = owned.use(bringOnline(a!, await accounts.load(ada.id), env, heard.add));
  const [leaf, ...rest] = await goodChain("device", "account", "ca");
  const parts = derChildren(readDer(leaf!.der)), forged = leaf!.signature.slice();
  forged[9]! ^= 1;
  const fake = decodeCertificate(derSequence(parts[0]!.raw, parts[1]!.raw, derBits(forged)));
  const publish = async (data: string) =>
    await b!.put(leaf!.publicKey.longKey, makeValue({ id: 1n, type: 8, data: encode(utf8(data)) }));
  await publish(chainPem([fake, ...rest]));
  strictEqual(await secure.findCertificate({ longId: leaf!.longId }), undefined);
  deepStrictEqual(secure.drops.untrusted > 0, true);
});
