/** The asking side of git over a channel: one fetch or clone. Pure. Spec: swarm §4.3. */
import { concat, isError, type Machine, type Wake } from "../../base/mod.ts";
import { LIMITS } from "../limits.ts";
import type { ObjectId } from "./objects.ts";
import { FLUSH, type Pkt, pktLine, PktReader, pktText } from "./pkt_line.ts";

export type FetchIn =
  | { readonly type: "start" }
  | { readonly type: "bytes"; readonly bytes: Uint8Array }
  /** Answer to `tip`: do we have it; if not, what we have, newest first (19 at most are named). */
  | { readonly type: "known"; readonly known: boolean; readonly haves: readonly ObjectId[] }
  | { readonly type: "ended" }
  | Wake;

export type FetchOut =
  /** One burst, to be written into the channel at once. */
  | { readonly type: "write"; readonly bytes: Uint8Array }
  | { readonly type: "tip"; readonly id: ObjectId }
  | { readonly type: "pack"; readonly bytes: Uint8Array }
  /** The dialogue is over and the channel may serve another. `fetched`: a whole pack came for `tip`. */
  | { readonly type: "done"; readonly tip: ObjectId; readonly fetched: boolean }
  | { readonly type: "failed"; readonly reason: FetchEnd };

export type FetchEnd =
  | "protocol"
  | "too-much"
  | "no-main"
  | "remote-error"
  | "stalled"
  | "too-long"
  | "ended";

/** With more `have` lines than this the reference server wants an extra round. */
const HAVES = 19, ID = /^[0-9a-f]{40}$/;

export class FetchPack implements Machine<FetchIn, FetchOut> {
  wakeAt = Infinity;
  #reader = new PktReader();
  #state: "new" | "refs" | "asking" | "answer" | "pack" | "over" = "new";
  #deadline = Infinity;
  #refBytes = 0;
  #packBytes = 0;
  #noise = 0;
  #head: ObjectId | undefined;
  #main: ObjectId | undefined;

  /** @param conversation its 40 hex digits. @param device the responder's id, 64 hex digits. */
  constructor(readonly conversation: string, readonly device: string) {}

  step(now: number, input: FetchIn): FetchOut[] {
    const out: FetchOut[] = [];
    if (this.#over()) return out;
    switch (input.type) {
      case "start":
        this.#state = "refs";
        this.#deadline = now + LIMITS.fetchMs;
        out.push({
          type: "write",
          bytes: pktLine(`git-upload-pack /${this.conversation}\0host=${this.device}\0`),
        });
        break;
      case "wake":
        if (now < this.wakeAt) return out;
        this.#fail(now >= this.#deadline ? "too-long" : "stalled", out);
        return out;
      case "ended":
        this.#fail("ended", out);
        return out;
      case "known":
        if (this.#state === "asking") this.#ask(input.known, input.haves, out);
        break;
      case "bytes":
        this.#read(input.bytes, out);
    }
    if (!this.#over()) this.wakeAt = Math.min(this.#deadline, now + LIMITS.stallMs);
    return out;
  }

  #over(): boolean {
    return this.#state === "over";
  }

  #read(bytes: Uint8Array, out: FetchOut[]): void {
    let lines: Pkt[];
    try {
      lines = this.#reader.push(bytes);
    } catch (error) {
      if (!isError(error, "swarm/pkt-line")) throw error;
      return this.#fail("protocol", out);
    }
    for (const line of lines) {
      if (this.#over()) return;
      if (this.#state === "refs") this.#ref(line, out);
      else if (this.#state === "answer") this.#answer(line, out);
      else if (this.#state === "pack") this.#band(line, out);
      else this.#fail("protocol", out);
    }
  }

  #ref(pkt: Pkt, out: FetchOut[]): void {
    if (pkt === "flush") {
      const tip = this.#main ?? this.#head;
      if (!tip) return this.#fail("no-main", out);
      this.#main = tip;
      this.#state = "asking";
      out.push({ type: "tip", id: tip });
      return;
    }
    if ((this.#refBytes += pkt.length) > LIMITS.advertisementBytes) return this.#fail("too-much", out);
    const [ref] = pktText(pkt).split("\0"), id = ref!.slice(0, 40), name = ref!.slice(41);
    if (ref!.startsWith("ERR ")) return this.#fail("remote-error", out);
    if (!ID.test(id) || ref![40] !== " ") return this.#fail("protocol", out);
    if (name === "refs/heads/main") this.#main = id;
    if (name === "HEAD") this.#head = id;
  }

  #ask(known: boolean, haves: readonly ObjectId[], out: FetchOut[]): void {
    if (known) {
      out.push({ type: "write", bytes: FLUSH }, { type: "done", tip: this.#main!, fetched: false });
      this.#end();
      return;
    }
    this.#state = "answer";
    const lines = spread(haves, HAVES).map((id) => pktLine(`have ${id}\n`));
    const want = pktLine(`want ${this.#main} side-band-64k include-tag \n`);
    out.push({ type: "write", bytes: concat(want, FLUSH, ...lines, pktLine("done\n")) });
  }

  #answer(pkt: Pkt, out: FetchOut[]): void {
    const line = pkt === "flush" ? "flush" : pktText(pkt);
    if (/^ACK [0-9a-f]{40} (continue|common|ready)$/.test(line)) return;
    if (line === "NAK" || /^ACK [0-9a-f]{40}$/.test(line)) this.#state = "pack";
    else this.#fail(line.startsWith("ERR ") ? "remote-error" : "protocol", out);
  }

  #band(pkt: Pkt, out: FetchOut[]): void {
    if (pkt === "flush") {
      out.push({ type: "write", bytes: FLUSH }, { type: "done", tip: this.#main!, fetched: true });
      return this.#end();
    }
    const data = pkt.subarray(1);
    if (pkt[0] === 1) {
      if ((this.#packBytes += data.length) > LIMITS.packBytes) return this.#fail("too-much", out);
      out.push({ type: "pack", bytes: data.slice() });
    } else if (pkt[0] === 2) {
      if ((this.#noise += data.length) > LIMITS.progressBytes) this.#fail("too-much", out);
    } else if (pkt[0] === 3) this.#fail("remote-error", out);
    else if (this.#packBytes || !isAcknowledgement(pkt)) this.#fail("protocol", out); // a second NAK may follow the first
  }

  #end(): void {
    this.#state = "over";
    this.wakeAt = Infinity;
  }

  #fail(reason: FetchEnd, out: FetchOut[]): void {
    this.#end();
    out.push({ type: "failed", reason });
  }
}

const isAcknowledgement = (pkt: Uint8Array) => /^(NAK|ACK [0-9a-f]{40})$/.test(pktText(pkt));

/** At most `count` of `ids`: the newest one by one, then ever wider apart, and always the oldest. */
function spread(ids: readonly ObjectId[], count: number): ObjectId[] {
  if (ids.length <= count) return [...ids];
  const picked: ObjectId[] = [];
  for (let at = 0, gap = 1; at < ids.length - 1 && picked.length < count - 1; at += gap) {
    picked.push(ids[at]!);
    if (picked.length > count / 2) gap *= 2;
  }
  return [...picked, ids.at(-1)!];
}
