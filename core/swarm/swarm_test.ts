import { deepStrictEqual, rejects, strictEqual } from "node:assert/strict";
import {
  type AccountId,
  type Clock,
  type ConversationId,
  CoreError,
  type DeviceId,
  realClock,
  realRandom,
  silentLog,
} from "../base/mod.ts";
import { memoryHome } from "../storage/mod.ts";
import { makeDevice, makePerson, type Person } from "../../tests/people.ts";
import { memoryPair } from "../../tests/streams.ts";
import { CONVERSATIONS_SCHEMA, Swarm, SWARM_STATE_SCHEMA, type SwarmEvent } from "./mod.ts";

const [alice, bob, carol] = await Promise.all(["Alice", "Bob", "Carol"].map(makePerson)) as [
  Person,
  Person,
  Person,
];

/** Devices joined by imagined links. */
class Village implements AsyncDisposable {
  readonly nodes = new Map<DeviceId, Node>();
  readonly cut = new Set<string>();
  readonly owned = new AsyncDisposableStack();

  /** Devices whose git channels cannot be opened from elsewhere, nor theirs to others. */
  readonly deaf = new Set<DeviceId>();

  async node(person: Person, options: { old?: boolean; clock?: Clock } = {}): Promise<Node> {
    const home = this.owned.use(await memoryHome()),
      folder = await Deno.makeTempDir(),
      events: SwarmEvent[] = [];
    this.owned.defer(() => Deno.remove(folder, { recursive: true }));
    const node: Node = {
      person,
      events,
      old: Boolean(options.old),
      blocked: new Set(),
      swarm: await Swarm.open({
        me: {
          account: person.account,
          device: person.id,
          name: person.name,
          devicePem: person.pem,
          accountPem: person.memberPem,
          sign: (bytes) => person.key.sign(bytes),
        },
        folder,
        index: home.rows("conversations", CONVERSATIONS_SCHEMA),
        state: home.rows("swarm", SWARM_STATE_SCHEMA),
        wire: { open: (device, name, wish) => this.#dial(person, device as DeviceId, name, wish?.existing) },
        devicesOf: (account) =>
          [...this.nodes.values()].filter((other) => other.person.account === account).map((other) =>
            other.person.id
          ),
        allowed: (account) => !node?.blocked.has(account),
        confirmed: () => false,
        clock: options.clock ?? realClock,
        random: realRandom,
        log: silentLog,
        onEvent: (event) => events.push(event),
      }),
    };
    this.nodes.set(person.id, node);
    this.owned.defer(() => node.swarm[Symbol.asyncDispose]());
    return node;
  }
  async #dial(from: Person, device: DeviceId, name: string, existing?: boolean) {
    const to = this.nodes.get(device);
    await Promise.resolve();
    if (name.startsWith("git:") && this.deaf.has(from.id)) throw new CoreError("peers/no-answer", { device });
    if (!to || this.cut.has(from.id) || this.cut.has(device)) {
      throw new CoreError(existing ? "peers/not-connected" : "peers/no-answer", { device });
    }
    const accept = to.old && name.startsWith("msg:")
      ? undefined
      : await to.swarm.onChannel(name, { account: from.account, device: from.id });
    if (!accept) throw new CoreError("net/channel-refused", { why: "declined" });
    const [near, far] = memoryPair();
    accept(far);
    return near;
  }
  async [Symbol.asyncDispose]() {
    await this.owned.disposeAsync();
  }
}
interface Node {
  readonly person: Person;
  readonly swarm: Swarm;
  readonly events: SwarmEvent[];
  readonly blocked: Set<AccountId>;
  readonly old: boolean;
}

async function until<T>(
  what: () => T | undefined | false | Promise<T | undefined | false>,
  label = "condition",
): Promise<T> {
  for (let i = 0; i < 500; i++) {
    const found = await what();
    if (found) return found;
    await new Promise((go) => setTimeout(go, 10));
  }
  throw new Error(`never: ${label}`);
}
const texts = (node: Node, id: ConversationId) =>
  node.swarm.index.page(id, { limit: 200 }).flatMap((m) => m.type === "text/plain" ? [m.text!] : [])
    .reverse();
const invited = (node: Node, id: ConversationId) =>
  until(() => node.swarm.invitations().some((i) => i.conversation === id), "invitation");
const role = async (node: Node, id: ConversationId, who: Person) =>
  (await node.swarm.get(id).catch(() => undefined))?.role(who.account);

for (const old of [false, true]) {
  Deno.test(`Swarm brings a group together and its messages across (${old ? "SIP" : "msg:"})`, async () => {
    await using village = new Village();
    const a = await village.node(alice),
      b = await village.node(bob, { old }),
      c = await village.node(carol, { old });
    const group = await a.swarm.create();
    await a.swarm.invite(group.id, bob.account);
    await invited(b, group.id);
    b.swarm.accept(group.id);
    await until(async () => await role(a, group.id, bob) === "member", "bob joined");
    await (await b.swarm.get(group.id)).invite(carol.account);
    c.swarm.expect(group.id, bob.account);
    await until(async () => await role(a, group.id, carol) === "member", "carol joined");
    for (const [i, node] of [a, b, c].entries()) {
      for (let n = 0; n < 5; n++) await (await node.swarm.get(group.id)).send(`${i}:${n}`);
    }
    await until(() => [a, b, c].every((node) => texts(node, group.id).length === 15), "all heard");
    await until(
      async () =>
        new Set(await Promise.all([a, b, c].map(async (n) => (await n.swarm.get(group.id)).tip))).size === 1,
      "one tip",
    );
    strictEqual(new Set([a, b, c].map((node) => texts(node, group.id).join())).size, 1);
  });
}

Deno.test("[swarm 40] Swarm delivers what was said while a device was away, in both directions", async () => {
  await using village = new Village();
  const a = await village.node(alice), b = await village.node(bob), pair = await a.swarm.create(bob.account);
  b.swarm.expect(pair.id, alice.account);
  await until(async () => await role(a, pair.id, bob) === "member", "joined");
  village.cut.add(bob.id);
  for (let i = 0; i < 3; i++) {
    await pair.send(`a${i}`);
    await (await b.swarm.get(pair.id)).send(`b${i}`);
  }
  village.cut.clear();
  a.swarm.connected({ account: bob.account, device: bob.id });
  b.swarm.connected({ account: alice.account, device: alice.id });
  await until(() => texts(a, pair.id).length === 6 && texts(b, pair.id).length === 6, "both have all");
  const mark = await until(
    () => a.swarm.marks(pair.id).find((m) => m.kind === "fetched" && m.account === bob.account),
    "fetched",
  );
  strictEqual(mark.account, bob.account);
});

Deno.test("Swarm tells a device again that does not come for what it was told of", async () => {
  const quick: Clock = {
    ...realClock,
    at: (time, run) => realClock.at(realClock.now() + (time - realClock.now()) / 200, run),
  };
  await using village = new Village();
  const a = await village.node(alice, { clock: quick }),
    b = await village.node(bob),
    pair = await a.swarm.create(bob.account);
  b.swarm.expect(pair.id, alice.account);
  await until(async () => await role(a, pair.id, bob) === "member", "joined");
  await a.swarm.messenger.send({ account: bob.account, device: bob.id }, "text/plain", "x"); // a channel is open
  village.deaf.add(bob.id);
  await pair.send("not fetched");
  await new Promise((go) => setTimeout(go, 50));
  village.deaf.clear();
  await until(() => texts(b, pair.id).length === 1, "told again");
});

Deno.test("[swarm 45] [swarm 46] Swarm tells reading and typing to members, and believes members only", async () => {
  await using village = new Village();
  const a = await village.node(alice),
    b = await village.node(bob),
    c = await village.node(carol),
    pair = await a.swarm.create(bob.account);
  b.swarm.expect(pair.id, alice.account);
  await until(async () => await role(a, pair.id, bob) === "member", "joined");
  const said = await pair.send("read me");
  await until(() => texts(b, pair.id).length === 1, "heard");
  await b.swarm.typing(pair.id, true);
  await b.swarm.read(pair.id, said);
  await until(
    () => a.events.some((e) => e.type === "typing" && e.active && e.account === bob.account),
    "typing",
  );
  await until(() => a.swarm.marks(pair.id).some((m) => m.kind === "read" && m.commit === said), "read");
  await b.swarm.typing(pair.id, false);
  await until(() => a.events.some((e) => e.type === "typing" && !e.active), "stopped");
  await c.swarm.messenger.send(
    { account: alice.account, device: alice.id },
    "message/imdn+xml",
    `<imdn><message-id>${said}</message-id><conversation>${pair.id}</conversation><status><displayed/></status></imdn>`,
  );
  await until(() => a.swarm.drops.receipt === 1, "stranger's receipt dropped");
});

Deno.test("[swarm 41] [swarm 42] [swarm 48] Swarm opens nothing to strangers and to blocked accounts", async () => {
  await using village = new Village();
  const a = await village.node(alice),
    b = await village.node(bob),
    pair = await a.swarm.create(bob.account),
    stranger = { account: carol.account, device: carol.id };
  strictEqual(await a.swarm.onChannel(`git://${alice.id}/${pair.id}`, stranger), undefined);
  strictEqual(
    await a.swarm.onChannel(`git://${bob.id}/${pair.id}`, { account: bob.account, device: bob.id }),
    undefined,
  );
  for (
    const odd of [
      `git://${alice.id}/${pair.id}/..`,
      `git://${alice.id}/${"1".repeat(40)}`,
      "git://",
      `git://${alice.id}/${pair.id}?x`,
    ]
  ) {
    strictEqual(await a.swarm.onChannel(odd, { account: bob.account, device: bob.id }), undefined, odd);
  }
  strictEqual(
    typeof await a.swarm.onChannel(`git://${alice.id}/${pair.id}`, { account: bob.account, device: bob.id }),
    "function",
  );
  a.blocked.add(bob.account);
  strictEqual(
    await a.swarm.onChannel(`git://${alice.id}/${pair.id}`, { account: bob.account, device: bob.id }),
    undefined,
  );
  strictEqual(
    await a.swarm.onChannel(`msg:${alice.id}`, { account: bob.account, device: bob.id }),
    undefined,
  );
  strictEqual(b.swarm.list().length, 0);
});

Deno.test("[swarm 21] Swarm erases a conversation it left once somebody has fetched the farewell", async () => {
  await using village = new Village();
  const a = await village.node(alice), b = await village.node(bob), group = await a.swarm.create();
  await a.swarm.invite(group.id, bob.account);
  await invited(b, group.id);
  b.swarm.accept(group.id);
  await until(async () => await role(a, group.id, bob) === "member", "joined");
  village.cut.add(bob.id);
  await b.swarm.leave(group.id);
  strictEqual(b.swarm.register.get(group.id)!.state, "left");
  village.cut.clear();
  b.swarm.connected({ account: alice.account, device: alice.id });
  await until(() => b.swarm.register.get(group.id)!.state === "erased", "erased");
  await until(async () => await role(a, group.id, bob) === undefined, "gone");
  await rejects(b.swarm.get(group.id), { code: "swarm/unknown-conversation" });
});

Deno.test("[swarm 17] Swarm lets a second device of a person take everything and speak", async () => {
  await using village = new Village();
  const a = await village.node(alice),
    phone: Person = { ...alice, ...await makeDevice(alice.accountCertificate, alice.accountKey) };
  const group = await a.swarm.create();
  await group.send("from the desk");
  const p = await village.node(phone);
  p.swarm.expect(group.id, alice.account);
  await until(() => texts(p, group.id).length === 1, "cloned");
  await (await p.swarm.get(group.id)).send("from the phone");
  await until(() => texts(a, group.id).length === 2, "heard");
  deepStrictEqual(texts(a, group.id), ["from the desk", "from the phone"]);
});

Deno.test("[swarm H49] [swarm H50] Swarm drops floods, foreign devices and nonsense, and counts them", async () => {
  await using village = new Village();
  const a = await village.node(alice),
    b = await village.node(bob),
    to = { account: alice.account, device: alice.id };
  const send = (type: string, content: string) => b.swarm.messenger.send(to, type, content);
  await send(
    "application/im-gitmessage-id",
    JSON.stringify({ id: "1".repeat(40), commit: "2".repeat(40), deviceId: carol.id }),
  );
  await send("application/im-gitmessage-id", "garbage");
  await send("application/invite", "../../etc/passwd");
  await send("application/invite+json", "{}");
  await send("image/png", "x");
  for (let i = 0; i < 620; i++) {
    await send(
      "application/im-gitmessage-id",
      JSON.stringify({ id: "1".repeat(40), commit: "2".repeat(40), deviceId: bob.id }),
    );
  }
  await until(() => a.swarm.drops["notice-flood"]! > 0, "flood");
  deepStrictEqual([
    a.swarm.drops["foreign-device"],
    a.swarm.drops.notice,
    a.swarm.drops["invite-unknown"],
    a.swarm.drops.invite,
    a.swarm.drops["unknown-type"],
  ], [1, 1, 1, 1, 1]);
});
