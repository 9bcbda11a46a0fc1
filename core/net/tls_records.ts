/** Cuts TLS bytes at record boundaries, so that no frame begins inside a record. Spec: connection §2.8. */
import { concat, CoreError } from "../base/mod.ts";
import { TLS_LIMITS } from "./limits.ts";

const HEADER = 5;

/** Collects what a TLS engine writes and gives it back in pieces of whole records. One per direction. */
export class RecordCutter {
  #rest: Uint8Array | undefined;

  /** Bytes of a record that is not complete yet. */
  get pending(): number {
    return this.#rest?.length ?? 0;
  }

  /**
   * Pieces that begin and end at record boundaries, each as many records as fit into `TLS_LIMITS.writeBytes`.
   * They are views into `bytes` where possible.
   * @throws {CoreError} `net/tls-record` for a record larger than TLS allows: then these are not TLS bytes.
   */
  push(bytes: Uint8Array): Uint8Array[] {
    const all = this.#rest ? concat(this.#rest, bytes) : bytes, pieces: Uint8Array[] = [];
    let start = 0, at = 0;
    while (all.length - at >= HEADER) {
      const size = HEADER + ((all[at + 3]! << 8) | all[at + 4]!);
      if (size > TLS_LIMITS.recordBytes) throw new CoreError("net/tls-record", { size });
      if (at + size > all.length) break;
      if (at + size - start > TLS_LIMITS.writeBytes) pieces.push(all.subarray(start, at)), start = at;
      at += size;
    }
    if (at > start) pieces.push(all.subarray(start, at));
    this.#rest = at < all.length ? all.slice(at) : undefined;
    return pieces;
  }
}
