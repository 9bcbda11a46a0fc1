/** Logging as rooms see it: a constant sentence and facts as fields. Where lines go is the door's business. */

export type LogLevel = "trace" | "debug" | "info" | "warning" | "error";
export type LogFields = Readonly<Record<string, unknown>>;

export interface Log {
  /** A log whose every line carries `fields` too, e.g. `{ room: "dht", peer }`. */
  child(fields: LogFields): Log;
  trace(sentence: string, fields?: LogFields): void;
  debug(sentence: string, fields?: LogFields): void;
  info(sentence: string, fields?: LogFields): void;
  warning(sentence: string, fields?: LogFields): void;
  error(sentence: string, fields?: LogFields): void;
}

/** A log that forgets everything. */
export const silentLog: Log = {
  child: () => silentLog,
  trace() {},
  debug() {},
  info() {},
  warning() {},
  error() {},
};

/** A value that must not be seen: prints as dots wherever text is made of it. */
export class Secret<T> {
  readonly #value: T;
  constructor(value: T) {
    this.#value = value;
  }
  /** The value itself, for the one place that needs it. */
  reveal(): T {
    return this.#value;
  }
  toString(): string {
    return "•••";
  }
  toJSON(): string {
    return "•••";
  }
  [Symbol.for("Deno.customInspect")](): string {
    return "•••";
  }
  [Symbol.for("nodejs.util.inspect.custom")](): string {
    return "•••";
  }
}
