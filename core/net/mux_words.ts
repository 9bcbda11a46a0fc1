/** What goes into the mux and what comes out of it. */
import type { Wake } from "../base/mod.ts";
import type { Receiver } from "./mux_inbox.ts";
import type { Sender } from "./mux_outbox.ts";

/** `key` names one channel for ever, its number on the wire does not. */
export type MuxIn =
  | { readonly type: "start" }
  | { readonly type: "bytes"; readonly bytes: Uint8Array }
  /** Ask the peer for a channel: answered by `opened` or `refused` with the same key. */
  | { readonly type: "open"; readonly key: number; readonly name: string }
  /** What we say to `asked`. */
  | { readonly type: "answer"; readonly key: number; readonly accept: boolean }
  | { readonly type: "write"; readonly key: number; readonly bytes: Uint8Array }
  /** End the channel after what was written, or at once. Also takes back an `open`. */
  | { readonly type: "finish" | "reset"; readonly key: number }
  /** The reader took `bytes` of what `data` gave. */
  | { readonly type: "taken"; readonly key: number; readonly bytes: number }
  /** The stream below took `bytes` of what `send` gave. */
  | { readonly type: "flushed"; readonly bytes: number }
  | { readonly type: "probe" }
  /** The link is gone. Last input. */
  | { readonly type: "over" }
  | Wake;

export type MuxOut =
  | { readonly type: "send"; readonly bytes: Uint8Array }
  /** The peer wants a channel; answer within `MUX_LIMITS.answerMs`. */
  | { readonly type: "asked"; readonly key: number; readonly channel: number; readonly name: string }
  | { readonly type: "opened"; readonly key: number; readonly channel: number }
  | { readonly type: "refused"; readonly key: number; readonly why: string }
  | { readonly type: "data"; readonly key: number; readonly bytes: Uint8Array }
  /** No more data. `stalled`: its reader held all others up, what it did not take is lost. */
  | { readonly type: "ended"; readonly key: number; readonly why: "peer" | "stalled" | "taken-back" }
  /** What was written is handed over, the end included. */
  | { readonly type: "finished"; readonly key: number }
  /** A writer for which `isFull` was true may go on. */
  | { readonly type: "room"; readonly key: number }
  /** Stop reading from the link; go on. */
  | { readonly type: "hold" | "release" }
  /** Every beacon sent was answered; or the peer does not know them. */
  | { readonly type: "probed"; readonly answered: boolean }
  | { readonly type: "drop"; readonly why: string }
  /** The link must be closed. Last output. */
  | { readonly type: "close"; readonly why: string };

/** `asking`: by us; `asked`: by the peer, not answered yet; `ended`: its number is free, its bytes are not all taken. */
export type State = "asking" | "asked" | "open" | "ended";
/** One channel, as the machine keeps it. */
export interface MuxChannelState extends Sender, Receiver {
  readonly name: string;
  readonly ours: boolean;
  state: State;
}
