/** The actions of one step, in order. */
import { frameStun } from "./framing.ts";
import type { Pair } from "./ice_pairs.ts";
import { describe } from "./ice_remotes.ts";
import type { IceOut, Path, Wire } from "./ice_words.ts";

export class Outbox implements Wire {
  #outs: IceOut[] = [];

  push(out: IceOut): void {
    this.#outs.push(out);
  }
  /** What has gathered; the box is empty afterwards. */
  take(): IceOut[] {
    const outs = this.#outs;
    this.#outs = [];
    return outs;
  }

  transmit({ conn, local, remote }: Pair, bytes: Uint8Array): void {
    if (conn !== undefined) this.push({ type: "write", conn, bytes: frameStun(bytes) });
    else this.push({ type: "send", socket: local.socket, to: { ip: remote.ip, port: remote.port }, bytes });
  }
  reply(bytes: Uint8Array, path: Path): void {
    if ("conn" in path) this.push({ type: "write", conn: path.conn.id, bytes: frameStun(bytes) });
    else this.push({ type: "send", socket: path.socket, to: path.from, bytes });
  }
  close(conn: number): void {
    this.push({ type: "close", conn });
  }
  drop(why: string): void {
    this.push({ type: "drop", why });
  }
  note(what: string, pair?: Pair, detail?: string): void {
    this.push({ type: "note", what, ...(pair && { pair: describe(pair) }), ...(detail && { detail }) });
  }
}
