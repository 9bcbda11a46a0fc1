/** A coturn on loopback for tests: the real relay, with the credentials Jami accounts use. */
import { Secret } from "../../core/base/mod.ts";
import { Process } from "./harness/process.ts";
import { which } from "./harness/shell.ts";
import type { RelayServer } from "../../core/net/mod.ts";

export interface CoturnOptions {
  /** Default 127.0.0.1. */
  ip?: string;
  namespace?: string;
  /** More lines for the command line. */
  args?: readonly string[];
}

export class Coturn implements AsyncDisposable {
  private constructor(
    readonly process: Process,
    readonly ip: string,
    readonly port: number,
    readonly folder: string,
  ) {}

  static async start({ ip = "127.0.0.1", namespace, args = [] }: CoturnOptions = {}): Promise<Coturn> {
    const folder = await Deno.makeTempDir({ prefix: "kith-coturn-" }), port = namespace ? 3478 : freePort();
    const process = Process.start("turnserver", [
      ...["-n", "--listening-port", String(port), "--listening-ip", ip, "--relay-ip", ip],
      ...[
        "--min-port",
        "50000",
        "--max-port",
        "50200",
        "--lt-cred-mech",
        "--user",
        "ring:ring",
        "--realm",
        "ring",
      ],
      ...["--no-tls", "--no-dtls", "--no-cli", "--simple-log", "--log-file", "stdout", "--verbose"],
      ...["--allow-loopback-peers", "--userdb", `${folder}/db`, "--pidfile", `${folder}/pid`],
      ...args,
    ], { namespace, name: "coturn" });
    await process.line(/IPv4\. TCP listener opened on.*:/);
    return new Coturn(process, ip, port, folder);
  }

  server(extra: Partial<RelayServer> = {}): RelayServer {
    return { server: { ip: this.ip, port: this.port }, user: "ring", password: new Secret("ring"), ...extra };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.process[Symbol.asyncDispose]();
    await Deno.remove(this.folder, { recursive: true });
  }
}

function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}

/** A test that needs coturn: skipped loudly where it is not installed, a failure with `REQUIRE_PEERS=1`. */
export function coturnTest(name: string, body: () => Promise<void>): void {
  Deno.test(name, async () => {
    if (await which("turnserver")) return await body();
    const why = "turnserver is not installed (Debian: coturn)";
    if (Deno.env.get("REQUIRE_PEERS") === "1") throw new Error(why);
    console.error(`SKIPPED ${name}: ${why}`);
  });
}
