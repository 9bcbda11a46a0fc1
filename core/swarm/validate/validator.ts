/**
 * Judges commits before they become visible: every one that is new, by bytes, signatures, certificates and rules.
 * Stricter than it must be only where no honest device ever goes. Spec: swarm §3.
 */
import {
  type AccountId,
  type CommitId,
  type ConversationId,
  CoreError,
  type DeviceId,
  text,
} from "../../base/mod.ts";
import { type JsonObject, jsonText, parseJsoncpp } from "../../codec/mod.ts";
import { verifySignature } from "../../crypto/mod.ts";
import { type Commit, parseCommit } from "../git/commit.ts";
import { type ObjectId, objectId } from "../git/objects.ts";
import { LIMITS } from "../limits.ts";
import { between, type Graph, mergeBases, type Node } from "../repo/order.ts";
import { changes, type Files, type Objects, Trees } from "../repo/tree.ts";
import { Certificates, invalid, isBanned, type Owner } from "./certificates.ts";
import { checkFirstTree, type Foundation, readFoundation } from "./initial.ts";
import { checkMerge } from "./merge_rule.ts";
import { applyRules } from "./rules.ts";

/** A commit that passed, as far as anyone above needs it. */
export interface ValidCommit {
  readonly id: CommitId;
  readonly parents: readonly ObjectId[];
  /** Committer time, seconds. */
  readonly time: number;
  readonly account: AccountId;
  readonly device: DeviceId;
  /** `merge`, or the type the body names. */
  readonly type: string;
  readonly body: JsonObject;
  /** Id of the bytes that were signed: equal for commits that differ in the writing of their signature only. */
  readonly payload: ObjectId;
}

/** A commit that did not; what descends from it cannot come in either. */
export interface Refusal {
  readonly id: ObjectId;
  /** Short word of the rule: see `invalid()`. */
  readonly why: string;
}

export interface Judgement {
  /** Oldest first. */
  readonly valid: readonly ValidCommit[];
  readonly refused: readonly Refusal[];
}

/** Commits judged side by side. */
const AT_ONCE = 16;
const EDIT_TYPES = ["application/edited-message"];

export class Validator {
  readonly #trees: Trees;
  readonly #certificates: Certificates;
  #foundation: Promise<Foundation> | undefined;

  /**
   * @param objects the repository together with what just arrived.
   * @param history what is already known of validated commits (the index): they are not read again.
   */
  constructor(
    readonly conversation: ConversationId,
    readonly objects: Objects,
    readonly history: Graph = () => undefined,
  ) {
    this.#trees = new Trees(objects);
    this.#certificates = new Certificates(objects);
  }

  /**
   * Judges everything reachable from `tip` and not from `known`, oldest first. A refused commit does not stop the
   * rest: only what descends from it falls with it (`why` is then `ancestor`).
   * @throws {CoreError} `swarm/missing-object` when the history has a hole: nothing can be said then.
   */
  async judge(tip: ObjectId, known: readonly ObjectId[]): Promise<Judgement> {
    const nodes = await this.#load([tip, ...known]), graph: Graph = (id) => this.history(id) ?? nodes.get(id);
    const fresh = between(graph, [tip], known),
      valid: ValidCommit[] = [],
      refused: Refusal[] = [],
      fallen = new Set<ObjectId>();
    const order = oldestFirst(graph, fresh);
    for (let at = 0; at < order.length; at += AT_ONCE) { // signatures are checked on other threads, some at a time
      const verdicts = await Promise.all(
        order.slice(at, at + AT_ONCE).map((id) => this.#verdict(id as CommitId, graph)),
      );
      for (const verdict of verdicts) {
        const fell = graph(verdict.id)!.parents.some((parent) => fallen.has(parent));
        if ("why" in verdict || fell) {
          fallen.add(verdict.id);
          refused.push({ id: verdict.id, why: fell ? "ancestor" : (verdict as Refusal).why });
        } else valid.push(verdict);
      }
    }
    return { valid, refused };
  }

  /** What is to be said of one commit by itself. */
  async #verdict(id: CommitId, graph: Graph): Promise<ValidCommit | Refusal> {
    try {
      return await this.#check(id, await this.#commit(id), graph);
    } catch (error) {
      const why = reason(error);
      if (why === undefined) throw error;
      return { id, why };
    }
  }

  async #check(id: CommitId, commit: Commit, graph: Graph): Promise<ValidCommit> {
    const { parents } = commit, { email: device, time } = commit.committer;
    if (commit.author.email !== device) invalid("author-is-not-committer");
    if (!/^[0-9a-f]{64}$/.test(device)) invalid("device-id");
    const files = await this.#files(commit), merge = parents.length > 1;
    if (!parents.length && id !== this.conversation) invalid("second-root");
    if (parents.length > 2 || new Set(parents).size !== parents.length) invalid("parents");
    const body: JsonObject = merge ? {} : bodyOf(commit), type = merge ? "merge" : typeOf(body);
    const old = parents.length
      ? await this.#files(await this.#commit(parents[0]!))
      : new Map<string, ObjectId>();
    const owner = await this.#owner(
      device as DeviceId,
      type === "member" && body.action === "remove",
      old,
      files,
    );
    if (time * 1000 > owner.notAfter) invalid("certificate-expired");
    await this.#checkSignature(commit, owner);
    const { account } = owner;
    if (!parents.length) checkFirstTree(files, readFoundation(body, account), device as DeviceId);
    else if (merge) await this.#checkMerge(id, commit, account, files, graph);
    else await this.#checkStep({ commit, type, body, old, files, owner, graph });
    const payload = objectId("commit", commit.signed);
    return { id, parents, time, account, device: device as DeviceId, type, body, payload };
  }

  async #checkStep({ commit, type, body, old, files, owner, graph }: Step): Promise<void> {
    const { mode, founders } = await this.#foundationOf();
    if (isBanned(owner.account, old)) invalid("author-banned");
    if (old.has(`banned/devices/${commit.committer.email}.crt`)) invalid("device-banned");
    await applyRules({
      type,
      body,
      old,
      files,
      changes: changes(old, files),
      account: owner.account,
      device: commit.committer.email as DeviceId,
      mode,
      founders,
      belongs: async (device, account) =>
        (await this.#certificates.owner(device, old, old)).account === account,
    });
    const edited = jsonText(body.edit);
    if (edited || EDIT_TYPES.includes(type)) {
      await this.#checkEdit(edited, body, owner.account, commit, graph);
    }
  }

  /** Only the author's own texts, files and documents can be edited, and they must lie in this commit's past. */
  async #checkEdit(
    edited: string | undefined,
    body: JsonObject,
    account: AccountId,
    commit: Commit,
    graph: Graph,
  ): Promise<void> {
    if (!edited || !/^[0-9a-f]{40}$/.test(edited)) return invalid("edit-target");
    if (
      typeof body.body !== "string" && body.type !== "application/data-transfer+json" &&
      body.type !== "application/collab-doc+json"
    ) {
      invalid("edit-body");
    }
    const object = await this.objects.get(edited);
    if (object?.type !== "commit") return invalid("edit-target");
    const target = parseCommit(object.body),
      targetBody = target.parents.length === 1 ? bodyOf(target) : invalid("edit-target");
    const files = await this.#files(target),
      owner = await this.#certificates.owner(target.committer.email as DeviceId, files, files);
    if (owner.account !== account) invalid("edit-of-another");
    const type = jsonText(targetBody.type),
      file = type === "application/data-transfer+json" && Boolean(jsonText(targetBody.tid));
    if (type !== "text/plain" && !file && type !== "application/collab-doc+json") invalid("edit-of-kind");
    if (!reaches(graph, commit.parents, edited)) invalid("edit-of-elsewhere");
  }

  async #checkMerge(
    id: CommitId,
    commit: Commit,
    account: AccountId,
    files: Files,
    graph: Graph,
  ): Promise<void> {
    const [left, right] = await Promise.all(
      commit.parents.map(async (parent) => await this.#files(await this.#commit(parent))),
    );
    const [base] = mergeBases(graph, commit.parents[0]!, commit.parents[1]!);
    if (!base) return invalid("merge-of-strangers", { id });
    if (isBanned(account, left!) || isBanned(account, right!)) invalid("author-banned");
    checkMerge(await this.#files(await this.#commit(base)), left!, right!, files);
  }

  async #checkSignature(commit: Commit, owner: Owner): Promise<void> {
    if (!commit.signature) return invalid("unsigned");
    const key = owner.device.publicKey;
    if (key.kind !== "rsa" || !await verifySignature(key.der, commit.signed, commit.signature, "SHA-512")) {
      invalid("signature");
    }
  }

  /** A leaving device is looked up where it still was; D23 puts its certificate back while it leaves. */
  async #owner(device: DeviceId, leaving: boolean, old: Files, files: Files): Promise<Owner> {
    if (!leaving) return await this.#certificates.owner(device, files, files);
    return await this.#certificates.owner(device, old.has(`devices/${device}.crt`) ? old : files, old);
  }

  #foundationOf(): Promise<Foundation> {
    return this.#foundation ??= (async () => {
      const root = await this.#commit(this.conversation), files = await this.#files(root);
      const owner = await this.#certificates.owner(root.committer.email as DeviceId, files, files);
      return readFoundation(bodyOf(root), owner.account);
    })();
  }

  #files = (commit: Commit): Promise<Files> => this.#trees.files(commit.tree);

  async #commit(id: ObjectId): Promise<Commit> {
    const object = await this.objects.get(id);
    if (object?.type !== "commit") throw new CoreError("swarm/missing-object", { id });
    if (object.body.length > LIMITS.commitBytes) return invalid("commit-too-large");
    return parseCommit(object.body);
  }

  /** Every commit behind `tips` that the history does not know. */
  async #load(tips: readonly ObjectId[]): Promise<Map<ObjectId, Node>> {
    const found = new Map<ObjectId, Node>(), todo = [...tips];
    while (todo.length) {
      const id = todo.pop()!;
      if (found.has(id) || this.history(id)) continue;
      const { parents, committer } = await this.#commit(id);
      found.set(id, { parents, time: committer.time });
      todo.push(...parents);
    }
    return found;
  }
}

interface Step {
  readonly commit: Commit;
  readonly type: string;
  readonly body: JsonObject;
  readonly old: Files;
  readonly files: Files;
  readonly owner: Owner;
  readonly graph: Graph;
}

/** Is `id` one of `tips` or behind them? Looks at the near past first. */
function reaches(graph: Graph, tips: readonly ObjectId[], id: ObjectId): boolean {
  const seen = new Set<ObjectId>(tips);
  for (const at of seen) {
    if (at === id) return true;
    for (const parent of graph(at)?.parents ?? []) seen.add(parent); // a Set is walked while it grows
  }
  return false;
}

function bodyOf(commit: Commit): JsonObject {
  const message = text(commit.message) ?? invalid("message-not-text");
  const value = parseJsoncpp(message, LIMITS.jsonDepth);
  return value !== null && typeof value === "object" && !Array.isArray(value)
    ? value as JsonObject
    : invalid("message-not-object");
}

const typeOf = (body: JsonObject): string => jsonText(body.type) || invalid("no-type");

/** Parents before children. */
function oldestFirst(graph: Graph, set: ReadonlySet<ObjectId>): ObjectId[] {
  const out: ObjectId[] = [], done = new Set<ObjectId>();
  for (const start of set) {
    const stack = [start];
    while (stack.length) {
      const id = stack.at(-1)!,
        next = graph(id)!.parents.find((parent) => set.has(parent) && !done.has(parent));
      if (next !== undefined) stack.push(next);
      else {
        stack.pop();
        if (!done.has(id)) {
          done.add(id);
          out.push(id);
        }
      }
    }
  }
  return out;
}

/** The word for an error that condemns the commit; `undefined` for one that is our own trouble. */
function reason(error: unknown): string | undefined {
  if (!(error instanceof CoreError)) return undefined;
  if (error.code === "swarm/invalid-commit") return String(error.data.why);
  return error.name === "DecodeError" ? error.code : undefined;
}
