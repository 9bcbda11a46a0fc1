/** Names between us and real daemons: they register and look up at our server, we believe what they signed. */
import { deepStrictEqual, strictEqual } from "node:assert/strict";
import {
  addAccount,
  type DaemonAccount,
  Dhtnode,
  Jami26,
  Jamid23,
  KithAccounts,
  Lab,
  peerTest,
} from "./harness/mod.ts";

const PORT = 8080;

async function register({ daemon, id }: DaemonAccount, name: string): Promise<number> {
  const since = daemon.signals.mark(),
    mine = (account: string, _: number, what: string) => account === id && what === name;
  const ask = daemon.generation === "v23" ? [id, "", name] : [id, name, "", ""];
  await daemon.call("registerName", ...ask);
  return Number((await daemon.signals.wait("nameRegistrationEnded", mine, since))[1]);
}

/** State (0: found) and address of a name. */
async function lookup({ daemon, id }: DaemonAccount, name: string): Promise<[number, string]> {
  const since = daemon.signals.mark(),
    mine = (account: string, ...rest: unknown[]) => account === id && rest.includes(name);
  await daemon.call("lookupName", id, "", name);
  const [, ...rest] = await daemon.signals.wait("registeredNameFound", mine, since);
  const [state, address] = daemon.generation === "v23" ? rest : rest.slice(1);
  return [Number(state), String(address).replace(/^0x/, "")];
}

for (const [generation, peer] of [["v23", "jamid23"], ["v26", "jami26"]] as const) {
  peerTest(`[account 43] [account 44] names go between us and ${generation}`, [peer, "v26"], async (t) => {
    await using lab = await Lab.open();
    const dht = await Dhtnode.start("v26", await lab.host("dht", { ipv6: false }));
    const bootstrap = `${dht.host.ip4}:${dht.port}`;
    lab.name("bootstrap.jami.net", dht.host.ip4);
    const [host, ours] = [await lab.host("daemon", { ipv6: false }), await lab.host("kith", { ipv6: false })];
    const kith = await KithAccounts.start(ours, bootstrap), nameServer = `http://${ours.ip4}:${PORT}`;
    await kith.ask("names", { ip: ours.ip4, port: PORT });
    const daemon = generation === "v23" ? await Jamid23.start(host) : await Jami26.start(host);
    const theirs = await addAccount(daemon, { bootstrap, nameServer });

    await t.step("they register at our server, and we find them, signed", async () => {
      deepStrictEqual(await lookup(theirs, "grace"), [2, ""]);
      strictEqual(await register(theirs, "grace"), 0);
      const { found } = await kith.ask("lookup", { server: nameServer, word: "grace" });
      deepStrictEqual(found, { name: "grace", jamiId: theirs.jamiId, verified: true });
      deepStrictEqual(
        (await kith.ask("reverse", { server: nameServer, account: theirs.jamiId })).found,
        found,
      );
    });

    await t.step("they find the name we registered, and do not get it", async () => {
      const ada = await kith.create("Ada");
      strictEqual(
        (await kith.ask("register", { server: nameServer, id: ada.id, name: "ada" })).result,
        "registered",
      );
      deepStrictEqual(await lookup(theirs, "ada"), [0, ada.jamiId]);
      strictEqual(await register(theirs, "ada"), 3);
    });
  });
}
