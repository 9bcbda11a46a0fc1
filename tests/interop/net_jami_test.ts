/** Our ICE with the ICE of real daemons of both generations, in both roles: up to the first byte of TLS. */
import { strictEqual } from "node:assert/strict";
import {
  addAccount,
  daemonArchive,
  Dhtnode,
  Jami26,
  Jamid23,
  Lab,
  peerTest,
  waitForDevice,
} from "./harness/mod.ts";
import { which } from "./harness/shell.ts";
import { Coturn } from "./net_coturn.ts";

interface Connected {
  connected: "initiator" | "responder";
  local: string;
  remote: string;
  totalMs: number;
  checksMs: number;
  first?: string;
  what: string[];
}

for (const [generation, peer, form] of [["v23", "jamid23", "short"], ["v26", "jami26", "long"]] as const) {
  peerTest(
    `[connection 16] [connection 19] [connection 23] [connection 24] [connection 25] [connection 26] [connection 32] we and ${generation} find a path, whoever asks`,
    [peer, "v26"],
    async () => {
      await using lab = await Lab.open();
      const dht = await Dhtnode.start("v26", await lab.host("dht", { ipv6: false }));
      const bootstrap = `${dht.host.ip4}:${dht.port}`;
      lab.name("bootstrap.jami.net", dht.host.ip4);
      const [host, ours] = [
        await lab.host("daemon", { ipv6: false }),
        await lab.host("kith", { ipv6: false }),
      ];
      const daemon = generation === "v23" ? await Jamid23.start(host) : await Jami26.start(host);
      const theirs = await addAccount(daemon, { bootstrap, displayName: "Grace" });
      const archive = `${await lab.folder()}/archive.gz`, home = await lab.folder();
      await Deno.writeFile(archive, await daemonArchive(theirs));
      const script = new URL("net_ice_peer.ts", import.meta.url).pathname;
      const setup = JSON.stringify({ home, bootstrap: [bootstrap], archive, stay: 32 });
      const kith = ours.start(Deno.execPath(), ["run", "-A", script, setup], { name: "our ICE" });
      const [, device] = await kith.line(/^\{"ready":"(\w+)"/, 60_000);
      await waitForDevice(theirs, device!);
      const result = async (as: string) =>
        JSON.parse(
          (await kith.line(new RegExp(`^\\{"connected":"${as}".*|^\\{"failed.*`), 60_000))[0],
        ) as Connected;

      const answered = await result("responder"); // a daemon that sees a new device of its own dials it to synchronise
      strictEqual(answered.connected, "responder", JSON.stringify(answered));
      strictEqual(answered.checksMs < 2000, true, `${answered.checksMs} ms of checks`);

      await kith.write(JSON.stringify({ dial: theirs.device, form }) + "\n");
      const asked = await result("initiator");
      strictEqual(asked.connected, "initiator", JSON.stringify(asked));
      strictEqual(asked.first?.startsWith("16030"), true, "the responder sends the ClientHello");
      strictEqual(asked.checksMs < 1000, true, `${asked.checksMs} ms of checks`);

      // Longer than a keepalive's period: indications came, and none of them became data.
      for (const as of ["responder", "initiator"]) {
        const [, state] = await kith.line(new RegExp(`^\\{"alive":"([^"]*)","as":"${as}"`), 60_000);
        strictEqual(state, "alive", as);
      }
      console.log(generation, JSON.stringify({ asked, answered }));
    },
  );
}

for (const [generation, peer, form] of [["v23", "jamid23", "short"], ["v26", "jami26", "long"]] as const) {
  peerTest(
    `[connection 27] [connection 28] we and ${generation} meet on our relay when nothing else is left`,
    [peer, "v26"],
    async () => {
      if (!(await which("turnserver"))) throw new Error("turnserver is not installed (Debian: coturn)");
      await using lab = await Lab.open();
      const dht = await Dhtnode.start("v26", await lab.host("dht", { ipv6: false }));
      const bootstrap = `${dht.host.ip4}:${dht.port}`;
      lab.name("bootstrap.jami.net", dht.host.ip4);
      const [host, ours] = [
        await lab.host("daemon", { ipv6: false }),
        await lab.host("kith", { ipv6: false }),
      ];
      const coturn = lab.own(await Coturn.start({ ip: dht.host.ip4, namespace: dht.host.namespace }));
      // Neither reaches the other: only the machine in the middle is left.
      await ours.run(
        "nft",
        "add table ip wall; add chain ip wall in { type filter hook input priority 0; };" +
          `add rule ip wall in ip saddr ${host.ip4} drop; add chain ip wall out { type filter hook output priority 0; };` +
          `add rule ip wall out ip daddr ${host.ip4} drop`,
      );
      const daemon = generation === "v23" ? await Jamid23.start(host) : await Jami26.start(host);
      const theirs = await addAccount(daemon, { bootstrap, displayName: "Grace" });
      const archive = `${await lab.folder()}/archive.gz`, home = await lab.folder();
      await Deno.writeFile(archive, await daemonArchive(theirs));
      const script = new URL("net_ice_peer.ts", import.meta.url).pathname,
        relay = { ip: coturn.ip, port: coturn.port };
      const setup = JSON.stringify({ home, bootstrap: [bootstrap], archive, relay });
      const kith = ours.start(Deno.execPath(), ["run", "-A", script, setup], { name: "our ICE" });
      await kith.line(/^\{"ready":"(\w+)"/, 60_000);
      const result = async (as: string) =>
        JSON.parse(
          (await kith.line(new RegExp(`^\\{"connected":"${as}".*|^\\{"failed.*`), 60_000))[0],
        ) as Connected;
      const answered = await result("responder");
      strictEqual(`${answered.connected} ${answered.local}`, "responder relay", JSON.stringify(answered));
      await kith.write(JSON.stringify({ dial: theirs.device, form }) + "\n");
      const asked = await result("initiator");
      strictEqual(`${asked.connected} ${asked.local}`, "initiator relay", JSON.stringify(asked));
      strictEqual(asked.first?.startsWith("16030"), true, "the ClientHello came through the relay");
      console.log(generation, JSON.stringify({ answered, asked }));
    },
  );
}
