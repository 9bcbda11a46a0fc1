/**
 * TLS over any byte stream, both roles: the door to `node:tls`. Who the peer is, is decided by a function handed in,
 * and not one byte is given out before it has decided. Spec: connection §4.
 */
import { Buffer } from "node:buffer";
import { Duplex } from "node:stream";
import { connect, TLSSocket } from "node:tls";
import { type Clock, CoreError, type Secret } from "../base/mod.ts";
import { ByteQueue } from "./byte_queue.ts";
import { TLS_LIMITS } from "./limits.ts";
import type { ByteStream } from "./stream.ts";
import { requireReadableLeaf } from "./tls_leaf.ts";
import { RecordCutter } from "./tls_records.ts";

/** What we show and whom we let in. */
export interface TlsOptions<Peer> {
  /** Follows the ICE role: who put the request is the server. Spec: connection §4.1. */
  readonly role: "client" | "server";
  /** PEM of our chain, device first, byte for byte the published one. */
  readonly chain: string;
  /** PEM of the device's private key, PKCS#8 or PKCS#1. */
  readonly key: Secret<string>;
  /**
   * Judges the DER certificates the peer presented, leaf first, 1 to `TLS_LIMITS.chainCertificates` of them. That the
   * peer has the leaf's key is proven, see {@linkcode requireReadableLeaf}; nothing else is. What it throws ends the connection.
   * It is always waited for.
   */
  readonly checkPeer: (chain: readonly Uint8Array[]) => Peer | Promise<Peer>;
  readonly clock: Clock;
  /** Aborting closes the stream below. */
  readonly signal?: AbortSignal;
}

/**
 * The encrypted stream, and what `checkPeer` said. It may break later with `net/tls-broken`. A stream below that ends
 * without a goodbye reads like one that said it: who must tell the two apart needs an end mark of their own.
 */
export interface TlsStream<Peer> extends ByteStream {
  readonly peer: Peer;
  /** As negotiated, e.g. `TLSv1.3`, `TLS_AES_256_GCM_SHA384`. */
  readonly protocol: string;
  readonly cipher: string;
}

/**
 * Shakes hands over `stream`, which belongs to the result from now on and is aborted if anything fails.
 * Protocol: 1.3 alone counts. A client says 1.2 too, because only then its hello carries the renegotiation signal
 * without which real peers hang up after the handshake; an answer of 1.2 is refused. Spec: connection §4.3, §9 H13.
 *
 * @throws {CoreError} `net/tls-timeout`, `net/tls-handshake` (`reason`: the engine's word), `net/tls-version`,
 * `net/tls-no-certificate`, `net/tls-chain-size`, `net/tls-leaf`; what `checkPeer` threw; the signal's reason.
 */
export async function openTls<Peer>(stream: ByteStream, options: TlsOptions<Peer>): Promise<TlsStream<Peer>> {
  const { signal, clock } = options;
  if (signal?.aborted) {
    stream.abort(signal.reason);
    throw signal.reason;
  }
  const session = new Session<Peer>(stream, options);
  const onAbort = () => session.abort(signal!.reason);
  using _timer = clock.at(
    clock.now() + TLS_LIMITS.handshakeMs,
    () => session.abort(new CoreError("net/tls-timeout", { role: options.role })),
  );
  signal?.addEventListener("abort", onAbort);
  try {
    return await session.start();
  } catch (error) {
    session.abort(error as Error);
    throw error;
  } finally {
    signal?.removeEventListener("abort", onAbort);
  }
}

/** One connection: the engine in the middle, ciphertext towards `stream`, plaintext towards the reader. */
class Session<Peer> implements TlsStream<Peer> {
  peer!: Peer;
  protocol = "";
  cipher = "";
  #tls: TLSSocket;
  #below: Duplex;
  #plain = new ByteQueue(() => this.#makeRoom());
  #cutter = new RecordCutter();
  #failure: Error | undefined;
  #failed = Promise.withResolvers<never>();
  #room: (() => void) | undefined;
  #open = false;
  #writing = false;
  #closing: Promise<void> | undefined;
  #pumping: Promise<void> = Promise.resolve();

  constructor(readonly stream: ByteStream, readonly options: TlsOptions<Peer>) {
    this.#failed.promise.catch(() => {}); // who waits is told; nobody waiting is fine too
    this.#below = new Duplex({
      read() {},
      write: (bytes: Uint8Array, _encoding, done) => this.#send(bytes).then(() => done(), done),
      final: (done) => done(),
      autoDestroy: false,
    });
    this.#below.on("error", (error) => this.abort(error));
    const common = {
      cert: options.chain,
      key: options.key.reveal(),
      rejectUnauthorized: false, // names and roots of the web mean nothing here: checkPeer judges
    };
    this.#tls = options.role === "client"
      ? connect({ ...common, socket: this.#below, minVersion: "TLSv1.2", maxVersion: "TLSv1.3" })
      : new TLSSocket(this.#below as never, {
        ...common,
        isServer: true,
        requestCert: true,
        minVersion: "TLSv1.3",
      });
    this.#tls.on(
      "error",
      (error) => this.abort(engineError(error, this.#open ? "net/tls-broken" : "net/tls-handshake")),
    );
    this.#tls.on("end", () => this.#plain.end());
  }

  async start(): Promise<this> {
    const ready = Promise.withResolvers<void>();
    this.#tls.once(this.options.role === "client" ? "secureConnect" : "secure", ready.resolve);
    this.#tls.once("close", () => this.abort(new CoreError("net/tls-handshake", { reason: "closed" })));
    this.#pumping = this.#pump();
    await Promise.race([ready.promise, this.#failed.promise]);
    this.protocol = this.#tls.getProtocol() ?? "";
    this.cipher = this.#tls.getCipher()?.name ?? "";
    if (this.protocol !== "TLSv1.3") throw new CoreError("net/tls-version", { protocol: this.protocol });
    this.peer = await this.options.checkPeer(presentedChain(this.#tls));
    if (this.#failure) throw this.#failure; // meanwhile
    this.#open = true;
    this.#tls.on("data", ({ buffer, byteOffset, length }: Uint8Array) => {
      this.#plain.push(new Uint8Array(buffer, byteOffset, length)); // not a Buffer: its slice() would be a view
    });
    return this;
  }

  read(): Promise<Uint8Array | undefined> {
    return this.#plain.read();
  }

  async write(bytes: Uint8Array): Promise<void> {
    if (this.#failure) throw this.#failure;
    if (this.#closing) throw new CoreError("net/tls-closed");
    if (this.#writing) throw new TypeError("a write is already waiting");
    if (!bytes.length) return;
    this.#writing = true;
    try {
      if (this.#tls.write(bytes)) return;
      const drained = Promise.withResolvers<void>();
      this.#tls.once("drain", drained.resolve);
      await Promise.race([drained.promise, this.#failed.promise]);
    } finally {
      this.#writing = false;
    }
  }

  close(): Promise<void> {
    return this.#closing ??= this.#close();
  }

  abort(reason: Error = new CoreError("net/tls-aborted")): void {
    if (this.#failure) return;
    this.#failure = reason;
    this.#failed.reject(reason);
    this.#plain.fail(reason, true);
    this.#room?.();
    this.#tls.destroy();
    this.#below.destroy();
    this.stream.abort(reason);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.abort();
    await this.#pumping;
    await this.stream[Symbol.asyncDispose]();
  }

  /** Says goodbye if the other side takes it in time, and ends. */
  async #close(): Promise<void> {
    if (this.#failure) return;
    const { clock } = this.options, sent = Promise.withResolvers<void>();
    using _timer = clock.at(clock.now() + TLS_LIMITS.closeMs, sent.resolve);
    this.#tls.end(sent.resolve);
    await Promise.race([sent.promise, this.#failed.promise.catch(() => {})]);
    await Promise.race([this.#idle(), sent.promise, this.#failed.promise.catch(() => {})]);
    this.#plain.end();
    if (!this.#failure) await this.stream.close();
    this.abort(new CoreError("net/tls-closed"));
    await this.#pumping;
  }

  #idle(): Promise<void> {
    return new Promise((resolve) => this.#below.write(Buffer.alloc(0), () => resolve()));
  }

  /** Feeds the engine, but never more than the reader's backlog allows: pausing the engine itself stops nothing. */
  async #pump(): Promise<void> {
    try {
      while (!this.#failure) {
        const bytes = await this.stream.read();
        if (this.#failure) return;
        this.#below.push(bytes ?? null);
        if (!bytes) return;
        while (this.#held() >= TLS_LIMITS.heldBytes && !this.#failure) {
          await new Promise<void>((resolve) => this.#room = resolve);
        }
      }
    } catch (error) {
      this.abort(error as Error);
    }
  }

  #held(): number {
    return this.#plain.length + this.#tls.readableLength + this.#below.readableLength;
  }

  #makeRoom(): void {
    if (this.#room && this.#held() < TLS_LIMITS.heldBytes) this.#room(), this.#room = undefined;
  }

  async #send(bytes: Uint8Array): Promise<void> {
    for (const piece of this.#cutter.push(bytes)) {
      if (this.#failure) throw this.#failure;
      await this.stream.write(piece);
    }
  }
}

/** Certificates as presented, leaf first. @throws {CoreError} `net/tls-no-certificate`, `net/tls-chain-size`, `net/tls-leaf`. */
function presentedChain(tls: TLSSocket): Uint8Array[] {
  type Link = { raw?: Uint8Array; issuerCertificate?: Link };
  const chain: Uint8Array[] = [];
  let link = tls.getPeerCertificate(true) as Link | undefined, size = 0;
  while (link?.raw) {
    chain.push(new Uint8Array(link.raw));
    size += link.raw.length;
    if (chain.length > TLS_LIMITS.chainCertificates || size > TLS_LIMITS.chainBytes) {
      throw new CoreError("net/tls-chain-size", { certificates: chain.length, size });
    }
    link = link.issuerCertificate === link ? undefined : link.issuerCertificate;
  }
  if (!chain.length) throw new CoreError("net/tls-no-certificate");
  requireReadableLeaf(chain[0]!);
  return chain;
}

function engineError(error: Error & { code?: string }, code: string): Error {
  if (error instanceof CoreError) return error;
  return new CoreError(code, { reason: error.code ?? error.message.slice(0, 100) }, { cause: error });
}
