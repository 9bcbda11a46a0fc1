/** What `kith log` does: what was said, and with `--follow` what is being said. */
import { CoreError } from "../base/mod.ts";
import { ControlClient, type NumberedFact } from "../node/mod.ts";
import type { CommandOf } from "./arguments.ts";
import { TALK_LIMITS } from "./limits.ts";
import { type Reply, TalkLink, type TalkSetting } from "./talk_link.ts";
import { called, labels, messageLine, plain, short } from "./talk_show.ts";

type LogCommand = CommandOf<"log">;

/** @throws {CoreError} with what stopped it. */
export async function runLog(command: LogCommand, setting: TalkSetting): Promise<number> {
  const { ending } = setting.report.terminal;
  using link = await TalkLink.open(command, setting);
  const own = String((await link.ask("account.show")).jamiId);
  if (!command.follow) {
    await new Log(command, link, own).past();
    return 0;
  }
  using ears = await ControlClient.connect(link.folder);
  const events = await ears.follow(), log = new Log(command, link, own); // before we look: nothing falls between
  const stop = () => ears[Symbol.dispose]();
  ending.addEventListener("abort", stop, { once: true });
  await log.past();
  for await (const event of events) {
    if (event.jamiId === own || event.event === "missed") await log.happened(event);
  }
  if (!ending.aborted) throw new CoreError("node/gone");
  return 0;
}

class Log {
  readonly #rooms = new Map<string, Reply>();
  readonly #shown = new Set<string>();
  #only: string | undefined;
  #heading = "";

  constructor(readonly command: LogCommand, readonly link: TalkLink, readonly own: string) {}

  /** Shows what is there, conversation after conversation; the one with the newest message last. */
  async past(): Promise<void> {
    const { conversation: word, server } = this.command, { link } = this;
    if (word !== undefined) {
      const room = await link.about(
        word,
        server,
        (conversation) => link.ask("conversation.show", { conversation }),
      );
      this.#only = String(room.conversation);
      this.#rooms.set(this.#only, room);
      return await this.#page(this.#only);
    }
    const { conversations } = await link.ask("conversation.list");
    for (const room of [...conversations as readonly Reply[]].reverse()) {
      this.#rooms.set(String(room.conversation), room);
      await this.#page(String(room.conversation));
    }
  }

  async happened(event: NumberedFact): Promise<void> {
    const id = event.conversation === undefined ? undefined : String(event.conversation),
      { report } = this.link.setting;
    if (event.event === "missed") {
      return report.remark(event, `${event.count} events were missed; look again.`);
    }
    if (id === undefined || (this.#only !== undefined && id !== this.#only)) return;
    switch (event.event) {
      case "message":
        if (event.type === "member") this.#rooms.delete(id); // who is in has changed
        if (this.#first(String(event.message))) await this.#tell(event);
        if (event.from !== this.own) await this.#read(id, String(event.message));
        return;
      case "changed":
        return await this.#tell(event);
      case "history":
        return await this.#tellAs(event, `${event.commits} earlier ones came too.`);
      case "sent":
        return await this.#tellAs(event, `  → ${await this.#name(id, event.contact)} has it`);
      case "read":
        return await this.#tellAs(event, `  → ${await this.#name(id, event.contact)} has read it`);
    }
  }

  async #page(conversation: string): Promise<void> {
    const { messages } = await this.link.ask("message.page", { conversation, limit: this.command.limit });
    const { report } = this.link.setting, all = messages as readonly Reply[];
    for (const message of all) {
      if (this.#first(String(message.message))) {
        await this.#tell({ event: "message", jamiId: this.own, ...message });
      }
    }
    const last = all.findLast(({ from }) => from !== this.own);
    if (last) await this.#read(conversation, String(last.message));
    if (!all.length && this.#only && !report.json) report.terminal.note("Nothing was said here yet.");
  }

  async #read(conversation: string, message: string): Promise<void> {
    if (this.command.read) await this.link.ask("message.read", { conversation, message });
  }

  async #tell(fact: Reply & { readonly event: string }): Promise<void> {
    const room = await this.#room(String(fact.conversation)),
      changed = fact.event === "changed" ? " (changed)" : "";
    await this.#tellAs(fact, `${room ? messageLine(fact, labels(room)) : plain(fact.text)}${changed}`);
  }
  /** People see which conversation it is where several are shown. */
  async #tellAs(fact: Reply & { readonly event: string }, sentence: string): Promise<void> {
    const { report } = this.link.setting, id = String(fact.conversation);
    if (!report.json && this.#only === undefined && this.#heading !== id) {
      const room = await this.#room(id);
      this.#heading = id;
      report.terminal.out(`— ${room ? `${called(room)} (${short(id)})` : short(id)} —`);
    }
    report.tell(fact, sentence);
  }

  async #name(conversation: string, contact: unknown): Promise<string> {
    const room = await this.#room(conversation);
    return room && labels(room).get(String(contact)) || short(contact);
  }
  /** Nothing for one that we left meanwhile; programs need no names. */
  async #room(conversation: string): Promise<Reply | undefined> {
    if (this.link.setting.report.json) return undefined;
    const known = this.#rooms.get(conversation);
    if (known) return known;
    try {
      const room = await this.link.ask("conversation.show", { conversation });
      this.#rooms.set(conversation, room);
      return room;
    } catch (error) {
      if (!(error instanceof CoreError) || error.code === "node/gone") throw error;
      return undefined;
    }
  }

  #first(message: string): boolean {
    if (this.#shown.has(message)) return false;
    this.#shown.add(message);
    if (this.#shown.size > TALK_LIMITS.shown) this.#shown.delete(this.#shown.values().next().value!);
    return true;
  }
}
