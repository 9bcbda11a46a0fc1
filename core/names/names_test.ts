import { deepStrictEqual, rejects, strictEqual, throws } from "node:assert/strict";
import fc from "fast-check";
import { testKey } from "../../tests/tools/account.ts";
import { type Clock, concat, realClock, utf8 } from "../base/mod.ts";
import { importPublicKey } from "../crypto/mod.ts";
import { memoryHome, openHome } from "../storage/mod.ts";
import {
  checkAddressReply,
  checkNameReply,
  NAME_LIMITS as LIMITS,
  NameCache,
  NameClient,
  NameDirectory,
  nameServer,
  normalName,
  parseName,
  serveNames,
  serverUrl,
} from "./mod.ts";

const ETH = "ab".repeat(20), clock = realClock;

/** A server of ours on loopback, and a client without a cache. */
function open() {
  const owned = new AsyncDisposableStack(), home = owned.use(memoryHome());
  const server = owned.use(serveNames({ home, clock, port: 0 }));
  return {
    server,
    home,
    client: new NameClient({ server: server.url, clock }),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

Deno.test("[account 43] NameClient registers a name, and the server gives it back signed", async () => {
  await using world = open();
  const key = await testKey("account"), other = await testKey("other"), { client } = world;
  const jamiId = key.publicKey.shortId;
  strictEqual(await client.lookup("ada"), undefined);
  strictEqual(await client.register("Ada", key, ETH), "registered");
  strictEqual(await client.register("ada", key, ETH), "registered"); // asking twice changes nothing
  strictEqual(await client.register("ada", other, ETH), "taken");
  strictEqual(await client.register("ada-two", key, ETH), "taken"); // one name per account
  const record = { name: "ada", jamiId, verified: true };
  deepStrictEqual(await client.lookup("ADA"), record);
  deepStrictEqual(await client.reverse(jamiId), record);
  strictEqual(await client.reverse(other.publicKey.shortId), undefined);
  const at = `ada@${world.server.url}`;
  deepStrictEqual(await new NameClient({ server: "http://127.0.0.1:9", clock }).lookup(at), record);
  strictEqual(world.server.directory.size, 1);
});

Deno.test("[account 43] the server takes a key whose PEM ends in a NUL, as OpenDHT before 4.3 writes it", async () => {
  const key = await testKey("account"), directory = new NameDirectory(memoryHome());
  const publickey = concat(utf8(key.publicKey.pem), new Uint8Array(1)).toBase64();
  const signature = (await key.sign(utf8("ada"))).toBase64(), addr = key.publicKey.shortId;
  strictEqual(await directory.register("ada", { addr, owner: ETH, publickey, signature }, 1), true);
  strictEqual(
    importPublicKey(Uint8Array.fromBase64(directory.byName("ada")!.publickey)).shortId as string,
    addr,
  );
});

Deno.test("nameServer() refuses what is not right, each with its status", async () => {
  await using home = memoryHome();
  const app = nameServer(new NameDirectory(home), clock),
    key = await testKey("account"),
    other = await testKey("other");
  const addr = key.publicKey.shortId, publickey = btoa(key.publicKey.pem);
  const signature = (await key.sign(utf8("ada"))).toBase64(),
    good = { addr, owner: ETH, publickey, signature };
  const post = async (name: string, body: unknown) =>
    (await app.request(`/name/${name}`, {
      method: "POST",
      body: typeof body === "string" ? body : JSON.stringify(body),
    })).status;
  const foreign = { addr: other.publicKey.shortId, publickey: btoa(other.publicKey.pem) };
  const cases: [number, string, unknown][] = [
    [400, "ada", { ...good, addr: "0".repeat(40) }],
    [400, "ada", { ...good, addr: "12" }],
    [400, "ada", { ...good, owner: undefined }],
    [400, "ab", good],
    [400, "a.b.c", good],
    [400, "%2e%2e%2fx", good],
    [400, "ada", { ...good, signature: undefined }],
    [400, "ada", { ...good, publickey: "!!" }],
    [400, "ada", "[]"],
    [400, "ada", "no json"],
    [401, "adb", good], // signed for another name
    [401, "ada", { ...good, addr: foreign.addr }], // another's address
    [401, "ada", { ...good, publickey: foreign.publickey }],
    [413, "ada", { ...good, filler: "x".repeat(LIMITS.requestBytes) }],
  ];
  for (const [status, name, body] of cases) strictEqual(await post(name, body), status, `${name} ${status}`);
  strictEqual(await post("ada", { ...good, addr: `ring:0x${addr}`.replace("0x", "") }), 200);
  strictEqual((await app.request("/name/zzz")).status, 404);
  strictEqual((await app.request("/addr/zzz")).status, 400);
  strictEqual((await app.request("/else")).status, 404);
  deepStrictEqual(await (await app.request("/name/ADA/owner")).json(), { name: "ada", owner: `0x${ETH}` });
  deepStrictEqual(await (await app.request(`/addr/0x${addr}`)).json(), {
    name: "ada",
    addr: `0x${addr}`,
    publickey,
    signature,
  });
});

Deno.test("nameServer() slows down an address that asks too much, and only that one", async () => {
  await using home = memoryHome();
  let now = 0;
  const app = nameServer(new NameDirectory(home), { ...clock, now: () => now });
  const ask = async (address: string) => (await app.request("/name/nobody", {}, { address })).status;
  for (let i = 0; i < LIMITS.requestsPerMinute; i++) strictEqual(await ask("192.0.2.1"), 404);
  deepStrictEqual([await ask("192.0.2.1"), await ask("192.0.2.2")], [429, 404]);
  now = 60_000;
  strictEqual(await ask("192.0.2.1"), 404);
});

/** A server on loopback that says what it is told to say. */
function liar(answer: (request: Request) => Response | Promise<Response>) {
  const server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen() {} }, answer);
  return { url: `http://127.0.0.1:${server.addr.port}`, [Symbol.asyncDispose]: () => server.shutdown() };
}

Deno.test("[account 44] NameClient believes no answer that does not fit: name, address, key, signature", async () => {
  const key = await testKey("account"), other = await testKey("other"), { shortId, pem } = key.publicKey;
  const truth = {
    name: "ada",
    addr: `0x${shortId}`,
    publickey: btoa(pem),
    signature: (await key.sign(utf8("ada"))).toBase64(),
  };
  let reply: unknown = truth;
  await using server = liar(() => Response.json(reply));
  const client = new NameClient({ server: server.url, clock });
  deepStrictEqual(await client.lookup("ada"), { name: "ada", jamiId: shortId, verified: true });
  const lies: [string, unknown][] = [
    ["name", { ...truth, name: "eve", signature: (await key.sign(utf8("eve"))).toBase64() }],
    ["name", { ...truth, name: undefined }],
    ["address", { ...truth, addr: "0x" + "0".repeat(40) }],
    ["address", { ...truth, addr: undefined }],
    ["key", { ...truth, addr: `0x${other.publicKey.shortId}` }],
    ["key", { ...truth, publickey: undefined }],
    ["signature", { ...truth, signature: undefined }],
    ["signature", { ...truth, signature: (await other.sign(utf8("ada"))).toBase64() }],
    ["shape", []],
    ["shape", "ada"],
  ];
  for (const [why, lie] of lies) {
    reply = lie;
    await rejects(client.lookup("ada"), { code: "names/lying-server", data: { why } }, why);
  }
  reply = { name: "ada", addr: shortId.toUpperCase() }; // allowed by the protocol, and marked
  deepStrictEqual(await client.lookup("ada"), { name: "ada", jamiId: shortId, verified: false });
});

Deno.test("[account H29] NameClient survives HTML, floods, redirects, silence and nobody there", async () => {
  const answers: [string, (r: Request) => Response | Promise<Response>][] = [
    ["shape", () => new Response("<html>please log in</html>", { headers: { "content-type": "text/html" } })],
    ["size", () => new Response(new Uint8Array(LIMITS.replyBytes + 1))],
    ["redirect", () => Response.redirect("http://127.0.0.1:1/name/ada", 302)],
    ["status", () => new Response("", { status: 503 })],
  ];
  for (const [why, answer] of answers) {
    await using server = liar(answer);
    await rejects(new NameClient({ server: server.url, clock }).lookup("ada"), {
      data: why === "status" ? { why, status: 503 } : { why },
    }, why);
  }
  const nobody = new NameClient({ server: "http://127.0.0.1:1", clock });
  await rejects(nobody.lookup("ada"), { code: "names/unreachable", data: { why: "network" } });
  await using mute = liar(() =>
    new Promise<Response>((done) => setTimeout(() => done(new Response("{}")), 400))
  );
  const stop = AbortSignal.timeout(50);
  await rejects(new NameClient({ server: mute.url, clock }).lookup("ada", { signal: stop }), {
    name: "TimeoutError",
  });
  const { http } = await import("./mod.ts");
  const asked = http({ method: "GET", url: mute.url, limitBytes: 10, limitMs: 50 });
  await rejects(asked, { code: "names/unreachable", data: { why: "timeout" } });
});

Deno.test("NameClient.reverse() does not believe a name that leads to somebody else", async () => {
  await using world = open();
  const [ada, eve] = [await testKey("account"), await testKey("other")];
  await world.client.register("ada", ada, ETH);
  await using server = liar((r) =>
    new URL(r.url).pathname.startsWith("/addr/")
      ? Response.json({ name: "ada" })
      : fetch(world.server.url + new URL(r.url).pathname)
  );
  const client = new NameClient({ server: server.url, clock });
  strictEqual((await client.reverse(ada.publicKey.shortId))?.name, "ada");
  await rejects(client.reverse(eve.publicKey.shortId), { code: "names/lying-server" });
});

Deno.test("NameCache answers for a day what was found, for minutes what was not, and forgets after a registration", async () => {
  await using world = open();
  let wall = 1e12, asked = 0;
  const still: Clock = { ...clock, wall: () => wall },
    key = await testKey("account"),
    { shortId } = key.publicKey;
  await using server = liar((
    r,
  ) => (asked++, fetch(world.server.url + new URL(r.url).pathname, { method: r.method, body: r.body })));
  const client = new NameClient({ server: server.url, clock: still, cache: new NameCache(world.home) });
  const costs = async (n: number, question: () => Promise<unknown>) => {
    const before = asked;
    await question();
    strictEqual(asked - before, n);
  };
  await costs(1, () => client.lookup("ada"));
  await costs(0, () => client.lookup("ada"));
  wall += LIMITS.missingMs;
  await costs(1, () => client.lookup("ada"));
  await costs(1, () => client.register("ada", key, ETH));
  await costs(1, async () => strictEqual((await client.lookup("ada"))?.jamiId, shortId));
  await costs(1, async () => strictEqual((await client.reverse(shortId))?.name, "ada"));
  wall += LIMITS.foundMs - 1;
  await costs(0, () => client.reverse(shortId));
  wall += 1;
  await costs(2, () => client.reverse(shortId));
  wall -= 10_000; // the clock was set back: nothing from the future is believed
  await costs(1, () => client.lookup("ada"));
});

Deno.test("NameDirectory keeps names across a restart", async () => {
  const folder = await Deno.makeTempDir(), key = await testKey("account");
  try {
    for (const expected of ["registered", "taken"] as const) {
      await using home = await openHome(folder);
      await using server = serveNames({ home, clock, port: 0 });
      const who = expected === "taken" ? await testKey("other") : key;
      strictEqual(await new NameClient({ server: server.url, clock }).register("ada", who, ETH), expected);
      throws(() => serveNames({ home, clock, port: server.port }), { code: "names/port-in-use" });
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("[account H30] names and servers are checked before they meet a URL", () => {
  for (const bad of ["", "ab", "..", "a/b", "а-cyrillic", "x".repeat(33), "a b", "a%2fb", "ada\n"]) {
    throws(() => normalName(bad), { code: "names/bad-name" }, bad);
  }
  deepStrictEqual(parseName("Ada@Names.Example"), { name: "ada", server: "https://names.example" });
  for (const bad of ["ftp://x", "https://u@x", "https://x/?q", "", "https://"]) {
    throws(() => serverUrl(bad), { code: "names/bad-server" }, bad);
  }
  strictEqual(serverUrl("http://192.0.2.1:8080/a/"), "http://192.0.2.1:8080/a");
});

Deno.test("checkNameReply() and checkAddressReply() answer any JSON with a record or their own refusal", async () => {
  const id = (await testKey("account")).publicKey.shortId,
    fields = ["name", "addr", "publickey", "signature"];
  const shape = fc.oneof(fc.jsonValue(), fc.dictionary(fc.constantFrom(...fields), fc.jsonValue()));
  await fc.assert(fc.asyncProperty(shape, async (reply) => {
    await rejects(checkNameReply("ada", reply), { code: "names/lying-server" });
    throws(
      () =>
        checkAddressReply(id, reply === null || typeof reply !== "object" ? reply : { ...reply, name: "!" }),
      {
        code: "names/lying-server",
      },
    );
  }));
});
