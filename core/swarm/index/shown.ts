/** What a commit is to a reader: a message, a change to one, or nothing to show. Pure. Spec: swarm §2.1, §2.4. */
import { type Json, type JsonObject, jsonText } from "../../codec/mod.ts";

/** `message`: a line of its own; `edit`, `reaction`: about another commit; `hidden`: not shown. */
export type Kind = "message" | "edit" | "reaction" | "hidden";

export interface Shown {
  readonly kind: Kind;
  readonly target: string | undefined;
  /** The words to show and to find, where there are any. */
  readonly text: string | undefined;
}

const ID = /^[0-9a-f]{40}$/;

export function shownAs(type: string, body: JsonObject): Shown {
  const edit = id(body.edit), reaction = id(body["react-to"]), text = jsonText(body.body);
  if (edit) return { kind: "edit", target: edit, text: text ?? "" };
  if (type === "text/plain" && reaction) return { kind: "reaction", target: reaction, text: text ?? "" };
  if (type === "merge" || type === "vote") return { kind: "hidden", target: undefined, text: undefined };
  if (type === "text/plain") return { kind: "message", target: undefined, text: text ?? "" };
  return { kind: "message", target: undefined, text: jsonText(body.displayName) };
}

const id = (value: Json | undefined): string | undefined =>
  typeof value === "string" && ID.test(value) ? value : undefined;
