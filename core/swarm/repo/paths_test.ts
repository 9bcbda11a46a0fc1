import { strictEqual } from "node:assert/strict";
import { formatPath, parsePath } from "./paths.ts";

const U = "0123456789abcdef0123456789abcdef01234567", D = U + U.slice(0, 24);
const good = [
  `admins/${U}.crt`,
  `members/${U}.crt`,
  `invited/${U}`,
  `devices/${D}.crt`,
  `banned/members/${U}.crt`,
  `banned/admins/${U}.crt`,
  `banned/invited/${U}`,
  `banned/devices/${D}.crt`,
  `votes/ban/members/${U}/${U}`,
  `votes/unban/devices/${D}/${U}`,
  "profile.vcf",
  `attachments/${U}`,
  `CRLs/${U}`,
];
for (const path of good) {
  Deno.test(`parsePath() knows ${path.replace(/[0-9a-f]{40,}/g, "…")}`, () =>
    strictEqual(formatPath(parsePath(path)!), path));
}

Deno.test("[swarm H9] parsePath() refuses every other path", () => {
  const bad = [
    `devices/${D}.crt | 0`,
    `devices/${D}.crt\n`,
    `\ndevices/${D}.crt`,
    `devices/../admins/${U}.crt`,
    `admins/${U.toUpperCase()}.crt`,
    `admins/${U}`,
    `invited/${U}.crt`,
    `members/${U}.crt/x`,
    `devices/${U}.crt`,
    `banned/${U}.crt`,
    `votesXbanXmembersX${U}X${U}`,
    `votes/ban/members/${U}`,
    `votes/ban/devices/${U}/${U}`,
    "profile.vcf.",
    "Profile.vcf",
    "README.md",
    ".git/config",
    `attachments/${U}.png`,
    `CRLs/${U}/${U}/1.crl`,
    "",
    "/",
    `ａdmins/${U}.crt`,
    `admins\\${U}.crt`,
  ];
  for (const path of bad) strictEqual(parsePath(path), undefined, path);
});
