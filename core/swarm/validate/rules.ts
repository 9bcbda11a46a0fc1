/** What each kind of commit may do to the tree: deletions explicit, nothing beyond the list. Pure. Spec: swarm §3.3, §3.4. */
import { type AccountId, type DeviceId } from "../../base/mod.ts";
import type { JsonObject } from "../../codec/mod.ts";
import type { ObjectId } from "../git/objects.ts";
import { type BanKind, formatPath, parsePath, type Path } from "../repo/paths.ts";
import type { Change, Files } from "../repo/tree.ts";
import { invalid, isAdmin, isBanned, memberFile } from "./certificates.ts";

/** The empty blob: invitations and votes hold nothing. */
export const EMPTY_BLOB: ObjectId = "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391";

/** One commit with a single parent, looked at. */
export interface Case {
  readonly type: string;
  readonly body: JsonObject;
  readonly old: Files;
  readonly files: Files;
  readonly changes: readonly Change[];
  readonly account: AccountId;
  readonly device: DeviceId;
  /** 0 one-to-one … 4 document. */
  readonly mode: number;
  /** Accounts the first commit names: in a one-to-one nobody else may ever come in. */
  readonly founders: readonly AccountId[];
  /** Does this device certificate (a blob of `old`) belong to that account? */
  readonly belongs: (device: DeviceId, account: AccountId) => Promise<boolean>;
}

type Rule = (c: Case) => void | Promise<void>;
type Allow = (path: Path, change: Change) => boolean;

const MEMBER_RULES: Record<string, Rule> = {
  add,
  join,
  remove,
  ban: (c) => ban(c, "ban"),
  unban: (c) => ban(c, "unban"),
};

/** @throws {CoreError} `swarm/invalid-commit` with the rule it broke. */
export async function applyRules(c: Case): Promise<void> {
  if (c.type === "member") await (MEMBER_RULES[String(c.body.action)] ?? (() => invalid("member-action")))(c);
  else if (c.type === "vote") vote(c);
  else if (c.type === "application/update-profile") profile(c);
  else if (c.type === "application/checkpoint") checkpoint(c);
  else if (c.type === "initial") invalid("initial-with-parent");
  else {
    if (c.mode === 4) invalid("message-in-document");
    if (c.account && !memberFile(c.account, c.old)) invalid("author-not-member");
    only(c, renewal(c));
  }
}

/** Every change must be allowed by one of the rules. */
function only(c: Case, ...rules: Allow[]): void {
  for (const change of c.changes) {
    const path = parsePath(change.path) ?? invalid("path", { path: change.path });
    if (!rules.some((allow) => allow(path, change))) {
      invalid("forbidden-change", { path: change.path, type: c.type });
    }
  }
}

/** The author's own device certificate may appear or be renewed (the key stays: its name is its key). */
const ownDevice = (c: Case): Allow => (path, change) =>
  path.kind === "device" && path.device === c.device && change.after !== undefined;

/** … and so may the author's own member or admin certificate, where there was one. */
const renewal = (c: Case): Allow => (path, change) =>
  ownDevice(c)(path, change) ||
  ((path.kind === "members" || path.kind === "admins") && path.account === c.account &&
    change.before !== undefined &&
    change.after !== undefined);

const uriOf = (c: Case): string => typeof c.body.uri === "string" ? c.body.uri : invalid("uri");
function accountUri(c: Case): AccountId {
  const uri = uriOf(c);
  return /^[0-9a-f]{40}$/.test(uri) && !/^0+$/.test(uri) ? uri as AccountId : invalid("uri");
}

function add(c: Case): void {
  const uri = accountUri(c), path = `invited/${uri}`;
  if (!memberFile(c.account, c.old)) invalid("author-not-member");
  if (uri === c.account) invalid("add-self");
  if (isBanned(uri, c.old)) invalid("add-banned");
  if (c.mode === 0 && !c.founders.includes(uri)) invalid("third-in-one-to-one");
  if (c.mode === 1 && !isAdmin(c.account, c.old)) invalid("add-needs-admin");
  if (c.old.has(path) || c.files.get(path) !== EMPTY_BLOB) invalid("invitation");
  only(c, (p, change) => p.kind === "invited" && change.path === path, ownDevice(c));
}

function join(c: Case): void {
  const uri = accountUri(c);
  if (uri !== c.account) invalid("join-for-another");
  if (!c.old.has(`invited/${uri}`) || c.files.has(`invited/${uri}`)) invalid("join-without-invitation");
  if (memberFile(uri, c.old) || !c.files.has(`members/${uri}.crt`)) invalid("join-certificate");
  only(
    c,
    (path) => path.kind === "invited" && path.account === uri,
    (path) => path.kind === "members" && path.account === uri,
    ownDevice(c),
  );
}

async function remove(c: Case): Promise<void> {
  const uri = accountUri(c);
  if (uri !== c.account) invalid("remove-of-another");
  if (memberFile(uri, c.files)) invalid("remove-keeps-member");
  for (const change of c.changes) {
    const path = parsePath(change.path) ?? invalid("path");
    if (ownDevice(c)(path, change)) continue;
    if (change.after !== undefined) invalid("remove-adds", { path: change.path });
    if (path.kind === "device" && await c.belongs(path.device, uri)) continue;
    if (
      (path.kind === "admins" || path.kind === "members" || path.kind === "invited") && path.account === uri
    ) continue;
    invalid("forbidden-change", { path: change.path, type: "remove" });
  }
}

function vote(c: Case): void {
  if (!isAdmin(c.account, c.old)) invalid("vote-needs-admin");
  const uri = uriOf(c),
    votes = c.changes.flatMap((change) => {
      const path = parsePath(change.path);
      return path?.kind === "vote" ? [{ path, change }] : [];
    });
  if (votes.length !== 1) invalid("vote-count");
  const { path, change } = votes[0]!;
  if (change.before !== undefined || change.after !== EMPTY_BLOB) invalid("vote-file");
  if (path.voter !== c.account || path.target !== uri) invalid("vote-for-another");
  if (uri === c.account || uri === c.device) invalid("vote-self");
  if (!c.old.has(seat(path.of, uri, path.action === "unban"))) invalid("vote-target");
  only(c, (p) => p === path || p.kind === "vote", ownDevice(c));
}

async function ban(c: Case, action: "ban" | "unban"): Promise<void> {
  if (!isAdmin(c.account, c.old)) invalid("ban-needs-admin");
  const uri = uriOf(c),
    kinds: BanKind[] = /^[0-9a-f]{64}$/.test(uri) ? ["devices"] : ["members", "admins", "invited"];
  if (kinds.length > 1) accountUri(c);
  const moved = kinds.filter((kind) =>
    c.files.get(seat(kind, uri, action === "ban")) === c.old.get(seat(kind, uri, action === "unban"))
  )
    .filter((kind) =>
      c.old.has(seat(kind, uri, action === "unban")) && !c.files.has(seat(kind, uri, action === "unban"))
    );
  const kind = moved.length === 1 ? moved[0]! : invalid("ban-moves-nothing");
  const admins = [...c.old.keys()].filter((path) => path.startsWith("admins/")).map((path) =>
    path.slice(7, 47)
  );
  const voters = admins.filter((admin) =>
    c.old.has(formatPath({ kind: "vote", action, of: kind, target: uri, voter: admin as AccountId }))
  );
  if (voters.length * 2 < admins.length) invalid("ban-without-votes");
  for (const change of c.changes) {
    const path = parsePath(change.path) ?? invalid("path");
    if (change.path === seat(kind, uri, true) || change.path === seat(kind, uri, false)) continue;
    if (path.kind === "vote" && path.action === action && path.target === uri && change.after === undefined) {
      continue;
    }
    if (ownDevice(c)(path, change)) continue;
    const device = path.kind === "device" && kind !== "devices" ? path.device : undefined;
    if (
      action === "ban" && device && change.after === undefined && await c.belongs(device, uri as AccountId)
    ) continue;
    invalid("forbidden-change", { path: change.path, type: action });
  }
}

function profile(c: Case): void {
  if (!isAdmin(c.account, c.old)) invalid("profile-needs-admin");
  if (!c.files.has("profile.vcf")) invalid("profile-missing");
  only(c, (path) => path.kind === "profile", ownDevice(c));
}

function checkpoint(c: Case): void {
  if (c.mode !== 4) invalid("checkpoint-outside-document");
  if (!memberFile(c.account, c.old)) invalid("author-not-member");
  only(
    c,
    (path, change) => path.kind === "attachment" && change.before === undefined && change.after === path.id,
    ownDevice(c),
  );
}

/** Where a member, invitation or device lies, banned or not. */
function seat(kind: BanKind, target: string, banned: boolean): string {
  return `${banned ? "banned/" : ""}${kind}/${target}${kind === "invited" ? "" : ".crt"}`;
}
