/** Paths and pipes to one other machine: STUN, ICE over TCP and UDP, relays, port mapping, framing, TLS, channels. Floor 3. */
export { type ByteStream } from "./stream.ts";
export * from "./socket.ts";
export * from "./socket_io.ts";
export {
  type AddressKind,
  type Candidate,
  type DialPolicy,
  formatCandidate,
  formatIceText,
  type IceCredentials,
  type IceOffer,
  isRoutable,
  kindOf,
  parseCandidate,
  parseIceText,
  type TcpType,
  whyNotDial,
} from "./ice_candidate.ts";
export { type RelayServer } from "./ice_session.ts";
export { IceLink } from "./ice_io.ts";
export { IceMedia, type MediaOptions } from "./ice_media_io.ts";
export { type IceEnv, type IceNote, type IcePath, type MapPort, type OpenOptions } from "./ice_runner_io.ts";
export { defaultRoute, type Mapping, PortMapper, type PortMapperOptions, type Route } from "./nat_io.ts";
export { type NatMethod } from "./nat_mapper.ts";
export { type Link, type LinkOptions, openLink, type Transport } from "./link.ts";
export { type Channel } from "./mux_channel.ts";
export { type ByteBudget } from "./mux_inbox.ts";
export { type Accept, type MuxInfo, MuxLink, type MuxOptions } from "./mux_link.ts";
export { openTls, type TlsOptions, type TlsStream } from "./tls_io.ts";
export { Tokens } from "./tokens.ts";
export { RelayBook, type RelayBookOptions, type RelayEnv, type RelaySetting } from "./turn_relays_io.ts";
export * from "./limits.ts";
