/** Contacts, conversations and messages with real daemons of both generations. */
import { deepStrictEqual } from "node:assert/strict";
import { addAccount, followPresence, Lab, peerTest } from "./harness/mod.ts";
import { GENERATIONS, kith, openNetwork, Person, startDaemon } from "./swarm_people.ts";

for (const [generation, peer] of GENERATIONS) {
  peerTest(
    `[account 30] [account 31] [swarm 16] [swarm 31] [swarm 44] a person on ${generation} and ours: request, acceptance, messages both ways`,
    [peer, "v26"],
    async (t) => {
      await using lab = await Lab.open();
      const bootstrap = await openNetwork(lab),
        daemon = await startDaemon(generation, await lab.host("daemon", { ipv6: false }));
      const theirs = new Person(await addAccount(daemon, { bootstrap }));
      const ours = await kith(lab, "kith", bootstrap);
      let conversation = "";

      await t.step("we ask, they accept", async () => {
        const present = await followPresence(theirs.account, ours.jamiId); // before anything tells them: only news is signalled
        const since = theirs.signals.mark(), mine = ours.process.mark();
        const begun = performance.now(), contact = await ours.does("add", { account: theirs.account.jamiId });
        conversation = String(contact.conversation);
        await theirs.signals.wait(
          "incomingTrustRequest",
          (_: string, ...rest: string[]) => rest.includes(ours.jamiId),
          since,
        );
        console.log(`      request seen after ${Math.round(performance.now() - begun)} ms`);
        await theirs.call("acceptTrustRequest", ours.jamiId);
        await ours.event("contact", mine, `"account":"${theirs.account.jamiId}".*"confirmed":true`);
        await theirs.signals.wait("conversationReady", (_: string, id: string) => id === conversation, since);
        await ours.shows(
          conversation,
          (lines) => lines.some((line) => line.type === "member" && line.account === theirs.account.jamiId),
          "their joining",
        );
        await present(true);
      });
      await t.step("messages both ways", async () => {
        for (let i = 0; i < 5; i++) {
          const since = theirs.signals.mark();
          await ours.does("send", { conversation, text: `from kith ${i}` });
          await theirs.hears(conversation, (m) => m.body === `from kith ${i}`, since);
          await theirs.call("sendMessage", conversation, `from daemon ${i} – äöü 😀`, "", 0);
          await ours.shows(
            conversation,
            (lines) => lines.some((line) => line.text === `from daemon ${i} – äöü 😀`),
            `message ${i}`,
          );
        }
      });
      await t.step("a burst of 50 each way arrives whole", async () => {
        const since = theirs.signals.mark(), begun = performance.now();
        for (let i = 0; i < 50; i++) {
          await ours.does("send", { conversation, text: `k${i}` });
        }
        await theirs.hears(conversation, (m) => m.body === "k49", since);
        for (let i = 0; i < 50; i++) await theirs.call("sendMessage", conversation, `d${i}`, "", 0);
        const lines = await ours.shows(
          conversation,
          (lines) => lines.filter((line) => /^d\d+$/.test(line.text ?? "")).length === 50,
          "50 messages",
        );
        deepStrictEqual(
          lines.filter((line) => /^k\d+$/.test(line.text ?? "")).length,
          50,
        );
        console.log(`      both bursts after ${Math.round(performance.now() - begun)} ms`);
      });
      await t.step("they ask, we accept: another person of theirs", async () => {
        const other = new Person(await addAccount(daemon, { bootstrap, displayName: "second" })),
          mine = ours.process.mark(),
          since = other.signals.mark();
        await other.call("addContact", ours.jamiId);
        const card = new TextEncoder().encode("BEGIN:VCARD\nVERSION:2.1\nFN:second\nEND:VCARD");
        await other.call(
          "sendTrustRequest",
          ours.jamiId,
          generation === "v23" ? [...card] : { $bytes: card.toHex() },
        );
        // Adding a contact may already have sent a request of its own, without this card.
        const named = new TextEncoder().encode("FN:second").toHex();
        const event = await ours.event("request", mine, `"account":"${other.account.jamiId}".*${named}`),
          request = event.request as { conversation: string };
        await ours.does("accept", { account: other.account.jamiId });
        await ours.event("conversation", mine, `"conversation":"${request.conversation}","state":"ready"`);
        await other.signals.wait(
          "conversationMemberEvent",
          (_: string, id: string, who: string) => id === request.conversation && who === ours.jamiId,
          since,
        );
        const at = other.signals.mark();
        await ours.does("send", { conversation: request.conversation, text: "accepted" });
        await other.hears(request.conversation, (m) => m.body === "accepted", at);
        await other.call("sendMessage", request.conversation, "welcome", "", 0);
        await ours.shows(
          request.conversation,
          (lines) => lines.some((line) => line.text === "welcome"),
          "welcome",
        );
      });
    },
  );
}
