/** The door for programs of this computer's user: a local socket in the home folder, lines in, lines out. */
import { CoreError, utf8 } from "../base/mod.ts";
import { answerLine } from "./control.ts";
import { Lines } from "./control_lines.ts";
import { LIMITS } from "./limits.ts";
import type { KithNode } from "./node.ts";

/** Where the socket of the node that runs on `folder` lies. */
export const controlPath = (folder: string): string => `${folder}/control.sock`;

export class ControlDoor implements AsyncDisposable {
  readonly #clients = new Set<Deno.UnixConn>();
  readonly #work = new Set<Promise<void>>();
  #closed = false;

  private constructor(readonly node: KithNode, readonly path: string, readonly listener: Deno.UnixListener) {
    this.#track(this.#accept());
  }

  /**
   * Opens the door of a home that this process holds. The socket is made where nobody else may look and moved to its
   * place when only its owner may use it; one that a crash left is replaced.
   * @throws {CoreError} `node/control-path` (longer than a socket's path may be), `node/control`.
   */
  static async open(node: KithNode, folder: string): Promise<ControlDoor> {
    const path = controlPath(folder), size = utf8(`${folder}/.control/s`).length;
    if (Math.max(size, utf8(path).length) > LIMITS.socketPathBytes) {
      throw new CoreError("node/control-path", { limit: LIMITS.socketPathBytes });
    }
    const workshop = `${folder}/.control`;
    try {
      await Deno.remove(workshop, { recursive: true }).catch(absent);
      await Deno.mkdir(workshop, { mode: 0o700 });
      const listener = Deno.listen({ transport: "unix", path: `${workshop}/s` });
      try {
        await Deno.chmod(`${workshop}/s`, 0o600);
        await Deno.rename(`${workshop}/s`, path);
        await Deno.remove(workshop);
      } catch (error) {
        listener.close();
        throw error;
      }
      return new ControlDoor(node, path, listener);
    } catch (cause) {
      throw new CoreError("node/control", { reason: (cause as Error).name }, { cause });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await Deno.remove(this.path).catch(absent);
    this.listener.close();
    for (const client of this.#clients) close(client);
    while (this.#work.size) await Promise.allSettled([...this.#work]);
  }

  async #accept(): Promise<void> {
    for await (const client of this.listener) this.#track(this.#serve(client));
  }

  /** One request after the other, until the client has gone or follows events. */
  async #serve(client: Deno.UnixConn): Promise<void> {
    if (this.#clients.size >= LIMITS.clients) {
      await write(
        client,
        JSON.stringify({ error: { code: "control/busy", data: { limit: LIMITS.clients } } }),
      );
      return close(client);
    }
    this.#clients.add(client);
    const lines = new Lines(LIMITS.requestBytes), chunk = new Uint8Array(1 << 16);
    try {
      for (let size: number | null; (size = await client.read(chunk)) !== null;) {
        for (const line of lines.push(chunk.subarray(0, size))) {
          const { answer, follow } = await answerLine(this.node, line);
          await write(client, answer);
          if (follow !== undefined) return await this.#follow(client, follow);
        }
      }
    } catch (error) {
      if (error instanceof CoreError) {
        await write(client, JSON.stringify({ error: { code: error.code, data: error.data } })).catch(gone);
      } else gone(error);
    } finally {
      this.#clients.delete(client);
      close(client);
    }
  }

  /** Events at the pace the client reads them. What it missed by being slow is told as a number. */
  async #follow(client: Deno.UnixConn, since: number): Promise<void> {
    const { events } = this.node;
    let left = false, wake = Promise.withResolvers<void>();
    using _watch = events.watch(() => wake.resolve());
    const ended = this.#ended(client).then(() => (left = true, wake.resolve()));
    try {
      for (let at = since; !left;) {
        wake = Promise.withResolvers<void>();
        const { missed, lines, last } = events.read(at);
        if (missed) await write(client, JSON.stringify({ event: "missed", count: missed }));
        if (lines.length) await write(client, lines.join("\n"));
        at = last;
        if (!lines.length && !left) await wake.promise;
      }
    } finally {
      close(client);
      await ended;
    }
  }
  /** Settles once the client has gone. */
  async #ended(client: Deno.UnixConn): Promise<void> {
    const ignored = new Uint8Array(1024);
    try {
      while (await client.read(ignored) !== null); // nothing is asked here any more
    } catch (error) {
      gone(error);
    }
  }

  #track(work: Promise<void>): void {
    const tracked = work.catch((error) => {
      if (!this.#closed) this.node.options.env.log.error("control door", { error: String(error) });
    }).finally(() => this.#work.delete(tracked));
    this.#work.add(tracked);
  }
}

async function write(client: Deno.UnixConn, line: string): Promise<void> {
  for (let bytes = utf8(line + "\n"); bytes.length;) bytes = bytes.subarray(await client.write(bytes));
}

function close(client: Deno.UnixConn): void {
  try {
    client.close();
  } catch (error) {
    gone(error);
  }
}

/** A client may go at any time. */
function gone(error: unknown): void {
  const { BadResource, BrokenPipe, ConnectionReset, Interrupted, NotConnected } = Deno.errors;
  if (
    ![BadResource, BrokenPipe, ConnectionReset, Interrupted, NotConnected].some((kind) =>
      error instanceof kind
    )
  ) throw error;
}
function absent(error: unknown): void {
  if (!(error instanceof Deno.errors.NotFound)) throw error;
}
