/** What `kith contact …` does. */
import type { CommandOf, Verb } from "./arguments.ts";
import { type Reply, TalkLink, type TalkSetting } from "./talk_link.ts";
import { listed, person, short, when } from "./talk_show.ts";

export type ContactCommand = CommandOf<Extract<Verb, `contact ${string}`>>;

/** Runs one command and gives the exit code. @throws {CoreError} with what stopped it. */
export async function runContact(command: ContactCommand, setting: TalkSetting): Promise<number> {
  const { report } = setting;
  using link = await TalkLink.open(command, setting);
  if (command.verb === "contact list") return await list(link, command.all);
  const { who, server } = command, verb = command.verb.replace(" ", ".");
  const fact = await link.about(
    who,
    server,
    (who, name) =>
      link.ask(verb, { who, ...(command.verb === "contact add" && name !== undefined && { name }) }),
    { anyName: command.verb === "contact add" },
  );
  report.tell({ event: "contact", ...fact }, DONE[command.verb](fact));
  return 0;
}

type Change = Exclude<ContactCommand["verb"], "contact list">;
const DONE: Readonly<Record<Change, (fact: Reply) => string>> = {
  "contact add": (fact) =>
    fact.state === "confirmed"
      ? `${listed(fact)} is a contact.`
      : `${listed(fact)} is asked; you can write already, and they see it when they accept.`,
  "contact accept": (fact) => `${listed(fact)} is a contact.`,
  "contact decline": (fact) => `Declined; ${listed(fact)} is not told.`,
  "contact block": (fact) =>
    `${listed(fact)} is blocked; nothing of theirs comes in any more, and they are not told.`,
  "contact unblock": (fact) => `${listed(fact)} is not blocked any more, and a contact again.`,
  "contact remove": (fact) => `${listed(fact)} is no contact any more.`,
};

const STATES: Readonly<Record<string, string>> = {
  confirmed: "contact",
  asked: "asked, no answer yet",
  blocked: "blocked",
  removed: "removed",
};

async function list(link: TalkLink, all: boolean): Promise<number> {
  const { report } = link.setting, reply = await link.ask("contact.list", { all });
  const contacts = reply.contacts as readonly Reply[], requests = reply.requests as readonly Reply[];
  for (const fact of contacts) {
    const there = fact.presence === "away" || fact.state === "blocked" ? "" : ", there now";
    report.tell(
      { event: "contact", ...fact },
      `${fact.contact}  ${fact.name || fact.card ? person(fact) + ", " : ""}${
        STATES[String(fact.state)] ?? fact.state
      }${there}`,
    );
  }
  for (const fact of requests) {
    report.tell(
      { event: "request", ...fact },
      `${fact.contact}  ${fact.name || fact.card ? person(fact) + ", " : ""}asks to be a contact since ${
        when(fact.received)
      }; see: kith contact accept ${short(fact.contact)}`,
    );
  }
  if (!contacts.length && !requests.length && !report.json) {
    report.terminal.note("No contacts yet; ask somebody with: kith contact add ID-or-NAME");
  }
  return 0;
}
