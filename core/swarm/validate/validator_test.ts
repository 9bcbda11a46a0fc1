import { deepStrictEqual, strictEqual } from "node:assert/strict";
import type { ConversationId } from "../../base/mod.ts";
import { concat, utf8 } from "../../base/mod.ts";
import {
  makeDevice,
  makePerson,
  MemoryRepository,
  type Person,
  START,
  type Wish,
} from "../../../tests/people.ts";
import { signedCommit, withSignatureLine } from "../git/commit.ts";
import { formatTree, type ObjectId, objectId } from "../git/objects.ts";
import { Validator } from "./validator.ts";

const [alice, bob, carol, mallory] = await Promise.all(
  ["Alice", "Bob", "Carol", "Mallory"].map(makePerson),
) as [Person, Person, Person, Person];
const repository = new MemoryRepository();
/** Alice made the group, Bob and Mallory are in. */
const root = await repository.begin(alice);
const bobIn = await repository.join(bob, await repository.add(alice, bob, root));
const group = await repository.join(mallory, await repository.add(bob, mallory, bobIn));
const hello = await repository.say(bob, "hello", group);

const judge = (tip: ObjectId, known: ObjectId[] = [], conversation = root) =>
  new Validator(conversation as ConversationId, repository).judge(tip, known);
/** What was wrong with the commit on top of the group, "" when nothing was. */
async function verdict(
  wish: Wish,
  conversation = root,
): Promise<string> {
  const tip = await repository.commit({ parents: [hello], ...wish }),
    { refused } = await judge(tip, [], conversation);
  strictEqual(refused.length <= 1, true);
  return refused[0]?.why ?? "";
}
const text = { type: "text/plain", body: "x" };
const crt = (person: Person) => `devices/${person.id}.crt`;

Deno.test("Validator accepts an honest group from the first commit on", async () => {
  const { valid, refused } = await judge(hello);
  deepStrictEqual(refused, []);
  deepStrictEqual(valid.map((commit) => commit.type), [
    "initial",
    "member",
    "member",
    "member",
    "member",
    "text/plain",
  ]);
  deepStrictEqual([valid[0]!.account, valid.at(-1)!.account], [alice.account, bob.account]);
  deepStrictEqual((await judge(hello, [group])).valid.map((commit) => commit.id), [hello]);
});

Deno.test("Validator reads nothing again that its history knows", async () => {
  const asked: string[] = [],
    known = new Set((await judge(group)).valid.map((commit) => commit.id as string));
  const objects = { get: (id: string) => (asked.push(id), repository.get(id)) };
  const history = (id: string) => known.has(id) ? { parents: [], time: 0 } : undefined;
  const { valid, refused } = await new Validator(root as ConversationId, objects, history).judge(hello, [
    group,
  ]);
  deepStrictEqual([valid.length, refused], [1, []]);
  strictEqual(
    [...known].filter((id) => asked.includes(id)).length <= 2,
    true,
    "the parent and the root, no more",
  );
});

const refusals: [tag: string, why: string, what: string, wish: () => Promise<Wish> | Wish][] = [
  ["[swarm H1]", "unsigned", "an unsigned commit", () => ({ by: bob, body: text, sign: (bytes) => bytes })],
  ["[swarm H2]", "signature", "a signature by another key", () => ({
    by: bob,
    body: text,
    sign: async (bytes) => signedCommit(bytes, await mallory.key.sign(bytes)),
  })],
  ["[swarm H2]", "signature", "a signature over other bytes", () => ({
    by: bob,
    body: text,
    sign: async (bytes) => signedCommit(bytes, await bob.key.sign(utf8("other"))),
  })],
  ["[swarm H6]", "unsigned", "a signature line in the message only", () => ({
    by: bob,
    body: text,
    sign: async (bytes) => concat(bytes, utf8(`\nsignature ${(await bob.key.sign(bytes)).toBase64()}\n`)),
  })],
  ["[swarm H4]", "device-of-no-member", "a device whose issuer only bears a member's name", async () => {
    const impostor = { ...alice.accountCertificate, publicKey: mallory.accountKey.publicKey };
    const device = await makeDevice(impostor, mallory.accountKey);
    return { by: device, put: { [`devices/${device.id}.crt`]: device.pem }, body: text };
  }],
  ["[swarm H4]", "device-name-is-not-its-key", "a device file named after another device", async () => {
    const device = await makeDevice(bob.accountCertificate, bob.accountKey);
    return { by: device, put: { [`devices/${device.id}.crt`]: bob.pem }, body: text };
  }],
  ["[swarm H7]", "forbidden-change", "an edit that adds an admin", () => ({
    by: bob,
    put: { [`admins/${bob.account}.crt`]: bob.memberPem },
    body: { type: "text/plain", body: "y", edit: hello },
  })],
  [
    "[swarm H8]",
    "swarm/tree",
    "a text that adds a binary file",
    () => ({ by: bob, put: { "evil.bin": Uint8Array.of(0, 1, 2) }, body: text }),
  ],
  [
    "[swarm H8]",
    "forbidden-change",
    "a text that adds a binary admin certificate",
    () => ({ by: bob, put: { [`admins/${carol.account}.crt`]: carol.accountCertificate.der }, body: text }),
  ],
  [
    "[swarm H9]",
    "swarm/tree",
    "a path that only looks like a device",
    () => ({ by: bob, put: { [`devices/${bob.id}.crt | 0`]: bob.pem }, body: text }),
  ],
  [
    "[swarm H11]",
    "device-unknown",
    "a text that takes the own device away",
    () => ({ by: bob, put: { [crt(bob)]: null }, body: text }),
  ],
  ["[swarm H12]", "remove-of-another", "a member who removes another", () => ({
    by: mallory,
    put: { [`members/${bob.account}.crt`]: null, [crt(bob)]: null },
    body: { type: "member", action: "remove", uri: bob.account },
  })],
  ["[swarm H12]", "remove-keeps-member", "a leave that makes an admin", () => ({
    by: bob,
    put: { [`members/${bob.account}.crt`]: null, [`admins/${bob.account}.crt`]: bob.memberPem },
    body: { type: "member", action: "remove", uri: bob.account },
  })],
  ["[swarm H13]", "vote-needs-admin", "a vote by a plain member", () => ({
    by: mallory,
    put: { [`votes/ban/members/${bob.account}/${mallory.account}`]: "" },
    body: { type: "vote", uri: bob.account },
  })],
  ["[swarm H13]", "vote-self", "a vote about oneself", () => ({
    by: alice,
    put: { [`votes/ban/admins/${alice.account}/${alice.account}`]: "" },
    body: { type: "vote", uri: alice.account },
  })],
  ["[swarm H13]", "vote-file", "a vote with something in it", () => ({
    by: alice,
    put: { [`votes/ban/members/${bob.account}/${alice.account}`]: "yes" },
    body: { type: "vote", uri: bob.account },
  })],
  ["[swarm H13]", "vote-for-another", "a vote in another's name", () => ({
    by: alice,
    put: { [`votes/ban/members/${mallory.account}/${bob.account}`]: "" },
    body: { type: "vote", uri: mallory.account },
  })],
  [
    "[swarm H13]",
    "vote-count",
    "a vote without a file",
    () => ({ by: alice, body: { type: "vote", uri: bob.account } }),
  ],
  ["[swarm H14]", "ban-without-votes", "a ban without votes", () => ({
    by: alice,
    put: { [`members/${bob.account}.crt`]: null, [`banned/members/${bob.account}.crt`]: bob.memberPem },
    body: { type: "member", action: "ban", uri: bob.account },
  })],
  ["[swarm H14]", "ban-without-votes", "a ban with votes made in the same commit", () => ({
    by: alice,
    put: {
      [`votes/ban/members/${bob.account}/${alice.account}`]: "",
      [`members/${bob.account}.crt`]: null,
      [`banned/members/${bob.account}.crt`]: bob.memberPem,
    },
    body: { type: "member", action: "ban", uri: bob.account },
  })],
  ["[swarm H15]", "ban-needs-admin", "a ban by a plain member", () => ({
    by: mallory,
    put: { [`members/${bob.account}.crt`]: null, [`banned/members/${bob.account}.crt`]: bob.memberPem },
    body: { type: "member", action: "ban", uri: bob.account },
  })],
  ["[swarm H16]", "join-without-invitation", "a join nobody asked for", () => ({
    by: carol,
    put: { [`members/${carol.account}.crt`]: carol.memberPem, [crt(carol)]: carol.pem },
    body: { type: "member", action: "join", uri: carol.account },
  })],
  ["[swarm H17]", "add-self", "an invitation of oneself", () => ({
    by: bob,
    put: { [`invited/${bob.account}`]: "" },
    body: { type: "member", action: "add", uri: bob.account },
  })],
  ["[swarm H38]", "codec/json", "a message that is no JSON", () => ({ by: bob, body: "{broken" })],
  [
    "[swarm H38]",
    "codec/json",
    "a message 5000 levels deep",
    () => ({ by: bob, body: "[".repeat(5000) + "]".repeat(5000) }),
  ],
  ["[swarm H38]", "message-not-object", "a message that is a list", () => ({ by: bob, body: "[]" })],
  ["[swarm H39]", "no-type", "a message without a type", () => ({ by: bob, body: { body: "x" } })],
  ["[swarm H40]", "uri", "a uri with a path behind it", () => ({
    by: bob,
    put: { [`invited/${carol.account}`]: "" },
    body: { type: "member", action: "add", uri: `${carol.account}/../x` },
  })],
  ["[swarm H40]", "uri", "a uri in capitals", () => ({
    by: bob,
    put: { [`invited/${carol.account}`]: "" },
    body: { type: "member", action: "add", uri: String(carol.account).toUpperCase() },
  })],
  ["[swarm H40]", "uri", "a uri of zeros", () => ({
    by: bob,
    put: { [`invited/${"0".repeat(40)}`]: "" },
    body: { type: "member", action: "add", uri: "0".repeat(40) },
  })],
  [
    "[swarm H41]",
    "edit-of-another",
    "an edit of another's words",
    () => ({ by: mallory, body: { type: "application/edited-message", body: "y", edit: hello } }),
  ],
  [
    "[swarm H41]",
    "edit-target",
    "an edit of a commit that does not exist",
    () => ({ by: bob, body: { type: "application/edited-message", body: "y", edit: "1".repeat(40) } }),
  ],
  [
    "[swarm H42]",
    "edit-of-kind",
    "an edit of a membership",
    () => ({ by: bob, body: { type: "application/edited-message", body: "y", edit: bobIn } }),
  ],
  [
    "[swarm H42]",
    "edit-target",
    "an edit without a target",
    () => ({ by: bob, body: { type: "application/edited-message", body: "y" } }),
  ],
  [
    "[swarm H25]",
    "certificate-expired",
    "a commit after its certificate's end",
    () => ({ by: bob, body: text, time: START + 11 * 365 * 86400 }),
  ],
];
for (const [tag, why, what, wish] of refusals) {
  Deno.test(`${tag} Validator refuses ${what}`, async () =>
    strictEqual(await verdict({ ...await wish() }), why));
}

Deno.test("[swarm H3] Validator refuses a first commit that its creator did not sign", async () => {
  const forged = await repository.commit({
    by: alice,
    put: { [`admins/${alice.account}.crt`]: alice.memberPem, [crt(alice)]: alice.pem },
    body: { type: "initial", mode: 2 },
    sign: async (bytes) => signedCommit(bytes, await mallory.key.sign(bytes)),
  });
  deepStrictEqual((await judge(forged, [], forged)).refused, [{ id: forged, why: "signature" }]);
});

Deno.test("[swarm 2] [swarm 3] Validator wants exactly the founder's files in the first tree", async () => {
  for (
    const [mode, extra, body] of [
      [2, { [`invited/${bob.account}`]: "" }, {}],
      [2, { [`members/${bob.account}.crt`]: bob.memberPem }, {}],
      [0, { [`invited/${carol.account}`]: "" }, { invited: bob.account }],
      [0, { [`invited/${bob.account}`]: "x" }, { invited: bob.account }],
      [0, {}, {}],
      [7, {}, {}],
    ] as const
  ) {
    const id = await repository.commit({
      by: alice,
      put: { [`admins/${alice.account}.crt`]: alice.memberPem, [crt(alice)]: alice.pem, ...extra },
      body: { type: "initial", mode, ...body },
    });
    strictEqual((await judge(id, [], id)).refused.length, 1, JSON.stringify([mode, Object.keys(extra)]));
  }
});

Deno.test("[swarm 22] [swarm H17] Validator keeps a third person out of a one-to-one", async () => {
  const pair = await repository.begin(alice, 0, bob), joined = await repository.join(bob, pair);
  deepStrictEqual((await judge(joined, [], pair)).refused, []);
  const third = await repository.add(alice, carol, joined);
  deepStrictEqual((await judge(third, [], pair)).refused, [{ id: third, why: "third-in-one-to-one" }]);
});

const vote = `votes/ban/members/${mallory.account}/${alice.account}`;
const voted = await repository.commit({
  by: alice,
  parents: [hello],
  put: { [vote]: "" },
  body: { type: "vote", uri: mallory.account },
});
const banned = await repository.commit({
  by: alice,
  parents: [voted],
  put: {
    [vote]: null,
    [`members/${mallory.account}.crt`]: null,
    [`banned/members/${mallory.account}.crt`]: mallory.memberPem,
  },
  body: { type: "member", action: "ban", uri: mallory.account },
});

Deno.test("[swarm 18] [swarm 19] Validator accepts vote and ban, nothing of the banned one after that, and the way back", async () => {
  deepStrictEqual((await judge(banned)).refused, []);
  const late = await repository.say(mallory, "still here", banned);
  deepStrictEqual((await judge(late)).refused, [{ id: late, why: "device-of-no-member" }]);
  const again = await repository.add(bob, mallory, banned);
  deepStrictEqual((await judge(again)).refused, [{ id: again, why: "add-banned" }]);
  const back = `votes/unban/members/${mallory.account}/${alice.account}`;
  const asked = await repository.commit({
    by: alice,
    parents: [banned],
    put: { [back]: "" },
    body: { type: "vote", uri: mallory.account },
  });
  const unbanned = await repository.commit({
    by: alice,
    parents: [asked],
    put: {
      [back]: null,
      [`banned/members/${mallory.account}.crt`]: null,
      [`members/${mallory.account}.crt`]: mallory.memberPem,
    },
    body: { type: "member", action: "unban", uri: mallory.account },
  });
  deepStrictEqual((await judge(await repository.say(mallory, "thanks", unbanned))).refused, []);
});

Deno.test("[swarm 20] Validator accepts a leave, also when the device's file stays, and nothing of that person after", async () => {
  const left = await repository.commit({
    by: bob,
    parents: [hello],
    put: { [`members/${bob.account}.crt`]: null, [crt(bob)]: null },
    body: { type: "member", action: "remove", uri: bob.account },
  });
  const stays = await repository.commit({
    by: bob,
    parents: [hello],
    put: { [`members/${bob.account}.crt`]: null },
    body: { type: "member", action: "remove", uri: bob.account },
  });
  deepStrictEqual((await judge(left)).refused, []);
  deepStrictEqual((await judge(stays)).refused, []);
  strictEqual((await judge(await repository.say(bob, "x", stays))).refused.length, 1);
});

Deno.test("[swarm 17] Validator accepts a second device with its first message", async () => {
  const phone = { ...await makeDevice(bob.accountCertificate, bob.accountKey), name: "Bob" };
  strictEqual(await verdict({ by: phone, put: { [`devices/${phone.id}.crt`]: phone.pem }, body: text }), "");
});

Deno.test("[swarm 29] Validator accepts edits, reactions and deletions of one's own, in both generations' words", async () => {
  for (const type of ["text/plain", "application/edited-message"]) {
    strictEqual(await verdict({ by: bob, body: { type, body: "better", edit: hello } }), "");
  }
  strictEqual(
    await verdict({ by: mallory, body: { type: "text/plain", body: "👍", "react-to": hello } }),
    "",
  );
});

const fork = await repository.say(bob, "meanwhile", hello);
Deno.test("[swarm 23] [swarm 24] Validator accepts an honest merge", async () => {
  const merge = await repository.commit({ by: bob, parents: [banned, fork], body: `Merge commit '${fork}'` });
  deepStrictEqual((await judge(merge)).refused, []);
});

Deno.test("[swarm H19] [swarm H23] Validator refuses a merge that brings a banned member back, and keeps what he said before", async () => {
  const before = await repository.say(mallory, "before the ban", hello);
  const honest = await repository.commit({
    by: bob,
    parents: [banned, before],
    body: `Merge commit '${before}'`,
  });
  deepStrictEqual((await judge(honest)).refused, []);
  const revived = await repository.commit({
    by: bob,
    parents: [before, banned],
    body: `Merge commit '${banned}'`,
  }); // files of `before`
  deepStrictEqual((await judge(revived)).refused, [{ id: revived, why: "merge-revives" }]);
  const own = await repository.commit({
    by: mallory,
    parents: [before, banned],
    body: `Merge commit '${banned}'`,
  });
  deepStrictEqual((await judge(own)).refused.map((r) => r.why), ["author-banned"]);
});

Deno.test("[swarm H18] [swarm H20] [swarm H21] Validator refuses merges that invent, octopus merges, twins and second roots", async () => {
  const invents = await repository.commit({
    by: bob,
    parents: [banned, fork],
    put: { "profile.vcf": "BEGIN:VCARD" },
    body: "Merge",
  });
  deepStrictEqual((await judge(invents)).refused, [{ id: invents, why: "merge-invents" }]);
  const octopus = await repository.commit({ by: bob, parents: [banned, fork, group], body: "Merge" });
  deepStrictEqual((await judge(octopus)).refused, [{ id: octopus, why: "parents" }]);
  const twins = await repository.commit({ by: bob, parents: [fork, fork], body: "Merge" });
  deepStrictEqual((await judge(twins)).refused, [{ id: twins, why: "parents" }]);
  const stranger = await repository.begin(bob),
    joined = await repository.commit({ by: bob, parents: [fork, stranger], body: "Merge" });
  deepStrictEqual((await judge(joined)).refused.map((r) => r.why), ["second-root", "ancestor"]);
});

Deno.test("[swarm H22] Validator judges a side branch that is older than the merge base", async () => {
  const hidden = await repository.commit({
    by: mallory,
    parents: [bobIn],
    put: { [`members/${mallory.account}.crt`]: mallory.memberPem },
    body: text,
    time: START - 1000,
  });
  const merge = await repository.commit({
    by: bob,
    parents: [fork, hidden],
    body: `Merge commit '${hidden}'`,
  });
  deepStrictEqual((await judge(merge, [fork])).refused.map((r) => r.why), ["device-unknown", "ancestor"]);
});

Deno.test("[swarm H27] Validator says nothing about a history with a hole", async () => {
  const tip = await repository.say(bob, "x", hello),
    holes = { get: (id: string) => id === group ? Promise.resolve(undefined) : repository.get(id) };
  let code = "";
  await new Validator(root as ConversationId, holes).judge(tip, []).catch((error) => code = error.code);
  strictEqual(code, "swarm/missing-object");
});

Deno.test("[swarm H10] Validator refuses links, executables and folders where a file is expected", async () => {
  for (const mode of ["120000", "100755", "160000", "40000"]) {
    const blob = repository.store("blob", utf8(bob.pem));
    const devices = repository.store(
      "tree",
      formatTree([{ mode: "100644", name: `${bob.id}.crt`, id: blob }, {
        mode,
        name: `${carol.id}.crt`,
        id: mode === "40000" ? objectId("tree", new Uint8Array()) : blob,
      }]),
    );
    repository.store("tree", new Uint8Array());
    const tree = repository.store("tree", formatTree([{ mode: "40000", name: "devices", id: devices }]));
    const unsigned = utf8(
      `tree ${tree}\nparent ${hello}\nauthor Bob <${bob.id}> ${START} +0000\ncommitter Bob <${bob.id}> ${START} +0000\n\n{"type":"text/plain","body":"x"}`,
    );
    const tip = repository.store("commit", signedCommit(unsigned, await bob.key.sign(unsigned)));
    deepStrictEqual((await judge(tip)).refused, [{ id: tip, why: "swarm/tree" }], mode);
  }
});

Deno.test("[swarm H24] Validator accepts any clock, so that nobody is parted from the group", async () => {
  for (const time of [0, -5, START * 1, START + 9 * 365 * 86400]) {
    strictEqual(await verdict({ by: bob, body: text, time }), "");
  }
});

Deno.test("[swarm H5] Validator gives twins of one signed payload the same signed bytes to know them by", async () => {
  let unsigned = new Uint8Array(), signature = new Uint8Array();
  const one = await repository.commit({
    by: bob,
    parents: [hello],
    body: text,
    time: START,
    sign: async (bytes) =>
      signedCommit(unsigned = Uint8Array.from(bytes), signature = await bob.key.sign(bytes)),
  });
  const other = repository.store(
    "commit",
    withSignatureLine(unsigned, signature.toBase64().replace(/(.{60})/g, "$1\n ")),
  );
  strictEqual(one === other, false);
  const [a, b] = [(await judge(one)).valid.at(-1)!, (await judge(other)).valid.at(-1)!];
  deepStrictEqual([a.body, a.payload], [b.body, b.payload]);
});
