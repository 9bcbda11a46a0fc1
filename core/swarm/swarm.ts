/**
 * All conversations of one account: what is said here goes to the members' devices, what they say comes in judged,
 * invitations wait for an answer, and channels are opened to members only. Spec: swarm §4, §5.
 */
import {
  type AccountId,
  type CommitId,
  type ConversationId,
  CoreError,
  type DeviceId,
  isError,
} from "../base/mod.ts";
import type { ByteStream } from "../net/mod.ts";
import { Conversation, type Ground, type Received } from "./conversation.ts";
import { ConversationIndex } from "./index/index.ts";
import { Insistence } from "./insist.ts";
import { type Invitation, type Known, type Mark, Register } from "./invitations.ts";
import { LIMITS } from "./limits.ts";
import {
  formatComposing,
  formatInvite,
  formatNotice,
  formatRead,
  MIME,
  parseComposing,
  parseInvite,
  parseNotice,
  parseRead,
} from "./messages/bodies.ts";
import { Messenger } from "./messages/messenger.ts";
import type { Speaker } from "./messages/sip_session.ts";
import type { Instant } from "./messages/wire.ts";
import { Pulls } from "./pulls.ts";
import { removeFolder } from "./git/folder_io.ts";
import { serve } from "./transport/serve.ts";
import type { SwarmOptions } from "./words.ts";

const GIT = /^git:\/\/([0-9a-f]{64})\/([0-9a-f]{40})$/, HOUR_MS = 3_600_000;

export class Swarm implements AsyncDisposable {
  readonly index: ConversationIndex;
  readonly register: Register;
  readonly messenger: Messenger;
  /** What peers sent and was dropped, by reason. */
  readonly drops: Record<string, number> = {};
  readonly #ground: Ground;
  readonly #pulls: Pulls;
  readonly #open = new Map<ConversationId, Promise<Conversation>>();
  readonly #cloning = new Map<ConversationId, Promise<void>>();
  readonly #typing = new Map<string, Disposable>();
  readonly #asked = new Map<string, number>();
  readonly #notices = new Map<DeviceId, { minute: number; count: number }>();
  readonly #retries = new Map<ConversationId, { timer: Disposable; gap: number }>();
  readonly #served = new Set<ByteStream>();
  readonly #insistence: Insistence;
  readonly #work = new Set<Promise<unknown>>();
  #closed = false;

  private constructor(readonly options: SwarmOptions) {
    const { clock, log, me, onEvent } = options, wall = () => clock.wall();
    this.index = new ConversationIndex(options.index);
    this.#insistence = new Insistence(clock, (id, to) => this.#again(id, to));
    this.register = new Register(options.state, wall);
    this.#ground = {
      me,
      index: this.index,
      log,
      wall,
      changed: (conversation, commits, own) => {
        onEvent({ type: "commits", conversation: conversation.id, commits, own });
        if (own) this.#announce(conversation);
      },
    };
    this.messenger = new Messenger({
      ...options,
      onInstant: (from, instant) => this.#track(this.#hear(from, instant)),
    });
    this.#pulls = new Pulls(
      options,
      options.wire,
      (conversation, device, result, tip) => this.#received(conversation, device, result, tip),
    );
  }

  /** Opens every conversation that is here and goes on with clones that were under way. */
  static async open(options: SwarmOptions): Promise<Swarm> {
    const swarm = new Swarm(options);
    for (const { conversation } of [...swarm.register.list("ready"), ...swarm.register.list("left")]) {
      await swarm.get(conversation).catch((error) =>
        options.log.error("conversation cannot be opened", { conversation, code: (error as CoreError).code })
      );
    }
    for (const { conversation } of swarm.register.list("cloning")) swarm.#clone(conversation);
    return swarm;
  }

  /** Conversations that are here. */
  list(): Known[] {
    return this.register.list("ready");
  }
  invitations(): Invitation[] {
    return this.register.list("invited");
  }
  marks(conversation: ConversationId): Mark[] {
    return this.register.marks(conversation);
  }

  /** @throws {CoreError} `swarm/unknown-conversation`. */
  get(id: ConversationId): Promise<Conversation> {
    let open = this.#open.get(id);
    if (open) return open;
    const known = this.register.get(id);
    if (known?.state !== "ready" && known?.state !== "left") {
      return Promise.reject(new CoreError("swarm/unknown-conversation", { id }));
    }
    open = Conversation.open(this.#ground, id, this.#path(id));
    this.#open.set(id, open);
    open.catch(() => this.#open.delete(id));
    return open;
  }

  /** A new group, or with `invited` a one-to-one. */
  async create(invited?: AccountId): Promise<Conversation> {
    const made = await Conversation.create(this.#ground, invited === undefined ? 2 : 0, this.#path, invited);
    this.register.set(made.id, "ready", this.options.me.account);
    this.#open.set(made.id, Promise.resolve(made));
    this.options.onEvent({ type: "conversation", conversation: made.id, state: "ready" });
    return made;
  }

  /** Adds somebody and tells their devices. */
  async invite(id: ConversationId, account: AccountId): Promise<CommitId> {
    const conversation = await this.get(id), commit = await conversation.invite(account);
    this.#sendInvite(conversation, account);
    return commit;
  }

  /** Says yes: the conversation is cloned from the inviter's devices as soon as one is there, then joined. */
  accept(id: ConversationId): void {
    const known = this.register.get(id);
    if (known?.state !== "invited") throw new CoreError("swarm/no-invitation", { id });
    this.register.set(id, "cloning");
    this.#clone(id);
  }
  /** Says no, silently. */
  decline(id: ConversationId): void {
    if (this.register.get(id)?.state !== "invited") throw new CoreError("swarm/no-invitation", { id });
    this.register.set(id, "declined");
  }
  /** A one-to-one that was agreed on otherwise, by a contact request. */
  expect(id: ConversationId, from: AccountId): void {
    const state = this.register.get(id)?.state;
    if (state === "ready" || state === "cloning") return;
    this.register.set(id, "cloning", from);
    this.#clone(id);
  }

  /** Leaves: the farewell is kept until a member has fetched it, then everything is erased here. */
  async leave(id: ConversationId): Promise<void> {
    const conversation = await this.get(id), me = this.options.me.account;
    const others = conversation.members.some(({ account, role }) =>
      account !== me && (role === "admin" || role === "member")
    );
    if (others) await conversation.leave();
    this.register.set(id, "left");
    this.options.onEvent({ type: "conversation", conversation: id, state: "left" });
    if (!others) await this.erase(id);
  }

  /** Removes everything of a conversation from this device. */
  async erase(id: ConversationId): Promise<void> {
    const open = this.#open.get(id);
    this.#open.delete(id);
    await (await open)?.[Symbol.asyncDispose]();
    this.register.set(id, "erased");
    this.index.remove(id);
    removeFolder(this.#path(id));
    this.options.onEvent({ type: "conversation", conversation: id, state: "erased" });
  }

  /** Tells the members that we read up to `commit`. */
  async read(id: ConversationId, commit: CommitId): Promise<void> {
    const conversation = await this.get(id), { me } = this.options;
    if (!this.index.has(id, commit)) throw new CoreError("swarm/unknown-commit", { id: commit });
    this.register.mark(id, me.account, "read", commit);
    this.#tell(conversation, MIME.read, formatRead(id, commit));
  }
  /** Tells the members whether we are typing. */
  async typing(id: ConversationId, active: boolean): Promise<void> {
    this.#tell(await this.get(id), MIME.composing, formatComposing(id, active));
  }

  /** Takes a channel that a peer asks for, if it is one of ours and the peer may have it. */
  onChannel(
    name: string,
    peer: Speaker,
  ): Promise<((channel: ByteStream) => void) | undefined> | ((channel: ByteStream) => void) | undefined {
    if (this.#closed || !this.options.allowed(peer.account)) return undefined;
    return GIT.test(name) ? this.#onGit(name, peer) : this.messenger.accept(name, peer);
  }

  /** An instant message that came another way than over a channel, its sender verified. */
  instant(from: Speaker, instant: Instant): void {
    this.#track(this.#hear(from, instant));
  }

  /** A link to a device came up: what waits goes out, and what we share is brought up to date. */
  connected(peer: Speaker): void {
    this.messenger.connected(peer.device);
    this.#track(this.#sync(peer));
  }

  /** A device showed itself on the network: if there is anything between us, it is connected. */
  seen(peer: Speaker): void {
    if (peer.device === this.options.me.device || !this.options.allowed(peer.account)) return;
    this.#track(this.#sync(peer));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    this.#insistence[Symbol.dispose]();
    for (const timer of this.#typing.values()) timer[Symbol.dispose]();
    for (const { timer } of this.#retries.values()) timer[Symbol.dispose]();
    for (const channel of this.#served) channel.abort();
    await this.messenger[Symbol.asyncDispose]();
    await this.#pulls[Symbol.asyncDispose]();
    while (this.#work.size) await Promise.allSettled([...this.#work]);
    for (const open of this.#open.values()) {
      await (await open.catch(() => undefined))?.[Symbol.asyncDispose]();
    }
  }

  // ---- telling others

  /** "There is something new": to every device of every member, and tried again until they know. */
  #announce(conversation: Conversation): void {
    for (const to of this.#devices(conversation)) this.#notify(conversation, to);
  }

  /** Tells one device of our tip; of several notices that wait only the last is sent. */
  #notify({ id, tip }: Conversation, to: Speaker): void {
    const notice = formatNotice({ conversation: id, commit: tip, device: this.options.me.device });
    this.messenger.post(to, `commit ${id}`, MIME.commit, notice, `${MIME.commit}/${id}`);
    this.#insistence.told(id, to);
  }

  /** A device that was told and is there still lacks our tip: it is told once more. */
  #again(id: ConversationId, to: Speaker): boolean {
    if (this.register.get(id)?.state !== "ready" || !this.messenger.reachable(to.device)) return false; // `connected` tells it
    const tip = this.index.tip(id),
      fetched = this.register.marks(id).find((mark) =>
        mark.account === to.account && mark.kind === "fetched"
      );
    if (!tip || fetched?.commit === tip) return false;
    const notice = formatNotice({ conversation: id, commit: tip, device: this.options.me.device });
    this.messenger.post(to, `commit ${id}`, MIME.commit, notice, `${MIME.commit}/${id}`);
    return true;
  }

  /** Passes on what one member's device brought, to those that are connected now. */
  #relay(conversation: Conversation, except: DeviceId): void {
    const { me } = this.options,
      { id, tip } = conversation,
      notice = formatNotice({ conversation: id, commit: tip, device: me.device });
    for (const to of this.#devices(conversation)) {
      if (to.device !== except) {
        this.#track(this.messenger.send(to, MIME.commit, notice, { existing: true }).catch(ignored));
      }
    }
  }

  /** For receipts and typing: over open links only, never kept. */
  #tell(conversation: Conversation, type: string, content: string): void {
    for (const to of this.#devices(conversation)) {
      this.#track(this.messenger.send(to, type, content, { existing: true }).catch(ignored));
    }
  }

  #sendInvite(conversation: Conversation, account: AccountId): void {
    const infos = { mode: String(conversation.foundation().mode), ...conversation.profile() } as Record<
      string,
      string
    >;
    const content = formatInvite({
      conversation: conversation.id,
      infos,
      receivedMs: this.options.clock.wall(),
    });
    for (const device of this.options.devicesOf(account)) {
      this.messenger.post(
        { account, device },
        `invite ${conversation.id}`,
        MIME.invite,
        content,
        MIME.invite,
      );
    }
  }

  *#devices(conversation: Conversation): Generator<Speaker> {
    const { me, devicesOf, allowed } = this.options;
    for (const { account, role } of conversation.members) {
      if (role !== "admin" && role !== "member" || !allowed(account)) continue;
      for (const device of devicesOf(account)) {
        if (device !== me.device && !conversation.isBannedDevice(device)) yield { account, device };
      }
    }
  }

  // ---- hearing from others

  async #hear(from: Speaker, { type, content }: Instant): Promise<void> {
    if (!this.options.allowed(from.account)) return this.#drop("not-allowed");
    if (type === MIME.commit) await this.#noticed(from, content);
    else if (type === MIME.invite) this.#invited(from, content);
    else if (type === MIME.askInvite) await this.#askedForInvite(from, content.trim());
    else if (type === MIME.composing) await this.#composing(from, content);
    else if (type === MIME.read) await this.#readBy(from, content);
    else this.#drop("unknown-type");
  }

  async #noticed(from: Speaker, content: string): Promise<void> {
    const notice = parseNotice(content),
      minute = Math.floor(this.options.clock.now() / 60_000),
      count = this.#notices.get(from.device);
    if (!notice) return this.#drop("notice");
    if (count?.minute === minute && ++count.count > LIMITS.noticesPerMinute) {
      return this.#drop("notice-flood");
    }
    if (count?.minute !== minute) this.#notices.set(from.device, { minute, count: 1 });
    if (notice.device !== from.device) return this.#drop("foreign-device"); // its own link would have told us
    const known = this.register.get(notice.conversation);
    if (known?.state === "cloning") return this.#clone(notice.conversation, from);
    if (known?.state !== "ready") {
      return known?.state === undefined ? this.#askForInvite(from, notice.conversation) : undefined;
    }
    if (this.index.has(notice.conversation, notice.commit)) return;
    const conversation = await this.get(notice.conversation);
    if (conversation.role(from.account) === "banned" || conversation.isBannedDevice(from.device)) {
      return this.#drop("banned");
    }
    await this.#pulls.pull(conversation, from.device);
  }

  #invited(from: Speaker, content: string): void {
    const invite = parseInvite(content, this.options.clock.wall());
    if (!invite) return this.#drop("invite");
    const invitation: Invitation = { ...invite, from: from.account },
      pair = (invite.infos.mode ?? "0") === "0";
    const outcome = this.register.invited(invitation);
    if (outcome !== "stored") return this.#drop(`invite-${outcome}`);
    if (pair && this.options.confirmed(from.account)) return this.accept(invite.conversation);
    this.options.onEvent({ type: "invitation", invitation });
  }

  /** Somebody tells of a conversation we do not know: once an hour they are asked for an invitation. */
  #askForInvite(from: Speaker, conversation: ConversationId): void {
    const key = `${from.device} ${conversation}`,
      now = this.options.clock.now(),
      last = this.#asked.get(key) ?? -Infinity;
    if (now - last < HOUR_MS) return;
    this.#asked.set(key, now);
    if (this.#asked.size > LIMITS.heardTokens) this.#asked.delete(this.#asked.keys().next().value!);
    this.#track(this.messenger.send(from, MIME.askInvite, conversation).catch(ignored));
  }

  async #askedForInvite(from: Speaker, id: string): Promise<void> {
    if (!/^[0-9a-f]{40}$/.test(id) || this.register.get(id as ConversationId)?.state !== "ready") {
      return this.#drop("invite-unknown");
    }
    const conversation = await this.get(id as ConversationId), role = conversation.role(from.account);
    if (role !== "admin" && role !== "member" && role !== "invited") return this.#drop("invite-stranger");
    const infos = { mode: String(conversation.foundation().mode), ...conversation.profile() } as Record<
      string,
      string
    >;
    const content = formatInvite({
      conversation: conversation.id,
      infos,
      receivedMs: this.options.clock.wall(),
    });
    this.messenger.post(from, `invite ${id}`, MIME.invite, content);
  }

  async #composing(from: Speaker, content: string): Promise<void> {
    const said = parseComposing(content), { clock, onEvent } = this.options;
    if (!said || !await this.#isMember(said.conversation, from.account)) return this.#drop("typing");
    const key = `${said.conversation} ${from.account}`, running = this.#typing.get(key);
    if (said.active && running) return;
    running?.[Symbol.dispose]();
    this.#typing.delete(key);
    const event = (active: boolean) =>
      onEvent({ type: "typing", conversation: said.conversation, account: from.account, active });
    if (said.active) {
      this.#typing.set(
        key,
        clock.at(clock.now() + LIMITS.typingMs, () => (this.#typing.delete(key), event(false))),
      );
      event(true);
    } else if (running) event(false);
  }

  async #readBy(from: Speaker, content: string): Promise<void> {
    const said = parseRead(content);
    if (!said || !await this.#isMember(said.conversation, from.account)) return this.#drop("receipt");
    if (this.index.has(said.conversation, said.commit)) {
      this.#mark(said.conversation, from.account, "read", said.commit);
    }
  }

  async #isMember(id: ConversationId, account: AccountId): Promise<boolean> {
    if (this.register.get(id)?.state !== "ready") return false;
    const role = (await this.get(id)).role(account);
    return role === "admin" || role === "member";
  }

  #received(
    conversation: Conversation,
    device: DeviceId,
    { fresh, refused }: Received,
    theirs: CommitId,
  ): void {
    const { id, tip } = conversation;
    if (refused.length) this.options.onEvent({ type: "refused", conversation: id, device, refused });
    if (fresh.some((commit) => commit.device === this.options.me.device && commit.id === tip)) {
      return this.#announce(conversation);
    }
    if (fresh.length) this.#relay(conversation, device);
    const account = fresh.at(-1) && tip !== theirs ? this.#accountOf(conversation, device) : undefined;
    if (account) this.#notify(conversation, { account, device }); // they lack what we kept
  }

  #accountOf(conversation: Conversation, device: DeviceId): AccountId | undefined {
    return [...this.#devices(conversation)].find((to) => to.device === device)?.account;
  }

  // ---- git

  async #onGit(name: string, peer: Speaker): Promise<((channel: ByteStream) => void) | undefined> {
    const [, device, id] = GIT.exec(name) as unknown as [string, DeviceId, ConversationId];
    const state = this.register.get(id)?.state;
    if (device !== this.options.me.device || (state !== "ready" && state !== "left")) {
      return void this.#drop("git-unknown");
    }
    const conversation = await this.get(id), role = conversation.role(peer.account);
    const mine = peer.account === this.options.me.account,
      may = role === "admin" || role === "member" || role === "invited" || mine;
    if (!may || conversation.isBannedDevice(peer.device)) return void this.#drop("git-stranger");
    return (channel) => {
      const fetched = (commit: CommitId) => this.#mark(id, peer.account, "fetched", commit);
      this.#served.add(channel);
      const serving = serve(channel, conversation, { clock: this.options.clock, fetched });
      this.#track(serving.finally(() => this.#served.delete(channel)));
    };
  }

  #mark(conversation: ConversationId, account: AccountId, kind: "fetched" | "read", commit: CommitId): void {
    this.register.mark(conversation, account, kind, commit);
    if (kind === "fetched" && commit === this.index.tip(conversation)) {
      this.#insistence.settled(conversation, account);
    }
    this.options.onEvent({ type: "mark", conversation, account, kind, commit });
    if (
      kind === "fetched" && account !== this.options.me.account &&
      this.register.get(conversation)?.state === "left"
    ) {
      this.#track(this.#eraseIfTold(conversation, commit));
    }
  }
  async #eraseIfTold(id: ConversationId, commit: CommitId): Promise<void> {
    if ((await this.get(id)).tip === commit) await this.erase(id);
  }

  /** Everything shared with an account is fetched from its device, and it is told what it may lack. */
  async #sync({ account, device }: Speaker): Promise<void> {
    for (const { conversation, from } of this.register.list("cloning")) {
      if (from === account || account === this.options.me.account) {
        this.#clone(conversation, { account, device });
      }
    }
    for (const { conversation: id } of [...this.register.list("ready"), ...this.register.list("left")]) {
      const conversation = await this.get(id).catch(() => undefined), role = conversation?.role(account);
      if (!conversation || conversation.isBannedDevice(device)) continue;
      if (role === "admin" || role === "member") {
        await this.#pulls.pull(conversation, device);
        const fetched = this.register.marks(id).find((mark) =>
          mark.account === account && mark.kind === "fetched"
        );
        if (fetched?.commit !== conversation.tip && !this.#closed) {
          this.#notify(conversation, { account, device });
        }
      } else if (role === "invited" && conversation.foundation().mode !== 0) {
        this.#sendInvite(conversation, account);
      }
    }
  }

  /** Clones from `from`, or from any device of the inviter; tries again, later and later. */
  #clone(id: ConversationId, from?: Speaker): void {
    if (this.#closed || this.#cloning.has(id)) return;
    const work = this.#cloneOnce(id, from).finally(() => this.#cloning.delete(id));
    this.#cloning.set(id, work);
    this.#track(work);
  }

  async #cloneOnce(id: ConversationId, from: Speaker | undefined): Promise<void> {
    const { onEvent, devicesOf, me } = this.options, inviter = this.register.get(id)!.from;
    const devices = [
      ...new Set([...(from ? [from.device] : []), ...devicesOf(inviter), ...devicesOf(me.account)]),
    ].filter((device) => device !== me.device);
    let why = "no-device";
    for (const device of devices) {
      try {
        removeFolder(this.#path(id)); // what an earlier try left
        const cloned = await Conversation.clone(
          this.#ground,
          id,
          this.#path(id),
          (folder) => this.#pulls.clone(id, device, folder),
        );
        this.#open.set(id, Promise.resolve(cloned));
        if (cloned.role(me.account) === "invited") await cloned.join();
        this.register.set(id, "ready");
        this.#retries.get(id)?.timer[Symbol.dispose]();
        this.#retries.delete(id);
        onEvent({ type: "conversation", conversation: id, state: "ready" });
        this.#announce(cloned);
        return;
      } catch (error) {
        if (!(error instanceof CoreError)) throw error;
        why = error.code;
        this.options.log.info("clone failed", {
          conversation: id,
          device,
          code: error.code,
          why: error.data.why,
        });
      }
    }
    if (this.#closed) return;
    onEvent({ type: "waiting", conversation: id, why });
    const { clock } = this.options, last = this.#retries.get(id);
    last?.timer[Symbol.dispose]();
    const gap = Math.min(last ? last.gap * 2 : LIMITS.cloneRetryMs.first, LIMITS.cloneRetryMs.longest);
    this.#retries.set(id, { gap, timer: clock.at(clock.now() + gap, () => this.#clone(id)) });
  }

  #path = (id: ConversationId): string => `${this.options.folder}/${id}`;
  #drop(why: string): void {
    this.drops[why] = (this.drops[why] ?? 0) + 1;
  }
  #track(work: Promise<unknown>): void {
    this.#work.add(work);
    work.catch((error) => {
      if (!this.#closed) {
        this.options.log.error("conversation work failed", {
          error: String((error as Error)?.message ?? error),
        });
      }
    }).finally(() => this.#work.delete(work));
  }
}

/** A message that is not worth a second try. */
function ignored(error: unknown): void {
  if (!isError(error, "peers/") && !isError(error, "net/") && !isError(error, "swarm/")) throw error;
}
