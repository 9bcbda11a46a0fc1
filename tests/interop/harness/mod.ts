/** What interoperability tests are made of: a lab of namespaces, processes in it, real peers and ours. */
export * from "./daemon.ts";
export * from "./dhtnode.ts";
export * from "./jami26.ts";
export * from "./jamid23.ts";
export * from "./kith_accounts.ts";
export * from "./kith_cli.ts";
export * from "./kith_talk.ts";
export * from "./lab.ts";
export * from "./peer.ts";
export * from "./peers.ts";
export * from "./process.ts";
export * from "./shell.ts";
