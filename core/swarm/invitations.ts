/** Invitations to conversations that wait for an answer. Spec: swarm §4.5. */
import type { AccountId, ConversationId } from "../base/mod.ts";
import type { Row, Rows, Schema } from "../storage/mod.ts";
import { LIMITS } from "./limits.ts";

export interface Invitation {
  readonly conversation: ConversationId;
  /** Who invites, as proven by their link or signature. */
  readonly from: AccountId;
  /** Mode, title, description, avatar …, all text. */
  readonly infos: Readonly<Record<string, string>>;
  /** When it was issued, ms since 1970. */
  readonly receivedMs: number;
}

/** What this device knows of conversations besides their repositories. Spec: swarm §1.7, §4.7. */
export const STATE_SCHEMA: Schema = {
  durability: "full",
  migrations: [`
    create table known (
      conversation text primary key,
      state text not null check (state in ('invited', 'declined', 'cloning', 'ready', 'left', 'erased')),
      sender text,
      infos text not null,
      received_ms integer not null,
      created integer not null,
      removed integer not null,
      failures integer not null default 0
    ) strict, without rowid;
    create table marks (
      conversation text not null,
      account text not null,
      kind text not null check (kind in ('fetched', 'read')),
      commit_id text not null,
      at integer not null,
      primary key (conversation, account, kind)
    ) strict, without rowid;
  `],
};

export type KnownState = "invited" | "declined" | "cloning" | "ready" | "left" | "erased";
export interface Known extends Invitation {
  readonly state: KnownState;
  /** Seconds since 1970; `removed` = 0: never. */
  readonly created: number;
  readonly removed: number;
}

/** How far a member has got: fetched or read up to a commit. */
export interface Mark {
  readonly account: AccountId;
  readonly kind: "fetched" | "read";
  readonly commit: string;
  /** Seconds since 1970. */
  readonly at: number;
}

export class Register {
  constructor(readonly rows: Rows, readonly wall: () => number) {}

  get(conversation: ConversationId): Known | undefined {
    const row = this.rows.get("select * from known where conversation = ?", conversation);
    return row && knownOf(row);
  }
  list(state?: KnownState): Known[] {
    const rows = state
      ? this.rows.all("select * from known where state = ? order by received_ms desc, conversation", state)
      : this.rows.all("select * from known order by received_ms desc, conversation");
    return rows.map(knownOf);
  }

  /**
   * An invitation came. @returns whether it is new to the person: `stored`; or why not: it is `known` (pending, being
   * cloned or there), or `declined` after it was issued.
   */
  invited(invitation: Invitation): "stored" | "known" | "declined" {
    const old = this.get(invitation.conversation);
    if (old?.state === "declined" && invitation.receivedMs <= old.removed * 1000) return "declined";
    if (old && ["invited", "cloning", "ready"].includes(old.state)) return "known";
    this.rows.transaction(() => {
      this.#put(invitation, "invited", 0);
      this.rows.run(
        "delete from known where conversation in (select conversation from known where state = 'invited' order by received_ms desc, conversation limit -1 offset ?)",
        LIMITS.invitations,
      );
    });
    return "stored";
  }

  /** Sets the state; makes the entry if there is none. */
  set(conversation: ConversationId, state: KnownState, from?: AccountId): void {
    const now = Math.floor(this.wall() / 1000), old = this.get(conversation);
    const gone = state === "left" || state === "erased" || state === "declined";
    const entry: Invitation = old ??
      { conversation, from: from ?? "" as AccountId, infos: {}, receivedMs: now * 1000 };
    this.#put({ ...entry, from: from ?? entry.from }, state, gone ? now : 0);
  }

  mark(conversation: ConversationId, account: AccountId, kind: Mark["kind"], commit: string): void {
    this.rows.run(
      "insert or replace into marks values (?, ?, ?, ?, ?)",
      conversation,
      account,
      kind,
      commit,
      Math.floor(this.wall() / 1000),
    );
  }
  marks(conversation: ConversationId): Mark[] {
    return this.rows.all("select * from marks where conversation = ?", conversation).map((row) => ({
      account: row.account as AccountId,
      kind: row.kind as Mark["kind"],
      commit: String(row.commit_id),
      at: Number(row.at),
    }));
  }

  #put(entry: Invitation, state: KnownState, removed: number): void {
    const created = this.get(entry.conversation)?.created || Math.floor(this.wall() / 1000);
    this.rows.run(
      "insert or replace into known values (?, ?, ?, ?, ?, ?, ?, 0)",
      entry.conversation,
      state,
      entry.from || null,
      JSON.stringify(entry.infos),
      Math.floor(entry.receivedMs),
      created,
      removed,
    );
  }
}

const knownOf = (row: Row): Known => ({
  conversation: row.conversation as ConversationId,
  state: row.state as KnownState,
  from: (row.sender ?? "") as AccountId,
  infos: JSON.parse(String(row.infos)),
  receivedMs: Number(row.received_ms),
  created: Number(row.created),
  removed: Number(row.removed),
});
