/** What the rest of the program asks of a DHT, whether it is our own node or a proxy far away. */
import type { Query } from "./kernel.ts";
import type { Value } from "./value.ts";

export interface GetOptions {
  /** Sent along: only matching values come. Its selection is ignored here. */
  readonly query?: Query;
  /** Ends the iteration, which then throws the signal's reason. */
  readonly signal?: AbortSignal;
}

export interface PutOptions {
  /** Kept alive until `signal` is aborted; otherwise the value dies with its lifetime. */
  readonly permanent?: boolean;
  /** Milliseconds since 1970; default now. Ignored for permanent values. */
  readonly created?: number;
  readonly signal?: AbortSignal;
}

export interface Put {
  /** The value's id: a random one if it had none. */
  readonly id: bigint;
  /** Nodes that acknowledged so far; storing is not proven by it. Spec: dht §0. */
  readonly nodes: number;
}

export interface Heard {
  readonly type: "value" | "expired";
  readonly value: Value;
}

/** Keys are 40 hex digits. Breaking out of an iteration ends what it stands for. */
export interface DhtAccess {
  /** Values under `key` as they are found, each once; ends when the search does. */
  get(key: string, options?: GetOptions): AsyncIterable<Value>;
  /** Resolves when the nodes around `key` have acknowledged. @throws {CoreError} `dht/put-failed`. */
  put(key: string, value: Value, options?: PutOptions): Promise<Put>;
  /** Values under `key`, those there already and those to come, and which of them went away; never ends by itself. */
  listen(key: string, options?: GetOptions): AsyncIterable<Heard>;
}
