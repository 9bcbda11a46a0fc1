/** People on real daemons, in words that both generations share, and friendship between one of them and us. */
import {
  addAccount,
  type DaemonAccount,
  Dhtnode,
  type Host,
  Jami26,
  Jamid23,
  KithTalk,
  Lab,
} from "./harness/mod.ts";

export type Generation = "v23" | "v26";
export const GENERATIONS = [["v23", "jamid23"], ["v26", "jami26"]] as const;
type Message = Record<string, string>;

export class Person {
  constructor(readonly account: DaemonAccount) {}
  get jamiId() {
    return this.account.jamiId;
  }
  get old() {
    return this.account.daemon.generation === "v23";
  }
  get signals() {
    return this.account.daemon.signals;
  }
  call(method: string, ...args: unknown[]) {
    return this.account.daemon.call(method, this.account.id, ...args);
  }
  says(conversation: string, words: string, about = "", flag: 0 | 1 | 2 = 0) {
    return this.call("sendMessage", conversation, words, about, flag);
  }
  /** Waits for a signal about this account; the arguments after the account decide. */
  async signal(name: string, test: (...args: never[]) => boolean, since: number, timeout = 60_000) {
    const mine = (account: string, ...rest: unknown[]) =>
      account === this.account.id && test(...rest as never[]);
    const nudge = setInterval(() => void this.account.daemon.call("getAccountList").catch(() => {}), 200); // it sends what waits when it is called
    try {
      return (await this.signals.wait(name, mine as (...args: never[]) => boolean, since, timeout)).slice(1);
    } finally {
      clearInterval(nudge);
    }
  }
  /** Waits for a message in a conversation that passes. */
  async hears(
    conversation: string,
    test: (message: Message) => boolean,
    since: number,
    timeout = 60_000,
  ): Promise<Message> {
    const [, message] = await this.signal(
      this.old ? "messageReceived" : "swarmMessageReceived",
      (id: string, m: Message) => id === conversation && test(flat(m)),
      since,
      timeout,
    );
    return flat(message as Message);
  }
  /** Everything it heard so far in a conversation, from a position. */
  async never(conversation: string, test: (message: Message) => boolean, since: number, ms: number) {
    const heard = await this.hears(conversation, test, since, ms).catch(() => undefined);
    if (heard) throw new Error(`${this.account.daemon.host.name} heard ${JSON.stringify(heard)}`);
  }
}

/** V26 keeps the words of a commit in an inner map. */
const flat = (message: Message & { body?: unknown }): Message =>
  message.body !== null && typeof message.body === "object"
    ? { ...message, ...(message.body as Message) }
    : message;

export async function startDaemon(generation: Generation, host: Host): Promise<Jamid23 | Jami26> {
  return generation === "v23" ? await Jamid23.start(host) : await Jami26.start(host);
}

/** A DHT of its own for a lab, under the name daemons ask for by themselves. */
export async function openNetwork(lab: Lab): Promise<string> {
  const dht = await Dhtnode.start("v26", await lab.host("dht", { ipv6: false }));
  lab.name("bootstrap.jami.net", dht.host.ip4);
  return `${dht.host.ip4}:${dht.port}`;
}

/** A new person on a daemon of its own. */
export async function person(lab: Lab, generation: Generation, name: string, bootstrap: string) {
  const daemon = await startDaemon(generation, await lab.host(name, { ipv6: false }));
  return new Person(await addAccount(daemon, { bootstrap }));
}

export async function kith(lab: Lab, name: string, bootstrap: string): Promise<KithTalk> {
  return await KithTalk.start(await lab.host(name, { ipv6: false }), bootstrap);
}

/** We ask, they accept. @returns the one-to-one conversation. */
export async function befriend(ours: KithTalk, theirs: Person): Promise<string> {
  const since = theirs.signals.mark(), mine = ours.process.mark();
  const conversation = String((await ours.does("add", { account: theirs.jamiId })).conversation);
  await theirs.signal("incomingTrustRequest", (...rest: string[]) => rest.includes(ours.jamiId), since);
  await theirs.call("acceptTrustRequest", ours.jamiId);
  await ours.event("contact", mine, `"account":"${theirs.jamiId}".*"confirmed":true`);
  await theirs.signal("conversationReady", (id: string) => id === conversation, since);
  await ours.shows(
    conversation,
    (lines) => lines.some((line) => line.type === "member" && line.account === theirs.jamiId),
    "their joining",
  );
  return conversation;
}
