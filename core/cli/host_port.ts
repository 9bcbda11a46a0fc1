/** A host and a port as people type them. Pure. */
import { message, type ValueParser, type ValueParserResult } from "@optique/core";
import { formatEndpoint, isError } from "../base/mod.ts";
import { parseHost } from "../dht/mod.ts";
import { DEFAULTS } from "./limits.ts";

/** A host to join at: a name or an address, and a port. */
export interface HostPort {
  readonly host: string;
  readonly port: number;
}

/** Reads `host`, `host:port`, `192.0.2.1:port`, `::1`, `[::1]:port`; no port: 4222. Undefined: none of these. */
export function parseHostPort(text: string): HostPort | undefined {
  try {
    return parseHost(text);
  } catch (error) {
    if (isError(error, "dht/bootstrap-name")) return undefined;
    throw error;
  }
}

/** Inverse of {@linkcode parseHostPort}. */
export const formatHostPort = ({ host, port }: HostPort): string => formatEndpoint({ ip: host, port });

/** `HOST:PORT` as an argument. */
export const hostPort: ValueParser<"sync", HostPort> = {
  mode: "sync",
  metavar: "HOST:PORT",
  placeholder: { host: "localhost", port: DEFAULTS.port },
  parse(text): ValueParserResult<HostPort> {
    const value = parseHostPort(text);
    return value ? { success: true, value } : {
      success: false,
      error: message`${text} is no host; write a name or an address, and a port: ${"example.org:4222"}`,
    };
  },
  format: formatHostPort,
};
