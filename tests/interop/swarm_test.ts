/** Contacts, conversations and messages with real daemons of both generations. */
import { deepStrictEqual, strictEqual } from "node:assert/strict";
import {
  addAccount,
  type DaemonAccount,
  Dhtnode,
  followPresence,
  type Host,
  Jami26,
  Jamid23,
  KithTalk,
  Lab,
  peerTest,
} from "./harness/mod.ts";

type Message = Record<string, string>;

/** A person on a real daemon, in words both generations share. */
class Person {
  constructor(readonly account: DaemonAccount) {}
  get old() {
    return this.account.daemon.generation === "v23";
  }
  get signals() {
    return this.account.daemon.signals;
  }
  call(method: string, ...args: unknown[]) {
    return this.account.daemon.call(method, this.account.id, ...args);
  }
  /** Waits for a message in a conversation that passes. */
  async hears(
    conversation: string,
    test: (message: Message) => boolean,
    since: number,
    timeout = 60_000,
  ): Promise<Message> {
    const name = this.old ? "messageReceived" : "swarmMessageReceived";
    const nudge = setInterval(() => void this.account.daemon.call("getAccountList").catch(() => {}), 200); // it sends what waits when it is called
    try {
      const [, , message] = await this.signals.wait(
        name,
        (_: string, id: string, m: Message & { body?: Message }) => id === conversation && test(flat(m)),
        since,
        timeout,
      );
      return flat(message as Message);
    } finally {
      clearInterval(nudge);
    }
  }
}
/** V26 keeps the words of a commit in an inner map. */
const flat = (message: Message & { body?: unknown }): Message =>
  message.body !== null && typeof message.body === "object"
    ? { ...message, ...(message.body as Message) }
    : message;

async function start(generation: string, host: Host): Promise<Jamid23 | Jami26> {
  return generation === "v23" ? await Jamid23.start(host) : await Jami26.start(host);
}

for (const [generation, peer] of [["v23", "jamid23"], ["v26", "jami26"]] as const) {
  peerTest(
    `[account 30] [account 31] [swarm 16] [swarm 31] [swarm 44] a person on ${generation} and ours: request, acceptance, messages both ways`,
    [peer, "v26"],
    async (t) => {
      await using lab = await Lab.open();
      const dht = await Dhtnode.start("v26", await lab.host("dht", { ipv6: false })),
        bootstrap = `${dht.host.ip4}:${dht.port}`;
      lab.name("bootstrap.jami.net", dht.host.ip4);
      const daemon = await start(generation, await lab.host("daemon", { ipv6: false }));
      const theirs = new Person(await addAccount(daemon, { bootstrap }));
      const ours = await KithTalk.start(await lab.host("kith", { ipv6: false }), bootstrap);
      let conversation = "";

      await t.step("we ask, they accept", async () => {
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
        const event = await ours.event("request", mine, other.account.jamiId),
          request = event.request as { conversation: string; payload: string };
        strictEqual(
          new TextDecoder().decode(Uint8Array.fromHex(request.payload)).includes("FN:second"),
          true,
        );
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
      await (await followPresence(theirs.account, ours.jamiId))(true);
    },
  );
}
