/** Query filters and the rows they select. Spec: dht §1.8. */
import { equal } from "../../../core/base/mod.ts";
import { Reader, Writer } from "../../../core/codec/mod.ts";
import {
  type Cell,
  FIELD,
  type KernelValue,
  type Query,
  type Rows,
  type Where,
} from "../../bindings/dht_kernel.ts";
import { KERNEL_LIMITS as L } from "../../limits.ts";
import { malformed, placesAt } from "./packet.ts";

const ZERO_ID = new Uint8Array(20);
export const WHOLE: Query = { select: [], where: [] };

/** The filter at `at`: both of its keys must be there. Field numbers nobody knows are left out of `select`, but one must stay. */
export function readFilter(bytes: Uint8Array, at: number): Query {
  const places = placesAt(bytes, at), s = places.get("s"), w = places.get("w");
  if (s === undefined || w === undefined) throw malformed("q");
  const fields = new Set<number>(), where: Where[] = [];
  const select = new Reader(bytes, s), conditions = new Reader(bytes, w);
  const columns = select.array();
  for (let n = columns; n > 0; n--) {
    const field = select.uint64();
    if (field >= 1n && field <= 5n) fields.add(Number(field));
  }
  if (columns && !fields.size) throw malformed("s");
  const count = conditions.array();
  if (count > L.conditions) throw malformed("w");
  for (let n = count; n > 0; n--) {
    where.push(readCondition(bytes, conditions.at));
    conditions.skip();
  }
  return { select: [...fields].sort(), where };
}

function readCondition(bytes: Uint8Array, at: number): Where {
  const places = placesAt(bytes, at), f = places.get("f"), v = places.get("v");
  if (f === undefined || v === undefined) throw malformed("where");
  const field = new Reader(bytes, f).uint64(), r = new Reader(bytes, v);
  switch (Number(field)) {
    case FIELD.id:
      return { field: FIELD.id, value: r.uint64() };
    case FIELD.type:
      return { field: FIELD.type, value: r.uint(0xffffffff) };
    case FIELD.owner: {
      const value = r.bin();
      if (value.length !== 20) throw malformed("owner");
      return { field: FIELD.owner, value };
    }
    case FIELD.userType:
      return { field: FIELD.userType, value: r.blob() };
  }
  throw malformed("field");
}

/** True if `value` meets every condition. */
export function matches(query: Query, value: KernelValue): boolean {
  return query.where.every((w) => {
    switch (w.field) {
      case FIELD.id:
        return value.id === w.value;
      case FIELD.type:
        return value.valueType === w.value;
      case FIELD.owner:
        return equal(value.ownerId, w.value);
      case FIELD.userType:
        return equal(value.userType, w.value);
    }
  });
}

/** One row: the cells of `fields` in that order. */
export function writeRow(w: Writer, fields: readonly number[], value: KernelValue): void {
  for (const field of fields) {
    if (field === FIELD.id) w.uint(value.id);
    else if (field === FIELD.type) w.uint(value.valueType);
    else if (field === FIELD.owner) w.bin(value.owner.length ? value.owner : ZERO_ID);
    else if (field === FIELD.seq) w.uint(value.seq);
    else w.str(value.userType);
  }
}

/** The `fileds` map at `at`. No fields, unknown ones, or a number of cells that fills no rows are refused. */
export function readRows(bytes: Uint8Array, at: number): Rows {
  const places = placesAt(bytes, at), f = places.get("f"), v = places.get("v");
  if (f === undefined || v === undefined) throw malformed("fileds");
  const names = new Reader(bytes, f),
    cells = new Reader(bytes, v),
    fields: number[] = [],
    rows: Cell[][] = [];
  const columns = names.array(), count = cells.array();
  if (columns < 1 || columns > 5 || count > L.cellsPerMessage || count % columns) throw malformed("fileds");
  for (let n = columns; n > 0; n--) {
    const field = names.uint64();
    if (field < 1n || field > 5n) throw malformed("fileds");
    fields.push(Number(field));
  }
  for (let n = count / columns; n > 0; n--) rows.push(fields.map((field) => readCell(cells, field)));
  return { fields, rows };
}

function readCell(r: Reader, field: number): Cell {
  if (field === FIELD.id) return r.uint64();
  if (field === FIELD.type || field === FIELD.seq) return r.uint(0xffffffff);
  return r.blob();
}
