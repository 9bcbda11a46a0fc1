/** `kith peer` with real daemons: a link is made on demand, and every phase of it is told. */
import { match, ok, strictEqual } from "node:assert/strict";
import { addAccount, Dhtnode, type Fact, Jami26, Jamid23, KithCli, Lab, peerTest } from "./harness/mod.ts";

for (const [generation, peer] of [["v23", "jamid23"], ["v26", "jami26"]] as const) {
  peerTest(
    `kith peer connect --trace shows every phase of a link with ${generation}`,
    [peer, "v26"],
    async () => {
      await using lab = await Lab.open();
      const dht = await Dhtnode.start("v26", await lab.host("dht", { ipv6: false })),
        bootstrap = `${dht.host.ip4}:${dht.port}`;
      lab.name("bootstrap.jami.net", dht.host.ip4);
      const host = await lab.host("daemon", { ipv6: false });
      const daemon = generation === "v23" ? await Jamid23.start(host) : await Jami26.start(host);
      const theirs = await addAccount(daemon, { bootstrap });
      const ours = await KithCli.make(await lab.host("kith", { ipv6: false }), bootstrap);
      const [made] = (await ours.does("account", "create", "--name", "Kith", "--password", "", "--offline"))
        .filter((fact: Fact) => fact.event === "account");
      const node = await ours.start();
      await node.line(/"event":"announced"/, 60_000);
      await daemon.call("addContact", theirs.id, String(made!.jamiId)); // a stranger is met with silence there
      strictEqual((await ours.run(["peer", "connect", "f".repeat(40)])).code, 1);
      const { code, text } = await ours.run(["peer", "connect", theirs.jamiId, "--trace"]);
      strictEqual(code, 0, text);
      for (const phase of ["dht", "gathering", "answer", "checks", "tls", "link"]) {
        match(text, new RegExp(`ms  ${phase} `), text);
      }
      match(text, /Attempt to [0-9a-f]+: connected\n/);
      match(text, /: connected, host to (host|prflx)/);
      const facts = await ours.does("peer", "connect", theirs.device);
      ok(
        facts.some((fact: Fact) =>
          fact.event === "link" && fact.device === theirs.device && fact.account === theirs.jamiId
        ),
      );
      match(await ours.says("peer", "list"), /connected, host to/);
      console.log(text.replace(/^/gm, "      "));
    },
  );
}
