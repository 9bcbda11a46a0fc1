/** The card that goes with a contact request: who says to be asking. Spec: account §4.1, §9. */
import { text, utf8 } from "../base/mod.ts";
import { LIMITS } from "./limits.ts";

/** The card of somebody called `name`; empty bytes for no name. */
export function formatCard(name: string): Uint8Array {
  const line = oneLine(name);
  return line ? utf8(`BEGIN:VCARD\r\nVERSION:2.1\r\nFN:${line}\r\nEND:VCARD`) : new Uint8Array();
}

/** The name a card gives, without anything that could upset a terminal; `undefined` if there is none. Anybody may claim any name. */
export function cardName(card: Uint8Array): string | undefined {
  const found = text(card)?.split(/\r?\n/).find((line) => /^FN[;:]/i.test(line));
  return found && oneLine(found.slice(found.indexOf(":") + 1)) || undefined;
}

const oneLine = (name: string): string =>
  [...name.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu, " ").trim()].slice(0, LIMITS.cardNameLength).join("");
