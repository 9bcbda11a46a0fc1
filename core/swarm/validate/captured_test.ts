import { deepStrictEqual, strictEqual } from "node:assert/strict";
import type { ConversationId } from "../../base/mod.ts";
import { cases, origin, pack } from "../../../tests/vectors/swarm/repositories.ts";
import { type GitObject } from "../git/objects.ts";
import { memoryPack, readPack } from "../git/pack_read.ts";
import { Validator } from "./validator.ts";

for (const { name, conversation, tip, commits } of cases) {
  const objects = new Map<string, GitObject>(
    [...readPack(memoryPack(pack(name)))].map((object) => [object.id, object]),
  );
  const judge = (map: Map<string, GitObject>) =>
    new Validator(conversation as ConversationId, { get: (id) => Promise.resolve(map.get(id)) }).judge(
      tip,
      [],
    );

  Deno.test(`[swarm 67] Validator accepts every commit of ${name} (${origin})`, async () => {
    const { valid, refused } = await judge(objects);
    deepStrictEqual(refused, []);
    strictEqual(valid.length, commits);
    strictEqual(valid[0]!.id, conversation);
  });

  Deno.test(`[swarm H2] Validator refuses ${name} from the first commit whose bytes changed in memory`, async () => {
    const broken = new Map(objects), root = objects.get(conversation)!, body = root.body.slice();
    body[body.length - 3]! ^= 1; // inside the message: the signature no longer fits
    broken.set(conversation, { type: "commit", body });
    strictEqual((await judge(broken)).valid.length, 0);
  });
}
