/** Why a datagram goes no further. */
import type { DropReason } from "../../bindings/dht_kernel.ts";

/** A drop as an exception: ends the handling of one datagram. */
export class Drop extends Error {
  constructor(readonly reason: DropReason) {
    super(reason);
  }
}
