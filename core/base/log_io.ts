/** Where log lines go: a ring that remembers the last ones, and a terminal. LogTape sorts them by room and level. */
import { configureSync, getLogger, type Logger, type LogRecord } from "@logtape/logtape";
import { CoreError } from "./errors.ts";
import { type Log, type LogFields, type LogLevel, Secret } from "./log.ts";

/** One line as it was said. Secrets are dots, byte strings hex, big numbers decimal. */
export interface LogLine {
  /** Counts up from 1 over the life of the process. */
  readonly number: number;
  /** Milliseconds since 1970. */
  readonly time: number;
  readonly level: LogLevel;
  /** The `room` field; `kith` where none was given. */
  readonly room: string;
  readonly sentence: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

/** Which levels are wanted: of everything, and of single rooms. */
export interface LogLevels {
  readonly all: LogLevel;
  readonly rooms: ReadonlyMap<string, LogLevel>;
}

export interface LogOptions {
  /** What the terminal shows. Default: warnings and errors. */
  levels?: LogLevels;
  /** Receives each line the terminal shows, without line end. Default: standard error. */
  write?: (line: string) => void;
  /** True: one JSON object a line instead of words. */
  json?: boolean;
}

const LEVELS: readonly LogLevel[] = ["trace", "debug", "info", "warning", "error"];
const LIMITS = { lines: 10_000, depth: 4, items: 50, text: 500, bytes: 64 } as const;
const TELLTALE = /password|passphrase|secret|private|\bpin\b/i;

/** Reads `debug`, `dht:debug` or `dht:debug,net:trace,info`; later parts win. @throws {CoreError} `base/log-levels`. */
export function parseLogLevels(text: string): LogLevels {
  let all: LogLevel = "warning";
  const rooms = new Map<string, LogLevel>();
  for (const part of text.split(",").map((part) => part.trim()).filter(Boolean)) {
    const [, room, name] = /^(?:([a-z]+):)?([a-z]+)$/.exec(part) ?? [];
    const level = LEVELS.find((level) => level === name);
    if (!level) throw new CoreError("base/log-levels", { part: part.slice(0, 40), levels: LEVELS.join(" ") });
    if (room) rooms.set(room, level);
    else all = level;
  }
  return { all, rooms };
}

/** The log of this process: there is one; opening it again forgets the lines of the one before. */
export class LogBook {
  readonly log: Log;
  readonly #ring: LogLine[] = [];
  #count = 0;

  constructor(options: LogOptions = {}) {
    const { levels = parseLogLevels(""), json = false, write = (line) => console.error(line) } = options;
    const remembered = (level: LogLevel) => lower(level, "info");
    const show = (line: LogLine) =>
      write(json ? JSON.stringify({ event: "log", ...line }) : formatLine(line));
    const sink = (record: LogRecord) => {
      const line = this.#remember(record), wanted = levels.rooms.get(line.room) ?? levels.all;
      if (LEVELS.indexOf(line.level) >= LEVELS.indexOf(wanted)) show(line);
    };
    configureSync({
      reset: true,
      sinks: { book: sink, none: () => {} },
      loggers: [
        { category: "kith", lowestLevel: remembered(levels.all), sinks: ["book"] },
        ...[...levels.rooms].map(([room, level]) => ({
          category: ["kith", room],
          lowestLevel: remembered(level),
          sinks: ["book"],
          parentSinks: "override" as const,
        })),
        { category: ["logtape", "meta"], lowestLevel: "error", sinks: ["none"] },
      ],
    });
    this.log = logOf({});
  }

  /** The remembered lines numbered above `since`, oldest first; at most the last 10,000. */
  lines(since = 0): readonly LogLine[] {
    return this.#ring.filter((line) => line.number > since).sort((a, b) => a.number - b.number);
  }

  #remember(record: LogRecord): LogLine {
    const { room, ...fields } = record.properties, number = ++this.#count;
    const line: LogLine = {
      number,
      time: record.timestamp,
      level: record.level as LogLevel,
      room: typeof room === "string" ? room : "kith",
      sentence: String(record.rawMessage),
      fields: plain(fields, LIMITS.depth) as Record<string, unknown>,
    };
    this.#ring[(number - 1) % LIMITS.lines] = line;
    return line;
  }
}

/** `12:04:05.123 warning dht: the sentence (peer=… tries=3)`. */
export function formatLine(line: LogLine): string {
  const facts = Object.entries(line.fields).map(([name, value]) =>
    `${name}=${typeof value === "string" ? value : JSON.stringify(value)}`
  );
  const time = new Date(line.time).toISOString().slice(11, 23);
  return `${time} ${line.level} ${line.room}: ${line.sentence}${facts.length ? ` (${facts.join(" ")})` : ""}`;
}

const lower = (a: LogLevel, b: LogLevel) => LEVELS.indexOf(a) < LEVELS.indexOf(b) ? a : b;

function logOf(own: LogFields): Log {
  const logger: Logger = getLogger(typeof own.room === "string" ? ["kith", own.room] : ["kith"]);
  const say = (level: LogLevel) => (sentence: string, fields?: LogFields) => {
    if (logger.isEnabledFor(level)) logger[level](sentence, { ...own, ...fields });
  };
  return {
    child: (fields) => logOf({ ...own, ...fields }),
    trace: say("trace"),
    debug: say("debug"),
    info: say("info"),
    warning: say("warning"),
    error: say("error"),
  };
}

/** What may be written down of a field: no secret, nothing endless. */
function plain(value: unknown, depth: number): unknown {
  if (value === null || value === undefined || typeof value === "boolean" || typeof value === "number") {
    return value;
  }
  if (typeof value === "string") return cut(value);
  if (typeof value === "bigint") return String(value);
  if (value instanceof Secret) return String(value);
  if (value instanceof Uint8Array) {
    return value.subarray(0, LIMITS.bytes).toHex() +
      (value.length > LIMITS.bytes ? `… (${value.length} bytes)` : "");
  }
  if (value instanceof CoreError) return { code: value.code, ...plain(value.data, depth - 1) as object };
  if (value instanceof Error) return cut(`${value.name}: ${value.message}`);
  if (typeof value !== "object" || depth <= 0) return `(${typeof value})`;
  if (Symbol.iterator in value && !Array.isArray(value)) {
    return plain([...take(value as Iterable<unknown>)], depth);
  }
  if (Array.isArray(value)) return value.slice(0, LIMITS.items).map((item) => plain(item, depth - 1));
  return Object.fromEntries(
    Object.entries(value).slice(0, LIMITS.items).map(([name, inner]) => [
      name,
      TELLTALE.test(name) ? "•••" : plain(inner, depth - 1),
    ]),
  );
}

const cut = (text: string) => text.length > LIMITS.text ? `${text.slice(0, LIMITS.text)}…` : text;

function* take(items: Iterable<unknown>): Generator<unknown> {
  let left: number = LIMITS.items;
  for (const item of items) {
    if (left-- <= 0) return;
    yield item;
  }
}
