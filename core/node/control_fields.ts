/** Reads the fields of a request, strictly: each has its type and bound, and there is none that nobody asked for. */
import { type AccountId, accountId, CoreError } from "../base/mod.ts";
import { LIMITS } from "./limits.ts";

export type RequestFields = Readonly<Record<string, unknown>>;

/** @throws {CoreError} `control/field` with the `field` that is missing, wrong or unknown. */
export class Fields {
  readonly #rest: Map<string, unknown>;

  constructor(fields: RequestFields) {
    this.#rest = new Map(Object.entries(fields));
  }

  optional(name: string, limit: number = LIMITS.wordLength): string | undefined {
    const value = this.#take(name);
    if (value === undefined) return undefined;
    if (typeof value !== "string" || !value || value.length > limit) throw wrong(name);
    return value;
  }
  text(name: string, limit?: number): string {
    return this.optional(name, limit) ?? fail(name);
  }
  /** A text that may be empty; its size is judged by who stores it. */
  words(name: string): string {
    const value = this.#take(name);
    return typeof value === "string" ? value : fail(name);
  }
  count(name: string, preset: number, most: number): number {
    const value = this.#take(name) ?? preset;
    if (typeof value !== "number" || !Number.isSafeInteger(value) || value < 0 || value > most) {
      throw wrong(name);
    }
    return value;
  }
  flag(name: string): boolean {
    const value = this.#take(name) ?? false;
    return typeof value === "boolean" ? value : fail(name);
  }
  list(name: string): string[] {
    const value = this.#take(name) ?? [];
    const good = Array.isArray(value) && value.length <= LIMITS.idsPerRequest &&
      value.every((one) => typeof one === "string" && one && one.length <= LIMITS.wordLength);
    return good ? value : fail(name);
  }
  /** Called when all were read. */
  end(): void {
    for (const name of this.#rest.keys()) throw wrong(name.slice(0, LIMITS.wordLength));
  }

  #take(name: string): unknown {
    const value = this.#rest.get(name);
    this.#rest.delete(name);
    return value ?? undefined;
  }
}

/** A whole Jami id, with or without `jami:`; undefined for anything else. */
export function wholeId(word: string): AccountId | undefined {
  const id = /^(?:jami:\/*)?([0-9a-f]{40})$/i.exec(word)?.[1];
  return id === undefined ? undefined : accountId(id);
}

const wrong = (field: string) => new CoreError("control/field", { field });
function fail(field: string): never {
  throw wrong(field);
}
