/** The node's verbs and its local door, on a node whose accounts live on loopback. */
import { deepStrictEqual, match, ok, rejects, strictEqual } from "node:assert/strict";
import fc from "fast-check";
import { archiveBytes } from "../../tests/vectors/account/captured.ts";
import { isError, realClock, realRandom, silentLog, utf8 } from "../base/mod.ts";
import { Dht } from "../dht/mod.ts";
import { Accounts } from "../identity/mod.ts";
import { realStreamNet } from "../net/mod.ts";
import { openHome } from "../storage/mod.ts";
import { answerLine, ControlClient, ControlDoor, controlPath, KithNode, NODE_LIMITS } from "./mod.ts";

const env = { clock: realClock, random: realRandom, net: realStreamNet, log: silentLog };
const stranger = "0123456789abcdef0123456789abcdef01234567";

/** A node with `archives` on loopback, alone in its network, and its home. */
async function nodeWith(owned: AsyncDisposableStack, ...archives: string[]) {
  const folder = await Deno.makeTempDir();
  owned.defer(() => Deno.remove(folder, { recursive: true }));
  const home = owned.use(await openHome(folder)), accounts = Accounts.open(home, env);
  for (const archive of archives) await accounts.import(archiveBytes(archive), { deviceName: "kith" });
  const dht = owned.use(await Dht.open(env, { ip: "127.0.0.1" }));
  const node = owned.use(await KithNode.open({ home, dht, env }));
  const ask = async (request: unknown) =>
    JSON.parse(
      (await answerLine(node, utf8(typeof request === "string" ? request : JSON.stringify(request)))).answer,
    );
  const does = async (verb: string, fields: object = {}) => {
    const { result, error } = await ask({ verb, ...fields });
    if (error) throw new Error(`${verb}: ${JSON.stringify(error)}`);
    return result;
  };
  const refuses = async (request: unknown) => (await ask(request)).error.code;
  return { node, folder, home, ask, does, refuses };
}

Deno.test("answerLine() runs contacts, conversations and messages by what people call them", async () => {
  await using owned = new AsyncDisposableStack();
  const { node, does, ask, refuses } = await nodeWith(owned, "v23_plain.gz");
  const { jamiId } = await does("account.show");
  deepStrictEqual(await ask({ id: 7, verb: "message.page", conversation: "feed" }), {
    id: 7,
    error: { code: "node/unknown-conversation", data: { word: "feed" } },
  });
  const added = await does("contact.add", { who: `jami:${stranger.toUpperCase()}`, name: "Bob" });
  deepStrictEqual([added.contact, added.state, added.name, added.presence], [
    stranger,
    "asked",
    "bob",
    "away",
  ]);
  for (
    const to of [
      "bob",
      "BOB",
      stranger,
      stranger.slice(0, 4),
      added.conversation,
      added.conversation.slice(0, 9),
    ]
  ) {
    strictEqual((await does("message.send", { to, text: `to ${to}` })).conversation, added.conversation);
  }
  const first = (await does("message.page", { conversation: "bob", limit: 6 })).messages[0];
  deepStrictEqual([first.text, first.from, first.reach], ["to bob", jamiId, {}]); // they are not in yet
  await does("message.edit", { conversation: "bob", message: first.message.slice(0, 12), text: "for bob" });
  await does("message.react", { conversation: "bob", message: first.message, text: "👍" });
  const { messages, more } = await does("message.page", { conversation: "bob", limit: 6 });
  deepStrictEqual([messages[0].text, messages[0].edited, messages[0].reactions, more], [
    "for bob",
    true,
    [{ from: jamiId, text: "👍" }],
    true,
  ]);
  const { hits } = await does("message.search", { words: "for", in: "bob", from: jamiId });
  deepStrictEqual(hits.map(({ snippet }: { snippet: string }) => snippet), [
    "\u0002for\u0002 bob".replace("r\u0002", "r\u0003"),
  ]);
  await does("message.delete", { conversation: "bob", message: first.message });
  strictEqual((await does("message.page", { conversation: "bob", limit: 6 })).messages[0].deleted, true);
  const group = await does("conversation.create", { title: "Tea", members: ["bob"] });
  deepStrictEqual([group.kind, group.title, group.members.length], ["group", "Tea", 2]);
  strictEqual(
    (await does("conversation.title", { conversation: group.conversation, title: "Coffee" })).title,
    "Coffee",
  );
  const banned = await does("conversation.ban", { conversation: group.conversation, who: "0123" });
  deepStrictEqual(
    banned.members.map(({ contact, role }: { contact: string; role: string }) => [contact, role]),
    [[jamiId, "admin"], [stranger, "banned"]],
  );
  strictEqual((await does("message.typing", { conversation: "bob", active: true })).active, true);
  strictEqual(
    (await does("message.read", { conversation: "bob", message: first.message })).message,
    first.message,
  );
  strictEqual((await does("conversation.show", { conversation: "bob" })).kind, "pair");
  for (const verb of ["conversation.accept", "conversation.decline"]) {
    strictEqual(await refuses({ verb, conversation: group.conversation }), "swarm/no-invitation");
  }
  strictEqual((await does("conversation.list")).conversations.length, 2);
  strictEqual((await does("contact.block", { who: "0123" })).state, "blocked");
  strictEqual(await refuses({ verb: "contact.remove", who: "bob" }), "node/no-contact");
  strictEqual((await does("contact.unblock", { who: "bob" })).state, "asked");
  strictEqual(await refuses({ verb: "contact.unblock", who: "bob" }), "node/not-blocked");
  strictEqual((await does("conversation.leave", { conversation: group.conversation })).state, "erased");
  const seen = node.events.read(0, Infinity).lines.map((line) => JSON.parse(line));
  deepStrictEqual(seen.map(({ n }) => n), seen.map((_, i) => i + 1));
  for (const event of ["contact", "conversation", "message", "changed"]) {
    ok(seen.some((one) => one.event === event), event);
  }
});

Deno.test("answerLine() refuses what it does not know, and says which field it was", async () => {
  await using owned = new AsyncDisposableStack();
  const { ask, does, refuses } = await nodeWith(owned, "v23_plain.gz", "v26_plain.gz");
  for (const garbage of ["", "null", "[]", "7", '"status"', "{", "\u0000", '{"verb":"status"} x']) {
    strictEqual(await refuses(garbage), "control/json", garbage);
  }
  for (
    const [request, field] of [
      [{}, "verb"],
      [{ verb: 7 }, "verb"],
      [{ verb: "status", id: {} }, "id"],
      [{ verb: "status", id: "x".repeat(257) }, "id"],
      [{ verb: "status", more: 1 }, "more"],
      [{ verb: "contact.list", account: 3 }, "account"],
      [{ verb: "contact.list", account: "x".repeat(257) }, "account"],
      [{ verb: "events", since: -1 }, "since"],
      [{ verb: "events", since: 0.5 }, "since"],
    ] as const
  ) {
    const { error } = await ask(request);
    deepStrictEqual([error.code, error.data.field], ["control/field", field], JSON.stringify(request));
  }
  strictEqual(await refuses({ verb: "contact.list" }), "node/which-account");
  strictEqual(await refuses({ verb: "contact.list", account: "nobody" }), "identity/unknown-account");
  for (const verb of ["", "toString", "__proto__", "constructor", "contact"]) {
    strictEqual(await refuses({ verb }), "control/verb", verb);
  }
  const { accounts } = await does("status"),
    [account] = accounts.map(({ jamiId }: { jamiId: string }) => jamiId);
  for (
    const [field, fields] of [
      ["all", { verb: "contact.list", all: "yes" }],
      ["who", { verb: "contact.add" }],
      ["who", { verb: "contact.add", who: "" }],
      ["members", { verb: "conversation.create", members: "bob" }],
      ["members", { verb: "conversation.create", members: [7] }],
      ["members", { verb: "conversation.create", members: Array(257).fill(stranger) }],
    ] as const
  ) {
    const { error } = await ask({ ...fields, account });
    deepStrictEqual(
      [error.code, error.data.field],
      ["control/field", field],
      JSON.stringify(fields).slice(0, 200),
    );
  }
  strictEqual(await refuses({ verb: "contact.add", account, who: account }), "contacts/self");
  strictEqual(await refuses({ verb: "contact.accept", account, who: stranger }), "contacts/no-request");
  for (const who of ["bob", "012", "x", "../../etc"]) {
    strictEqual(await refuses({ verb: "contact.block", account, who }), "node/unknown-person", who);
  }
  await does("contact.add", { account, who: stranger });
  strictEqual((await does("contact.add", { account, who: `${stranger.slice(0, 39)}8` })).state, "asked");
  strictEqual(await refuses({ verb: "message.send", account, to: "0123", text: "x" }), "node/ambiguous");
  strictEqual(await refuses({ verb: "message.send", account, to: stranger, text: "" }), "swarm/text-size");
  strictEqual(await refuses({ verb: "message.send", account, to: stranger }), "control/field");
  strictEqual(
    await refuses({ verb: "conversation.add", account, conversation: stranger, who: stranger }),
    "node/pair-is-two",
  );
});

Deno.test("answerLine() always answers one line, whatever comes in", async () => {
  await using owned = new AsyncDisposableStack();
  const { node } = await nodeWith(owned);
  const verb = fc.constantFrom(
    "status",
    "contact.list",
    "message.send",
    "message.search",
    "conversation.create",
    "events",
  );
  const line = fc.oneof(
    fc.uint8Array({ maxLength: 200 }),
    fc.json().map(utf8),
    fc.record({ verb, id: fc.anything(), who: fc.anything(), to: fc.anything(), text: fc.anything() }, {
      requiredKeys: ["verb"],
    })
      .map((value) =>
        utf8(JSON.stringify(value, (_, one) => typeof one === "bigint" ? String(one) : one) ?? "")
      ),
  );
  await fc.assert(fc.asyncProperty(line, async (bytes) => {
    const { answer } = await answerLine(node, bytes);
    ok(!answer.includes("\n"));
    const { result, error } = JSON.parse(answer);
    ok(result ? !error : /^(control|node)\//.test(error.code) && error.code !== "node/bug", answer);
  }));
});

Deno.test("ControlDoor serves its owner side by side, cuts off endless lines, and leaves nothing behind", async () => {
  await using owned = new AsyncDisposableStack();
  const { node, folder } = await nodeWith(owned, "v23_plain.gz"), path = controlPath(folder);
  await rejects(ControlClient.connect(folder), (error) => isError(error, "node/not-running"));
  await Deno.writeTextFile(path, "left by a crash");
  const door = owned.use(await ControlDoor.open(node, folder));
  strictEqual((await Deno.stat(path)).mode! & 0o777, 0o600);
  deepStrictEqual([...Deno.readDirSync(folder)].filter(({ name }) => name === ".control"), []);

  using ears = await ControlClient.connect(folder);
  using one = await ControlClient.connect(folder);
  using two = await ControlClient.connect(folder);
  const events = (await ears.follow(0))[Symbol.asyncIterator]();
  const [a, b] = await Promise.all([one.ask("status"), two.ask("contact.add", { who: stranger })]);
  strictEqual((a.accounts as unknown[]).length, 1);
  strictEqual(b.state, "asked");
  for (;;) {
    const { value } = await events.next();
    ok(value, "the event came");
    if (value.event === "contact") break;
  }
  await rejects(one.ask("no such verb"), (error) => isError(error, "control/verb"));
  strictEqual((await one.ask("status")).events, node.events.last, "a wrong request ends nothing");

  await using raw = await Raw.connect(path);
  await raw.write(utf8("nonsense\n\n{}\n"));
  for (const code of ["control/json", "control/json", "control/field"]) {
    strictEqual((await raw.line()).error.code, code);
  }
  const flood = new Uint8Array(1 << 20).fill(97);
  let sent = 0;
  try {
    for (; sent <= 2 * NODE_LIMITS.requestBytes; sent += flood.length) await raw.write(flood);
  } catch (error) {
    ok(error instanceof Deno.errors.BrokenPipe, "cut off meanwhile");
  }
  ok(
    sent >= NODE_LIMITS.requestBytes - flood.length && sent < 2 * NODE_LIMITS.requestBytes,
    "neither early nor late",
  );
  strictEqual((await raw.line()).error.code, "control/line-size");
  strictEqual(await raw.ended(), true);

  const crowd = await Promise.all(
    Array.from({ length: NODE_LIMITS.clients - 3 }, () => ControlClient.connect(folder)),
  );
  await Promise.all(crowd.map((client) => client.ask("status")));
  using late = await ControlClient.connect(folder);
  await rejects(late.ask("status"), (error) => isError(error, "control/busy"));
  for (const client of crowd) client[Symbol.dispose]();

  await door[Symbol.asyncDispose]();
  while (!(await events.next()).done); // what happened before, then the end
  await rejects(two.ask("status"), (error) => isError(error, "node/gone"));
  await rejects(ControlClient.connect(folder), (error) => isError(error, "node/not-running"));
});

Deno.test("ControlDoor refuses a home whose path is longer than a socket's may be", async () => {
  await using owned = new AsyncDisposableStack();
  const { node } = await nodeWith(owned);
  await rejects(
    ControlDoor.open(node, `/tmp/${"x".repeat(100)}`),
    (error) => isError(error, "node/control-path"),
  );
});

Deno.test("KithNode keeps an account away whose papers do not hold, and says so to who asks", async () => {
  await using owned = new AsyncDisposableStack();
  const folder = await Deno.makeTempDir();
  owned.defer(() => Deno.remove(folder, { recursive: true }));
  const home = owned.use(await openHome(folder)), accounts = Accounts.open(home, env);
  const { id } = await accounts.import(archiveBytes("v26_plain.gz"), { deviceName: "kith" });
  home.rows("identity", { durability: "full", migrations: ["as it is"] }).run(
    "update account set receipt = '{}'",
  );
  const dht = owned.use(await Dht.open(env, { ip: "127.0.0.1" })), told: unknown[] = [];
  const node = owned.use(
    await KithNode.open({ home, dht, env, onEvent: ({ event, id, code }) => told.push([event, id, code]) }),
  );
  deepStrictEqual(told, [["refused", id, "identity/receipt"]]);
  const answer = async (verb: string) =>
    JSON.parse((await answerLine(node, utf8(JSON.stringify({ verb })))).answer);
  match((await answer("contact.list")).error.code, /^node\/account-refused$/);
  strictEqual((await answer("status")).result.accounts[0].state, "refused");
});

/** A client that says what it likes. */
class Raw implements AsyncDisposable {
  #text = "";
  private constructor(readonly conn: Deno.UnixConn) {}
  static async connect(path: string): Promise<Raw> {
    return new Raw(await Deno.connect({ transport: "unix", path }));
  }
  async write(bytes: Uint8Array): Promise<void> {
    for (let rest = bytes; rest.length;) rest = rest.subarray(await this.conn.write(rest));
  }
  async line() {
    const chunk = new Uint8Array(4096);
    while (!this.#text.includes("\n")) {
      const size = await this.conn.read(chunk);
      if (size === null) throw new Error(`ended after ${this.#text}`);
      this.#text += new TextDecoder().decode(chunk.subarray(0, size));
    }
    const end = this.#text.indexOf("\n"), line = this.#text.slice(0, end);
    this.#text = this.#text.slice(end + 1);
    return JSON.parse(line);
  }
  async ended(): Promise<boolean> {
    try {
      return await this.conn.read(new Uint8Array(1)) === null;
    } catch (error) {
      if (error instanceof Deno.errors.ConnectionReset) return true; // what we sent last was not read
      throw error;
    }
  }
  [Symbol.asyncDispose](): Promise<void> {
    this.conn.close();
    return Promise.resolve();
  }
}
