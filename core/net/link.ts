/** A path made into a link: TLS with a judged peer, and channels on it. Whoever needs another kind of link hands in a {@linkcode Transport}. */
import type { Log } from "../base/mod.ts";
import type { ByteBudget } from "./mux_inbox.ts";
import { MuxLink, type MuxOptions } from "./mux_link.ts";
import type { ByteStream } from "./stream.ts";
import { openTls, type TlsOptions } from "./tls_io.ts";

export interface LinkOptions<Peer> extends TlsOptions<Peer> {
  /** As {@linkcode MuxOptions.onRequest}, told who asks. */
  readonly onRequest: (name: string, peer: Peer) => ReturnType<MuxOptions["onRequest"]>;
  readonly log?: Log;
  readonly budget?: ByteBudget;
}

export interface Link<Peer> {
  /** What `checkPeer` said. */
  readonly peer: Peer;
  readonly mux: MuxLink;
  /** e.g. `TLSv1.3 TLS_AES_256_GCM_SHA384`. */
  readonly cipher: string;
}

/** Makes a link of `stream`, which it owns from then on; if it throws, `stream` is closed. */
export type Transport = <Peer>(stream: ByteStream, options: LinkOptions<Peer>) => Promise<Link<Peer>>;

/** The real one. @throws {CoreError} as {@linkcode openTls}. Spec: connection §4, §5. */
export const openLink: Transport = async (stream, options) => {
  const { role, clock, log, budget, onRequest } = options;
  const tls = await openTls(stream, options), { peer } = tls;
  const mux = MuxLink.open(tls, {
    ...{ role, clock, onRequest: (name: string) => onRequest(name, peer) },
    ...(log && { log }),
    ...(budget && { budget }),
  });
  return { peer, mux, cipher: `${tls.protocol} ${tls.cipher}` };
};
