/**
 * A load generator: asks a DHT node as fast as it answers, from several source addresses, and counts.
 * A program of its own, so that it never shares a thread with the node under load.
 *
 * argv: JSON of {@linkcode LoadOptions}. Prints one JSON line of {@linkcode LoadResult}.
 */
import { Writer } from "../../core/codec/mod.ts";

export interface LoadOptions {
  /** Where the node listens: loopback, IPv4. */
  readonly port: number;
  readonly seconds: number;
  /** Source addresses 127.0.0.2 and up, one socket each. */
  readonly sources: number;
  /** Requests open at a time and source. */
  readonly window: number;
  /** Parts of the mix. */
  readonly mix: Readonly<Record<"ping" | "find" | "get", number>>;
  /** Keys that gets ask for, 40 hex digits each. */
  readonly keys: readonly string[];
}
export interface LoadResult {
  readonly replies: number;
  readonly lost: number;
  readonly seconds: number;
}

const STALLED_MS = 200;

/** A request with a place for its transaction id: four bytes at `tidAt`. */
function request(
  kind: "ping" | "find" | "get",
  id: Uint8Array,
  target: Uint8Array,
): { bytes: Uint8Array; tidAt: number } {
  const w = new Writer();
  w.map(5).str("a").map(kind === "ping" ? 1 : 3).str("id").bin(id);
  if (kind !== "ping") w.str(kind === "find" ? "target" : "h").bin(target).str("w").array(1).uint(2);
  w.str("q").str(kind).str("t").uint(0xffffffff);
  const head = w.finish();
  const rest = new Writer().str("y").str("q").str("v").str("load").finish();
  const bytes = new Uint8Array(head.length + rest.length);
  bytes.set(head), bytes.set(rest, head.length);
  return { bytes, tidAt: head.length - 4 };
}

class Source {
  readonly socket: Deno.DatagramConn;
  readonly requests: { bytes: Uint8Array; tidAt: number }[];
  replies = 0;
  lost = 0;
  #next = 0;
  #open = 0;
  #seen = 0;

  constructor(readonly options: LoadOptions, readonly to: Deno.NetAddr, number: number) {
    this.socket = Deno.listenDatagram({ transport: "udp", hostname: `127.0.0.${number + 2}`, port: 0 });
    const id = crypto.getRandomValues(new Uint8Array(20)),
      keys = options.keys.map((key) => Uint8Array.fromHex(key));
    const kinds = Object.entries(options.mix).flatMap(([kind, parts]) => Array<string>(parts).fill(kind));
    this.requests = Array.from({ length: 40 * kinds.length }, (_, i) => {
      const kind = kinds[i % kinds.length] as "ping" | "find" | "get";
      const target = kind === "get" ? keys[i % keys.length]! : crypto.getRandomValues(new Uint8Array(20));
      return request(kind, id, target);
    });
  }

  async run(): Promise<void> {
    for (let i = 0; i < this.options.window; i++) this.#send();
    const watch = setInterval(() => this.#refill(), STALLED_MS), buffer = new Uint8Array(65536);
    try {
      for (;;) {
        const [bytes] = await this.socket.receive(buffer);
        if (bytes[2] === 0x72) { // the first key is "r": a reply, not a query of the node
          this.replies++, this.#open--;
          this.#send();
        }
      }
    } catch (error) {
      if (!(error instanceof Deno.errors.Interrupted || error instanceof Deno.errors.BadResource)) {
        throw error;
      }
    } finally {
      clearInterval(watch);
    }
  }

  #send(): void {
    const { bytes, tidAt } = this.requests[this.#next++ % this.requests.length]!;
    new DataView(bytes.buffer, bytes.byteOffset).setUint32(tidAt, this.#next);
    this.#open++;
    this.socket.send(bytes, this.to).catch((error) => {
      if (!(error instanceof Deno.errors.BadResource)) throw error; // closed at the end of the run
    });
  }
  /** No reply since the last look: what was open is lost. */
  #refill(): void {
    if (this.#seen !== this.replies) return void (this.#seen = this.replies);
    this.lost += this.#open, this.#open = 0;
    for (let i = 0; i < this.options.window; i++) this.#send();
  }
}

if (import.meta.main) {
  const options: LoadOptions = JSON.parse(Deno.args[0]!),
    to = {
      transport: "udp",
      hostname: "127.0.0.1",
      port: options.port,
    } as const;
  const sources = Array.from({ length: options.sources }, (_, i) => new Source(options, to, i));
  const start = performance.now(), running = sources.map((source) => source.run());
  await new Promise((done) => setTimeout(done, 1000 * options.seconds));
  const seconds = (performance.now() - start) / 1000;
  const sum = (pick: (s: Source) => number) => sources.reduce((all, source) => all + pick(source), 0);
  const result: LoadResult = { replies: sum((s) => s.replies), lost: sum((s) => s.lost), seconds };
  for (const source of sources) source.socket.close();
  await Promise.all(running);
  console.log(JSON.stringify(result));
}
