import { deepStrictEqual, rejects, strictEqual, throws } from "node:assert/strict";
import fc from "fast-check";
import { captured } from "../../tests/vectors/account/captured.ts";
import { DAY, goodChain, type Link, NOW, testChain, testKey } from "../../tests/tools/account.ts";
import { derBits, derChildren, derSequence, formatPem, readDer } from "../codec/mod.ts";
import {
  buildCrl,
  type Certificate,
  certificateTbs,
  chainPem,
  decodeCertificate,
  decodeChain,
  decodeCrl,
  verifyAuthorities,
  verifyChain,
  verifyCrl,
  verifyDevice,
} from "./mod.ts";

const WALL = Date.UTC(2026, 10, 23), at = { wall: NOW };
const kinds = ["device", "authority", "authority"] as const;

for (const { generation, alice, bob } of captured) {
  Deno.test(`[account 1] decodeChain() finds the ids of a captured ${generation} chain`, async () => {
    for (const person of [alice, bob]) {
      const chain = decodeChain(person.chain), verified = await verifyChain(chain, { wall: WALL });
      strictEqual(verified.account, person.jamiId);
      strictEqual(verified.device, person.deviceId);
      deepStrictEqual(chain.map((c) => c.subject.commonName), ["Jami device", "Jami", "Jami CA"]);
      deepStrictEqual(chain.map((c) => c.subject.userId), chain.map((c) => c.id));
      strictEqual(chainPem(chain), person.chain);
    }
  });

  Deno.test(`[account 2] certificateTbs() writes what ${generation} wrote, octet for octet`, () => {
    const chain = decodeChain(alice.chain);
    for (const [i, c] of chain.entries()) {
      const tbs = certificateTbs({
        kind: kinds[i]!,
        commonName: c.subject.commonName!,
        publicKey: c.publicKey,
        ...(chain[i + 1] && { issuer: chain[i + 1]! }),
        notBefore: c.notBefore,
        notAfter: c.notAfter,
        serial: c.serial,
      }, "rsa");
      const theirs = c.tbs.slice();
      theirs[11]! &= 0x7f; // where the serial starts; ours are never negative
      strictEqual(tbs.toHex(), theirs.toHex());
      strictEqual(c.notAfter - c.notBefore, 3650 * DAY);
      strictEqual(c.algorithm?.hash, "SHA-384");
    }
  });

  Deno.test(`verifyCrl() reads the list ${generation} made, and no one else's`, async () => {
    const der = Uint8Array.fromBase64(bob.crl), account = decodeChain(bob.chain)[1]!;
    const list = await verifyCrl(der, account);
    strictEqual(list.revoked.length, 1);
    strictEqual(list.number.length, 8);
    await rejects(verifyCrl(der, decodeChain(alice.chain)[1]!), { code: "identity/crl" });
    const other = { ...account, publicKey: (await testKey("account")).publicKey };
    await rejects(verifyCrl(der, other), { code: "identity/crl", data: { what: "signature" } });
  });
}

Deno.test("[account 3] decodeCertificate() keeps a negative serial and a list revokes it by its octets", async () => {
  strictEqual(decodeChain(captured[0].alice.chain)[2]!.serial[0]! & 0x80, 0x80); // seen in the field
  const [device, account, ca] = await goodChain() as [Certificate, Certificate, Certificate];
  const tbs = device.tbs.slice(), start = tbs.indexOf(device.serial[0]!, 11);
  tbs[start]! |= 0x80;
  const key = await testKey("account"), outer = derChildren(readDer(device.der))[1]!.raw;
  const signature = await key.sign(tbs, "SHA-256");
  const der = derSequence(tbs, outer, derBits(signature)), negative = decodeCertificate(der);
  strictEqual(negative.serial[0]! & 0x80, 0x80);
  deepStrictEqual(negative.der, der);
  const chain = [negative, account, ca];
  await verifyChain(chain, at);
  const random = new Uint8Array(8).fill(3);
  const first = await verifyCrl(
    await buildCrl({ issuer: account, serial: negative.serial, wall: NOW, random }, key),
    account,
  );
  await rejects(verifyChain(chain, { ...at, crls: [first] }), {
    code: "identity/chain",
    data: { why: "revoked", at: 0 },
  });
  await verifyChain([device, account, ca], { ...at, crls: [first] }); // the positive twin stays good
  const wish = { issuer: account, previous: first, serial: device.serial, wall: NOW + DAY, random };
  const second = await verifyCrl(await buildCrl(wish, key), account);
  deepStrictEqual(second.revoked.map(({ serial }) => serial.toHex()), [
    negative.serial.toHex(),
    device.serial.toHex(),
  ]);
  strictEqual(BigInt(`0x${second.number.toHex()}`) - BigInt(`0x${first.number.toHex()}`), 1n);
});

Deno.test("verifyChain() hears no list that was not verified, and none of another issuer", async () => {
  const [device, account, ca] = await goodChain() as [Certificate, Certificate, Certificate];
  const random = new Uint8Array(8).fill(1),
    wish = { issuer: account, serial: device.serial, wall: NOW, random };
  const unverified = decodeCrl(await buildCrl(wish, await testKey("other")));
  await verifyChain([device, account, ca], { ...at, crls: [unverified] });
  const caWish = { ...wish, issuer: ca };
  const byCa = await verifyCrl(await buildCrl(caWish, await testKey("ca")), ca);
  await verifyChain([device, account, ca], { ...at, crls: [byCa] }); // same serial, but not the issuer's list
});

Deno.test("[account 4] verifyChain() accepts devices with and without extensions", async () => {
  for (const kind of ["device", "leaf"] as const) {
    const chain = await testChain({ key: "device", kind }, { key: "account", kind: "authority" }, {
      key: "ca",
      kind: "authority",
    });
    const { account, device } = await verifyChain(chain, at);
    strictEqual(account, (await testKey("account")).publicKey.shortId);
    strictEqual(device, (await testKey("device")).publicKey.longId);
  }
});

Deno.test("[account 5] decodeChain() refuses certificates out of order", async () => {
  const [device, account, ca] = await goodChain() as [Certificate, Certificate, Certificate];
  throws(() => decodeChain(chainPem([account, device, ca])), { code: "identity/chain-order" });
  throws(() => decodeChain(chainPem([device, ca, account])), { code: "identity/chain-order" });
  throws(() => decodeChain(""), { code: "identity/chain-length" });
  deepStrictEqual(decodeChain(device.der).map((c) => c.longId), [device.longId]);
});

Deno.test("[account 6] verifyChain() accepts the EC authority of a linking identity", async () => {
  const chain = await goodChain("device", "account", "ec-ca");
  strictEqual(chain[2]!.publicKey.kind, "ec");
  strictEqual((await verifyChain(chain, at)).account, chain[1]!.id);
});

Deno.test("verifyChain() takes the account from the direct issuer, also in a chain of two", async () => {
  const chain = await testChain({ key: "device", kind: "device" }, { key: "account", kind: "authority" });
  strictEqual((await verifyChain(chain, at)).account, chain[1]!.id);
});

const link = (key: string, kind: Link["kind"] = "authority", wish?: Link["wish"]): Link => ({
  key,
  kind,
  ...(wish && { wish }),
});
const hostile: [why: string, links: Link[]][] = [
  ["length", [link("device")]],
  ["not-authority", [link("device", "device"), link("account", "device"), link("ca")]],
  ["not-authority", [link("device", "device"), link("account"), link("ca", "leaf")]],
  ["expired", [link("device", "device", { notAfter: NOW - 1000 }), link("account"), link("ca")]],
  ["expired", [link("device", "device"), link("account"), link("ca", "authority", { notAfter: NOW - 1000 })]],
  ["not-yet-valid", [link("device", "device", { notBefore: NOW + DAY }), link("account"), link("ca")]],
  ["same-key", [link("account", "device"), link("account"), link("ca")]],
  ["same-key", [link("device", "device"), link("account"), link("account")]],
];
for (const [why, links] of hostile) {
  Deno.test(`[account H3] verifyChain() refuses a chain: ${why} ${links.length}`, async () => {
    await rejects(
      verifyChain(await testChain(...links), at),
      (error: Error & { data: { why: string } }) => error.data.why === why,
    );
  });
}

Deno.test("[account H3] verifyChain() refuses a signature of another key at every level", async () => {
  const [device, account, ca] = await goodChain() as [Certificate, Certificate, Certificate];
  const forge = async (c: Certificate, key: string) => {
    const signature = await (await testKey(key)).sign(c.tbs, "SHA-256");
    return decodeCertificate(derSequence(c.tbs, derChildren(readDer(c.der))[1]!.raw, derBits(signature)));
  };
  const chains = [[await forge(device, "other"), account, ca], [device, await forge(account, "other"), ca], [
    device,
    account,
    await forge(ca, "other"),
  ]];
  for (const [i, chain] of chains.entries()) {
    await rejects(verifyChain(chain, at), { code: "identity/chain", data: { why: "signature", at: i } });
  }
});

Deno.test("[account H3] verifyChain() refuses a stranger's device under an honest account's name", async () => {
  const [, account, ca] = await goodChain() as [Certificate, Certificate, Certificate];
  const mimic = await testChain(link("device", "device"), { ...link("other"), name: "Jami" }, link("ca"));
  await rejects(verifyChain([mimic[0]!, account, ca], at), { data: { why: "issuer", at: 0 } });
  await rejects(verifyChain([mimic[0]!, { ...account, subjectDer: mimic[1]!.subjectDer }, ca], at), {
    data: { why: "signature", at: 0 },
  });
});

Deno.test("verifyChain() keeps to the path length an authority was given", async () => {
  const [device, account, ca] = await goodChain() as [Certificate, Certificate, Certificate];
  await verifyChain([device, { ...account, pathLength: 0 }, { ...ca, pathLength: 1 }], at);
  const short = { ...ca, pathLength: 0 };
  await rejects(verifyChain([device, account, short], at), { data: { why: "path-length", at: 2 } });
  await rejects(verifyAuthorities([account, short], at), { data: { why: "path-length", at: 1 } });
  await verifyAuthorities([account, ca], at);
});

Deno.test("[account H3] decodeCertificate() refuses a date that is none", async () => {
  const { der, notBefore } = (await goodChain())[0]!,
    digits = new Date(notBefore).toISOString().slice(2, 10).replaceAll("-", "");
  const text = String.fromCharCode(...der), place = text.indexOf(digits);
  for (const wrong of ["269999", "xxxxxx", "260231"]) {
    const bytes = Uint8Array.from(
      text.slice(0, place) + wrong + text.slice(place + 6),
      (c) => c.charCodeAt(0),
    );
    try { // read as some other day, or refused; never a date that is before and after everything
      strictEqual(Number.isFinite(decodeCertificate(bytes).notBefore), true, wrong);
    } catch (error) {
      strictEqual((error as { code: string }).code, "identity/certificate");
    }
  }
});

Deno.test("[account H5] verifyDevice() refuses a good chain that another account issued for the device's key", async () => {
  const honest = await goodChain("device", "account", "ca"),
    attacker = await goodChain("device", "other", "a");
  const account = (await testKey("account")).publicKey.shortId, device = honest[0]!.longId;
  strictEqual(attacker[0]!.longId, device);
  strictEqual((await verifyDevice(honest, { account, device }, at)).device, device);
  await rejects(verifyDevice(attacker, { account, device }, at), { data: { why: "other-account", at: 1 } });
  const other = (await goodChain("b"))[0]!.longId;
  await rejects(verifyDevice(honest, { account, device: other }, at), {
    data: { why: "other-device", at: 0 },
  });
});

Deno.test("[account H3] decodeChain() refuses long chains and weak keys", async () => {
  const long = await testChain(link("device", "device"), link("account"), link("ca"), link("a"), link("b"));
  throws(() => decodeChain(chainPem(long)), { code: "identity/chain-length" });
  await rejects(verifyChain(long, at), { data: { why: "length", at: 5 } });
  const weak = await testChain(link("weak-device", "device"), link("account"), link("ca"));
  await rejects(verifyChain(weak, at), { data: { why: "weak-key", at: 0 } });
});

Deno.test("decodeCertificate() gives its bytes back or refuses, whatever byte is changed", async () => {
  const der = (await goodChain())[1]!.der;
  fc.assert(
    fc.property(fc.nat(der.length - 1), fc.integer({ min: 1, max: 255 }), (i, flip) => {
      const bytes = der.slice();
      bytes[i]! ^= flip;
      try {
        deepStrictEqual(decodeCertificate(bytes).der, bytes);
      } catch (error) {
        strictEqual((error as { code: string }).code, "identity/certificate");
      }
    }),
    { numRuns: 300 },
  );
  fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
    throws(() => decodeCertificate(bytes), { code: "identity/certificate" });
    throws(() => decodeCrl(bytes), { code: "identity/crl" });
  }));
  throws(() => decodeChain(formatPem("CERTIFICATE", new Uint8Array(20_000))), {
    code: "identity/certificate",
  });
});

Deno.test("[account H8] verifyCrl() refuses a list that is too big before reading it", async () => {
  const [, account] = await goodChain();
  await rejects(verifyCrl(new Uint8Array(10 * 2 ** 20), account!), { data: { what: "size" } });
});
