/** The harness itself, with real nodes only: if this fails, do not look for the mistake in our node. */
import { ok, rejects, strictEqual } from "node:assert/strict";
import { Dhtnode, Lab, missing, Peer, peerTest, Process, tryRun } from "./mod.ts";

const key = "1f".repeat(20), text = (hex: string) => new TextDecoder().decode(Uint8Array.fromHex(hex));

Deno.test("Process gives lines, exit code and input", async () => {
  await using cat = Process.start("sh", ["-c", "echo ready; read a; echo got $a; echo no end >&2; exit 3"]);
  await cat.line(/ready/);
  await cat.write("it\n");
  strictEqual((await cat.line(/got (.*)/))[1], "it");
  strictEqual(await cat.ended(), 3);
  await rejects(cat.line(/never said/), /ended with 3.*\n(.*\n)*.*no end/);
});

peerTest("Lab: hosts reach each other over both families and names, and nothing is left", [], async () => {
  let names: string[];
  {
    await using lab = await Lab.open();
    lab.name("somewhere.test", lab.hub.ip4);
    const alice = await lab.host("alice"), bob = await lab.host("bob", { ipv6: false });
    names = [alice.namespace, bob.namespace, lab.hub.namespace];
    const hello = alice.start(Deno.execPath(), [
      "eval",
      "const l = Deno.listen({ port: 80, hostname: '::' }); console.log('up'); for await (const c of l) { await c.write(new TextEncoder().encode('hi')); c.close(); }",
    ]);
    await hello.line(/up/);
    const ask = (host: typeof alice, to: string) =>
      host.run("bash", "-c", `exec 3<>/dev/tcp/${to}/80 && head -c 2 <&3`);
    strictEqual(await ask(bob, alice.ip4), "hi");
    strictEqual(await ask(lab.hub, alice.ip6), "hi");
    ok((await bob.run("getent", "hosts", "somewhere.test")).startsWith(lab.hub.ip4));
    await bob.cable(false);
    await rejects(bob.run("timeout", "1", "bash", "-c", `exec 3<>/dev/tcp/${alice.ip4}/80`));
  }
  const left = (await tryRun("ip", "netns", "list"))!;
  for (const name of names) ok(!left.includes(name), `${name} is still there`);
});

for (const [server, client] of [["v23", "v26"], ["v26", "v23"]] as const) {
  peerTest(`real ${client} and real ${server} exchange values`, [server, client], async () => {
    await using lab = await Lab.open();
    const a = await Dhtnode.start(server, await lab.host("a"), { network: 7 });
    const b = await Peer.start(client, await lab.host("b"), { network: 7, bootstrap: [a.at4] });
    await b.connected();
    await a.listen(key);
    const put = await b.put(key, new TextEncoder().encode("hello"), { userType: "text/plain" });
    ok(put.ok);
    await a.process.line(new RegExp(`Value\\[id:${BigInt(put.id).toString(16)}.*"hello"`));
    await a.put(key, "back", "permanent");
    strictEqual((await b.get(key)).map((value) => text(value.data)).sort().join(), "back,hello");
    strictEqual((await a.get(key)).length >= 2, true);
    strictEqual((await a.goodNodes()).v4, 1);
  });
}

Deno.test("missing() knows what nobody has", async () => {
  const before = Deno.env.get("KITH_PEERS");
  Deno.env.set("KITH_PEERS", "/nowhere");
  try {
    ok(await missing("v26"));
  } finally {
    if (before === undefined) Deno.env.delete("KITH_PEERS");
    else Deno.env.set("KITH_PEERS", before);
  }
});
