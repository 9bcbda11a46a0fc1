/** Kernel actions that outlive the kernel's next call. Pure. */
import type { KernelAction } from "./kernel.ts";

/** The action with bytes of its own. A `heard` is used up before the kernel is called again. */
export function detach(action: KernelAction): KernelAction {
  switch (action.type) {
    case "send":
      return { type: "send", bytes: action.bytes.slice(), to: action.to };
    case "put":
      return { ...action, id: action.id.slice(), key: action.key.slice(), values: copies(action.values) };
    case "refresh":
    case "listen":
      return { ...action, id: action.id.slice(), key: action.key.slice() };
    case "update":
      return {
        ...action,
        id: action.id.slice(),
        token: action.token?.slice(),
        values: copies(action.values),
      };
    case "reply": {
      const { nodes4, nodes6, rows, values } = action;
      return {
        type: "reply",
        id: action.id.slice(),
        from: action.from,
        tid: action.tid,
        client: action.client,
        seenAs: action.seenAs?.slice(),
        nodes4: nodes4.length ? nodes4.slice() : NO_BYTES,
        nodes6: nodes6.length ? nodes6.slice() : NO_BYTES,
        token: action.token?.slice(),
        value: action.value,
        values: values && copies(values),
        rows: rows && { fields: rows.fields, rows: rows.rows.map(ownCells) },
        expired: action.expired,
        refreshed: action.refreshed,
      };
    }
    default:
      return action;
  }
}

const NO_BYTES = new Uint8Array(0);
const copies = (list: readonly Uint8Array[]) => list.map((bytes) => bytes.slice());
type Cells = readonly (bigint | number | Uint8Array)[];
const ownCells = (cells: Cells): Cells => cells.map((cell) => typeof cell === "object" ? cell.slice() : cell);
