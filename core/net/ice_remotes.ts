/** Candidates of the other side: which of an offer we take, which we discover, and how a pair reads in a trace. Spec: connection §2.4, §9 H4. */
import { type Endpoint } from "../base/mod.ts";
import { type Candidate, foundationOf, whyNotDial } from "./ice_candidate.ts";
import type { GoodCheck } from "./ice_check.ts";
import type { Pair } from "./ice_pairs.ts";
import type { IceOptions, Path } from "./ice_words.ts";
import { ICE } from "./limits.ts";

/** Those candidates of an offer that we may dial. Active ones will come to us; everything else left out is counted. */
export function admit(
  candidates: readonly Candidate[],
  components: ReadonlySet<number>,
  { transport, policy = {} }: Pick<IceOptions, "transport" | "policy">,
  drop: (why: string) => void,
): Candidate[] {
  const taken: Candidate[] = [], targets = new Map<number, Set<string>>(); // by component
  for (const c of candidates) {
    if (c.transport !== transport) drop("candidate-transport");
    else if (!components.has(c.component)) drop("candidate-component");
    else if (c.tcpType === "active") continue;
    else {
      const why = whyNotDial(c, policy);
      if (why) drop(`candidate-${why}`);
      else if (taken.length >= ICE.pairs || seen(targets, c).size > ICE.targets) drop("candidate-excess");
      else taken.push(c);
    }
  }
  return taken;
}

function seen(targets: Map<number, Set<string>>, { component, ip, port }: Candidate): Set<string> {
  const own = targets.get(component) ?? new Set();
  targets.set(component, own);
  return own.add(`${ip} ${port}`);
}

/** The candidate a signed check from an unknown address stands for. */
export function reflexive(check: GoodCheck, path: Path): Candidate {
  const [local, from]: [{ component: number }, Endpoint] = "conn" in path
    ? [path.conn.local, path.conn.from]
    : [path.local, path.from];
  const { component } = local, foundation = foundationOf("prflx", from.ip), { priority } = check;
  const common = { ip: from.ip, port: from.port, foundation, component, type: "prflx", priority } as const;
  return "conn" in path
    ? { ...common, transport: "tcp", tcpType: "active" }
    : { ...common, transport: "udp" };
}

/** `host 192.0.2.1 -> relay 198.51.100.7:50500/1`. */
export const describe = ({ local, remote, component }: Pair): string =>
  `${local.type} ${local.ip} -> ${remote.type} ${remote.ip}:${remote.port}/${component}`;

/** True if a message on `path` came from where this pair sends. */
export function straight(pair: Pair, path: Path): boolean {
  if ("conn" in path) return pair.conn === path.conn.id;
  const { socket, from } = path;
  return pair.local.socket === socket && pair.remote.ip === from.ip && pair.remote.port === from.port;
}
