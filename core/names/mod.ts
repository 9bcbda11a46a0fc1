/** Names: the client of a name server, its cache, and a server of our own. Floor 4. */
export { NameCache } from "./cache.ts";
export { isUnreachable, NameClient, type NameClientOptions, type RegistrationResult } from "./client.ts";
export { NameDirectory, type NameEntry } from "./directory.ts";
export { type Http, http, type HttpReply, type HttpRequest } from "./http_io.ts";
export { DEFAULT_NAME_SERVER, LIMITS as NAME_LIMITS } from "./limits.ts";
export {
  checkAddressReply,
  checkNameReply,
  type NameRecord,
  normalName,
  parseName,
  type Registration,
  serverUrl,
} from "./record.ts";
export { nameServer } from "./server.ts";
export { type NameServerOptions, type RunningNameServer, serveNames } from "./server_io.ts";
export { readDaemonNames, type RememberedName } from "./daemon_cache.ts";
