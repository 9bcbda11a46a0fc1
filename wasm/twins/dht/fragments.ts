/** Puts messages together whose values came in pieces. Spec: dht §1.7. */
import { type Endpoint, equal } from "../../../core/base/mod.ts";
import type { DropReason } from "../../bindings/dht_kernel.ts";
import { KERNEL_LIMITS as L } from "../../limits.ts";

/** A piece of the value with this place in the list. */
export interface Piece {
  readonly index: number;
  readonly offset: number;
  readonly data: Uint8Array;
}

/** A message whose values are all there: its first datagram and the packed values in the order of its list. */
export interface Whole {
  readonly head: Uint8Array;
  readonly values: readonly Uint8Array[];
}

/** One value of a list: bytes inside the datagram, or the size of what follows. */
export interface Announced {
  readonly index: number;
  readonly size: number;
  readonly bytes: Uint8Array | undefined;
}

/** What was wrong, and the message if nothing is missing any more. */
export interface Outcome {
  readonly drops: readonly DropReason[];
  readonly whole: Whole | undefined;
}

interface Part {
  readonly bytes: Uint8Array;
  readonly there: Uint8Array; // 1 where a byte has come
  missing: number;
}

interface Partial {
  readonly tid: number;
  readonly from: Endpoint;
  readonly address: string;
  readonly stranger: boolean;
  head: Uint8Array | undefined;
  parts: Map<number, Part>;
  missing: number;
  early: Piece[];
  bytes: number;
  readonly begun: number;
  fed: number;
}

const nameOf = (tid: number, from: Endpoint) => `${tid}@${from.ip}@${from.port}`;
const deadline = (p: Partial) => Math.min(p.fed + L.partialIdleMs, p.begun + L.partialTotalMs);

export class Fragments {
  #expected = new Set<string>();
  #partials = new Map<string, Partial>(); // oldest first
  bytes = 0;

  get count(): number {
    return this.#partials.size;
  }
  get wakeAt(): number {
    let soonest = Infinity;
    for (const partial of this.#partials.values()) soonest = Math.min(soonest, deadline(partial));
    return soonest;
  }

  expect(tid: number, from: Endpoint): void {
    const name = nameOf(tid, from);
    if (this.#expected.has(name)) return;
    if (this.#expected.size === L.expected) this.#expected.delete(this.#expected.values().next().value!);
    this.#expected.add(name);
  }
  expects(tid: number, from: Endpoint): boolean {
    return this.#expected.has(nameOf(tid, from));
  }
  /** Also throws away what has come of it. */
  forget(tid: number, from: Endpoint): void {
    const name = nameOf(tid, from), partial = this.#partials.get(name);
    if (this.#expected.delete(name) && partial && !partial.stranger) this.#remove(name, partial);
  }
  has(tid: number, from: Endpoint): boolean {
    return this.#partials.has(nameOf(tid, from));
  }

  /**
   * The first datagram of a message. Sent again it changes nothing; another one with the same number replaces it.
   * `stranger`: nobody asked for it and no token vouches for it, so that it may use a part of the memory only.
   */
  begin(
    now: number,
    from: Endpoint,
    address: string,
    stranger: boolean,
    tid: number,
    head: Uint8Array,
    list: readonly Announced[],
  ): Outcome {
    const name = nameOf(tid, from), drops: DropReason[] = [];
    const old = this.#partials.get(name);
    if (old?.head && equal(old.head, head)) return { drops, whole: undefined };
    if (old) this.#remove(name, old);
    if (old?.head) drops.push("fragment-bad");
    const bytes = list.reduce((sum, { size }) => sum + size + L.placeBytes, head.length);
    if (!this.#room(address, stranger, bytes)) {
      return { drops: [...drops, "fragment-limit"], whole: undefined };
    }
    const partial: Partial = {
      ...{ tid, from, address, stranger, begun: old && !old.head ? old.begun : now, fed: now, bytes },
      head: head.slice(),
      parts: new Map(),
      missing: 0,
      early: [],
    };
    for (const { index, size, bytes } of list) {
      const part = {
        bytes: bytes?.slice() ?? new Uint8Array(size),
        there: new Uint8Array(size),
        missing: bytes ? 0 : size,
      };
      if (bytes) part.there.fill(1);
      partial.parts.set(index, part);
      partial.missing += part.missing;
    }
    this.#partials.set(name, partial);
    this.bytes += bytes;
    for (const piece of old && !old.head ? old.early : []) {
      if (!fill(partial, piece)) drops.push("fragment-bad");
    }
    return { drops, whole: partial.missing ? undefined : this.#finish(name, partial) };
  }

  /** Pieces of a message that has begun, or may begin with them because it is expected. */
  pieces(
    now: number,
    from: Endpoint,
    address: string,
    tid: number,
    pieces: readonly Piece[],
  ): Outcome {
    const name = nameOf(tid, from), drops: DropReason[] = [];
    let partial = this.#partials.get(name);
    for (const piece of pieces) {
      if (!piece.data.length) {
        drops.push("fragment-bad");
        continue;
      }
      partial ??= this.#early(now, name, from, address, tid);
      if (!partial) drops.push("fragment-limit");
      else if (partial.head ? fill(partial, piece) : this.#keep(partial, piece)) partial.fed = now;
      else drops.push(partial.head ? "fragment-bad" : "fragment-limit");
    }
    const whole = partial?.head && !partial.missing ? this.#finish(name, partial) : undefined;
    return { drops, whole };
  }

  /** Where messages came from that are given up at `now`. */
  giveUp(now: number): Endpoint[] {
    const lost: Endpoint[] = [];
    for (const [name, partial] of this.#partials) {
      if (now >= deadline(partial)) this.#remove(name, partial), lost.push(partial.from);
    }
    return lost;
  }

  #early(now: number, name: string, from: Endpoint, address: string, tid: number): Partial | undefined {
    let early = 0;
    for (const partial of this.#partials.values()) if (!partial.head) early++;
    if (early === L.earlyPartials || !this.#room(address, false, 0)) return undefined;
    const partial: Partial = {
      ...{ tid, from, address, stranger: false, head: undefined, missing: 0, bytes: 0, begun: now, fed: now },
      parts: new Map(),
      early: [],
    };
    this.#partials.set(name, partial);
    return partial;
  }

  #keep(partial: Partial, piece: Piece): boolean {
    const bytes = piece.data.length;
    if (partial.early.length === L.earlyFragments || partial.bytes + bytes > L.earlyBytes) return false;
    if (!this.#fits(partial.address, false, bytes)) return false;
    partial.early.push({ ...piece, data: piece.data.slice() });
    partial.bytes += bytes;
    this.bytes += bytes;
    return true;
  }

  /** May one more message of `bytes` begin? */
  #room(address: string, stranger: boolean, bytes: number): boolean {
    let there = 0;
    for (const partial of this.#partials.values()) if (partial.address === address) there++;
    return this.#partials.size < L.partials && there < L.partialsPerAddress && bytes <= L.messageBytes &&
      this.#fits(address, stranger, bytes);
  }

  /** Do `bytes` more fit into the shares of their address, of strangers, of all? */
  #fits(address: string, stranger: boolean, bytes: number): boolean {
    let there = 0, strange = 0;
    for (const partial of this.#partials.values()) {
      if (partial.address === address) there += partial.bytes;
      if (partial.stranger) strange += partial.bytes;
    }
    return there + bytes <= L.partialAddressBytes && this.bytes + bytes <= L.partialBytes &&
      (!stranger || strange + bytes <= L.partialStrangerBytes);
  }

  #finish(name: string, partial: Partial): Whole {
    this.#remove(name, partial);
    return { head: partial.head!, values: [...partial.parts.values()].map((part) => part.bytes) };
  }

  #remove(name: string, partial: Partial): void {
    this.#partials.delete(name);
    this.bytes -= partial.bytes;
  }
}

/** False: not announced, outside of the value, or some of it was there before. */
function fill(partial: Partial, { index, offset, data }: Piece): boolean {
  const part = partial.parts.get(index);
  if (!part || offset + data.length > part.bytes.length) return false;
  for (let i = 0; i < data.length; i++) if (part.there[offset + i]) return false;
  part.bytes.set(data, offset);
  part.there.fill(1, offset, offset + data.length);
  part.missing -= data.length;
  partial.missing -= data.length;
  return true;
}
