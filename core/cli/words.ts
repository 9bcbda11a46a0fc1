/** What went wrong, in one sentence that says what to do. Codes without a sentence of their own show themselves. */
import { CoreError, type ErrorData } from "../base/mod.ts";
import { ACCOUNT_SENTENCES } from "./account_words.ts";
import { TALK_SENTENCES } from "./talk_words.ts";

type Sentence = (data: ErrorData) => string;

const SENTENCES: Readonly<Record<string, Sentence>> = {
  ...ACCOUNT_SENTENCES,
  ...TALK_SENTENCES,
  "base/log-levels": ({ part, levels }) =>
    `LOG: "${part}" is no level; write for example LOG=dht:debug,info (levels: ${levels}).`,
  "cli/key": () => "KEY is empty; give 40 hex digits or any text.",
  "cli/text-size": ({ size, limit }) => `The text has ${size} bytes; at most ${limit} fit into one value.`,
  "cli/unreachable": ({ hosts, seconds }) =>
    `No DHT node answered at ${hosts} within ${seconds} s; check the address, the network number and that UDP may pass, or give another --bootstrap.`,
  "cli/state": ({ path }) => `${path} is no state file of a DHT node; give another --state, or remove it.`,
  "cli/unknown-host": ({ hosts }) =>
    `No address was found for ${hosts}; check the spelling and the connection, or give another --bootstrap.`,
  "cli/not-stored": ({ seconds }) =>
    `No node confirmed the value within ${seconds} s; try again, or with a longer --timeout.`,
  "dht/put-failed": () => "No node took the value; try again, or join at another --bootstrap.",
  "dht/query": ({ word }) =>
    `The query is not understood at "${word}"; write for example WHERE id=5 or SELECT id,seq WHERE user_type="text/plain".`,
  "net/port-in-use": ({ port }) =>
    `UDP port ${port} is in use by another program; choose another one with --port, or --port 0 for any free one.`,
  "net/bind": ({ port, reason }) =>
    `UDP port ${port} cannot be opened (${reason}); choose another one with --port.`,
  "storage/home-in-use": ({ pid }) =>
    `Another kith (process ${pid}) uses this home; end it first, or give another --home.`,
  "storage/no-home-folder": () => "No folder to keep things in: HOME is not set; say where with --home.",
  "storage/disk-full": () => "The disk is full; make room and try again.",
  "storage/file-write": ({ reason }) =>
    `The home or state file cannot be written (${reason}); check who owns the folder.`,
  "storage/file-read": ({ reason }) =>
    `The home or state file cannot be read (${reason}); check who owns it.`,
  "storage/file-size": ({ size, limit }) =>
    `The state file has ${size} bytes, more than the ${limit} that are read; remove it.`,
};

/** The sentence for `error`, and the code behind it. Anything but a CoreError is a mistake of ours and says so. */
export function explain(error: unknown): { code: string; sentence: string } {
  if (!(error instanceof CoreError)) {
    const what = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
    return { code: "cli/bug", sentence: `This is a mistake in kith, please report it: ${what}` };
  }
  return { code: error.code, sentence: SENTENCES[error.code]?.(error.data) ?? `It failed: ${error.message}` };
}
