import { deepStrictEqual, strictEqual } from "node:assert/strict";
import { goodChain, NOW, testKey } from "../../tests/tools/account.ts";
import { type AccountId, type Clock, CoreError, realRandom, silentLog } from "../base/mod.ts";
import type { PublicKey } from "../crypto/mod.ts";
import { encode } from "../codec/mod.ts";
import {
  type Account,
  type AccountDht,
  AccountOnline,
  buildCrl,
  encodeAnnouncement,
  makeReceipt,
  type OnlineEvent,
  type OwnValue,
  verifyCrl,
  verifyReceipt,
} from "./mod.ts";

/** A clock moved by hand. */
class HandClock implements Clock {
  time = 0;
  alarms: { time: number; run: () => void }[] = [];
  now = () => this.time;
  wall = () => NOW + this.time;
  at(time: number, run: () => void): Disposable {
    const alarm = { time, run };
    this.alarms.push(alarm);
    return { [Symbol.dispose]: () => void (this.alarms = this.alarms.filter((a) => a !== alarm)) };
  }
  /** Lets time pass until the next alarm; gives its gap. */
  next(): number {
    const [alarm] = this.alarms.splice(0, 1), gap = alarm!.time - this.time;
    this.time = alarm!.time;
    alarm!.run();
    return gap;
  }
}

type Heard = AccountDht extends { listen(...args: never[]): AsyncIterable<infer T> } ? T : never;

/** A DHT of one place that fails when told to, and remembers what was put. */
class Place implements AccountDht {
  puts: { key: string; value: OwnValue; signal: AbortSignal }[] = [];
  failing = false;
  #ears = new Set<(heard: Heard | Error) => void>();
  connected = () => this.failing ? Promise.reject(new CoreError("dht/closed")) : Promise.resolve();
  publishCertificate = () => Promise.resolve({ long: 1, short: 1 });
  put(key: string, value: OwnValue, { signal }: { signal: AbortSignal }): Promise<{ nodes: number }> {
    this.puts.push({ key, value, signal });
    return Promise.resolve({ nodes: 1 });
  }
  tell(heard: Heard | Error): void {
    for (const ear of [...this.#ears]) ear(heard);
  }
  async *listen(_key: string, { signal }: { signal: AbortSignal }): AsyncGenerator<Heard> {
    const queue: (Heard | Error)[] = [];
    let wake = () => {};
    const ear = (heard: Heard | Error) => (queue.push(heard), wake());
    this.#ears.add(ear);
    try {
      for (;;) {
        if (!queue.length) {
          await new Promise<void>((
            resolve,
          ) => (wake = resolve, signal.addEventListener("abort", () => resolve(), { once: true })));
        }
        signal.throwIfAborted();
        const heard = queue.shift();
        if (heard instanceof Error) throw heard;
        if (heard) yield heard;
      }
    } finally {
      this.#ears.delete(ear);
    }
  }
}

const turn = () => new Promise((done) => setTimeout(done, 20));

/** Waits for what a signature check on another thread decides. */
async function until(met: () => boolean): Promise<void> {
  for (const end = performance.now() + 20_000; !met();) {
    if (performance.now() > end) throw new Error("waited in vain");
    await turn();
  }
}

async function open() {
  const chain = await goodChain(), key = await testKey("account"), deviceKey = await testKey("device");
  const receipt = await makeReceipt(key, chain[0]!, "ab".repeat(20));
  const identity = await verifyReceipt(receipt, chain, { wall: NOW });
  const account = {
    jamiId: identity.account,
    deviceId: identity.device,
    deviceKey,
    chain,
    receipt,
    identity,
    crls: [],
  };
  const dht = new Place(), clock = new HandClock(), events: OnlineEvent[] = [];
  const start = (over: Partial<Account> = {}) =>
    AccountOnline.open({ ...account, ...over } as unknown as Account, {
      dht,
      clock,
      random: realRandom,
      log: silentLog,
      onEvent: (event) => events.push(event),
    });
  return { chain, key, identity, dht, clock, events, start };
}

const announcement = (device: PublicKey, sender: PublicKey, id = 1n): Heard => ({
  type: "value",
  value: { id, type: 0, data: encodeAnnouncement(device) },
  sender,
  encrypted: false,
});

Deno.test("[account 11] AccountOnline announces under a new id with every start, signed by the account", async () => {
  const { dht, events, start, identity } = await open();
  for (let i = 0; i < 2; i++) {
    const before = dht.puts.length;
    await using _online = start();
    await until(() => dht.puts.length > before && events.at(-1)!.type === "announced");
  }
  strictEqual(events.filter(({ type }) => type === "announced").length, 2);
  const [a, b] = dht.puts;
  deepStrictEqual([a!.key, a!.value.priority, a!.value.type], [identity.account, 1, 0]);
  deepStrictEqual(a!.value.signature, identity.announcement.signature);
  strictEqual(a!.value.id === b!.value.id, false);
  strictEqual(a!.signal.aborted, true); // off line: nothing is announced again
});

Deno.test("AccountOnline tries again with growing gaps until the network is there", async () => {
  const { dht, clock, events, start } = await open();
  dht.failing = true;
  await using _online = start();
  const gaps: number[] = [];
  for (let i = 0; i < 7; i++) {
    await turn();
    dht.failing = i < 6;
    gaps.push(clock.next());
  }
  deepStrictEqual(gaps, [2000, 4000, 8000, 16000, 32000, 60000, 60000]);
  await turn();
  strictEqual(events.at(-1)!.type, "announced");
});

Deno.test("AccountOnline forgets who was there when listening breaks, and listens again", async () => {
  const { dht, clock, events, start } = await open(),
    friend = await testKey("other"),
    phone = await testKey("b");
  await using online = start();
  const id: AccountId = friend.publicKey.shortId;
  online.follow(id);
  await turn();
  dht.tell(announcement(phone.publicKey, friend.publicKey));
  await turn();
  strictEqual(online.presence(id)!.state, "seen");
  dht.tell(new CoreError("dht/closed"));
  await turn();
  while (clock.alarms.length) clock.next();
  await turn();
  strictEqual(online.presence(id)!.state, "away");
  dht.tell(announcement(phone.publicKey, friend.publicKey));
  await turn();
  strictEqual(online.presence(id)!.state, "seen");
  deepStrictEqual(online.drops.stranger! > 0, true); // our own ear heard the friend's announcement too
  await online.unfollow(id);
  strictEqual(online.presence(id), undefined);
  strictEqual(events.some((e) => e.type === "sibling"), false);
});

Deno.test("[account 28] AccountOnline keeps a list its account signed, and falls silent when it names this device", async () => {
  const { dht, events, start, chain, key } = await open(), other = await goodChain("b", "account", "ca");
  await using online = start();
  await turn();
  const list = async (serial: Uint8Array, signer = key) =>
    await buildCrl({ issuer: chain[1]!, serial, wall: NOW, random: new Uint8Array(8).fill(1) }, signer);
  const plain = (der: Uint8Array, id: bigint): Heard => ({
    type: "value",
    value: { id, type: 0, data: encode(der) },
    sender: undefined,
    encrypted: false,
  });
  const forged = await list(chain[0]!.serial, await testKey("other"));
  dht.tell(plain(forged, 2n));
  await until(() => online.drops.crl === 1);
  const sibling = await list(other[0]!.serial);
  dht.tell(plain(sibling, 3n));
  await until(() => events.at(-1)!.type === "revocation");
  strictEqual(dht.puts[0]!.signal.aborted, false);
  dht.tell(plain(await list(chain[0]!.serial), 4n));
  await until(() => events.at(-1)!.type === "revoked");
  strictEqual(dht.puts[0]!.signal.aborted, true);
  const made = await verifyCrl(sibling, chain[1]!);
  await online.publishRevocations(made);
  deepStrictEqual([dht.puts.at(-1)!.value.data, dht.puts.at(-1)!.value.signature], [
    encode(made.der),
    undefined,
  ]);
});
