/** Contacts and the requests that wait: states and what moves them. Spec: account §4.2, §4.3. */
import { type AccountId, type ConversationId, CoreError } from "../base/mod.ts";
import type { Row, Rows, Schema } from "../storage/mod.ts";
import { LIMITS } from "./limits.ts";

/** Times in seconds since 1970. `removed` = 0: never. */
export interface Contact {
  readonly account: AccountId;
  readonly added: number;
  readonly removed: number;
  /** The other side accepted. */
  readonly confirmed: boolean;
  readonly banned: boolean;
  /** The one-to-one conversation with them. */
  readonly conversation: ConversationId | undefined;
  /** When we invited them first, ms since 1970: said again with every repetition. */
  readonly invitedMs: number;
}
export type ContactState = "none" | "active" | "removed" | "banned";

/** Someone wants to be a contact. Nothing of it reaches anybody before it is accepted. */
export interface ContactRequest {
  readonly account: AccountId;
  readonly conversation: ConversationId | undefined;
  /** Their card. */
  readonly payload: Uint8Array;
  /** Seconds since 1970. */
  readonly received: number;
}

/** What a trust request that came in leads to. */
export type Heard =
  /** `why` is counted; nothing changed. */
  | { readonly type: "ignored"; readonly why: "self" | "banned" | "older" | "declined" | "unasked" | "size" }
  | { readonly type: "pending"; readonly request: ContactRequest }
  /** They accepted, or asked while they already are a contact: now certain. `reply`: they must be told so too. */
  | {
    readonly type: "confirmed";
    readonly contact: Contact;
    readonly first: boolean;
    readonly reply: boolean;
    readonly theirs: ConversationId | undefined;
  };

export interface Incoming {
  readonly account: AccountId;
  readonly conversation: ConversationId | undefined;
  readonly payload: Uint8Array;
  readonly confirm: boolean;
  readonly invitedMs: number | undefined;
}

export const SCHEMA: Schema = {
  durability: "full",
  migrations: [`
    create table contacts (
      account text primary key,
      added integer not null,
      removed integer not null,
      confirmed integer not null,
      banned integer not null,
      conversation text,
      invited_ms integer not null
    ) strict, without rowid;
    create table requests (
      account text primary key,
      conversation text,
      payload blob not null,
      received integer not null,
      invited_ms integer not null,
      declined integer not null
    ) strict, without rowid;
  `],
};

export class ContactBook {
  /** @param wall milliseconds since 1970. */
  constructor(readonly own: AccountId, readonly rows: Rows, readonly wall: () => number) {}

  get(account: AccountId): Contact | undefined {
    const row = this.rows.get("select * from contacts where account = ?", account);
    return row && contactOf(row);
  }
  /** All, removed ones included, by time of adding. */
  list(): Contact[] {
    return this.rows.all("select * from contacts order by added, account").map(contactOf);
  }
  state(account: AccountId): ContactState {
    const contact = this.get(account);
    if (!contact) return "none";
    if (contact.added > contact.removed) return "active";
    return contact.banned ? "banned" : "removed";
  }
  /** Requests that wait for an answer, newest first. */
  requests(): ContactRequest[] {
    return this.rows.all("select * from requests where declined = 0 order by received desc, account").map(
      requestOf,
    );
  }
  request(account: AccountId): ContactRequest | undefined {
    const row = this.rows.get("select * from requests where account = ? and declined = 0", account);
    return row && requestOf(row);
  }

  /**
   * Makes `account` a contact, also one that was removed or banned.
   * @throws {CoreError} `contacts/self`, `contacts/too-many`.
   */
  add(
    account: AccountId,
    wish: { conversation?: ConversationId | undefined; confirmed?: boolean } = {},
  ): Contact {
    if (account === this.own) throw new CoreError("contacts/self");
    const old = this.get(account), active = this.state(account) === "active";
    if (!old && Number(this.rows.get("select count(*) as n from contacts")!.n) >= LIMITS.contacts) {
      throw new CoreError("contacts/too-many", { limit: LIMITS.contacts });
    }
    const contact: Contact = {
      account,
      added: active ? old!.added : Math.max(this.#now(), (old?.removed ?? 0) + 1),
      removed: 0,
      confirmed: (active && old!.confirmed) || Boolean(wish.confirmed),
      banned: false,
      conversation: wish.conversation ?? old?.conversation,
      invitedMs: active ? old!.invitedMs : Math.floor(this.wall()),
    };
    this.#save(contact);
    return contact;
  }

  /** Removes, and with `ban` refuses them from now on. False if there was nothing to remove. */
  remove(account: AccountId, { ban = false } = {}): boolean {
    const old = this.get(account), state = this.state(account);
    if (account === this.own || (!ban && state !== "active")) return false;
    this.rows.transaction(() => {
      this.#save({
        account,
        added: old?.added ?? 0,
        removed: Math.max(this.#now(), old?.added ?? 0),
        confirmed: false,
        banned: ban,
        conversation: ban ? old?.conversation : undefined,
        invitedMs: 0,
      });
      this.rows.run("delete from requests where account = ?", account);
    });
    return true;
  }

  /** Which conversation is the one with them. */
  setConversation(account: AccountId, conversation: ConversationId): void {
    this.rows.run("update contacts set conversation = ? where account = ?", conversation, account);
  }

  /** A trust request from a device of `account`, its chain verified. */
  hear(incoming: Incoming): Heard {
    const { account, confirm, conversation } = incoming, state = this.state(account);
    if (account === this.own) return { type: "ignored", why: "self" };
    if (state === "banned") return { type: "ignored", why: "banned" };
    if (incoming.payload.length > LIMITS.payloadBytes) return { type: "ignored", why: "size" };
    if (state === "active") return this.#confirm(incoming);
    if (confirm) return { type: "ignored", why: "unasked" }; // nobody asked them
    const now = this.#now(),
      invited = Math.min(incoming.invitedMs ?? now * 1000, now * 1000 + LIMITS.aheadMs);
    const old = this.rows.get("select * from requests where account = ?", account);
    if (old && Number(old.declined) && invited <= Number(old.declined) * 1000) {
      return { type: "ignored", why: "declined" };
    }
    if (old && !Number(old.declined)) {
      const before = Number(old.invited_ms),
        card = !(old.payload as Uint8Array).length && incoming.payload.length > 0;
      if (invited < before || (invited === before && !card)) return { type: "ignored", why: "older" }; // of one moment, the one with a card
    }
    const request: ContactRequest = { account, conversation, payload: incoming.payload, received: now };
    this.rows.transaction(() => {
      this.rows.run(
        "insert or replace into requests values (?, ?, ?, ?, ?, 0)",
        account,
        conversation ?? null,
        incoming.payload,
        now,
        invited,
      );
      this.rows.run(
        "delete from requests where account in (select account from requests where declined = 0 order by received desc, account limit -1 offset ?)",
        LIMITS.requests,
      );
    });
    return { type: "pending", request };
  }

  /** Takes a request: they are a confirmed contact now. @throws {CoreError} `contacts/no-request`. */
  accept(account: AccountId): Contact {
    const request = this.request(account);
    if (!request) throw new CoreError("contacts/no-request", { account });
    return this.rows.transaction(() => {
      this.rows.run("delete from requests where account = ?", account);
      return this.add(account, { conversation: request.conversation, confirmed: true });
    });
  }

  /** Says no, silently: they are not told, and only a newer request is shown. @throws {CoreError} `contacts/no-request`. */
  decline(account: AccountId): void {
    const changed = this.rows.run(
      "update requests set declined = ?, payload = x'' where account = ? and declined = 0",
      this.#now(),
      account,
    );
    if (!changed) throw new CoreError("contacts/no-request", { account });
  }

  #confirm({ account, confirm, conversation }: Incoming): Heard {
    const old = this.get(account)!,
      contact = { ...old, confirmed: true, conversation: old.conversation ?? conversation };
    this.#save(contact);
    return { type: "confirmed", contact, first: !old.confirmed, reply: !confirm, theirs: conversation };
  }

  #save(c: Contact): void {
    this.rows.run(
      "insert or replace into contacts values (?, ?, ?, ?, ?, ?, ?)",
      c.account,
      c.added,
      c.removed,
      Number(c.confirmed),
      Number(c.banned),
      c.conversation ?? null,
      c.invitedMs,
    );
  }
  #now = (): number => Math.floor(this.wall() / 1000);
}

const contactOf = (row: Row): Contact => ({
  account: row.account as AccountId,
  added: Number(row.added),
  removed: Number(row.removed),
  confirmed: row.confirmed === 1,
  banned: row.banned === 1,
  conversation: (row.conversation ?? undefined) as ConversationId | undefined,
  invitedMs: Number(row.invited_ms),
});

const requestOf = (row: Row): ContactRequest => ({
  account: row.account as AccountId,
  conversation: (row.conversation ?? undefined) as ConversationId | undefined,
  payload: row.payload as Uint8Array,
  received: Number(row.received),
});
