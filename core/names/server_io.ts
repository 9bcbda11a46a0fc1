/** Opens the name server on a TCP port. */
import { type Clock, CoreError } from "../base/mod.ts";
import type { Home } from "../storage/mod.ts";
import { NameDirectory } from "./directory.ts";
import { nameServer } from "./server.ts";

export interface NameServerOptions {
  readonly home: Home;
  readonly clock: Clock;
  /** 0 = any. */
  readonly port: number;
  /** Default loopback only. */
  readonly ip?: string;
}

/** A running name server. */
export interface RunningNameServer extends AsyncDisposable {
  readonly url: string;
  readonly port: number;
  readonly directory: NameDirectory;
  /** Settles when it ended. */
  readonly done: Promise<void>;
}

/** @throws {CoreError} `names/port-in-use`, `names/bind`. */
export function serveNames({ home, clock, port, ip = "127.0.0.1" }: NameServerOptions): RunningNameServer {
  const directory = new NameDirectory(home), app = nameServer(directory, clock);
  const handler = (request: Request, info: Deno.ServeHandlerInfo<Deno.NetAddr>) =>
    app.fetch(request, { address: info.remoteAddr.hostname });
  try {
    const server = Deno.serve({ port, hostname: ip, onListen() {} }, handler), { addr } = server;
    const host = addr.hostname.includes(":") ? `[${addr.hostname}]` : addr.hostname;
    return {
      url: `http://${host}:${addr.port}`,
      port: addr.port,
      directory,
      done: server.finished,
      [Symbol.asyncDispose]: () => server.shutdown(),
    };
  } catch (cause) {
    const inUse = cause instanceof Deno.errors.AddrInUse;
    throw new CoreError(inUse ? "names/port-in-use" : "names/bind", { port, ip }, { cause });
  }
}
