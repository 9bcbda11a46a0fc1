/** The datagrams the kernel writes itself, key for key in the order the network emits them. Spec: dht §1.5, §1.7, §1.10. */
import { utf8 } from "../../../core/base/mod.ts";
import { Writer } from "../../../core/codec/mod.ts";
import type { KernelOptions, KernelValue, Query } from "../../bindings/dht_kernel.ts";
import { KERNEL_LIMITS as L } from "../../limits.ts";
import { writeRow } from "./filter.ts";

/** Who asked, and under which number. */
export interface Asker {
  readonly ip: Uint8Array;
  readonly tid: number;
}

/** What an answer to `find` or `get` always holds. */
export interface Closest {
  readonly nodes4: readonly Uint8Array[];
  readonly nodes6: readonly Uint8Array[];
  readonly token: Uint8Array;
}

export class Answers {
  #agent: Uint8Array;
  constructor(readonly options: KernelOptions) {
    this.#agent = utf8(options.agent);
  }

  pong(to: Asker): Uint8Array {
    const w = this.#reply(2, to);
    return this.#tail(w, to.tid, "r");
  }

  found(to: Asker, closest: Closest): Uint8Array {
    const w = this.#reply(3 + lists(closest), to);
    this.#closest(w, closest);
    return this.#tail(w, to.tid, "r");
  }

  /** The answer to `get` and the fragments that follow it. `values`: those that match, oldest first. */
  got(to: Asker, closest: Closest, query: Query, values: readonly KernelValue[]): Uint8Array[] {
    const some = values.length > 0;
    const w = this.#reply(3 + lists(closest) + (some ? 1 : 0), to);
    this.#closest(w, closest);
    if (!some) return [this.#tail(w, to.tid, "r")];
    if (query.select.length) {
      writeRows(w.str("fileds"), query.select, values);
      return [this.#tail(w, to.tid, "r")];
    }
    const bytes = values.reduce((sum, v) => sum + v.packed.length, 0);
    w.str("values");
    if (values.length < L.inlineValues && bytes < L.inlineBytes) {
      w.array(values.length);
      for (const value of values) w.raw(value.packed);
      return [this.#tail(w, to.tid, "r")];
    }
    const sent = thoseThatFit(values);
    w.array(sent.length);
    for (const value of sent) w.uint(value.packed.length);
    const head = this.#tail(w, to.tid, "r");
    return [head, ...sent.flatMap((value, i) => [...this.#fragments(to.tid, i, value.packed)])];
  }

  error(tid: number, code: number, text: string): Uint8Array {
    const w = this.#top(5).str("e").array(2).uint(code).str(text);
    w.str("r").map(1).str("id").bin(this.options.id);
    return this.#tail(w, tid, "e");
  }

  *#fragments(tid: number, index: number, packed: Uint8Array): Generator<Uint8Array> {
    for (let at = 0; at < packed.length; at += L.fragmentBytes) {
      const w = this.#top(3);
      this.#flags(w);
      w.str("y").str("p").str("t").uint(tid).str("p").map(1).uint(index);
      w.map(2).str("o").uint(at).str("d").bin(packed.subarray(at, at + L.fragmentBytes));
      yield w.finish();
    }
  }

  #top(keys: number): Writer {
    return new Writer().map(keys + (this.options.network ? 1 : 0) + (this.options.client ? 1 : 0));
  }
  #flags(w: Writer): void {
    if (this.options.network) w.str("n").uint(this.options.network);
    if (this.options.client) w.str("s").bool(true);
  }
  /** Top level of a reply up to its `sa`. */
  #reply(keys: number, to: Asker): Writer {
    return this.#top(4).str("r").map(keys).str("id").bin(this.options.id).str("sa").bin(to.ip);
  }
  #closest(w: Writer, { nodes4, nodes6, token }: Closest): void {
    if (nodes4.length) writeNodes(w.str("n4"), nodes4);
    if (nodes6.length) writeNodes(w.str("n6"), nodes6);
    w.str("token").bin(token);
  }
  #tail(w: Writer, tid: number, y: string): Uint8Array {
    w.str("t").uint(tid).str("y").str(y).str("v").str(this.#agent);
    this.#flags(w);
    return w.finish();
  }
}

const lists = ({ nodes4, nodes6 }: Closest) => (nodes4.length ? 1 : 0) + (nodes6.length ? 1 : 0);

function writeNodes(w: Writer, entries: readonly Uint8Array[]): void {
  const whole = new Uint8Array(entries.reduce((sum, e) => sum + e.length, 0));
  let at = 0;
  for (const entry of entries) whole.set(entry, at), at += entry.length;
  w.bin(whole);
}

/** As many values, oldest first, as one answer may hold; one that does not fit is left out. */
function thoseThatFit(values: readonly KernelValue[]): KernelValue[] {
  const fit: KernelValue[] = [];
  let bytes = 0;
  for (const value of values) {
    if (fit.length === L.answerValues) break;
    if (bytes + value.packed.length > L.answerBytes) continue;
    bytes += value.packed.length;
    fit.push(value);
  }
  return fit;
}

/** `{f, v}`: fields, then the cells of as many rows as the datagram holds; a row that does not fit is left out. */
function writeRows(w: Writer, fields: readonly number[], values: readonly KernelValue[]): void {
  const cells = new Writer();
  let rows = 0;
  for (const value of values) {
    const row = new Writer();
    writeRow(row, fields, value);
    if (w.length + cells.length + row.length > L.answerHeadBytes) continue;
    cells.raw(row.finish());
    rows++;
  }
  w.map(2).str("f").array(fields.length);
  for (const field of fields) w.uint(field);
  w.str("v").array(rows * fields.length).raw(cells.finish());
}
