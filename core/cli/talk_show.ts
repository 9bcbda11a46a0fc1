/** Facts of the node in plain words. Whatever others wrote loses what could upset a terminal. Pure. */
import { TALK_LIMITS } from "./limits.ts";
import type { Reply } from "./talk_link.ts";

/** What is shown of an id: enough to use it in a command. */
export const short = (id: unknown): string => String(id).slice(0, TALK_LIMITS.idDigits);

/** Text of others on a terminal: no control or direction characters; further lines are set in. */
export function plain(text: unknown): string {
  const tame = String(text).replace(/\r\n?/g, "\n")
    .replace(
      /[\p{Cc}\u202a-\u202e\u2066-\u2069\u2028\u2029]/gu,
      (c) => c === "\n" || c === "\t" ? c : "\ufffd",
    );
  return tame.replaceAll("\n", "\n    ");
}

/** A person: by registered name, else by the name they give themselves, which anybody may claim, with digits of the id. */
export function person(fact: Reply): string {
  const { name, card, contact, from } = fact, id = short(contact ?? from);
  return name ? String(name) : card ? `“${plain(card)}” (${id})` : id;
}
/** The same with the digits in any case: for lists to copy from. */
export const listed = (fact: Reply): string => {
  const shown = person(fact), id = short(fact.contact ?? fact.from);
  return shown.includes(id) ? shown : `${shown} (${id})`;
};

/** ISO 8601 to the reader's own time, to the minute. */
export function when(iso: unknown): string {
  const d = new Date(String(iso)), two = (n: number) => String(n).padStart(2, "0");
  return `${d.getFullYear()}-${two(d.getMonth() + 1)}-${two(d.getDate())} ${two(d.getHours())}:${
    two(d.getMinutes())
  }`;
}

type Member = Reply & { readonly contact: string; readonly me?: boolean; readonly role: string };
export const membersOf = (conversation: Reply): readonly Member[] =>
  conversation.members as readonly Member[];

/** What a conversation is called: its title, or who is in it. */
export function called(conversation: Reply): string {
  if (conversation.title) return plain(conversation.title);
  const others = membersOf(conversation).filter(({ me }) => !me);
  return others.length ? others.map(person).join(", ") : "nobody else";
}

/** Labels of everybody in a conversation. */
export const labels = (conversation: Reply): Map<string, string> =>
  new Map(membersOf(conversation).map((member) => [member.contact, member.me ? "you" : person(member)]));

/** A message in one line (more if its text has more). */
export function messageLine(message: Reply, who: ReadonlyMap<string, string>): string {
  const name = (id: unknown) => who.get(String(id)) ?? short(id), from = name(message.from);
  const said = what(message, from, name), reach = reachWords(message.reach as Reply | undefined, name);
  return `${when(message.time)}  ${said}${message.edited && !message.deleted ? " (edited)" : ""}${
    reactions(message)
  }${reach}`;
}

function what(
  { type, text, deleted, action, who, duration }: Reply,
  from: string,
  name: (id: unknown) => string,
): string {
  if (deleted) return `${from} took a message back`;
  if (type === "text/plain") return `${from}: ${plain(text)}`;
  if (type === "initial") return `${from} began the conversation`;
  if (type === "member") {
    const done: Record<string, string> = {
      add: `invited ${name(who)}`,
      join: "joined",
      remove: "left",
      ban: `removed ${name(who)}`,
      unban: `let ${name(who)} in again`,
    };
    return `${from} ${done[String(action)] ?? "changed who is in"}`;
  }
  if (type === "application/update-profile") return `${from} changed the title or picture`;
  if (type === "application/data-transfer+json") {
    return `${from} offers a file: ${plain(text ?? "without a name")}`;
  }
  if (type === "application/call-history+json") {
    return duration ? `${from} called, ${Math.round(Number(duration) / 1000)} s` : `${from} called`;
  }
  return `${from}: [${plain(type)}]${text ? ` ${plain(text)}` : ""}`;
}

const reactions = ({ reactions }: Reply): string =>
  Array.isArray(reactions) ? ` [${reactions.map(({ text }) => plain(text)).join(" ")}]` : "";

const REACH: Readonly<Record<string, string>> = { read: "read", sent: "sent", stored: "stored here" };

/** How far a message of ours got: one word if it is the same for all, else who has it. */
export function reachWords(reach: Reply | undefined, name: (id: unknown) => string): string {
  if (!reach) return "";
  const steps = Object.entries(reach);
  const parts = Object.entries(REACH).flatMap(([step, words]) => {
    const who = steps.filter(([, far]) => far === step).map(([id]) => name(id));
    return who.length ? [who.length === steps.length ? words : `${words}: ${who.join(", ")}`] : [];
  });
  return ` (${parts.join("; ") || "stored here"})`;
}
