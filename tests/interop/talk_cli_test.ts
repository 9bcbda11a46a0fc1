/** The command line as a person uses it, over running nodes: two of ours, and one of ours with a real daemon. */
import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { addAccount, Dhtnode, type Fact, Jami26, KithCli, Lab, peerTest } from "./harness/mod.ts";

const one = (facts: readonly Fact[], event: string): Fact => {
  const found = facts.find((fact) => fact.event === event);
  if (!found) throw new Error(`no ${event} in ${JSON.stringify(facts)}`);
  return found;
};

peerTest("kith start, contact, send, log and search talk between two of our nodes", ["v26"], async (t) => {
  await using lab = await Lab.open();
  const dht = await Dhtnode.start("v26", await lab.host("dht", { ipv6: false }));
  const bootstrap = `${dht.host.ip4}:${dht.port}`;
  const [ada, bob] = await Promise.all(
    ["ada", "bob"].map(async (name) => await KithCli.make(await lab.host(name, { ipv6: false }), bootstrap)),
  ) as [KithCli, KithCli];
  const step = async (name: string, run: () => Promise<void>) => {
    if (!await t.step(name, run)) throw new Error("each step stands on the one before");
  };
  const ids: string[] = [];

  await step("without a node every command says how to start one", async () => {
    const { code, text } = await ada.run(["contact", "list"]);
    deepStrictEqual([code, text.split("\n").length], [1, 1]);
    match(text, /No node runs on .*start it with: kith start/);
    const failed = await ada.run(["send", "0123abcd", "x", "--json"]);
    deepStrictEqual([failed.code, failed.facts[0]!.code], [1, "node/not-running"]);
  });
  await step("a node without accounts says how to make one", async () => {
    const node = await ada.start(false);
    await node.line(/"event":"no-account"/);
    match((await ada.run(["contact", "list"])).text, /account create/);
    strictEqual((await ada.does("status"))[0]!.event, "node");
    node.signal("SIGTERM");
    strictEqual(await node.ended(), 0);
    match((await ada.run(["status"])).text, /No node runs/);
  });
  for (const person of [ada, bob]) {
    const name = person === ada ? "Ada" : "Bob";
    const made = await person.does("account", "create", "--name", name, "--password", "", "--offline");
    ids.push(String(one(made, "account").jamiId));
  }
  const [adaId, bobId] = ids as [string, string], nodes = await Promise.all([ada.start(), bob.start()]);

  await step("the door belongs to its owner alone, and tells what the node does", async () => {
    const { mode } = await Deno.stat(`${ada.home}/control.sock`);
    strictEqual(mode! & 0o777, 0o600);
    match(await ada.says("status"), new RegExp(`Ada, ${adaId}: on line, contacts: 0`));
    match(await ada.says("contact", "list"), /No contacts yet/);
  });
  await step(
    "a request is asked, seen with its name, and accepted by the beginning of its id",
    async () => {
      match(await ada.says("contact", "add", bobId), /is asked/);
      const request = JSON.parse((await nodes[1]!.line(/"event":"request".*/, 60_000)).input!);
      strictEqual(request.contact, adaId);
      const [listed] = await bob.does("contact", "list");
      deepStrictEqual([listed!.event, listed!.contact, listed!.card], ["request", adaId, "Ada"]);
      match(await bob.says("contact", "accept", adaId.slice(0, 8)), /is a contact/);
      await ada.until(
        ["contact", "list"],
        (text) => text.includes(bobId) && / contact(, there now)?$/.test(text),
      );
      await bob.until(["conversation", "list"], (text) => text.includes("joined"));
    },
  );
  await step(
    "messages go both ways, from arguments and from standard input, and show how far they got",
    async () => {
      await using follow = bob.begin("log", "-f", adaId.slice(0, 8));
      await follow.line(/joined/);
      await ada.does("send", bobId.slice(0, 6), "hello from Ada");
      await follow.line(/: hello from Ada$/, 30_000);
      await ada.until(["log", bobId], (text) => /you: hello from Ada \(sent\)/.test(text));
      const sent = await bob.run(["send", adaId], "two\nlines\u001b[31m\n");
      strictEqual(sent.code, 0, sent.text);
      const log = await ada.until(["log"], (text) => text.includes("two"));
      match(log, /two\n {4}lines\ufffd\[31m/, "no escape sequence reaches a terminal");
      await bob.says("log", adaId, "--read");
      await ada.until(["log", bobId], (text) => /you: hello from Ada \(read\)/.test(text));
      follow.signal("SIGINT");
      strictEqual(await follow.ended(), 0);
      const facts = await ada.does("log", bobId),
        hello = facts.find(({ text }) => text === "hello from Ada")!;
      deepStrictEqual([hello.event, hello.from, hello.reach], ["message", adaId, { [bobId]: "read" }]);
    },
  );
  await step("search finds words, in a conversation and of a person", async () => {
    match(await ada.says("search", "hel"), /\*hello\* from Ada/);
    deepStrictEqual((await ada.does("search", "lines", "--from", bobId)).length, 1);
    for (const args of [["search", "nothing-like-it"], ["search", "hello", "--from", bobId]]) {
      strictEqual((await ada.run(args)).code, 1);
    }
  });
  await step("a group is made, joined, shown and left", async () => {
    const group = one(await ada.does("conversation", "create", "--title", "Tea", bobId), "conversation");
    const id = String(group.conversation);
    const invitation = await bob.until(["conversation", "list"], (text) => text.includes("invites you"));
    match(invitation, /to “Tea”/);
    match((await bob.run(["send", id, "too early"])).text, /kith conversation accept/);
    await bob.does("conversation", "accept", id.slice(0, 7));
    await ada.until(["log", id], (text) => /joined/.test(text));
    await bob.does("send", id, "what tea?");
    await ada.until(["log", id], (text) => text.includes("what tea?"));
    match(await ada.says("conversation", "show", id), /Group [0-9a-f]{40}: Tea\n.*admin/);
    strictEqual((await ada.does("search", "tea", "--in", id)).length, 1);
    strictEqual(await bob.says("conversation", "leave", id), "Left.");
    await ada.until(["log", id], (text) => /left/.test(text));
    match((await ada.run(["conversation", "add", bobId, adaId])).text, /stays one of two/);
  });
  await step("what is meant by nothing or by several is refused in a sentence", async () => {
    for (
      const [args, pattern] of [
        [["send", "feed", "x"], /no conversation feed/],
        [["send", bobId, ""], /1 to 1048576 bytes/],
        [["contact", "add", adaId], /your own account/],
        [["contact", "accept", "f".repeat(40)], /Nobody of this id asks/],
        [["contact", "list", "--account", "nobody"], /no such account/],
        [["log", bobId, "--limit", "201"], /--limit/],
      ] as const
    ) {
      const { code, text } = await ada.run(args);
      ok(code > 0 && text.split("\n").length === 1, text);
      match(text, pattern);
    }
  });
  await step("blocked means gone, unblocked means back", async () => {
    match(await bob.says("contact", "block", adaId), /is blocked/);
    await ada.says("send", bobId, "are you there?");
    match(await bob.says("contact", "list"), /blocked/);
    await new Promise((go) => setTimeout(go, 3000));
    ok(!(await bob.run(["search", "there"])).text.includes("are you"));
    match(await bob.says("contact", "unblock", adaId.slice(0, 8)), /contact again/);
    await bob.until(["log", adaId], (text) => text.includes("are you there?"));
  });
  await step("everything is there after a restart; a crash leaves nothing in the way", async () => {
    await using follow = bob.begin("log", "-f");
    await follow.line(/are you there\?/);
    nodes[1]!.signal("SIGKILL");
    await nodes[1]!.ended();
    strictEqual(await follow.ended(), 1);
    match(follow.lines.at(-1)!, /The node has ended; start it with: kith start/);
    match((await bob.run(["status"])).text, /No node runs/);
    await bob.start();
    await ada.does("send", bobId, "after the crash");
    await bob.until(["log", adaId], (text) => text.includes("after the crash"));
    nodes[0]!.signal("SIGTERM");
    strictEqual(await nodes[0]!.ended(), 0);
    await ada.start();
    match(await ada.says("log", bobId), /hello from Ada \(read\)/);
  });
});

peerTest("kith from a fresh home to an answer of a person on a daemon of 2026, in five commands", [
  "jami26",
  "v26",
], async () => {
  await using lab = await Lab.open();
  const dht = await Dhtnode.start("v26", await lab.host("dht", { ipv6: false })),
    bootstrap = `${dht.host.ip4}:${dht.port}`;
  lab.name("bootstrap.jami.net", dht.host.ip4);
  const daemon = await Jami26.start(await lab.host("daemon", { ipv6: false }));
  const theirs = await addAccount(daemon, { bootstrap }), since = daemon.signals.mark();
  const kith = await KithCli.make(await lab.host("kith", { ipv6: false }), bootstrap);
  const made = await kith.does("account", "create", "--name", "Ada", "--password", "", "--offline");
  const ours = String(one(made, "account").jamiId);
  await kith.start();
  const { conversation } = one(await kith.does("contact", "add", theirs.jamiId), "contact");
  await daemon.signals.wait(
    "incomingTrustRequest",
    (_: string, ...rest: string[]) => rest.includes(ours),
    since,
  );
  await daemon.call("acceptTrustRequest", theirs.id, ours);
  await daemon.signals.wait(
    "conversationReady",
    (_: string, id: string) => id === conversation,
    since,
    60_000,
  );
  const heard = daemon.signals.mark();
  await kith.does("send", theirs.jamiId.slice(0, 8), "hello from the command line");
  await daemon.signals.wait(
    "swarmMessageReceived",
    (_: string, id: string, message: { body?: { body?: string } }) =>
      id === conversation && message.body?.body === "hello from the command line",
    heard,
    60_000,
  );
  await daemon.call("sendMessage", theirs.id, conversation, "hello yourself", "", 0);
  const log = await kith.until(["log", theirs.jamiId], (text) => text.includes("hello yourself"));
  match(log, /you: hello from the command line \((sent|read)\)/);
});
