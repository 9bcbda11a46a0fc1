/** What instant messages carry, byte for byte as the daemons write it. Spec: swarm §4.5, §5.3, §5.4. */
import { type CommitId, type ConversationId, type DeviceId, isError } from "../../base/mod.ts";
import { formatJsoncpp, type JsonObject, jsonText, parseJsoncpp } from "../../codec/mod.ts";

export const MIME = {
  commit: "application/im-gitmessage-id",
  invite: "application/invite+json",
  askInvite: "application/invite",
  composing: "application/im-iscomposing+xml",
  read: "message/imdn+xml",
  presence: "application/pidf+xml",
  text: "text/plain",
} as const;

const ID = /^[0-9a-f]{40}$/, DEVICE = /^[0-9a-f]{64}$/;

/** "There is a new commit at this device." */
export interface CommitNotice {
  readonly conversation: ConversationId;
  readonly commit: CommitId;
  readonly device: DeviceId;
}
export const formatNotice = ({ conversation, commit, device }: CommitNotice): string =>
  formatJsoncpp({ commit, deviceId: device, id: conversation });

export function parseNotice(content: string): CommitNotice | undefined {
  const { id, commit, deviceId } = object(content);
  return is(id, ID) && is(commit, ID) && is(deviceId, DEVICE)
    ? { conversation: id as ConversationId, commit: commit as CommitId, device: deviceId as DeviceId }
    : undefined;
}

/** "You are invited." `infos`: mode, title, description, avatar …, all text. Times: ms since 1970. */
export interface Invite {
  readonly conversation: ConversationId;
  readonly infos: Readonly<Record<string, string>>;
  readonly receivedMs: number;
}
const INFO_BYTES = 64_000;

export function formatInvite({ conversation, infos, receivedMs }: Invite): string {
  const kept = Object.fromEntries(Object.entries(infos).filter(([, value]) => value.length < INFO_BYTES));
  return formatJsoncpp({
    conversationId: conversation,
    metadatas: kept,
    received: Math.floor(receivedMs / 1000),
    receivedMs: Math.floor(receivedMs),
  });
}

/** @param now ms since 1970: an inviter's clock is not believed more than five minutes ahead. */
export function parseInvite(content: string, now: number): Invite | undefined {
  const { conversationId, metadatas, received, receivedMs } = object(content);
  if (!is(conversationId, ID)) return undefined;
  const infos: Record<string, string> = {};
  if (metadatas && typeof metadatas === "object") {
    for (const [name, value] of Object.entries(metadatas as JsonObject).slice(0, 16)) {
      const text = jsonText(value);
      if (text !== undefined && text.length < INFO_BYTES && name !== "__proto__") infos[name] = text;
    }
  }
  const claimed = typeof receivedMs === "number"
    ? receivedMs
    : typeof received === "number"
    ? received * 1000
    : now;
  return {
    conversation: conversationId as ConversationId,
    infos,
    receivedMs: claimed > now + 300_000 || claimed < 0 ? now : claimed,
  };
}

export const formatComposing = (conversation: ConversationId, active: boolean): string =>
  `<?xml version="1.0" encoding="utf-8" ?>\n<isComposing><state>${active ? "active" : "idle"}</state>` +
  `<conversation>${conversation}</conversation></isComposing>`;

export function parseComposing(
  content: string,
): { conversation: ConversationId; active: boolean } | undefined {
  const state = tag(content, "state"), conversation = tag(content, "conversation");
  return is(conversation, ID) && state
    ? { conversation: conversation as ConversationId, active: state === "active" }
    : undefined;
}

export const formatRead = (conversation: ConversationId, commit: CommitId): string =>
  `<?xml version="1.0" encoding="utf-8" ?>\n<imdn><message-id>${commit}</message-id>\n<conversation>${conversation}</conversation>` +
  `<display-notification><status><displayed/></status></display-notification>\n</imdn>`;

export function parseRead(content: string): { conversation: ConversationId; commit: CommitId } | undefined {
  const commit = tag(content, "message-id"), conversation = tag(content, "conversation");
  if (!is(commit, ID) || !is(conversation, ID) || !/<status>\s*<displayed\s*\/?>/.test(content)) {
    return undefined;
  }
  return { conversation: conversation as ConversationId, commit: commit as CommitId };
}

function object(content: string): JsonObject {
  try {
    const value = parseJsoncpp(content, 8);
    return value !== null && typeof value === "object" && !Array.isArray(value) ? value as JsonObject : {};
  } catch (error) {
    if (isError(error, "codec/json")) return {};
    throw error;
  }
}
const is = (value: unknown, form: RegExp): value is string => typeof value === "string" && form.test(value);
const tag = (xml: string, name: string): string | undefined =>
  new RegExp(`<${name}>\\s*(\\w{1,64})\\s*</${name}>`).exec(xml)?.[1];
