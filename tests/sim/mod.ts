/** The laboratory: whole networks in one process, on virtual time, repeatable from a seed. */
export { Firewall, type FirewallOptions } from "./firewall.ts";
export { Host, type HostOptions, Plug, type PlugOptions, type SimEnv, type SimNet } from "./host.ts";
export type { LinkOptions } from "./link.ts";
export { type Dependence, Nat, NAT_KINDS, type NatKind, type NatOptions } from "./nat.ts";
export { type Access, Segment } from "./net.ts";
export type { Packet } from "./packet.ts";
export { Seeded } from "./random.ts";
export type { TcpConnection } from "./tcp_stream.ts";
export { World, type WorldOptions } from "./world.ts";
