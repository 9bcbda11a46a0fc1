/** No is no, with real daemons of both generations: declined, blocked, let in again, removed, taken back. */
import { deepStrictEqual, strictEqual } from "node:assert/strict";
import { addAccount, Lab, peerTest } from "./harness/mod.ts";
import { befriend, GENERATIONS, kith, openNetwork, Person, person } from "./swarm_people.ts";

/** How long nothing has to happen before it counts as refused; what is let in arrives within a second. */
const SILENCE_MS = 5000;

for (const [generation, peer] of GENERATIONS) {
  peerTest(
    `[account 32] decline, block and unblock, with a person on ${generation}`,
    [peer, "v26"],
    async (t) => {
      await using lab = await Lab.open();
      const bootstrap = await openNetwork(lab),
        theirs = await person(lab, generation, "daemon", bootstrap),
        stranger = new Person(
          await addAccount(theirs.account.daemon, { bootstrap, displayName: "stranger" }),
        );
      const ours = await kith(lab, "kith", bootstrap), account = theirs.jamiId;
      const ask = async (who: Person) => {
        await who.call("addContact", ours.jamiId);
        const card = new TextEncoder().encode("BEGIN:VCARD\nVERSION:2.1\nFN:daemon\nEND:VCARD");
        await who.call("sendTrustRequest", ours.jamiId, who.old ? [...card] : { $bytes: card.toHex() });
      };
      const quiet = () => new Promise((done) => setTimeout(done, SILENCE_MS));
      const requests = async () => (await ours.does("contacts")).requests as unknown[];

      await t.step("a declined request is gone, and they are not told", async () => {
        const mine = ours.process.mark(), since = stranger.signals.mark();
        await ask(stranger);
        await ours.event("request", mine, stranger.jamiId);
        await quiet(); // both requests of theirs are in
        await ours.does("decline", { account: stranger.jamiId });
        await quiet();
        deepStrictEqual(await requests(), []);
        const told = await stranger.signal(
          "conversationMemberEvent",
          (_: string, who: string) => who === ours.jamiId,
          since,
          10,
        )
          .catch(() => undefined);
        strictEqual(told, undefined);
      });
      const conversation = await befriend(ours, theirs);
      await t.step("blocked: no message, no channel, no request of theirs comes through", async () => {
        const mine = ours.process.mark();
        await ours.does("remove", { account, ban: true });
        await ours.event("disconnected", mine, account);
        const since = ours.process.mark();
        await theirs.says(conversation, "let me in");
        await theirs.call("sendTrustRequest", ours.jamiId, theirs.old ? [] : { $bytes: "" });
        await quiet();
        strictEqual((await ours.page(conversation)).some((line) => line.text === "let me in"), false);
        deepStrictEqual(await requests(), []);
        const { links } = await ours.does("state");
        deepStrictEqual(links, []);
        strictEqual(
          ours.process.lines.slice(since).some((line) => line.includes('"type":"connected"')),
          false,
        );
      });
      const unblocked = async () => {
        await ours.does("add", { account });
        const since = theirs.signals.mark();
        if (theirs.old) await theirs.says(conversation, "again"); // it comes back when it has something to say
        await ours.shows(
          conversation,
          (lines) => lines.some((line) => line.text === "let me in"),
          "what they said",
        );
        await ours.does("send", { conversation, text: "welcome back" });
        await theirs.hears(conversation, (m) => m.body === "welcome back", since);
      };
      await t.step("unblocked: what they said meanwhile comes, and talk goes on", unblocked);
    },
  );
}
