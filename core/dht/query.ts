/** Query filters: which values match, when one answer serves two questions, and the text form. Pure. Spec: dht §1.8. */
import { CoreError, equal, unhex, utf8 } from "../base/mod.ts";
import { FIELD, type Query, type Where } from "./kernel.ts";
import { ownerId, type Value } from "./value.ts";

/** Asks for everything. */
export const ANY: Query = { select: [], where: [] };

/** True if `value` fulfils every condition of `query`; what it selects does not matter. Encrypted values have type 0 and no owner. */
export function matches(query: Query, value: Value): boolean {
  return query.where.every((condition) => {
    switch (condition.field) {
      case FIELD.id:
        return value.id === condition.value;
      case FIELD.type:
        return value.type === condition.value;
      case FIELD.owner:
        return equal(ownerId(value), condition.value);
      default:
        return equal(utf8(value.userType), condition.value);
    }
  });
}

/** True if whatever `asked` wants is contained in the answer to `other`. */
export function satisfiedBy(asked: Query, other: Query): boolean {
  const where = new Set(asked.where.map(whereText));
  if (!other.where.every((condition) => where.has(whereText(condition)))) return false;
  if (!asked.select.length) return !other.select.length;
  return asked.select.every((field) => other.select.includes(field));
}

/** Equal texts mean equal queries, in whatever order their parts stand. */
export function queryKey(query: Query): string {
  const select = [...new Set(query.select)].sort((a, b) => a - b),
    where = new Set(query.where.map(whereText));
  return `${select.join()} ${[...where].sort().join()}`;
}

const whereText = ({ field, value }: Where): string =>
  `${field}=${typeof value === "object" ? value.toHex() : value}`;

const SELECTS: Readonly<Record<string, number>> = {
  id: FIELD.id,
  value_type: FIELD.type,
  owner_pk: FIELD.owner,
  seq: FIELD.seq,
  user_type: FIELD.userType,
};
const MOST_TEXT = 4096;

/**
 * Reads `SELECT id,value_type,owner_pk,seq,user_type WHERE id=5,value_type=0,owner_pk=<40 hex>,user_type="text/plain"`,
 * either part alone, or nothing. `SELECT *` is everything. A sequence number cannot stand in WHERE.
 * @throws {CoreError} `dht/query` with the word that is wrong.
 */
export function parseQuery(text: string): Query {
  const bad = (word: string) => new CoreError("dht/query", { word: word.slice(0, 64) });
  const parts = /^\s*(?:select\s+(.*?))?\s*(?:\bwhere\s+(.*))?$/is.exec(text);
  if (!parts || text.length > MOST_TEXT) throw bad(text);
  const [, selected = "", conditions = ""] = parts;
  const select = selected.trim() === "*" ? [] : items(selected).map((name) => {
    const field = SELECTS[name.toLowerCase()];
    if (!field) throw bad(name);
    return field;
  });
  const where = items(conditions).map((item): Where => {
    const [, name = "", given = ""] = /^([^=]*)=(.*)$/s.exec(item) ?? [];
    const value = /^".*"$/s.test(given.trim()) ? given.trim().slice(1, -1) : given.trim();
    switch (SELECTS[name.trim().toLowerCase()]) {
      case FIELD.id:
        if (/^\d{1,20}$/.test(value) && BigInt(value) < 2n ** 64n) {
          return { field: FIELD.id, value: BigInt(value) };
        }
        break;
      case FIELD.type:
        if (/^\d{1,5}$/.test(value) && Number(value) <= 0xffff) {
          return { field: FIELD.type, value: Number(value) };
        }
        break;
      case FIELD.owner:
        if (/^[0-9a-f]{40}$/i.test(value)) return { field: FIELD.owner, value: unhex(value) };
        break;
      case FIELD.userType:
        if (value) return { field: FIELD.userType, value: utf8(value) };
    }
    throw bad(item);
  });
  return { select: [...new Set(select)].sort((a, b) => a - b), where };
}

/** Inverse of {@linkcode parseQuery}. */
export function formatQuery({ select, where }: Query): string {
  const name = (field: number) => Object.keys(SELECTS).find((key) => SELECTS[key] === field);
  const conditions = where.map(({ field, value }) => {
    const shown = typeof value !== "object"
      ? value
      : field === FIELD.owner
      ? value.toHex()
      : `"${new TextDecoder().decode(value)}"`;
    return `${name(field)}=${shown}`;
  });
  return [
    ...(select.length ? [`SELECT ${select.map(name).join()}`] : []),
    ...(where.length ? [`WHERE ${conditions.join()}`] : []),
  ].join(" ");
}

/** Splits at commas outside double quotes; empty pieces are left out. */
function items(list: string): string[] {
  return (list.match(/(?:"[^"]*"|[^,"])+/g) ?? []).map((item) => item.trim()).filter(Boolean);
}
