/** The only paths a conversation's tree may hold. Spec: swarm §1.2. */
import type { AccountId, DeviceId } from "../../base/mod.ts";

export type MemberKind = "admins" | "members" | "invited";
export type BanKind = MemberKind | "devices";

export type Path =
  | { readonly kind: MemberKind; readonly account: AccountId }
  | { readonly kind: "device"; readonly device: DeviceId }
  | { readonly kind: "banned"; readonly from: MemberKind; readonly account: AccountId }
  | { readonly kind: "banned-device"; readonly device: DeviceId }
  | {
    readonly kind: "vote";
    readonly action: "ban" | "unban";
    readonly of: BanKind;
    readonly target: string;
    readonly voter: AccountId;
  }
  | { readonly kind: "profile" }
  | { readonly kind: "attachment"; readonly id: string }
  | { readonly kind: "crl"; readonly account: AccountId };

const A = "[0-9a-f]{40}", D = "[0-9a-f]{64}";
const MEMBER = new RegExp(`^(banned/)?(?:(admins|members)/(${A})\\.crt|invited/(${A}))$`);
const DEVICE = new RegExp(`^(banned/)?devices/(${D})\\.crt$`);
const VOTE = new RegExp(`^votes/(ban|unban)/(?:(members|admins|invited)/(${A})|devices/(${D}))/(${A})$`);
const OTHER = new RegExp(`^(?:(profile\\.vcf)|attachments/(${A})|CRLs/(${A}))$`);

/** What a path means, or `undefined` when no conversation may hold it. */
export function parsePath(path: string): Path | undefined {
  let match = MEMBER.exec(path);
  if (match) {
    const from = (match[2] ?? "invited") as MemberKind, account = (match[3] ?? match[4]) as AccountId;
    return match[1] ? { kind: "banned", from, account } : { kind: from, account };
  }
  if ((match = DEVICE.exec(path))) {
    return { kind: match[1] ? "banned-device" : "device", device: match[2] as DeviceId };
  }
  if ((match = VOTE.exec(path))) {
    return {
      kind: "vote",
      action: match[1] as "ban" | "unban",
      of: (match[2] ?? "devices") as BanKind,
      target: (match[3] ?? match[4])!,
      voter: match[5] as AccountId,
    };
  }
  if (!(match = OTHER.exec(path))) return undefined;
  if (match[1]) return { kind: "profile" };
  return match[2] ? { kind: "attachment", id: match[2] } : { kind: "crl", account: match[3] as AccountId };
}

/** Where something of that kind lies. Inverse of {@linkcode parsePath}. */
export function formatPath(path: Path): string {
  switch (path.kind) {
    case "admins":
    case "members":
    case "invited":
      return member(path.kind, path.account);
    case "banned":
      return `banned/${member(path.from, path.account)}`;
    case "device":
      return `devices/${path.device}.crt`;
    case "banned-device":
      return `banned/devices/${path.device}.crt`;
    case "vote":
      return `votes/${path.action}/${path.of}/${path.target}/${path.voter}`;
    case "profile":
      return "profile.vcf";
    case "attachment":
      return `attachments/${path.id}`;
    case "crl":
      return `CRLs/${path.account}`;
  }
}

const member = (kind: MemberKind, account: string) =>
  kind === "invited" ? `invited/${account}` : `${kind}/${account}.crt`;
