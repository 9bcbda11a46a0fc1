/** Archives travel between us and real daemons of both generations, in both directions, with and without password. */
import { deepStrictEqual, strictEqual } from "node:assert/strict";
import { realClock, realRandom } from "../../core/base/mod.ts";
import { Accounts, IDENTITY_LIMITS as LIMITS } from "../../core/identity/mod.ts";
import { memoryHome } from "../../core/storage/mod.ts";
import { addAccount, daemonArchive, Dhtnode, Jami26, Jamid23, Lab, peerTest } from "./harness/mod.ts";

const env = { clock: realClock, random: realRandom }, device = { deviceName: "kith" };

for (const [generation, peer] of [["v23", "jamid23"], ["v26", "jami26"]] as const) {
  peerTest(
    `[account 14] archives of ours open in ${generation}, and its archives in ours`,
    [peer, "v26"],
    async (t) => {
      await using lab = await Lab.open();
      const dht = await Dhtnode.start("v26", await lab.host("dht", { ipv6: false }));
      const bootstrap = `${dht.host.ip4}:${dht.port}`;
      lab.name("bootstrap.jami.net", dht.host.ip4);
      const host = await lab.host("daemon", { ipv6: false });
      const daemon = generation === "v23" ? await Jamid23.start(host) : await Jami26.start(host);
      await using home = memoryHome();
      const accounts = Accounts.open(home, env), folder = await lab.folder();
      const { id, jamiId, deviceId } = await accounts.create({ ...device, displayName: "Ada" });
      for (const password of ["", "correct horse"]) {
        const how = password ? "with password" : "without password";
        await t.step(`${generation} imports ours ${how}`, async () => {
          if (password) await accounts.changePassword(id, { password: "" }, password);
          const archivePath = `${folder}/ours${password.length}.gz`;
          await Deno.writeFile(archivePath, await accounts.export(id, { password }));
          const theirs = await addAccount(daemon, { bootstrap, archivePath, password });
          strictEqual(theirs.jamiId, jamiId);
          strictEqual(theirs.device.length === 64 && theirs.device !== deviceId, true);
          await daemon.call("removeAccount", theirs.id);
        });
        await t.step(`we import an archive of ${generation} ${how}`, async () => {
          const theirs = await addAccount(daemon, { bootstrap, password, displayName: "Grace" });
          const file = `${folder}/theirs${password.length}.gz`;
          if (generation === "v23") {
            strictEqual(await daemon.call("exportToFile", theirs.id, file, password), true);
          } else await Deno.writeFile(file, await daemonArchive(theirs)); // what it keeps itself
          const record = await accounts.import(await Deno.readFile(file), device, { password });
          strictEqual(record.jamiId, theirs.jamiId);
          strictEqual(record.hasPassword, password !== "");
          const { identity, chain } = await accounts.load(record.id);
          strictEqual(identity.account as string, theirs.jamiId);
          deepStrictEqual(
            chain.map((c) => c.publicKey.bits),
            [4096, 4096, 4096],
          );
          strictEqual(chain[0]!.notAfter - chain[0]!.notBefore, LIMITS.certificateLifeMs);
          await daemon.call("removeAccount", theirs.id);
        });
      }
    },
  );
}
