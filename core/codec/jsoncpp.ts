/** JSON as Jami writes and reads it (jsoncpp): sorted keys and ASCII out, a forgiving reader in. Spec: swarm §1.4. */
import { getNodeValue, type Node, type ParseError, parseTree } from "jsonc-parser";
import { DecodeError } from "../base/mod.ts";

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };
export type JsonObject = { readonly [key: string]: Json };

/** Brackets inside brackets that any reader here follows unless told otherwise. */
const DEPTH = 100;

/** Compact text: keys in byte order, everything outside ASCII escaped, `/` and DEL as they are. */
export function formatJsoncpp(value: Json): string {
  if (Array.isArray(value)) return `[${value.map(formatJsoncpp).join(",")}]`;
  if (value !== null && typeof value === "object") {
    const members = Object.entries(value as JsonObject).sort(([a], [b]) => byBytes(a, b));
    return `{${members.map(([key, member]) => `${quote(key)}:${formatJsoncpp(member)}`).join(",")}}`;
  }
  return typeof value === "string" ? quote(value) : JSON.stringify(value);
}

/**
 * Reads what jsoncpp reads: byte order mark, comments, trailing commas, text behind the value; of equal keys the
 * last one. Single quotes, `NaN` and overflowing numbers are refused as there.
 * @throws {DecodeError} `codec/json`; nesting above `depth` is refused before parsing.
 */
export function parseJsoncpp(text: string, depth = DEPTH): Json {
  const plain = text.startsWith("\ufeff") ? text.slice(1) : text;
  checkDepth(plain, depth);
  try {
    return JSON.parse(plain);
  } catch { /* not strict JSON: read it the forgiving way */ }
  const errors: ParseError[] = [];
  let root: Node | undefined;
  try {
    root = parseTree(plain, errors, { allowTrailingComma: true });
  } catch (cause) { // nesting hidden from the check above by a quote inside a comment
    throw new DecodeError("codec/json", { reason: "too deep" }, { cause });
  }
  const end = root ? root.offset + root.length : 0; // what is wrong behind the value does not matter
  if (!root || errors.some((error) => error.offset < end || end === plain.length)) {
    throw new DecodeError("codec/json", { reason: "syntax" });
  }
  return getNodeValue(root);
}

/** A scalar as jsoncpp turns it into text: `581` → `"581"`, `null` → `""`; `undefined` for arrays and objects. */
export function jsonText(value: Json | undefined): string | undefined {
  if (value === undefined) return undefined;
  if (value === null) return "";
  return typeof value === "object" ? undefined : String(value);
}

function checkDepth(text: string, depth: number): void {
  let open = 0, quoted = false;
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i);
    if (quoted) {
      if (c === 0x5c) i++;
      else if (c === 0x22) quoted = false;
    } else if (c === 0x22) quoted = true;
    else if (c === 0x5b || c === 0x7b) {
      if (++open > depth) throw new DecodeError("codec/json", { reason: "too deep" });
    } else if (c === 0x5d || c === 0x7d) open--;
  }
}

const SHORT: Record<string, string> = {
  "\b": "\\b",
  "\f": "\\f",
  "\n": "\\n",
  "\r": "\\r",
  "\t": "\\t",
  '"': '\\"',
  "\\": "\\\\",
};

function quote(text: string): string {
  const escaped = text.toWellFormed().replace(
    // deno-lint-ignore no-control-regex
    /["\\\x00-\x1f]|[^\x00-\x7f]/g,
    (c) => SHORT[c] ?? `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
  return `"${escaped}"`;
}

/** Order of the UTF-8 bytes: that of code points, which differs from UTF-16 order above U+FFFF. */
function byBytes(a: string, b: string): number {
  const x = [...a], y = [...b];
  for (let i = 0; i < Math.min(x.length, y.length); i++) {
    const d = x[i]!.codePointAt(0)! - y[i]!.codePointAt(0)!;
    if (d) return d;
  }
  return x.length - y.length;
}
