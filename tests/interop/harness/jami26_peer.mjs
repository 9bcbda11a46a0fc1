// The Jami daemon of 2026 behind JSON lines. argv: the folder of its Node addon.
// In: {"n":1,"do":"addAccount","args":[…]} - the daemon's own names; objects become string maps, lists lists of them.
// Out: {"n":1,"ok":true,"result":…} and {"signal":"RegistrationStateChanged","args":[…]} in between.
import { writeSync } from "node:fs";
import { createRequire } from "node:module";
import { createInterface } from "node:readline";

const jami = createRequire(import.meta.url)(process.argv[2]);
const WATCHED = [
  "AccountsChanged",
  "RegistrationStateChanged",
  "VolatileDetailsChanged",
  "KnownDevicesChanged",
  "NameRegistrationEnded",
  "RegisteredNameFound",
  "DeviceRevocationEnded",
  "NewBuddyNotification",
  "IncomingTrustRequest",
  "ConversationRequestReceived",
  "ConversationReady",
  "ConversationMemberEvent",
  "SwarmMessageReceived",
  "SwarmMessageUpdated",
  "ReactionAdded",
  "ReactionRemoved",
  "ComposingStatusChanged",
  "AccountMessageStatusChanged",
  "ConversationProfileUpdated",
  "ContactRemoved",
];

function say(fields) {
  const bytes = Buffer.from(JSON.stringify(fields) + "\n");
  for (let at = 0; at < bytes.length;) at += writeSync(1, bytes, at);
}

function toDaemon(value) {
  if (value === null || typeof value !== "object") return value;
  if (Array.isArray(value)) { // a list of maps, as media are given
    const list = new jami.VectMap();
    for (const item of value) list.add(toDaemon(item));
    return list;
  }
  if ("$bytes" in value) {
    const blob = new jami.Blob();
    for (const byte of Buffer.from(value.$bytes, "hex")) blob.add(byte);
    return blob;
  }
  const map = new jami.StringMap();
  for (const [key, inner] of Object.entries(value)) map.set(key, String(inner));
  return map;
}

function fromDaemon(value) {
  if (value === null || value === undefined || typeof value !== "object") return value ?? null;
  if (Array.isArray(value)) return value.map(fromDaemon);
  if (value instanceof jami.StringMap) {
    const keys = value.keys(), entries = {};
    for (let i = 0; i < keys.size(); i++) entries[keys.get(i)] = value.get(keys.get(i));
    return entries;
  }
  if (typeof value.size === "function") {
    return Array.from({ length: value.size() }, (_, i) => fromDaemon(value.get(i)));
  }
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, fromDaemon(inner)]));
}

// The daemon holds a lock while it signals: a handler may only take notes.
jami.init(
  Object.fromEntries(
    WATCHED.map((signal) => [signal, (...args) => say({ signal, args: args.map(fromDaemon) })]),
  ),
  {
    flags: 64 | 128, // neither sound nor picture
  },
);
const stop = () => {
  setTimeout(() => process.exit(0), 2000).unref();
  jami.fini();
  process.exit(0);
};
process.on("SIGTERM", stop);
say({ ready: true });

createInterface({ input: process.stdin }).on("line", (line) => {
  const { n, do: method, args = [] } = JSON.parse(line);
  try {
    say({ n, ok: true, result: fromDaemon(jami[method](...args.map(toDaemon))) });
  } catch (error) {
    say({ n, ok: false, error: String(error) });
  }
}).on("close", stop);
