/** An ear under one of our keys, for as long as we live. Spec: connection §1.2. */
import type { Clock, Log } from "../base/mod.ts";
import type { PublicKey } from "../crypto/mod.ts";
import { LIMITS } from "./limits.ts";
import { type DeviceIds, type KeyForm, peerKey, REQUEST_USER_TYPE } from "./request.ts";
import type { PeerDht } from "./words.ts";

/** A body that came encrypted to us and signed by `sender`, under the key of `form`. */
export interface Sealed {
  readonly data: Uint8Array;
  readonly sender: PublicKey;
  readonly form: KeyForm;
}
export interface Hearer {
  heard(sealed: Sealed): void;
  /** Something under our key that anybody may have put. */
  unsealed(): void;
}

/** Listens until `signal`; what the network refuses is tried again, later and later. */
export async function listenForRequests(
  dht: PeerDht,
  { clock, log }: { readonly clock: Clock; readonly log: Log },
  device: DeviceIds,
  form: KeyForm,
  hearer: Hearer,
  signal: AbortSignal,
): Promise<void> {
  const { first, most } = LIMITS.listenAgainMs;
  for (let gap: number = first; !signal.aborted; gap = Math.min(2 * gap, most)) {
    try {
      for await (const { type, value, sender, encrypted } of dht.listen(peerKey(device, form), { signal })) {
        if (type !== "value" || value.userType !== REQUEST_USER_TYPE) continue;
        if (sender && encrypted) hearer.heard({ data: value.data, sender, form });
        else hearer.unsealed();
      }
    } catch (error) {
      if (signal.aborted) return;
      log.warning("not listening for requests", { form, again: gap, error });
    }
    const { promise, resolve } = Promise.withResolvers<void>(), stop = () => resolve();
    using _timer = clock.at(clock.now() + gap, resolve);
    signal.addEventListener("abort", stop);
    await promise;
    signal.removeEventListener("abort", stop);
  }
}
