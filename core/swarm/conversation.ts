/**
 * One conversation: writes commits, takes in those of others, merges, and tells what changed. Nothing is visible
 * before it was judged, nothing is acknowledged before it is stored. Spec: swarm §1–§3.
 */
import {
  type AccountId,
  type CommitId,
  type ConversationId,
  CoreError,
  type DeviceId,
  type Log,
  text,
} from "../base/mod.ts";
import { formatJsoncpp, type JsonObject } from "../codec/mod.ts";
import { decodeChain } from "../identity/mod.ts";
import { build, checkText, heads } from "./commit_write.ts";
import { parseCommit } from "./git/commit.ts";
import { GitFolder, type Quarantine } from "./git/folder_io.ts";
import type { ObjectId } from "./git/objects.ts";
import { type ConversationIndex } from "./index/index.ts";
import type { Me } from "./me.ts";
import { mergeFiles } from "./repo/merge.ts";
import { between, mergeBases, reachable } from "./repo/order.ts";
import { type ConversationProfile, formatProfile, parseProfile } from "./repo/profile.ts";
import { lacking } from "./repo/reach.ts";
import { type Files, type Objects, Trees } from "./repo/tree.ts";
import { Serial } from "./serial.ts";
import { isAdmin, isBanned, memberAccounts, memberFile } from "./validate/certificates.ts";
import { type Refusal, Validator, type ValidCommit } from "./validate/validator.ts";

export type Role = "admin" | "member" | "invited" | "banned";
export interface Member {
  readonly account: AccountId;
  readonly role: Role;
}

/** What a conversation lives on. */
export interface Ground {
  readonly me: Me;
  readonly index: ConversationIndex;
  readonly log: Log;
  /** Milliseconds since 1970. */
  readonly wall: () => number;
  /** Called after commits became visible here. `own`: written by this device just now. */
  readonly changed?: (conversation: Conversation, commits: readonly ValidCommit[], own: boolean) => void;
}

/** Result of taking in what a peer sent. */
export interface Received {
  readonly fresh: readonly ValidCommit[];
  readonly refused: readonly Refusal[];
  readonly tip: CommitId;
}

/** Path → new content, or null to delete. */
export type Put = Readonly<Record<string, string | Uint8Array | null>>;

export class Conversation implements AsyncDisposable {
  readonly #serial = new Serial();
  readonly #trees: Trees;
  #files: Files = new Map();

  private constructor(readonly id: ConversationId, readonly ground: Ground, readonly folder: GitFolder) {
    this.#trees = new Trees(folder);
  }

  /**
   * Makes a new one in `folder(id)`. Mode 0 is a one-to-one with `invited`; 2 a group.
   * @throws {CoreError} `swarm/mode`.
   */
  static async create(
    ground: Ground,
    mode: 0 | 2,
    folder: (id: ConversationId) => string,
    invited?: AccountId,
  ): Promise<Conversation> {
    if ((mode === 0) !== (invited !== undefined)) throw new CoreError("swarm/mode", { mode });
    const { me } = ground,
      put: Put = {
        [`admins/${me.account}.crt`]: me.accountPem,
        [`devices/${me.device}.crt`]: me.devicePem,
        ...(invited && invited !== me.account && { [`invited/${invited}`]: "" }),
      };
    const made = await build(
      ground,
      [],
      new Map(),
      put,
      formatJsoncpp({ type: "initial", mode, ...(invited && { invited }) }),
    );
    const id = made.id as unknown as ConversationId, repository = GitFolder.create(folder(id));
    const conversation = new Conversation(id, ground, repository);
    await conversation.#store(made.objects, made.id, true);
    return conversation;
  }

  /** Opens one that lies at `path`, and brings the index up to what the repository holds. */
  static async open(ground: Ground, id: ConversationId, path: string): Promise<Conversation> {
    const conversation = new Conversation(id, ground, GitFolder.open(path)),
      head = conversation.folder.head();
    if (!head) throw new CoreError("swarm/empty-repository", { id });
    const known = ground.index.tip(id);
    if (known !== head) await conversation.#reindex(head, known);
    conversation.#files = await conversation.#filesOf(head);
    return conversation;
  }

  /**
   * Makes one of a pack that a member sent: all or nothing.
   * @throws {CoreError} `swarm/invalid-conversation` with the first refusal.
   */
  static async clone(
    ground: Ground,
    id: ConversationId,
    path: string,
    pack: (folder: GitFolder) => Promise<{ quarantine: Quarantine; tip: CommitId }>,
  ): Promise<Conversation> {
    const folder = GitFolder.create(path), conversation = new Conversation(id, ground, folder);
    try {
      const { quarantine, tip } = await pack(folder);
      await conversation.receive(quarantine, tip);
      if (!folder.head()) throw new CoreError("swarm/invalid-conversation", { id });
      return conversation;
    } catch (error) {
      folder[Symbol.dispose]();
      throw error;
    }
  }

  get tip(): CommitId {
    return this.folder.head()!;
  }

  /** Everyone the present tree names. */
  get members(): Member[] {
    const found = new Map<AccountId, Role>(), files = this.#files;
    for (const account of memberAccounts(files)) {
      found.set(account, isAdmin(account, files) ? "admin" : "member");
    }
    for (const path of files.keys()) {
      const match = /^(banned\/)?(?:admins|members|invited)\/([0-9a-f]{40})(?:\.crt)?$/.exec(path),
        account = match?.[2] as AccountId | undefined;
      if (account && !found.has(account)) found.set(account, match![1] ? "banned" : "invited");
    }
    return [...found].map(([account, role]) => ({ account, role }));
  }

  /** Role of an account; `undefined` for a stranger and for one who left. */
  role(account: AccountId): Role | undefined {
    if (isBanned(account, this.#files)) return "banned";
    if (memberFile(account, this.#files)) return isAdmin(account, this.#files) ? "admin" : "member";
    return this.#files.has(`invited/${account}`) ? "invited" : undefined;
  }

  /** Certificates of devices in the tree that are not banned. */
  hasDevice(device: DeviceId): boolean {
    return this.#files.has(`devices/${device}.crt`) && !this.#files.has(`banned/devices/${device}.crt`);
  }
  isBannedDevice(device: DeviceId): boolean {
    return this.#files.has(`banned/devices/${device}.crt`);
  }

  /** Mode and founders as the first commit says. */
  foundation(): { mode: number; invited: AccountId | undefined } {
    const root = parseCommit(this.folder.read(this.id)!.body), body = JSON.parse(text(root.message)!);
    return { mode: Number(body.mode), invited: body.invited };
  }

  profile(): ConversationProfile {
    const blob = this.#files.get("profile.vcf"), object = blob && this.folder.read(blob);
    return object ? parseProfile(text(object.body) ?? "") : {};
  }

  /** @throws {CoreError} `swarm/text-size`, `swarm/unknown-commit`, `swarm/not-member`. Spec: swarm §2.1 (`text/plain`). */
  send(words: string, replyTo?: CommitId): Promise<CommitId> {
    checkText(words);
    if (replyTo) this.#mustHave(replyTo);
    return this.append({ type: "text/plain", body: words, ...(replyTo && { "reply-to": replyTo }) });
  }
  /** Replaces the words of an own message; "" deletes it. Both generations read this form. */
  edit(id: CommitId, words: string): Promise<CommitId> {
    if (words) checkText(words);
    this.#mustHave(id);
    return this.append({ type: "application/edited-message", body: words, edit: id });
  }
  react(id: CommitId, words: string): Promise<CommitId> {
    checkText(words);
    this.#mustHave(id);
    return this.append({ type: "text/plain", body: words, "react-to": id });
  }
  invite(account: AccountId): Promise<CommitId> {
    if (this.role(account) === "invited" || memberFile(account, this.#files)) {
      throw new CoreError("swarm/already-member", { account });
    }
    return this.append({ type: "member", action: "add", uri: account }, { [`invited/${account}`]: "" });
  }
  join(): Promise<CommitId> {
    const { account, accountPem, device, devicePem } = this.ground.me;
    if (this.role(account) !== "invited") throw new CoreError("swarm/not-invited");
    return this.append({ type: "member", action: "join", uri: account }, {
      [`invited/${account}`]: null,
      [`members/${account}.crt`]: accountPem,
      [`devices/${device}.crt`]: devicePem,
    });
  }
  /** Writes the farewell; the repository stays until a peer has fetched it. */
  leave(): Promise<CommitId> {
    return this.#serial.run(async () => {
      const { account } = this.ground.me, put: Record<string, null> = {};
      if (!memberFile(account, this.#files)) throw new CoreError("swarm/not-member");
      for (const kind of ["admins", "members"]) {
        if (this.#files.has(`${kind}/${account}.crt`)) put[`${kind}/${account}.crt`] = null;
      }
      for (const path of this.#files.keys()) {
        if (path.startsWith("devices/") && this.#belongsToMe(path)) put[path] = null;
      }
      return await this.#write({ type: "member", action: "remove", uri: account }, put, false);
    });
  }
  /** Vote and ban, as a single admin does it: two commits. @throws {CoreError} `swarm/not-admin`, `swarm/unknown-member`. */
  ban(account: AccountId): Promise<CommitId> {
    return this.#move(account, "ban");
  }
  unban(account: AccountId): Promise<CommitId> {
    return this.#move(account, "unban");
  }
  setProfile(profile: ConversationProfile): Promise<CommitId> {
    if (!isAdmin(this.ground.me.account, this.#files)) throw new CoreError("swarm/not-admin");
    if (!this.hasDevice(this.ground.me.device)) throw new CoreError("swarm/device-silent"); // an older daemon refuses both at once
    return this.append({ type: "application/update-profile" }, { "profile.vcf": formatProfile(profile) });
  }

  /** Commits any body on top of what is here, with the own device's certificate where it is still missing. */
  append(body: JsonObject, put: Put = {}): Promise<CommitId> {
    return this.#serial.run(() => this.#write(body, put));
  }

  /**
   * Judges what a peer sent and takes in what is good; the rest is named and left out.
   * @param pack in quarantine; disposed here. Spec: swarm §2.3, §3.6.
   */
  receive(pack: Quarantine, tip: CommitId): Promise<Received> {
    return this.#serial.run(async () => {
      const { index, log, wall } = this.ground;
      try {
        const objects: Objects = { get: (id) => Promise.resolve(pack.get(id) ?? this.folder.read(id)) };
        const known = this.folder.head(), validator = new Validator(this.id, objects, index.graph(this.id));
        const { valid, refused } = await validator.judge(tip, known ? [known] : []);
        for (const refusal of refused) log.warning("commit refused", { conversation: this.id, ...refusal });
        if (!valid.length) return { fresh: [], refused, tip: known ?? tip };
        if (!refused.length) this.folder.adopt(pack);
        else await this.#adoptPart(objects, valid, known);
        let fresh: ValidCommit[] = [];
        for (const head of heads(valid)) fresh = fresh.concat(await this.#advance(head, valid));
        index.add(this.id, [...valid, ...fresh], this.tip, wall() / 1000);
        this.#files = await this.#filesOf(this.tip);
        const seen = [...valid, ...fresh];
        this.ground.changed?.(this, seen, false);
        return { fresh: seen, refused, tip: this.tip };
      } finally {
        pack[Symbol.dispose]();
      }
    });
  }

  /** Objects a peer lacks who wants `want` and has `haves`. */
  lacking(want: ObjectId, haves: readonly ObjectId[]): Promise<ObjectId[]> {
    return lacking(this.folder, want, haves);
  }
  /** Commits here, newest first, as a peer is told of them. */
  haves(): CommitId[] {
    const graph = this.ground.index.graph(this.id), out: CommitId[] = [];
    for (const id of reachable(graph, [this.tip])) out.push(id as CommitId);
    return out;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#serial.idle;
    this.folder[Symbol.dispose]();
  }

  async #write(body: JsonObject, put: Put, withDevice = true): Promise<CommitId> {
    const { me } = this.ground, own = `devices/${me.device}.crt`;
    const joining = body.type === "member" && body.action === "join";
    if (!joining && !memberFile(me.account, this.#files)) throw new CoreError("swarm/not-member");
    const device = withDevice && !this.#files.has(own) ? { [own]: me.devicePem } : {};
    const made = await build(
      this.ground,
      [this.tip],
      this.#files,
      { ...put, ...device },
      formatJsoncpp(body),
      this.#lastTime(),
    );
    await this.#store(made.objects, made.id, true);
    return made.id;
  }

  #move(account: AccountId, action: "ban" | "unban"): Promise<CommitId> {
    return this.#serial.run(async () => {
      const me = this.ground.me.account, ban = action === "ban";
      if (!isAdmin(me, this.#files)) throw new CoreError("swarm/not-admin");
      const seats = [["members", ".crt"], ["admins", ".crt"], ["invited", ""]].map(([kind, end]) => ({
        kind: kind!,
        here: `${kind}/${account}${end}`,
        there: `banned/${kind}/${account}${end}`,
      }));
      const seat = seats.find(({ here, there }) => this.#files.has(ban ? here : there));
      if (!seat || account === me) throw new CoreError("swarm/unknown-member", { account });
      const vote = `votes/${action}/${seat.kind}/${account}/${me}`;
      if (!this.#files.has(vote)) await this.#write({ type: "vote", uri: account }, { [vote]: "" });
      const [from, to] = ban ? [seat.here, seat.there] : [seat.there, seat.here],
        moved = this.folder.read(this.#files.get(from)!)!.body;
      const put: Record<string, string | Uint8Array | null> = { [from]: null, [to]: moved };
      for (const path of this.#files.keys()) {
        if (path.startsWith(`votes/${action}/${seat.kind}/${account}/`)) put[path] = null;
      }
      return await this.#write({ type: "member", action, uri: account }, put);
    });
  }

  /** Moves `main` to a new head: by itself where it can, by a merge of ours where it must. */
  async #advance(head: CommitId, valid: readonly ValidCommit[]): Promise<ValidCommit[]> {
    const mine = this.folder.head(),
      known = this.ground.index.graph(this.id),
      fresh = new Map(valid.map((commit) => [commit.id as string, commit]));
    const graph = (id: string) => known(id) ?? fresh.get(id);
    if (!mine || reachable(graph, [head]).has(mine)) {
      this.folder.setHead(head);
      return [];
    }
    if (reachable(graph, [mine]).has(head)) return [];
    // Two devices that merge the same words at the same time must not answer each other with merges for ever: a side
    // that holds nothing but merges more than the other gives way, and of two such sides the one with the smaller id.
    const said = (tip: CommitId, other: CommitId) =>
      [...between(graph, [tip], [other])].some((id) => graph(id)!.parents.length < 2);
    const mineSays = said(mine, head), theirsSays = said(head, mine);
    if (!mineSays && (theirsSays || head > mine)) this.folder.setHead(head);
    if (!mineSays || !theirsSays) return [];
    const [base] = mergeBases(graph, mine, head),
      side = async (tip: CommitId) => ({ tip, files: await this.#filesOf(tip) });
    const files = mergeFiles(
      await this.#filesOf(base as CommitId),
      await side(mine),
      await side(head),
      this.#laterCertificate,
    );
    const made = await build(
      this.ground,
      [mine, head],
      files,
      {},
      `Merge commit '${head}'`,
      Math.max(graph(mine)!.time, graph(head)!.time),
    );
    this.folder.write(made.objects);
    const { valid: merged, refused } = await new Validator(this.id, this.folder, graph).judge(made.id, [
      mine,
      head,
    ]);
    if (refused.length) throw new CoreError("swarm/own-commit-invalid", { why: refused[0]!.why });
    this.folder.setHead(made.id);
    return [...merged];
  }

  /** Only what the good commits need; nothing that was refused stays on disk. */
  async #adoptPart(
    objects: Objects,
    valid: readonly ValidCommit[],
    known: CommitId | undefined,
  ): Promise<void> {
    for (const head of heads(valid)) {
      for (const id of await lacking(objects, head, known ? [known] : [])) {
        const object = await objects.get(id);
        this.folder.write([{ id, ...object! }]);
      }
    }
  }

  /** Own commits pass the same judge as everybody's before they become visible. */
  async #store(objects: Parameters<GitFolder["write"]>[0], id: CommitId, own: boolean): Promise<void> {
    const { index, wall } = this.ground, known = this.folder.head();
    this.folder.write(objects);
    const { valid, refused } = await new Validator(this.id, this.folder, index.graph(this.id)).judge(
      id,
      known ? [known] : [],
    );
    if (refused.length) throw new CoreError("swarm/own-commit-invalid", { why: refused[0]!.why });
    this.folder.setHead(id);
    index.add(this.id, valid, id, wall() / 1000);
    this.#files = await this.#filesOf(id);
    this.ground.changed?.(this, valid, own);
  }

  async #reindex(head: CommitId, known: CommitId | undefined): Promise<void> {
    const { index, wall } = this.ground, usable = known && this.folder.has(known);
    if (known && !usable) index.remove(this.id);
    const { valid, refused } = await new Validator(this.id, this.folder, index.graph(this.id)).judge(
      head,
      usable ? [known] : [],
    );
    if (refused.length) {
      throw new CoreError("swarm/damaged-repository", { id: refused[0]!.id, why: refused[0]!.why });
    }
    index.add(this.id, valid, head, wall() / 1000);
  }

  async #filesOf(id: CommitId): Promise<Files> {
    const object = this.folder.read(id);
    if (object?.type !== "commit") throw new CoreError("swarm/missing-object", { id });
    return await this.#trees.files(parseCommit(object.body).tree);
  }

  #mustHave(id: CommitId): void {
    if (!this.ground.index.has(this.id, id)) throw new CoreError("swarm/unknown-commit", { id });
  }
  /** Our clock never puts a commit before what it stands on. */
  #lastTime = (): number => this.ground.index.graph(this.id)(this.tip)?.time ?? 0;

  #belongsToMe(path: string): boolean {
    const object = this.folder.read(this.#files.get(path)!);
    return object !== undefined && decodeChain(object.body)[0]!.issuer.userId === this.ground.me.account;
  }
  #laterCertificate = (a: ObjectId, b: ObjectId): ObjectId => {
    const until = (id: ObjectId) => decodeChain(this.folder.read(id)!.body)[0]!.notAfter,
      order = until(a) - until(b);
    return order > 0 || (order === 0 && a > b) ? a : b;
  };
}
