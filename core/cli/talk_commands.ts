/** What `kith send`, `search` and `status` do. */
import type { CommandOf } from "./arguments.ts";
import { runLog } from "./talk_log.ts";
import { readText } from "./talk_io.ts";
import { type Reply, TalkLink, type TalkSetting } from "./talk_link.ts";
import { called, labels, plain, short, when } from "./talk_show.ts";

export type TalkCommand = CommandOf<"send" | "log" | "search" | "status">;

/** Runs one command and gives the exit code. @throws {CoreError} with what stopped it. */
export async function runTalk(command: TalkCommand, setting: TalkSetting): Promise<number> {
  switch (command.verb) {
    case "send":
      return await send(command, setting);
    case "log":
      return await runLog(command, setting);
    case "search":
      return await search(command, setting);
    case "status":
      return await status(command, setting);
  }
}

async function send(command: CommandOf<"send">, setting: TalkSetting): Promise<number> {
  const { to, server, reply } = command, { report } = setting;
  using link = await TalkLink.open(command, setting);
  const given = command.text, read = given === undefined || given === "-";
  const text = read ? await readText((line) => report.terminal.note(line)) : given;
  const fact = await link.about(
    to,
    server,
    (to) => link.ask("message.send", { to, text, ...(reply !== undefined && { replyTo: reply }) }),
  );
  report.tell(
    { event: "written", ...fact },
    `Stored; it goes out by itself. How far it got: kith log ${short(fact.conversation)}`,
  );
  return 0;
}

async function search(command: CommandOf<"search">, setting: TalkSetting): Promise<number> {
  const { words, in: where, from, limit, server } = command, { report } = setting;
  using link = await TalkLink.open(command, setting);
  const ask = (from?: string) =>
    link.ask("message.search", {
      words: words.join(" "),
      limit,
      ...(where !== undefined && { in: where }),
      ...(from !== undefined && { from }),
    });
  const reply = from === undefined ? await ask() : await link.about(from, server, ask);
  const hits = reply.hits as readonly Reply[], rooms = new Map<string, Reply>();
  for (const hit of hits) {
    const id = String(hit.conversation);
    if (!rooms.has(id) && !report.json) {
      rooms.set(id, await link.ask("conversation.show", { conversation: id }));
    }
    report.tell({ event: "hit", ...hit }, hitLine(hit, rooms.get(id)));
  }
  if (!hits.length) {
    report.remark({ event: "not-found", words: words.join(" ") }, "No message has these words.");
  }
  return hits.length ? 0 : 1;
}

/** The words found are set between stars. */
function hitLine(hit: Reply, room: Reply | undefined): string {
  const snippet = plain(String(hit.snippet).replaceAll("\u0002", "*").replaceAll("\u0003", "*"));
  const from = room && labels(room).get(String(hit.from)) || short(hit.from);
  return `${when(hit.time)}  ${from} in ${room ? called(room) : ""} (${short(hit.conversation)}): ${snippet}`;
}

const STATES: Readonly<Record<string, string>> = {
  online: "on line",
  connecting: "going on line",
  refused: "stays off line",
};

async function status(command: CommandOf<"status">, setting: TalkSetting): Promise<number> {
  const { report } = setting;
  using link = await TalkLink.open(command, setting);
  const { dht, accounts, events } = await link.ask("status"), net = dht as Reply;
  report.tell(
    { event: "node", ...net, events },
    `The node is ${net.status} on UDP port ${net.port}: ${net.good4} nodes over IPv4, ${net.good6} over IPv6.`,
  );
  for (const fact of accounts as readonly Reply[]) {
    const who = fact.registeredName || fact.displayName
      ? `${plain(fact.registeredName ?? fact.displayName)}, `
      : "";
    const counts = fact.state === "refused" ? ` (${fact.code})` : `, contacts: ${fact.contacts}` +
      (fact.requests ? ` (${fact.requests} ask)` : "") + `, conversations: ${fact.conversations}` +
      (fact.invitations ? ` (${fact.invitations} invite)` : "") + `, connected devices: ${fact.links}`;
    report.tell(
      { event: "account-status", ...fact },
      `${who}${fact.jamiId}: ${STATES[String(fact.state)]}${counts}`,
    );
  }
  return 0;
}
