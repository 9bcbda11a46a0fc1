/** The other end of the node's local door: asks, and follows events. */
import { CoreError, text, utf8 } from "../base/mod.ts";
import { controlPath } from "./control_io.ts";
import { Lines } from "./control_lines.ts";
import { LIMITS } from "./limits.ts";
import type { NumberedFact } from "./node_events.ts";

type Answer = Record<string, unknown>;

export class ControlClient implements Disposable {
  readonly #lines: AsyncGenerator<Answer>;

  private constructor(readonly conn: Deno.UnixConn) {
    this.#lines = read(conn);
  }

  /** @throws {CoreError} `node/not-running`, `node/control`. */
  static async connect(folder: string): Promise<ControlClient> {
    try {
      return new ControlClient(await Deno.connect({ transport: "unix", path: controlPath(folder) }));
    } catch (cause) {
      if (cause instanceof Deno.errors.NotFound || cause instanceof Deno.errors.ConnectionRefused) {
        throw new CoreError("node/not-running", { folder }, { cause });
      }
      throw new CoreError("node/control", { reason: (cause as Error).name }, { cause });
    }
  }

  /** Asks one thing and waits for the answer. @throws {CoreError} what the node says, `node/gone`. */
  async ask(verb: string, fields: Readonly<Record<string, unknown>> = {}): Promise<Answer> {
    try {
      for (let bytes = utf8(JSON.stringify({ ...fields, verb }) + "\n"); bytes.length;) {
        bytes = bytes.subarray(await this.conn.write(bytes));
      }
    } catch (cause) {
      if (!(cause instanceof Deno.errors.BrokenPipe)) throw new CoreError("node/gone", {}, { cause });
    }
    const { value: answer } = await this.#lines.next();
    if (!answer) throw new CoreError("node/gone");
    const { error, result } = answer as { error?: { code?: unknown; data?: unknown }; result?: Answer };
    if (error) throw new CoreError(String(error.code), error.data as Answer);
    if (!result) throw new CoreError("node/gone");
    return result;
  }

  /**
   * Events after number `since` (default: from now on, counted from when this resolves); nothing more can be asked.
   * They end when the node does or the client is disposed.
   */
  async follow(since?: number): Promise<AsyncIterable<NumberedFact>> {
    await this.ask("events", since === undefined ? {} : { since });
    return this.#lines as AsyncGenerator<Answer> as AsyncGenerator<NumberedFact>;
  }

  #closed = false;
  [Symbol.dispose](): void {
    if (this.#closed) return;
    this.#closed = true;
    this.conn.close();
  }
}

async function* read(conn: Deno.UnixConn): AsyncGenerator<Answer> {
  const lines = new Lines(LIMITS.answerBytes), chunk = new Uint8Array(1 << 16);
  for (;;) {
    let size: number | null;
    try {
      size = await conn.read(chunk);
    } catch (error) {
      const { BadResource, ConnectionReset, Interrupted } = Deno.errors;
      if (![BadResource, ConnectionReset, Interrupted].some((kind) => error instanceof kind)) throw error;
      return;
    }
    if (size === null) return;
    for (const line of lines.push(chunk.subarray(0, size))) yield JSON.parse(text(line) ?? "null");
  }
}
