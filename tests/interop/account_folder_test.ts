/** What the other implementations' own tools say of our papers: GnuTLS of the chain, the daemons of a whole account folder. */
import { match, strictEqual } from "node:assert/strict";
import { realClock, realRandom } from "../../core/base/mod.ts";
import { Accounts, certificatePem, chainPem } from "../../core/identity/mod.ts";
import { memoryHome } from "../../core/storage/mod.ts";
import { Dhtnode, Jami26, Jamid23, Lab, peerTest, sh, which } from "./harness/mod.ts";

const env = { clock: realClock, random: realRandom };

Deno.test("[account 2] GnuTLS verifies our chain at profile medium, OpenSSL too, and both read what is in it", async () => {
  if (!await which("certtool") || !await which("openssl")) {
    if (Deno.env.get("REQUIRE_PEERS") === "1") {
      throw new Error("cannot run: no certtool (Debian: gnutls-bin) or openssl");
    }
    return console.warn("SKIPPED GnuTLS verifies our chain: no certtool or openssl");
  }
  await using home = memoryHome();
  const accounts = Accounts.open(home, env), { id } = await accounts.create({ deviceName: "kith" });
  const { chain, identity } = await accounts.load(id), folder = await Deno.makeTempDir();
  try {
    const [device, account, ca] = chain,
      [leaf, middle, top, all] = ["leaf", "middle", "top", "all"].map((n) => `${folder}/${n}.pem`);
    await Deno.writeTextFile(leaf!, certificatePem(device!));
    await Deno.writeTextFile(middle!, certificatePem(account!));
    await Deno.writeTextFile(top!, certificatePem(ca!));
    await Deno.writeTextFile(all!, chainPem(chain));
    const verdict = await sh(
      "certtool",
      "--verify",
      "--verify-profile",
      "medium",
      "--load-ca-certificate",
      top!,
      "--infile",
      all!,
    );
    match(verdict, /Chain verification output: Verified\. The certificate is trusted/);
    match(await sh("openssl", "verify", "-CAfile", top!, "-untrusted", middle!, leaf!), /: OK/);
    const shown = await sh(
      "openssl",
      "x509",
      "-noout",
      "-text",
      "-nameopt",
      "RFC2253,show_type",
      "-in",
      middle!,
    );
    match(shown, new RegExp(`Subject: UID=PRINTABLESTRING:${identity.account},CN=PRINTABLESTRING:Jami\\n`));
    match(
      shown,
      /Subject Key Identifier: \n[\s\S]*Basic Constraints: critical\n +CA:TRUE\n[\s\S]*Key Usage: critical\n +Certificate Sign, CRL Sign\n/,
    );
    match(shown, /Signature Algorithm: sha384WithRSAEncryption/);
    strictEqual(
      /X509v3 extensions/.test(await sh("openssl", "x509", "-noout", "-text", "-in", leaf!)),
      false,
    );
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

for (const [generation, peer] of [["v23", "jamid23"], ["v26", "jami26"]] as const) {
  peerTest(
    `[account 8] ${generation} goes on line from an account folder with our receipt, asking for nothing`,
    [peer, "v26"],
    async () => {
      await using lab = await Lab.open();
      const dht = await Dhtnode.start("v26", await lab.host("dht", { ipv6: false }));
      const bootstrap = `${dht.host.ip4}:${dht.port}`, id = "1234567890abcdef";
      lab.name("bootstrap.jami.net", dht.host.ip4);
      await using home = memoryHome();
      const accounts = Accounts.open(home, env),
        record = await accounts.create({ deviceName: "kith", displayName: "Ada" });
      const account = await accounts.load(record.id), archive = await accounts.export(record.id);
      const host = await lab.host("daemon", { ipv6: false });
      const before = async (data: string) => {
        const folder = `${data}/jami/${id}`;
        await Deno.mkdir(folder, { recursive: true, mode: 0o700 });
        await Deno.writeFile(`${folder}/archive.gz`, archive);
        await Deno.writeTextFile(
          `${folder}/ring_device.key`,
          (await account.deviceKey.exportPem()).reveal(),
          { mode: 0o600 },
        );
        await Deno.writeTextFile(`${folder}/ring_device.crt`, chainPem(account.chain), { mode: 0o600 });
        await Deno.writeTextFile(`${folder}/config.yml`, configOf(account, bootstrap));
      };
      const daemon = generation === "v23"
        ? await Jamid23.start(host, before)
        : await Jami26.start(host, before);
      const announced = (who: string, details: Record<string, string>) =>
        who === id && details["Account.deviceAnnounced"] === "true";
      await daemon.signals.wait("volatileAccountDetailsChanged", announced, 0);
      const details = await daemon.call("getAccountDetails", id) as Record<string, string>;
      const volatile = await daemon.call("getVolatileAccountDetails", id) as Record<string, string>;
      strictEqual(details["Account.username"]!.replace(/^(ring|jami):/, ""), record.jamiId);
      strictEqual(volatile["Account.deviceID"] ?? details["Account.deviceID"], record.deviceId); // no new device was made
    },
  );
}

/** The settings file of an account as both generations read it. */
function configOf(account: Awaited<ReturnType<Accounts["load"]>>, bootstrap: string): string {
  return [
    "type: RING",
    "enable: true",
    "alias: Ada",
    "displayName: Ada",
    `hostname: ${bootstrap}`,
    `username: ${account.jamiId}`,
    "activeCodecs: 27/139",
    "upnpEnabled: false",
    "turnEnabled: false",
    'turnServer: ""',
    "proxyEnabled: false",
    'proxyServer: ""',
    'Account.dhtProxyListUrl: ""',
    "Account.proxyListEnabled: false",
    "RingNS.uri: http://127.0.0.1:1",
    "Account.deviceName: kith",
    "Account.archivePath: archive.gz",
    "Account.archiveHasPassword: false",
    `ringAccountReceipt: ${JSON.stringify(account.receipt.text)}`,
    `ringAccountReceiptSignature: !!binary "${account.receipt.signature.toBase64()}"`,
    "tls:",
    "  certificate: ring_device.crt",
    "  privateKey: ring_device.key",
    "",
  ].join("\n");
}
