/** What `kith conversation …` does. */
import type { CommandOf, Verb } from "./arguments.ts";
import { type Reply, TalkLink, type TalkSetting } from "./talk_link.ts";
import { called, labels, listed, membersOf, messageLine, person, plain, short, when } from "./talk_show.ts";

export type ConversationCommand = CommandOf<Extract<Verb, `conversation ${string}`>>;

/** Runs one command and gives the exit code. @throws {CoreError} with what stopped it. */
export async function runConversation(command: ConversationCommand, setting: TalkSetting): Promise<number> {
  using link = await TalkLink.open(command, setting);
  switch (command.verb) {
    case "conversation list":
      return await list(link);
    case "conversation create":
      return await create(command, link);
    case "conversation add":
      return await add(command, link);
    default:
      return await change(command, link);
  }
}

const tellConversation = ({ setting: { report } }: TalkLink, fact: Reply, sentence: string) =>
  report.tell({ event: "conversation", ...fact }, sentence);

async function list(link: TalkLink): Promise<number> {
  const { report } = link.setting, reply = await link.ask("conversation.list");
  const [conversations, invitations, fetching] = ["conversations", "invitations", "fetching"].map((part) =>
    reply[part] as readonly Reply[]
  );
  for (const fact of conversations!) {
    const last = fact.last as Reply | undefined, kind = fact.kind === "pair" ? "" : ", group";
    const line = last ? `\n    ${messageLine(last, labels(fact))}` : "";
    tellConversation(link, fact, `${short(fact.conversation)}  ${called(fact)}${kind}${line}`);
  }
  for (const fact of invitations!) {
    const title = fact.title ? ` to “${plain(fact.title)}”` : "", id = short(fact.conversation);
    report.tell(
      { event: "invitation", ...fact },
      `${id}  ${person(fact)} invites you${title}, ${
        when(fact.received)
      }; see: kith conversation accept ${id}`,
    );
  }
  for (const fact of fetching!) {
    report.tell(
      { event: "fetching", ...fact },
      `${short(fact.conversation)}  is being fetched from ${person(fact)}`,
    );
  }
  if (!conversations!.length && !invitations!.length && !fetching!.length && !report.json) {
    report.terminal.note("No conversations yet; begin one with: kith contact add ID-or-NAME");
  }
  return 0;
}

async function create(
  { title, members, server }: CommandOf<"conversation create">,
  link: TalkLink,
): Promise<number> {
  const made = await link.ask("conversation.create", title === undefined ? {} : { title });
  const fact = await invite(String(made.conversation), members, server, link) ?? made;
  tellConversation(
    link,
    fact,
    `Made ${short(fact.conversation)} with ${called({ ...fact, title: undefined })}.`,
  );
  return 0;
}

async function add(
  { conversation, members, server }: CommandOf<"conversation add">,
  link: TalkLink,
): Promise<number> {
  const fact = (await invite(conversation, members, server, link))!;
  tellConversation(
    link,
    fact,
    `Invited; in ${short(fact.conversation)}: ${called({ ...fact, title: undefined })}.`,
  );
  return 0;
}

/** The conversation after the last invitation. */
async function invite(
  conversation: string,
  members: readonly string[],
  server: string,
  link: TalkLink,
): Promise<Reply | undefined> {
  let fact: Reply | undefined;
  for (const member of members) {
    fact = await link.about(member, server, (who) => link.ask("conversation.add", { conversation, who }));
  }
  return fact;
}

type Change = Exclude<
  ConversationCommand["verb"],
  "conversation list" | "conversation create" | "conversation add"
>;

async function change(command: CommandOf<Change>, link: TalkLink): Promise<number> {
  const fact = await link.about(
    command.conversation,
    command.server,
    (conversation) => link.ask(command.verb.replace(" ", "."), { conversation }),
  );
  tellConversation(link, fact, DONE[command.verb](fact));
  return 0;
}

const DONE: Readonly<Record<Change, (fact: Reply) => string>> = {
  "conversation leave": () => "Left.",
  "conversation accept": () => "Accepted; it is fetched as soon as a device of theirs is there.",
  "conversation decline": () => "Declined; they are not told.",
  "conversation show": (fact) => {
    const people = membersOf(fact).map((member) =>
      `    ${member.contact}  ${member.me ? "you" : listed(member)}, ${member.role}`
    );
    const what = fact.kind === "pair" ? "Conversation" : "Group";
    const about = fact.description ? `\n    ${plain(fact.description)}` : "";
    return [`${what} ${fact.conversation}: ${called(fact)}${about}`, ...people].join("\n");
  },
};
