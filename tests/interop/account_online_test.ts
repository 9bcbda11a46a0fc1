/** Our devices and real daemons on one DHT: each sees the other on line, as a sibling and as a contact. */
import { strictEqual } from "node:assert/strict";
import {
  addAccount,
  daemonArchive,
  Dhtnode,
  followPresence,
  Jami26,
  Jamid23,
  KithAccounts,
  Lab,
  peerTest,
  waitForDevice,
} from "./harness/mod.ts";

for (const [generation, peer] of [["v23", "jamid23"], ["v26", "jami26"]] as const) {
  peerTest(
    `[account 12] [account 13] we and ${generation} see each other on line`,
    [peer, "v26"],
    async (t) => {
      await using lab = await Lab.open();
      const dht = await Dhtnode.start("v26", await lab.host("dht", { ipv6: false }));
      const bootstrap = `${dht.host.ip4}:${dht.port}`;
      lab.name("bootstrap.jami.net", dht.host.ip4);
      const [host, ours] = [
        await lab.host("daemon", { ipv6: false }),
        await lab.host("kith", { ipv6: false }),
      ];
      const daemon = generation === "v23" ? await Jamid23.start(host) : await Jami26.start(host);
      const kith = await KithAccounts.start(ours, bootstrap);
      const theirs = await addAccount(daemon, { bootstrap, displayName: "Grace" });

      await t.step("contacts see each other", async () => {
        const ada = await kith.create("Ada");
        const adaOnline = await followPresence(theirs, ada.jamiId), announced = await kith.online(ada);
        for (const count of ["nodes", "long", "short"]) {
          strictEqual(Number(announced[count]) > 0, true, count);
        }
        await adaOnline(true);
        await kith.ask("follow", { id: ada.id, account: theirs.jamiId });
        await kith.event(
          ada,
          "presence",
          0,
          `"account":"${theirs.jamiId}","state":"seen","devices":\\["${theirs.device}"`,
        );
      });

      for (const password of ["", "correct horse"]) {
        await t.step(
          `we are a second device of their account ${password ? "with" : "without"} password`,
          async () => {
            const account = password ? await addAccount(daemon, { bootstrap, password }) : theirs;
            const file = `${await lab.folder()}/archive.gz`;
            await Deno.writeFile(file, await daemonArchive(account));
            const second = await kith.import(file, password);
            strictEqual(second.jamiId, account.jamiId);
            const since = kith.process.mark();
            await kith.online(second);
            await waitForDevice(account, second.deviceId);
            await kith.event(second, "sibling", since, account.device);
          },
        );
      }

      await t.step("they are a second device of ours", async () => {
        const eve = await kith.create("Eve"),
          file = `${await lab.folder()}/eve.gz`,
          since = kith.process.mark();
        await kith.online(eve);
        await kith.ask("export", { id: eve.id, file });
        const second = await addAccount(daemon, { bootstrap, archivePath: file });
        strictEqual(second.jamiId, eve.jamiId);
        await waitForDevice(second, eve.deviceId);
        await kith.event(eve, "sibling", since, second.device);
      });
    },
  );
}
