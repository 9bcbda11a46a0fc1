/**
 * One account at work: on line, with its contacts, its links to their devices, and its conversations. This is where
 * the rooms meet; what they mean is decided in them. Spec: account §4, §9, swarm §4.
 */
import { type AccountId, type ConversationId, CoreError, type DeviceId } from "../base/mod.ts";
import {
  type Contact,
  ContactBook,
  type ContactRequest,
  ContactRequests,
  CONTACTS_SCHEMA,
  DeviceDirectory,
  type Heard,
} from "../contacts/mod.ts";
import type { Dht } from "../dht/mod.ts";
import { type Account, certificatePem, chainPem, type OnlineEvent } from "../identity/mod.ts";
import { type IceSettings, type Peer, type PeerEvent, PeerManager, type PeersOptions } from "../peers/mod.ts";
import type { Home } from "../storage/mod.ts";
import { CONVERSATIONS_SCHEMA, Swarm, SWARM_STATE_SCHEMA, type SwarmEvent } from "../swarm/mod.ts";
import { bringOnline, type OnlineAccount } from "./account_online.ts";
import { SEEN_SCHEMA, seenRows } from "./seen_rows.ts";

export type SessionEvent =
  | OnlineEvent
  | PeerEvent
  | SwarmEvent
  /** Somebody asks to be a contact. */
  | { readonly type: "request"; readonly request: ContactRequest }
  /** A contact appeared, changed or went; the other side agreed. */
  | { readonly type: "contact"; readonly contact: Contact };

export interface SessionOptions {
  readonly dht: Dht;
  readonly home: Home;
  readonly account: Account;
  readonly env: PeersOptions["env"];
  readonly onEvent: (event: SessionEvent) => void;
  /** Relays, mapped ports and addresses for paths; asked anew for each attempt. */
  readonly ice?: () => IceSettings;
  /** vCard that goes with contact requests, repeated ones too. */
  readonly card?: Uint8Array;
  /** Let in who is no contact and shares no conversation. Default: no. */
  readonly strangers?: boolean;
}

export class AccountSession implements AsyncDisposable {
  readonly book: ContactBook;
  readonly online: OnlineAccount;
  readonly peers: PeerManager;
  readonly requests: ContactRequests;
  readonly swarm: Swarm;
  readonly #members = new Set<AccountId>();
  readonly #greeted = new Set<string>();
  readonly #work = new Set<Promise<unknown>>();
  #closed = false;

  private constructor(
    readonly options: SessionOptions,
    parts: Pick<AccountSession, "book" | "online" | "peers" | "requests" | "swarm">,
  ) {
    this.book = parts.book;
    this.online = parts.online;
    this.peers = parts.peers;
    this.requests = parts.requests;
    this.swarm = parts.swarm;
  }

  get jamiId(): AccountId {
    return this.options.account.jamiId;
  }

  /** Opens everything and goes on line. What happens is told from the first moment on. */
  static async open(options: SessionOptions): Promise<AccountSession> {
    const { dht, home, account, env } = options,
      { clock, random, log } = env,
      name = (kind: string) => `${account.id}-${kind}`;
    await using owned = new AsyncDisposableStack();
    const live: { session?: AccountSession } = {};
    const early: SessionEvent[] = [],
      tell = (event: SessionEvent) => live.session ? live.session.#happened(event) : void early.push(event);
    const book = new ContactBook(
      account.jamiId,
      home.rows(name("contacts"), CONTACTS_SCHEMA),
      () => clock.wall(),
    );
    const online = owned.use(bringOnline(dht, account, env, tell)), { secure } = online;
    let published: readonly string[] = [];
    const watching = dht.onEvent((event) => {
      if (event.type === "public-address") published = event.ips;
    });
    owned.use(watching);
    const peers: PeerManager = owned.use(PeerManager.open({
      env,
      dht: secure,
      own: {
        chain: account.chain,
        chainPem: chainPem(account.chain),
        keyPem: await account.deviceKey.exportPem(),
      },
      trust: (peer, direction) => live.session ? live.session.trust(peer, direction) : "not-ready",
      ice: () => ({ published, ...options.ice?.() }),
      onChannel: (channel, peer) => live.session?.swarm.onChannel(channel, peer),
      onEvent: tell,
      seen: seenRows(home.rows(name("seen"), SEEN_SCHEMA)),
    }));
    const deviceName = (account: AccountId, device: DeviceId) => online.online.legacyDevice(account, device);
    const swarm: Swarm = owned.use(
      await Swarm.open({
        me: {
          account: account.jamiId,
          device: account.deviceId,
          name: account.displayName,
          devicePem: certificatePem(account.chain[0]!),
          accountPem: chainPem(account.chain.slice(1)),
          sign: (bytes) => account.deviceKey.sign(bytes),
        },
        folder: home.folder ? `${home.folder}/accounts/${account.id}/conversations` : inMemory(),
        index: home.rows(name("conversations"), CONVERSATIONS_SCHEMA),
        state: home.rows(name("swarm"), SWARM_STATE_SCHEMA),
        wire: {
          open: (device, channel, wish) => {
            const account = live.session?.accountOf(device as DeviceId),
              shortId = account && deviceName(account, device as DeviceId);
            return peers.open(shortId ? { longId: device, shortId } : device, channel, wish);
          },
        },
        devicesOf: (account) => online.online.presence(account)?.devices ?? [],
        allowed: (account) => book.state(account) !== "banned",
        confirmed: (account) => book.get(account)?.confirmed === true && book.state(account) === "active",
        clock,
        random,
        log: log.child({ room: "swarm" }),
        onEvent: tell,
      }),
    );
    const requests: ContactRequests = owned.use(
      new ContactRequests({
        dht: secure,
        book,
        directory: new DeviceDirectory(secure, () => clock.wall()),
        legacyDevice: account.chain[0]!.id,
        clock,
        log: log.child({ room: "contacts" }),
        onHeard: (heard) => live.session!.#hear(heard),
        onInstant: (from, instant) => swarm.instant(from, instant),
      }),
    );
    const session = live.session = new AccountSession(options, { book, online, peers, requests, swarm });
    session.#owned = owned.move();
    await session.#followAll();
    for (const event of early) session.#happened(event);
    return session;
  }
  #owned!: AsyncDisposableStack;

  /** Asks `account` to be a contact, with a one-to-one conversation that is there at once. */
  async addContact(account: AccountId): Promise<Contact> {
    if (this.book.request(account)) return await this.acceptRequest(account);
    let contact = this.book.add(account);
    if (!contact.conversation) {
      const conversation = await this.swarm.create(account);
      this.book.setConversation(account, conversation.id);
      contact = this.book.get(account)!;
    }
    this.options.onEvent({ type: "contact", contact });
    this.online.online.follow(account);
    this.#track(this.#ask(contact));
    return contact;
  }

  /** Says yes to a request: they are told, and their conversation is fetched. @throws {CoreError} `contacts/no-request`. */
  // deno-lint-ignore require-await
  async acceptRequest(account: AccountId): Promise<Contact> {
    const contact = this.book.accept(account), { conversation } = contact;
    this.online.online.follow(account);
    this.options.onEvent({ type: "contact", contact });
    this.#track(this.requests.send(account, { conversation, confirm: true }));
    if (conversation) this.swarm.expect(conversation, account);
    return contact;
  }
  /** Says no, silently. @throws {CoreError} `contacts/no-request`. */
  declineRequest(account: AccountId): void {
    this.book.decline(account);
  }

  /** Removes a contact; with `ban` they are refused everywhere from now on. */
  async removeContact(account: AccountId, { ban = false } = {}): Promise<boolean> {
    const conversation = this.book.get(account)?.conversation, changed = this.book.remove(account, { ban });
    if (!changed) return false;
    this.options.onEvent({ type: "contact", contact: this.book.get(account)! });
    await this.peers.recheck();
    if (!ban && conversation && this.swarm.register.get(conversation)?.state === "ready") {
      await this.swarm.leave(conversation);
    }
    if (!this.#members.has(account)) await this.online.online.unfollow(account);
    return true;
  }

  /** May this peer have a link? The reason against it, or nothing. */
  trust({ account }: Pick<Peer, "account">, direction: "in" | "out"): string | undefined {
    const state = this.book.state(account);
    if (state === "banned") return "banned";
    if (
      direction === "out" || account === this.jamiId || state === "active" || this.#members.has(account) ||
      this.options.strangers
    ) return undefined;
    return "stranger";
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    await this.#owned.disposeAsync();
    while (this.#work.size) await Promise.allSettled([...this.#work]);
  }

  #happened(event: SessionEvent): void {
    if (this.#closed) return;
    if (event.type === "announced") this.peers.announced();
    if (event.type === "connected" || event.type === "disconnected") {
      this.online.online.connection(event.type, event.account, event.device);
      if (event.type === "connected") this.swarm.connected(event);
    }
    if (event.type === "presence") {
      for (const device of event.devices) this.#greet(event.account, device);
      if (event.state === "away") {
        for (const key of this.#greeted) if (key.startsWith(event.account)) this.#greeted.delete(key);
      }
    }
    if (
      event.type === "commits" &&
      event.commits.some((commit) =>
        commit.type === "member" || commit.type === "initial" || commit.type === "merge"
      )
    ) {
      this.#track(this.#followMembers(event.conversation));
    }
    if (event.type === "conversation" && event.state === "ready") {
      this.#track(this.#followMembers(event.conversation));
    }
    this.options.onEvent(event);
  }

  /** A device of somebody we know showed itself: what waits for it goes out. */
  #greet(account: AccountId, device: DeviceId): void {
    const key = `${account} ${device}`;
    if (this.#greeted.has(key) || device === this.options.account.deviceId) return;
    this.#greeted.add(key);
    const contact = this.book.get(account);
    if (contact && !contact.confirmed && this.book.state(account) === "active") {
      this.#track(this.#ask(contact));
    } else this.swarm.seen({ account, device });
  }

  async #ask({ account, conversation, invitedMs }: Contact): Promise<void> {
    const { card } = this.options;
    await this.requests.send(account, { conversation, invitedMs, ...(card && { payload: card }) });
  }

  #hear(heard: Exclude<Heard, { type: "ignored" }>): void {
    if (heard.type === "pending") return this.options.onEvent({ type: "request", request: heard.request });
    const { contact, theirs, reply } = heard, { account } = contact;
    if (theirs && theirs !== contact.conversation) {
      this.book.setConversation(account, theirs); // they are in another one-to-one with us: it is taken as well
      this.swarm.expect(theirs, account);
    }
    if (reply) {
      this.#track(
        this.requests.send(account, { conversation: theirs ?? contact.conversation, confirm: true }),
      );
    }
    this.options.onEvent({ type: "contact", contact: this.book.get(account)! });
    for (const device of this.online.online.presence(account)?.devices ?? []) {
      this.swarm.seen({ account, device });
    }
  }

  async #followAll(): Promise<void> {
    for (const { account } of this.book.list()) {
      if (this.book.state(account) === "active") this.online.online.follow(account);
    }
    for (const { conversation } of this.swarm.list()) await this.#followMembers(conversation);
    for (const { from } of this.swarm.register.list("cloning")) if (from) this.#follow(from);
  }
  async #followMembers(id: ConversationId): Promise<void> {
    const conversation = await this.swarm.get(id).catch(() => undefined);
    for (const { account, role } of conversation?.members ?? []) if (role !== "banned") this.#follow(account);
  }
  #follow(account: AccountId): void {
    if (account === this.jamiId || this.book.state(account) === "banned") return;
    this.#members.add(account);
    this.online.online.follow(account);
  }

  /** Whose device it is, as announcements and links say. */
  accountOf(device: DeviceId): AccountId | undefined {
    const known = [this.jamiId, ...this.book.list().map(({ account }) => account), ...this.#members];
    return known.find((account) => this.online.online.presence(account)?.devices.includes(device));
  }

  #track(work: Promise<unknown>): void {
    this.#work.add(work);
    work.catch((error) => {
      if (!this.#closed) {
        this.options.env.log.error("account work failed", {
          code: (error as CoreError).code,
          error: String(error),
        });
      }
    }).finally(() => this.#work.delete(work));
  }
}

function inMemory(): never {
  throw new CoreError("node/no-folder"); // repositories are folders
}
