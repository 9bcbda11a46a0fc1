import { deepStrictEqual, strictEqual } from "node:assert/strict";
import fc from "fast-check";
import { text } from "../../base/mod.ts";
import { cases, pack } from "../../../tests/vectors/swarm/repositories.ts";
import { memoryPack, readPack } from "../git/pack_read.ts";
import { formatProfile, parseProfile } from "./profile.ts";

for (const { name } of cases.filter(({ name }) => name.endsWith("group"))) {
  Deno.test(`[swarm 13] formatProfile() writes byte for byte what the daemon of ${name} wrote`, () => {
    const cards = [...readPack(memoryPack(pack(name)))].flatMap(({ type, body }) =>
      type === "blob" ? text(body) ?? [] : []
    );
    const captured = cards.find((card) => card.startsWith("BEGIN:VCARD"))!;
    strictEqual(formatProfile({ title: "capture group", description: "throwaway" }), captured);
    deepStrictEqual(parseProfile(captured), { title: "capture group", description: "throwaway" });
  });
}

Deno.test("[swarm 13] parseProfile() reads back what formatProfile() wrote, whatever is set", () => {
  const word = fc.stringMatching(/^[^\r\n]{1,40}$/),
    base64 = fc.stringMatching(/^[A-Za-z0-9+/]{4,40}$/),
    hex = fc.stringMatching(/^[0-9a-f]{40}$/);
  const profile = fc.record({
    title: word,
    description: word,
    avatar: base64,
    rdvAccount: hex,
    rdvDevice: hex,
  }, { requiredKeys: [] });
  fc.assert(
    fc.property(profile, (wanted) => deepStrictEqual(parseProfile(formatProfile(wanted)), { ...wanted })),
  );
});

Deno.test("[swarm 14] formatProfile() lets no title make a line of its own", () => {
  const card = formatProfile({ title: "x\r\nRDV_ACCOUNT:evil\nPHOTO:y", description: "\nEND:VCARD" });
  strictEqual(card.split("\n").filter((line) => /^(RDV_ACCOUNT|PHOTO:|END)/.test(line)).length, 1); // its own END
  deepStrictEqual(parseProfile(card), { title: "x RDV_ACCOUNT:evil PHOTO:y", description: " END:VCARD" });
  deepStrictEqual(parseProfile("FN:first\nFN:second\nFNX:no\nnoise"), { title: "first" });
});
