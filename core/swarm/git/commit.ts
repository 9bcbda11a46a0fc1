/** Commit objects as bytes: read strictly, written exactly; the signature covers the bytes without its own line. Spec: swarm §1.3. */
import { concat, DecodeError, text, utf8 } from "../../base/mod.ts";
import { LIMITS } from "../limits.ts";
import type { ObjectId } from "./objects.ts";

export interface Person {
  readonly name: string;
  /** In a conversation: the device id, 64 hex digits. */
  readonly email: string;
  /** Seconds since 1970; may lie anywhere, also before. */
  readonly time: number;
}

export interface Commit {
  readonly tree: ObjectId;
  readonly parents: readonly ObjectId[];
  readonly author: Person;
  readonly committer: Person;
  /** Decoded; `undefined` when there is no `signature` header or it is not base64. */
  readonly signature: Uint8Array | undefined;
  /** What the signature covers: the body without the signature header. */
  readonly signed: Uint8Array;
  readonly message: Uint8Array;
}

const LF = 0x0a, SPACE = 0x20, ID = /^[0-9a-f]{40}$/;

/**
 * Reads a commit object. Only header lines are looked at for the signature, never the message.
 * @throws {DecodeError} `swarm/commit` with a `reason`.
 */
export function parseCommit(body: Uint8Array): Commit {
  const bad = (reason: string): never => {
    throw new DecodeError("swarm/commit", { reason });
  };
  const headers: { name: string; value: Uint8Array; from: number; to: number }[] = [];
  let at = 0;
  while (body[at] !== LF) {
    const end = body.indexOf(LF, at);
    if (end < 0) bad("no blank line");
    if (body[at] === SPACE) {
      const above = headers.at(-1) ?? bad("continuation without a header");
      above.value = concat(above.value, body.subarray(at, end)); // the line break and blank mean nothing to base64
      above.to = end + 1;
    } else {
      const space = body.indexOf(SPACE, at);
      if (space < 0 || space > end) bad("header without a value");
      const name = text(body.subarray(at, space)) ?? bad("header name");
      headers.push({ name, value: body.subarray(space + 1, end), from: at, to: end + 1 });
    }
    if (headers.length > LIMITS.commitHeaderLines) bad("too many headers");
    at = end + 1;
  }
  const message = body.subarray(at + 1);
  const value = (index: number, name: string): string => {
    const header = headers[index];
    if (header?.name !== name) return bad(`${name} missing`);
    return text(header.value) ?? bad(`${name} is not UTF-8`);
  };
  const id = (index: number, name: string): ObjectId => {
    const found = value(index, name);
    return ID.test(found) ? found : bad(`${name} is no id`);
  };
  const tree = id(0, "tree"), parents: ObjectId[] = [];
  let next = 1;
  while (headers[next]?.name === "parent") parents.push(id(next++, "parent"));
  if (parents.length > LIMITS.commitParents) bad("too many parents");
  const author = parsePerson(value(next, "author")) ?? bad("author");
  const committer = parsePerson(value(next + 1, "committer")) ?? bad("committer");
  const rest = headers.slice(next + 2);
  if (rest.some((header) => ["tree", "parent", "author", "committer"].includes(header.name))) {
    bad("header out of place");
  }
  const signature = rest.find((header) => header.name === "signature");
  return {
    tree,
    parents,
    author,
    committer,
    signature: signature && base64(text(signature.value)),
    signed: signature ? concat(body.subarray(0, signature.from), body.subarray(signature.to)) : body,
    message,
  };
}

/** A commit to write: author and committer are one, as every Jami device does it. */
export interface Draft {
  readonly tree: ObjectId;
  readonly parents: readonly ObjectId[];
  readonly author: Person;
  readonly message: string;
}

/** The bytes a device signs. The display name is cleaned as git would clean it. */
export function unsignedCommit(draft: Draft): Uint8Array {
  const { author } = draft, name = cleanName(author.name) || author.email;
  const person = `${name} <${author.email}> ${Math.floor(author.time)} +0000`;
  const parents = draft.parents.map((parent) => `parent ${parent}\n`).join("");
  return utf8(`tree ${draft.tree}\n${parents}author ${person}\ncommitter ${person}\n\n${draft.message}`);
}

/** Puts the signature, one line of padded base64, right before the blank line. */
export function signedCommit(unsigned: Uint8Array, signature: Uint8Array): Uint8Array {
  return withSignatureLine(unsigned, signature.toBase64());
}

/** As {@linkcode signedCommit}, with the line's text as it is. */
export function withSignatureLine(unsigned: Uint8Array, line: string): Uint8Array {
  for (let at = unsigned.indexOf(LF); at >= 0; at = unsigned.indexOf(LF, at + 1)) {
    if (unsigned[at + 1] !== LF) continue;
    return concat(unsigned.subarray(0, at + 1), utf8(`signature ${line}\n`), unsigned.subarray(at + 1));
  }
  throw new DecodeError("swarm/commit", { reason: "no blank line" });
}

/** A display name as it may stand in a commit: no angle brackets, no line breaks, no dots and blanks at the ends. */
export function cleanName(name: string): string {
  return name.replace(/[<>\p{Cc}]/gu, " ").replace(/^[ .,:;"\\']+|[ .,:;"\\']+$/g, "");
}

function parsePerson(line: string): Person | undefined {
  const match = /^(.*?) ?<([^<>]*)> (-?\d{1,16}) [+-]\d{4}$/.exec(line);
  return match ? { name: match[1]!, email: match[2]!, time: Number(match[3]) } : undefined;
}

function base64(encoded: string | undefined): Uint8Array | undefined {
  try {
    return encoded === undefined ? undefined : Uint8Array.fromBase64(encoded); // blanks are skipped, padding optional
  } catch {
    return undefined;
  }
}
