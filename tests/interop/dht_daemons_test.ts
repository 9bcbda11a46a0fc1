/** Real Jami daemons whose whole DHT is our nodes: they register, meet, and talk, and do not notice. */
import { ok, strictEqual } from "node:assert/strict";
import {
  addAccount,
  Jami26,
  Jamid23,
  type JamiDaemon,
  Lab,
  Peer,
  type PeerName,
  peerTest,
} from "./harness/mod.ts";

const GENERATIONS: readonly [name: "2023" | "2026", peer: PeerName][] = [["2023", "jamid23"], [
  "2026",
  "jami26",
]];
const VCARD = new TextEncoder().encode("BEGIN:VCARD\nVERSION:2.1\nFN:alice\nEND:VCARD");

for (const [generation, peer] of GENERATIONS) {
  peerTest(
    `two daemons of ${generation} become friends and write to each other over a DHT of our nodes alone`,
    [peer],
    async () => {
      await using lab = await Lab.open();
      const first = await Peer.start("kith", await lab.host("kith-1"));
      const second = await Peer.start("kith", await lab.host("kith-2"), { bootstrap: [first.at4] });
      const start = async (name: string): Promise<JamiDaemon> => {
        const host = await lab.host(name, { ipv6: generation !== "2023" });
        return generation === "2023" ? await Jamid23.start(host) : await Jami26.start(host);
      };
      const bootstrap = [first, second].map(({ at4 }) => `${at4.ip}:${at4.port}`);
      const alice = await addAccount(await start("alice"), { bootstrap: bootstrap[0]! });
      const bob = await addAccount(await start("bob"), { bootstrap: bootstrap[1]! });
      const { signals: hers } = alice.daemon, { signals: his } = bob.daemon;
      const mine = (account: string) => account === bob.id;

      await alice.daemon.call("addContact", alice.id, bob.jamiId);
      await alice.daemon.call("sendTrustRequest", alice.id, bob.jamiId, VCARD);
      const [, conversation] = await his.wait("incomingTrustRequest", mine, 0);
      await his.wait("conversationRequestReceived", mine, 0);
      ok(await bob.daemon.call("acceptTrustRequest", bob.id, alice.jamiId) !== false);
      const same = (_account: string, id: string) => id === conversation;
      await his.wait("conversationReady", same, 0);
      await hers.wait(
        "conversationMemberEvent",
        (_account: string, id: string, who: string, event: number) =>
          id === conversation && who === bob.jamiId && event === 1,
        0,
      );

      const received = generation === "2023" ? "messageReceived" : "swarmMessageReceived";
      for (const [from, to] of [[alice, bob], [bob, alice]] as const) {
        const words = `hello from ${from.daemon.host.name}`, since = to.daemon.signals.mark();
        await from.daemon.call("sendMessage", from.id, conversation, words, "", 0);
        await to.daemon.signals.wait(
          received,
          (_account: string, id: string, message: unknown) =>
            id === conversation && JSON.stringify(message).includes(words),
          since,
        );
      }
      for (const node of [first, second]) {
        const info = await node.info(), drops = info.drops as Record<string, number>;
        strictEqual(drops.malformed, 0, "we understood every packet of theirs");
      }
    },
  );
}
