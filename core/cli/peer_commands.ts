/** What `kith peer …` does: links to other devices, and where their time goes. */
import type { CommandOf } from "./arguments.ts";
import { type Reply, TalkLink, type TalkSetting } from "./talk_link.ts";
import { short } from "./talk_show.ts";

export type PeerCommand = CommandOf<"peer connect" | "peer list">;
interface Step {
  readonly at: number;
  readonly phase: string;
  readonly what: string;
  readonly detail?: string;
}

/** Runs one command and gives the exit code: 1 if nobody answered. @throws {CoreError} with what stopped it. */
export async function runPeer(command: PeerCommand, setting: TalkSetting): Promise<number> {
  const { report } = setting;
  using link = await TalkLink.open(command, setting);
  if (command.verb === "peer list") {
    const reply = await link.ask("peer.list");
    for (const fact of reply.links as readonly Reply[]) tellLink(fact, setting);
    if (command.trace) tellTraces(reply.traces as readonly Reply[], setting);
    if (!(reply.links as readonly Reply[]).length && !report.json) {
      report.terminal.note("No device is connected.");
    }
    return 0;
  }
  report.progress("connecting");
  const reply = await link.about(command.who, command.server, (who) => link.ask("peer.connect", { who }));
  const links = reply.links as readonly Reply[], attempts = reply.attempts as readonly Reply[];
  if (command.trace) tellTraces(reply.traces as readonly Reply[], setting);
  for (const fact of links) tellLink(fact, setting);
  for (const { device, code } of attempts) {
    report.tell({ event: "failed", device, code }, `Device ${short(device)} could not be reached (${code}).`);
  }
  if (!links.length && !attempts.length) {
    report.remark({ event: "not-found", who: command.who }, "No device of this account is on line now.");
  }
  return links.length ? 0 : 1;
}

function tellLink(fact: Reply, { report }: TalkSetting): void {
  const channels = (fact.channels as readonly Reply[]).length;
  report.tell(
    { event: "link", ...fact },
    `Device ${short(fact.device)} of ${short(fact.account)}: connected, ${fact.path}, channels: ${channels}`,
  );
}

function tellTraces(traces: readonly Reply[], { report }: TalkSetting): void {
  for (const trace of traces) {
    const steps = trace.steps as readonly Step[], { direction, device, outcome } = trace;
    const lines = steps.map(({ at, phase, what, detail }) =>
      `  ${at.toFixed(1).padStart(9)} ms  ${phase.padEnd(9)} ${what}${detail ? ` (${detail})` : ""}`
    );
    const way = direction === "out" ? "to" : "from";
    report.tell(
      { event: "trace", ...trace },
      [`Attempt ${way} ${short(device)}: ${outcome ?? "still going on"}`, ...lines].join("\n"),
    );
  }
}
