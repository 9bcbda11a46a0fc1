/** The node: every account of a home at work over one DHT node, and one log of all that happens. */
import { type CommitId, CoreError } from "../base/mod.ts";
import type { Dht } from "../dht/mod.ts";
import { type AccountRecord, Accounts, type RevocationList } from "../identity/mod.ts";
import type { Home } from "../storage/mod.ts";
import type { SwarmEvent } from "../swarm/mod.ts";
import { LIMITS } from "./limits.ts";
import { NodeEvents, type NodeFact, type NumberedFact } from "./node_events.ts";
import { contactFact, invitationFact, messageFact, requestFact } from "./node_facts.ts";
import { cardName, formatCard } from "./node_card.ts";
import { NAMES_SCHEMA, NodeNames } from "./node_names.ts";
import { AccountSession, type SessionEvent, type SessionOptions } from "./session.ts";

/** One account of the node. Without a `session` its papers do not hold; `refused` says what is wrong. */
export interface NodeAccount {
  readonly record: AccountRecord;
  readonly names: NodeNames;
  readonly session: AccountSession | undefined;
  readonly refused: string | undefined;
  /** How many nodes hold its announcement; undefined before it is on line. */
  readonly announced: number | undefined;
}
export type WorkingAccount = NodeAccount & { readonly session: AccountSession };

/** What a node asks of the world. */
export type NodeEnv = SessionOptions["env"];

export interface NodeOptions {
  readonly home: Home;
  readonly dht: Dht;
  readonly env: NodeEnv;
  /** Told as it happens; the same can be read from {@linkcode KithNode.events} afterwards. */
  readonly onEvent?: (fact: NumberedFact) => void;
  readonly ice?: SessionOptions["ice"];
  readonly strangers?: boolean;
}

type Entry = { -readonly [K in keyof NodeAccount]: NodeAccount[K] };

export class KithNode implements AsyncDisposable {
  readonly events: NodeEvents;
  readonly #accounts = new Map<string, Entry>();
  readonly #list: Accounts;
  #closed = false;

  private constructor(readonly options: NodeOptions) {
    const { home, env } = options;
    this.events = new NodeEvents(() => env.clock.wall());
    this.#list = Accounts.open(home, env);
  }

  /** Opens all accounts side by side. One that cannot be loaded does not keep the others away: it is told as `refused`. */
  static async open(options: NodeOptions): Promise<KithNode> {
    const node = new KithNode(options);
    try {
      await Promise.all(node.#list.list().map((record) => node.#start(record)));
    } catch (error) {
      await node[Symbol.asyncDispose]();
      throw error;
    }
    return node;
  }

  get accounts(): readonly NodeAccount[] {
    return [...this.#accounts.values()];
  }

  /**
   * The account meant by a local id, a Jami id or a name, or the only one.
   * @throws {CoreError} `node/no-account`, `node/which-account`, `node/account-refused`, `identity/unknown-account`, `identity/ambiguous-account`.
   */
  account(word?: string): WorkingAccount {
    const all = this.accounts;
    if (!all.length) throw new CoreError("node/no-account");
    if (word === undefined && all.length > 1) {
      throw new CoreError("node/which-account", { count: all.length });
    }
    const found = word === undefined ? all[0]! : this.#accounts.get(this.#list.find(word).id);
    if (!found) throw new CoreError("node/account-not-running");
    const { session, refused } = found;
    if (!session) throw new CoreError("node/account-refused", { code: refused });
    return { ...found, session };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    await Promise.all(this.accounts.map(({ session }) => session?.[Symbol.asyncDispose]()));
  }

  async #start(record: AccountRecord): Promise<void> {
    const { home, dht, env, ice, strangers } = this.options, { id } = record;
    const names = new NodeNames(home.rows(`${id}-names`, NAMES_SCHEMA));
    const entry: Entry = { record, names, session: undefined, refused: undefined, announced: undefined };
    this.#accounts.set(id, entry);
    const early: SessionEvent[] = [];
    const onEvent = (event: SessionEvent) =>
      entry.session ? this.#happened(entry, entry.session, event) : void early.push(event);
    try {
      const account = await this.#list.load(id);
      entry.session = await AccountSession.open({
        dht,
        home,
        account,
        env,
        onEvent,
        card: formatCard(record.displayName),
        ...(ice && { ice }),
        ...(strangers && { strangers }),
      });
    } catch (error) {
      if (!(error instanceof CoreError)) throw error;
      env.log.error("account refused", { account: id, code: error.code, ...error.data });
      entry.refused = error.code;
      this.#tell(entry, { event: "refused", code: error.code });
      return;
    }
    for (const event of early) onEvent(event);
  }

  #tell({ record: { id, jamiId } }: Entry, { event, ...fields }: NodeFact): void {
    if (this.#closed) return;
    const fact = this.events.add({ event, id, jamiId, ...fields });
    this.options.onEvent?.(fact);
  }

  #happened(entry: Entry, session: AccountSession, event: SessionEvent): void {
    const tell = (fact: NodeFact) => this.#tell(entry, fact), { names } = entry;
    switch (event.type) {
      case "announced":
        entry.announced = event.nodes;
        return tell({ event: "announced", nodes: event.nodes });
      case "revoked":
        return tell({ event: "revoked" });
      case "revocation":
        return this.#keepRevocations(entry.record.id, event.list);
      case "sibling":
        return tell({ event: "sibling", device: event.device });
      case "presence":
        if (event.account === session.jamiId) return;
        return tell({
          event: "presence",
          contact: event.account,
          state: event.state,
          devices: event.devices,
        });
      case "connected":
      case "disconnected":
        return tell({ event: event.type, contact: event.account, device: event.device });
      case "request": {
        const card = cardName(event.request.payload);
        if (card) names.keep(event.request.account, { card });
        return tell({ event: "request", ...requestFact(event.request, names) });
      }
      case "contact":
        return tell({ event: "contact", ...contactFact(event.contact, session, names) });
      case "commits":
        return this.#commits(entry, session, event);
      case "conversation":
        return tell({ event: "conversation", conversation: event.conversation, state: event.state });
      case "invitation":
        return tell({ event: "invitation", ...invitationFact(event.invitation, names) });
      case "mark":
        return tell({
          event: event.kind === "read" ? "read" : "sent",
          conversation: event.conversation,
          contact: event.account,
          message: event.commit,
        });
      case "typing":
        return tell({
          event: "typing",
          conversation: event.conversation,
          contact: event.account,
          active: event.active,
        });
      case "refused": {
        const { conversation, device, refused } = event, why = refused[0]?.why;
        return tell({ event: "commits-refused", conversation, device, count: refused.length, why });
      }
      case "waiting":
        return tell({ event: "waiting", conversation: event.conversation, why: event.why });
    }
  }

  #keepRevocations(id: string, list: RevocationList): void {
    try {
      this.#list.keepRevocations(id, list);
    } catch (error) { // a full disk, for instance: the list comes again with the next start
      if (!(error instanceof CoreError)) throw error;
      this.options.env.log.error("revocation list not kept", { account: id, code: error.code });
    }
  }

  /** New messages one by one, changed ones as they stand now; of a long history only the end. */
  #commits(entry: Entry, { swarm }: AccountSession, event: Extract<SwarmEvent, { type: "commits" }>): void {
    const { conversation, own } = event, earlier = event.commits.length - LIMITS.eventsPerBatch;
    if (earlier > 0) this.#tell(entry, { event: "history", conversation, commits: earlier });
    for (const { id, body } of event.commits.slice(-LIMITS.eventsPerBatch)) {
      const about = body.edit ?? body["react-to"],
        target = typeof about === "string" ? about as CommitId : undefined;
      const message = swarm.index.message(conversation, target ?? id);
      if (message) {
        this.#tell(entry, {
          event: target ? "changed" : "message",
          ...messageFact(message),
          ...(own && { own }),
        });
      }
    }
  }
}
