/** Our TLS against GnuTLS with a daemon's settings, its tools, and OpenSSL: both roles, thieves, floods and silence. */
import { ok, rejects, strictEqual } from "node:assert/strict";
import { CoreError, realClock, Secret } from "../../core/base/mod.ts";
import type { ByteStream } from "../../core/net/stream.ts";
import { openTls, type TlsStream } from "../../core/net/tls_io.ts";
import { tcpStream } from "../streams.ts";
import { Process } from "./harness/process.ts";

type Role = "client" | "server";
type Chain = readonly Uint8Array[];
const path = (name: string) => new URL(name, import.meta.url).pathname;
const chainFile = (name: string) => path(`../keys/tls_${name}_chain.pem`);
const keyFile = (name: string) => path(`../keys/tls_${name}_key.pem`);
const roles: readonly [ours: Role, theirs: Role][] = [["client", "server"], ["server", "client"]];

/** The compiled peer, in a folder of its own. */
class Lab implements AsyncDisposable {
  readonly folder = Deno.makeTempDirSync({ prefix: "kith-tls-" });
  readonly peer = `${this.folder}/gnutls_peer`;
  constructor() {
    const source = path("./harness/gnutls_peer.c");
    const { success, stderr } = new Deno.Command("gcc", {
      args: ["-O2", "-o", this.peer, source, "-lgnutls"],
    }).outputSync();
    if (!success) throw new Error(`gcc: ${new TextDecoder().decode(stderr)}`);
  }
  [Symbol.asyncDispose](): Promise<void> {
    return Deno.remove(this.folder, { recursive: true });
  }
}

/** Our side of a connection with a program that connects to us or that we connect to. */
class Meeting implements AsyncDisposable {
  static async start(
    theirs: Role,
    command: string,
    args: (port: number) => string[],
    listening = /^port (\d+)/,
  ): Promise<Meeting> {
    if (theirs === "server") {
      const process = Process.start(command, args(0)), match = await process.line(listening);
      return new Meeting(process, tcpStream(await Deno.connect({ port: Number(match[1]) })));
    }
    using listener = Deno.listen({ port: 0, hostname: "127.0.0.1" });
    const process = Process.start(command, args(listener.addr.port));
    return new Meeting(process, tcpStream(await listener.accept()));
  }
  private constructor(readonly process: Process, readonly stream: ByteStream) {}
  tls(
    role: Role,
    checkPeer: (chain: Chain) => Chain | Promise<Chain> = (chain) => chain,
  ): Promise<TlsStream<Chain>> {
    const chain = Deno.readTextFileSync(chainFile("alice")),
      key = new Secret(Deno.readTextFileSync(keyFile("alice")));
    return openTls(this.stream, { role, chain, key, clock: realClock, checkPeer });
  }
  async [Symbol.asyncDispose](): Promise<void> {
    await this.stream[Symbol.asyncDispose]();
    await this.process[Symbol.asyncDispose]();
  }
}

/** The compiled peer; as a thief it presents the chain `stolen` and signs with a key of its own. */
const gnutls = (lab: Lab, theirs: Role, mode: string, stolen?: string) =>
  Meeting.start(theirs, lab.peer, (port) => [
    ...[theirs, String(port), chainFile(stolen ?? "bob"), keyFile(stolen ? "alice" : "bob"), mode],
    ...(stolen ? ["stolen"] : []),
  ]);

const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

async function echoed(tls: ByteStream, total: number): Promise<void> {
  const sent = new Uint8Array(total).map((_, i) => i * 31 + (i >> 9)), got = new Uint8Array(total);
  const reading = (async () => {
    for (let at = 0; at < total;) {
      const piece = await tls.read();
      if (!piece) throw new Error(`ended after ${at} bytes`);
      got.set(piece, at), at += piece.length;
    }
  })();
  for (let at = 0, size = 1; at < total; at += size, size = (size * 7) % 50_000 + 1) {
    await tls.write(sent.subarray(at, at + size));
  }
  await reading;
  ok(got.every((byte, i) => byte === sent[i]));
}

Deno.test("[connection 35] [connection 37] [connection 44] openTls() and GnuTLS with a daemon's settings", async (t) => {
  await using lab = new Lab();
  for (const [ours, theirs] of roles) {
    await t.step(
      `we are ${ours}: 1.3, three certificates each way, safe renegotiation, still up, 3 MB echoed`,
      async () => {
        await using meeting = await gnutls(lab, theirs, "echo");
        const tls = await meeting.tls(ours);
        strictEqual(tls.peer.length, 3);
        const [, certificates, safe] = await meeting.process.line(
          /^ready TLS1\.3 .*certificates=(\d) safe=(\d)/,
        );
        strictEqual(certificates, "3");
        if (theirs === "server") strictEqual(safe, "1"); // a daemon in the other role does not ask
        await pause(1000);
        await echoed(tls, 3_000_000);
        await tls.close();
        await meeting.process.line(/^done received=3000000 sent=3000000/);
        await tls[Symbol.asyncDispose]();
      },
    );
    for (const stolen of ["bob", "v1"]) { // v1: a leaf the engine cannot read, so it checks no proof with it
      await t.step(`we are ${ours}: the chain ${stolen} shown without its key is refused`, async () => {
        await using meeting = await gnutls(lab, theirs, "echo", stolen);
        let judged = 0;
        const code = stolen === "v1" ? "net/tls-leaf" : "net/tls-handshake";
        await rejects(meeting.tls(ours, (chain) => (judged++, chain)), { code });
        strictEqual(judged, 0);
        await meeting.process.ended();
      });
    }
    await t.step(`we are ${ours}: a chain we refuse ends the connection`, async () => {
      await using meeting = await gnutls(lab, theirs, "echo");
      await rejects(meeting.tls(ours, () => Promise.reject(new CoreError("test/banned"))), {
        code: "test/banned",
      });
      strictEqual(await meeting.process.ended(), 1);
    });
    await t.step(`we are ${ours}: their goodbye is our end, ours theirs`, async () => {
      await using meeting = await gnutls(lab, theirs, "source:5000000");
      const tls = await meeting.tls(ours);
      let got = 0;
      for (let piece; (piece = await tls.read());) got += piece.length;
      strictEqual(got, 5_000_000);
      await tls.close();
      await meeting.process.line(/^done received=0 sent=5000000/);
      await tls[Symbol.asyncDispose]();
    });
    await t.step(`[connection H30] we are ${ours}: a peer that stops reading stops our writer`, async () => {
      await using meeting = await gnutls(lab, theirs, "hang");
      const tls = await meeting.tls(ours);
      let written = 0, alive = true;
      const writing = (async () => {
        const block = new Uint8Array(65536);
        while (alive) await tls.write(block), written += block.length;
      })().catch(() => {});
      let before = -1;
      while (before !== written) before = written, await pause(300);
      ok(written < 32 << 20, `${written} bytes taken`); // the kernel's buffers, and a little of ours
      alive = false;
      await tls[Symbol.asyncDispose]();
      await writing;
    });
    await t.step(
      `[connection H31] we are ${ours}: 400 MB from a peer that never stops, memory stays flat while we stall`,
      async () => {
        await using meeting = await gnutls(lab, theirs, "source:400000000");
        const tls = await meeting.tls(ours);
        const start = Deno.memoryUsage().rss;
        await pause(2000);
        const stalled = (Deno.memoryUsage().rss - start) / 1e6;
        ok(stalled < 80, `${stalled} MB more while stalled`);
        let got = 0;
        for (let piece; (piece = await tls.read());) got += piece.length;
        strictEqual(got, 400_000_000);
        await tls.close();
        await tls[Symbol.asyncDispose]();
      },
    );
  }
});

Deno.test("openTls() and the tools of GnuTLS and OpenSSL, both roles", async (t) => {
  const bob = [chainFile("bob"), keyFile("bob")] as const;
  const greet = async (meeting: Meeting, role: Role, ready: RegExp | undefined) => {
    const tls = await meeting.tls(role);
    if (ready) await meeting.process.line(ready);
    strictEqual(tls.protocol, "TLSv1.3");
    strictEqual(tls.peer.length >= 1, true);
    await meeting.process.write("from them\n");
    strictEqual(new TextDecoder().decode(await tls.read()), "from them\n");
    await tls.write(new TextEncoder().encode("from us\n"));
    await meeting.process.line(/from us/);
    await tls.close();
    await tls[Symbol.asyncDispose]();
  };
  await t.step("openssl s_server", async () => {
    const args = (
      port: number,
    ) => [
      "s_server",
      "-accept",
      `127.0.0.1:${port}`,
      "-cert",
      bob[0],
      "-cert_chain",
      bob[0],
      "-key",
      bob[1],
      "-Verify",
      "5",
      "-tls1_3",
    ];
    await using meeting = await Meeting.start("server", "openssl", args, /ACCEPT 127\.0\.0\.1:(\d+)/);
    await greet(meeting, "client", /Secure Renegotiation IS supported/);
  });
  await t.step("openssl s_client", async () => {
    const args = (
      port: number,
    ) => [
      "s_client",
      "-connect",
      `127.0.0.1:${port}`,
      "-cert",
      bob[0],
      "-cert_chain",
      bob[0],
      "-key",
      bob[1],
      "-tls1_3",
      "-groups",
      "P-384",
      "-ciphersuites",
      "TLS_CHACHA20_POLY1305_SHA256",
    ];
    await using meeting = await Meeting.start("client", "openssl", args);
    await greet(meeting, "server", /Cipher is TLS_CHACHA20_POLY1305_SHA256/);
  });
  await t.step("gnutls-cli, X25519 only", async () => {
    const args = (
      port: number,
    ) => [
      "--port",
      String(port),
      "127.0.0.1",
      "--no-ca-verification",
      "--x509certfile",
      bob[0],
      "--x509keyfile",
      bob[1],
      "--priority",
      "SECURE192:-GROUP-ALL:+GROUP-X25519",
    ];
    await using meeting = await Meeting.start("client", "gnutls-cli", args);
    await greet(meeting, "server", /Handshake was completed/);
  });
  await t.step("[connection 36] gnutls-serv that wants P-384", async () => {
    const port = 20_000 + Deno.pid % 20_000; // it cannot choose one itself
    const args = () => [
      "--port",
      String(port),
      "--x509certfile",
      bob[0],
      "--x509keyfile",
      bob[1],
      "--require-client-cert",
      "--echo",
      "--priority",
      "SECURE192:-GROUP-ALL:+GROUP-SECP384R1",
    ];
    const process = Process.start("gnutls-serv", args());
    await process.line(/listening on IPv4/);
    const stream = tcpStream(await Deno.connect({ port }));
    const chain = Deno.readTextFileSync(chainFile("alice")),
      key = new Secret(Deno.readTextFileSync(keyFile("alice")));
    const tls = await openTls(stream, {
      role: "client",
      chain,
      key,
      clock: realClock,
      checkPeer: (c: Chain) => c,
    });
    strictEqual(tls.peer.length, 3);
    await tls.write(new TextEncoder().encode("round trip\n"));
    strictEqual(new TextDecoder().decode(await tls.read()), "round trip\n");
    await tls.close();
    await tls[Symbol.asyncDispose]();
    await process[Symbol.asyncDispose]();
  });
});
