/** What `kith start` adds to a DHT node: the home's accounts at work, and the door through which other commands talk to them. */
import { CoreError } from "../base/mod.ts";
import type { Dht } from "../dht/mod.ts";
import { ControlDoor, KithNode, type NodeEnv, type NumberedFact } from "../node/mod.ts";
import type { Home } from "../storage/mod.ts";
import { listed, person, plain, short } from "./talk_show.ts";
import type { Report } from "./terminal.ts";
import { explain } from "./words.ts";

/** Opens both. Without its door a node still does its work: that is told, and no reason to stop. */
export async function runAccounts(
  dht: Dht,
  home: Home,
  env: NodeEnv,
  report: Report,
): Promise<AsyncDisposable> {
  await using owned = new AsyncDisposableStack();
  const names = new Map<string, string>();
  const early: NumberedFact[] = [];
  let tell = (fact: NumberedFact): void => void early.push(fact);
  const node = owned.use(await KithNode.open({ home, dht, env, onEvent: (fact) => tell(fact) }));
  for (const { record } of node.accounts) names.set(record.id, plain(record.displayName) || record.jamiId);
  tell = (fact) => announce(fact, names.get(String(fact.id)) ?? String(fact.jamiId), report);
  try {
    if (home.folder) owned.use(await ControlDoor.open(node, home.folder));
    report.remark(
      { event: "control" },
      "Other commands can talk to this node: kith status, kith contact, kith send …",
    );
  } catch (error) {
    if (!(error instanceof CoreError)) throw error;
    const { code, sentence } = explain(error);
    report.remark({ event: "no-control", code }, sentence);
  }
  if (!names.size) {
    report.remark(
      { event: "no-account" },
      "There is no account yet: end the node, make one with kith account create --name NAME, and start it again.",
    );
  }
  for (const fact of early) tell(fact);
  return owned.move();
}

/** What whoever runs the node should know. Nothing of what people write: this may go into a system's log. */
function announce(fact: NumberedFact, who: string, report: Report): void {
  const { id, jamiId } = fact;
  switch (fact.event) {
    case "announced": {
      const { nodes } = fact;
      return report.tell(
        { event: "announced", id, jamiId, nodes },
        `${who} is on line (${nodes} nodes hold the announcement).`,
      );
    }
    case "sibling":
      return report.tell(
        { event: "sibling", id, jamiId, device: fact.device },
        `${who}: another device is there, ${fact.device}.`,
      );
    case "refused":
      return report.remark(
        { event: "refused", id, jamiId, code: fact.code },
        `${who} stays off line (${fact.code}); see: kith account show ${id}`,
      );
    case "revoked":
      return report.remark(
        { event: "revoked", id, jamiId },
        `${who}: this device was revoked by its account and is announced no more.`,
      );
    case "request":
      return report.tell(
        { event: "request", id, jamiId, contact: fact.contact },
        `${who}: ${listed(fact)} asks to be a contact; see: kith contact accept ${short(fact.contact)}`,
      );
    case "invitation":
      return report.tell(
        { event: "invitation", id, jamiId, conversation: fact.conversation, from: fact.from },
        `${who}: ${person(fact)} invites you; see: kith conversation accept ${short(fact.conversation)}`,
      );
  }
}
