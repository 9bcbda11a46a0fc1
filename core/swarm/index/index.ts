/** The index: validated commits go in, pages and search results come out. Spec: swarm §2.4. */
import type { AccountId, CommitId, ConversationId, DeviceId } from "../../base/mod.ts";
import type { JsonObject } from "../../codec/mod.ts";
import type { Cell, Row, Rows } from "../../storage/mod.ts";
import { type Graph, type Node, ordered } from "../repo/order.ts";
import type { ValidCommit } from "../validate/validator.ts";
import { type Kind, shownAs } from "./shown.ts";

/** Seconds a commit's clock may run ahead of ours before it stops deciding the order. Spec: swarm §12 row 24. */
const AHEAD = 300;
const PAGE = 200;

/** One line of a conversation as it stands now, edits and reactions applied. */
export interface Message {
  readonly id: CommitId;
  readonly conversation: ConversationId;
  readonly account: AccountId;
  readonly device: DeviceId;
  /** Committer time, seconds. */
  readonly time: number;
  readonly type: string;
  /** As committed. */
  readonly body: JsonObject;
  /** Text after the last edit; "" when deleted. */
  readonly text: string | undefined;
  readonly edited: boolean;
  readonly deleted: boolean;
  readonly replyTo: CommitId | undefined;
  readonly reactions: readonly {
    readonly account: AccountId;
    readonly text: string;
    readonly id: CommitId;
  }[];
}

export interface PageOptions {
  /** Only what is older than this commit. */
  readonly before?: CommitId;
  /** At most this many, 200 at the outside. Default 50. */
  readonly limit?: number;
}

export interface SearchOptions {
  readonly conversation?: ConversationId;
  readonly account?: AccountId;
  /** Seconds since 1970, inclusive. */
  readonly since?: number;
  readonly until?: number;
  readonly limit?: number;
}

export interface Hit {
  readonly message: Message;
  /** Text around the words found, which stand between U+0002 and U+0003. */
  readonly snippet: string;
}

export class ConversationIndex {
  #nodes = new Map<ConversationId, Map<string, Node>>();

  constructor(readonly rows: Rows) {}

  /** The tip this index stands at; `undefined` for a conversation it does not know. */
  tip(conversation: ConversationId): CommitId | undefined {
    return this.rows.get("select tip from tips where conversation = ?", conversation)?.tip as
      | CommitId
      | undefined;
  }

  /** What is known of validated commits: spares the validator from reading them again. */
  graph(conversation: ConversationId): Graph {
    const nodes = this.#load(conversation);
    return (id) => nodes.get(id);
  }

  has(conversation: ConversationId, id: string): boolean {
    return this.#load(conversation).has(id);
  }

  /**
   * Takes in commits (parents first) and moves the tip; all of it or nothing. Commits already there are skipped, and
   * so are twins: the same signed words under another id stay in the history but are shown once.
   * @param received seconds since 1970.
   */
  add(
    conversation: ConversationId,
    commits: readonly ValidCommit[],
    tip: CommitId,
    received: number,
  ): ValidCommit[] {
    const nodes = this.#load(conversation), before = this.tip(conversation), fresh: ValidCommit[] = [];
    try {
      this.rows.transaction(() => {
        const wanted = commits.filter((commit) => !nodes.has(commit.id)), inLine = continues(wanted, before);
        let position = inLine ? this.#top(conversation) : 0;
        for (const commit of wanted) {
          if (nodes.has(commit.id)) continue;
          const ordering = Math.min(commit.time, received + AHEAD);
          nodes.set(commit.id, { parents: commit.parents, time: ordering });
          this.#insert(conversation, commit, ordering, inLine ? ++position : 0);
          fresh.push(commit);
        }
        this.rows.run("insert or replace into tips values (?, ?)", conversation, tip);
        if (!inLine) this.#reorder(conversation, nodes, tip);
        for (const commit of fresh) this.#retell(conversation, commit);
      });
    } catch (error) {
      this.#nodes.delete(conversation);
      throw error;
    }
    return fresh;
  }

  /** Newest first. */
  page(conversation: ConversationId, { before, limit = 50 }: PageOptions = {}): Message[] {
    const top = before &&
      this.rows.get("select position from commits where conversation = ? and id = ?", conversation, before)
        ?.position;
    if (before && top === undefined) return [];
    const rows = this.rows.all(
      `select * from commits where conversation = ? and kind = 'message' and position < ? order by position desc limit ?`,
      conversation,
      top ?? Number.MAX_SAFE_INTEGER,
      Math.min(limit, PAGE),
    );
    return this.#messages(rows);
  }

  message(conversation: ConversationId, id: CommitId): Message | undefined {
    const row = this.rows.get(
      "select * from commits where conversation = ? and id = ? and kind = 'message'",
      conversation,
      id,
    );
    return row && this.#messages([row])[0];
  }

  /** Messages whose present text holds all `words`, best first. A word may be the beginning of one. */
  search(words: string, options: SearchOptions = {}): Hit[] {
    const terms = words.match(/[\p{L}\p{N}_]+/gu)?.map((word) => `"${word}"*`) ?? [];
    if (!terms.length) return [];
    const filters: [string, Cell | undefined][] = [
      ["c.conversation = ?", options.conversation],
      ["c.account = ?", options.account],
      ["c.time >= ?", options.since],
      ["c.time <= ?", options.until],
    ];
    const used = filters.filter(([, cell]) => cell !== undefined);
    const found = this.rows.all(
      `select c.*, snippet(texts, 0, char(2), char(3), '…', 16) as snippet from texts join commits c on c.n = texts.rowid
       where texts match ? ${used.map(([sql]) => `and ${sql}`).join(" ")} order by texts.rank limit ?`,
      terms.join(" "),
      ...used.map(([, cell]) => cell!),
      Math.min(options.limit ?? 50, PAGE),
    );
    const messages = this.#messages(found);
    return found.map((row, i) => ({ message: messages[i]!, snippet: String(row.snippet) }));
  }

  /** Forgets a conversation; its repository is not touched. */
  remove(conversation: ConversationId): void {
    this.rows.transaction(() => {
      this.rows.run(
        "delete from texts where rowid in (select n from commits where conversation = ?)",
        conversation,
      );
      this.rows.run("delete from commits where conversation = ?", conversation);
      this.rows.run("delete from tips where conversation = ?", conversation);
    });
    this.#nodes.delete(conversation);
  }

  #load(conversation: ConversationId): Map<string, Node> {
    const known = this.#nodes.get(conversation);
    if (known) return known;
    const nodes = new Map<string, Node>();
    for (
      const row of this.rows.all(
        "select id, parents, ordering from commits where conversation = ?",
        conversation,
      )
    ) {
      nodes.set(String(row.id), {
        parents: String(row.parents).split(" ").filter(Boolean),
        time: Number(row.ordering),
      });
    }
    this.#nodes.set(conversation, nodes);
    return nodes;
  }

  #insert(conversation: ConversationId, commit: ValidCommit, ordering: number, position: number): void {
    const { kind, target } = shownAs(commit.type, commit.body);
    const twin = this.rows.get(
      "select 1 from commits where conversation = ? and payload = ?",
      conversation,
      commit.payload,
    );
    this.rows.run(
      `insert into commits (conversation, id, parents, time, ordering, position, account, device, type, body, payload, target, kind)
       values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      conversation,
      commit.id,
      commit.parents.join(" "),
      commit.time,
      ordering,
      position,
      commit.account,
      commit.device,
      commit.type,
      JSON.stringify(commit.body),
      commit.payload,
      twin ? null : target ?? null,
      twin ? "hidden" : kind,
    );
  }

  #top(conversation: ConversationId): number {
    return Number(
      this.rows.get("select max(position) as top from commits where conversation = ?", conversation)?.top ??
        0,
    );
  }

  #reorder(conversation: ConversationId, nodes: ReadonlyMap<string, Node>, tip: CommitId): void {
    const order = ordered((id) => nodes.get(id), tip).reverse();
    order.forEach((id, i) =>
      this.rows.run(
        "update commits set position = ? where conversation = ? and id = ? and position <> ?",
        i + 1,
        conversation,
        id,
        i + 1,
      )
    );
  }

  /** Brings the text of the message a commit is, or is about, up to date. */
  #retell(conversation: ConversationId, commit: ValidCommit): void {
    const { kind, target } = shownAs(commit.type, commit.body),
      id = kind === "message" ? commit.id : kind === "edit" ? target : undefined;
    const row = id &&
      this.rows.get(
        "select * from commits where conversation = ? and id = ? and kind = 'message'",
        conversation,
        id,
      );
    if (!row) return; // an edit before its message: the message will find it
    const { text } = this.#messages([row])[0]!;
    this.rows.run("delete from texts where rowid = ?", row.n!);
    if (text) {
      this.rows.run(
        "insert into texts (rowid, text, conversation) values (?, ?, ?)",
        row.n!,
        text,
        conversation,
      );
    }
  }

  #messages(rows: readonly Row[]): Message[] {
    return rows.map((row) => {
      const body = JSON.parse(String(row.body)) as JsonObject,
        conversation = row.conversation as ConversationId;
      const about = this.rows.all(
        "select id, account, type, body, kind from commits where conversation = ? and target = ? order by position",
        conversation,
        row.id!,
      );
      const edits = about.filter((other) => other.kind === "edit" && other.account === row.account);
      const last = edits.at(-1), own = shownAs(String(row.type), body).text;
      const text = last ? shownAs(String(last.type), JSON.parse(String(last.body))).text : own;
      const deleted = Boolean(last) && !text;
      return {
        id: row.id as CommitId,
        conversation,
        account: row.account as AccountId,
        device: row.device as DeviceId,
        time: Number(row.time),
        type: String(row.type),
        body,
        text: deleted ? "" : text,
        edited: edits.length > 0,
        deleted,
        replyTo: typeof body["reply-to"] === "string" ? body["reply-to"] as CommitId : undefined,
        reactions: deleted ? [] : this.#reactions(conversation, about),
      };
    });
  }

  #reactions(conversation: ConversationId, about: readonly Row[]): Message["reactions"] {
    return about.filter((other) => (other.kind as Kind) === "reaction").flatMap((other) => {
      const text = shownAs(String(other.type), JSON.parse(String(other.body))).text ?? "";
      const withdrawn = this.rows.get(
        "select 1 from commits where conversation = ? and target = ? and kind = 'edit' and account = ? and json_extract(body, '$.body') = ''",
        conversation,
        other.id!,
        other.account!,
      );
      return withdrawn || !text
        ? []
        : [{ account: other.account as AccountId, text, id: other.id as CommitId }];
    });
  }
}

/** One commit after the other on top of what was there: nothing has to be put in order again. */
function continues(commits: readonly ValidCommit[], tip: CommitId | undefined): boolean {
  let at: string | undefined = tip;
  for (const { id, parents } of commits) {
    if (parents.length > 1 || parents[0] !== at) return false;
    at = id;
  }
  return true;
}
