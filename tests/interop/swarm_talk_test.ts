/** What people do with messages beside writing them, and with each other, with real daemons of both generations. */
import { deepStrictEqual, strictEqual } from "node:assert/strict";
import { Lab, peerTest } from "./harness/mod.ts";
import { befriend, GENERATIONS, kith, openNetwork, person } from "./swarm_people.ts";

type Message = Record<string, string>;

for (const [generation, peer] of GENERATIONS) {
  peerTest(
    `[swarm 45] replies, edits, reactions, receipts and typing with a person on ${generation}`,
    [peer, "v26"],
    async (t) => {
      await using lab = await Lab.open();
      const bootstrap = await openNetwork(lab), theirs = await person(lab, generation, "daemon", bootstrap);
      const ours = await kith(lab, "kith", bootstrap), conversation = await befriend(ours, theirs);
      const line = async (
        id: string,
        test: (line: Awaited<ReturnType<typeof ours.page>>[number]) => boolean,
      ) =>
        await ours.shows(
          conversation,
          (lines) => lines.some((l) => l.id === id && test(l)),
          `a change of ${id}`,
        );
      /** Waits until the daemon knows our edit of `id`. */
      const edited = (id: string, words: string, since: number) =>
        theirs.old
          ? theirs.hears(
            conversation,
            (m) => m.type === "application/edited-message" && m.edit === id && m.body === words,
            since,
          )
          : theirs.signal(
            "swarmMessageUpdated",
            (where: string, m: { id: string; body: Message }) =>
              where === conversation && m.id === id && (m.body.body ?? "") === words,
            since,
          );
      let mine = "", his = "";

      await t.step("replies both ways", async () => {
        let since = theirs.signals.mark();
        mine = String((await ours.does("send", { conversation, text: "question" })).commit);
        await theirs.hears(conversation, (m) => m.id === mine, since);
        since = theirs.signals.mark();
        await theirs.says(conversation, "answer", mine);
        const lines = await ours.shows(
          conversation,
          (lines) => lines.some((l) => l.text === "answer"),
          "the answer",
        );
        const answer = lines.find((l) => l.text === "answer")!;
        strictEqual(answer.replyTo, mine);
        his = answer.id;
        await ours.does("send", { conversation, text: "thanks", reply: his });
        strictEqual((await theirs.hears(conversation, (m) => m.body === "thanks", since))["reply-to"], his);
      });
      await t.step("edits both ways", async () => {
        const since = theirs.signals.mark();
        await ours.does("edit", { conversation, commit: mine, text: "better question" });
        await edited(mine, "better question", since);
        await theirs.says(conversation, "better answer", his, 1);
        await line(his, (l) => l.text === "better answer" && l.edited);
      });
      await t.step("reactions both ways, and withdrawn", async () => {
        const since = theirs.signals.mark();
        const thumb = String((await ours.does("react", { conversation, commit: his, text: "👍" })).commit);
        if (theirs.old) {
          await theirs.hears(conversation, (m) => m["react-to"] === his && m.body === "👍", since);
        } else {await theirs.signal("reactionAdded", (_: string, id: string, r: Message) =>
            id === his && r.id === thumb, since);}
        await ours.does("edit", { conversation, commit: thumb, text: "" });
        if (theirs.old) await edited(thumb, "", since);
        else {await theirs.signal("reactionRemoved", (_: string, id: string, r: string) =>
            id === his && r === thumb, since);}
        await theirs.says(conversation, "🎉", mine, 2);
        const seen = await line(mine, (l) => l.reactions.length === 1);
        const reaction = seen.find((l) => l.id === mine)!.reactions[0] as unknown as {
          id: string;
          text: string;
          account: string;
        };
        deepStrictEqual([reaction.text, reaction.account], ["🎉", theirs.jamiId]);
        await theirs.says(conversation, "", reaction.id, 1);
        await line(mine, (l) => l.reactions.length === 0);
      });
      await t.step("receipts and typing both ways", async () => {
        const since = theirs.signals.mark(), from = ours.process.mark();
        await theirs.says(conversation, "read me");
        const lines = await ours.shows(
          conversation,
          (lines) => lines.some((l) => l.text === "read me"),
          "the message",
        );
        const last = lines.find((l) => l.text === "read me")!.id;
        await ours.does("read", { conversation, commit: last });
        await theirs.signal(
          "accountMessageStatusChanged",
          (...rest: unknown[]) => rest.includes(ours.jamiId) && rest.includes(last) && rest.at(-1) === 3, // one of them leaves the conversation out
          since,
        );
        await ours.does("typing", { conversation, active: true });
        const composing = (status: number) =>
          theirs.signal(
            "composingStatusChanged",
            (...rest: unknown[]) => rest.includes(ours.jamiId) && rest.at(-1) === status,
            since,
          );
        await composing(1);
        await ours.does("typing", { conversation, active: false });
        await composing(0);
        const { commit } = await ours.does("send", { conversation, text: "read me too" });
        await theirs.hears(conversation, (m) => m.id === commit, since);
        await theirs.call("setMessageDisplayed", `swarm:${conversation}`, commit, 3);
        await ours.event("mark", from, `"account":"${theirs.jamiId}","kind":"read","commit":"${commit}"`);
        await theirs.call("setIsComposing", `swarm:${conversation}`, true);
        await ours.event("typing", from, `"account":"${theirs.jamiId}","active":true`);
        await theirs.call("setIsComposing", `swarm:${conversation}`, false);
        await ours.event("typing", from, `"account":"${theirs.jamiId}","active":false`);
      });
      await t.step("deletions both ways", async () => {
        const since = theirs.signals.mark();
        await ours.does("edit", { conversation, commit: mine, text: "" });
        await edited(mine, "", since);
        await theirs.says(conversation, "", his, 1);
        await line(his, (l) => l.deleted && l.text === "");
      });
    },
  );
}
