/** The serving side of git over a channel: one upload-pack dialogue after another. Pure. Spec: swarm §4.3. */
import { concat, isError, type Machine, type Wake } from "../../base/mod.ts";
import { LIMITS } from "../limits.ts";
import type { ObjectId } from "./objects.ts";
import { FLUSH, type Pkt, pktLine, PktReader, pktText } from "./pkt_line.ts";

export type UploadIn =
  | { readonly type: "bytes"; readonly bytes: Uint8Array }
  /** Answer to `head`: the tip of `main`, or nothing to serve. */
  | { readonly type: "head"; readonly id: ObjectId | undefined }
  /** Answer to `common`: the first of the ids that we have. */
  | { readonly type: "common"; readonly id: ObjectId | undefined }
  /** Answers to `pack`: its bytes in order, then `packed`; or `refused` when `want` is not ours to give. */
  | { readonly type: "pack"; readonly bytes: Uint8Array }
  | { readonly type: "packed" }
  | { readonly type: "refused" }
  | Wake;

export type UploadOut =
  | { readonly type: "head" }
  | { readonly type: "common"; readonly haves: readonly ObjectId[] }
  | { readonly type: "pack"; readonly want: ObjectId; readonly haves: readonly ObjectId[] }
  /** One or more whole pkt-lines, at most 65520 bytes unless it is the advertisement. */
  | { readonly type: "write"; readonly bytes: Uint8Array }
  /** The peer holds this commit and everything before it. */
  | { readonly type: "fetched"; readonly id: ObjectId }
  | { readonly type: "close"; readonly reason: UploadEnd };

export type UploadEnd = "protocol" | "too-much" | "refused" | "stalled" | "nothing-to-serve";

/** Exactly the capabilities the reference server names, in its order. */
const CAPABILITIES = "side-band side-band-64k shallow no-progress include-tag";
const BAND_BYTES = 65_515, ID = /^[0-9a-f]{40}$/;

export class UploadPack implements Machine<UploadIn, UploadOut> {
  wakeAt = Infinity;
  #reader = new PktReader();
  #queue: Pkt[] = [];
  #state: "request" | "wants" | "haves" | "closed" = "request";
  #asking: "head" | "common" | "pack" | undefined;
  #afterCommon: "flush" | "done" = "done";
  #advertised: ObjectId | undefined;
  #want: ObjectId | undefined;
  #haves: ObjectId[] = [];
  #band: Uint8Array[] = [];
  #bandBytes = 0;

  step(now: number, input: UploadIn): UploadOut[] {
    const out: UploadOut[] = [];
    if (this.#state === "closed") return out;
    switch (input.type) {
      case "wake":
        if (now < this.wakeAt) return out;
        this.#close("stalled", out);
        return out;
      case "bytes":
        this.#read(input.bytes, out);
        break;
      case "head":
        if (this.#asking !== "head") break;
        this.#asking = undefined;
        this.#advertise(input.id, out);
        break;
      case "common":
        if (this.#asking !== "common") break;
        this.#asking = undefined;
        this.#acknowledge(input.id, out);
        break;
      case "pack":
        if (this.#asking === "pack") this.#pack(input.bytes, out);
        break;
      case "packed":
        if (this.#asking === "pack") this.#packed(out);
        break;
      case "refused":
        if (this.#asking === "pack") this.#close("refused", out);
        break;
    }
    while (!this.#asking && this.#queue.length && !this.#closed()) this.#line(this.#queue.shift()!, out);
    if (!this.#closed()) {
      this.wakeAt = this.#state === "request" && !this.#asking ? Infinity : now + LIMITS.stallMs;
    }
    return out;
  }

  #closed(): boolean {
    return this.#state === "closed";
  }

  #read(bytes: Uint8Array, out: UploadOut[]): void {
    try {
      for (const pkt of this.#reader.push(bytes)) this.#queue.push(pkt === "flush" ? pkt : pkt.slice());
    } catch (error) {
      if (!isError(error, "swarm/pkt-line")) throw error;
      return this.#close("protocol", out);
    }
    if (this.#queue.length > LIMITS.haves * 4) this.#close("too-much", out);
  }

  #line(pkt: Pkt, out: UploadOut[]): void {
    const line = pkt === "flush" ? "flush" : pktText(pkt);
    if (this.#state === "request") {
      if (line === "flush") return; // the good-bye of the session before
      if (!line.startsWith("git-upload-pack ")) return this.#close("protocol", out);
      this.#want = undefined;
      this.#haves = [];
      this.#asking = "head";
      out.push({ type: "head" });
    } else if (this.#state === "wants") {
      if (line === "flush") {
        if (this.#want) return void (this.#state = "haves");
        this.#state = "request";
        if (this.#advertised) out.push({ type: "fetched", id: this.#advertised });
      } else this.#wanted(line, out);
    } else this.#had(line, out);
  }

  #wanted(line: string, out: UploadOut[]): void {
    const id = line.slice(5, 45);
    if (!line.startsWith("want ") || !ID.test(id)) return this.#close("protocol", out);
    if (this.#want && this.#want !== id) return this.#close("too-much", out);
    this.#want = id;
  }

  #had(line: string, out: UploadOut[]): void {
    const id = line.slice(5);
    if (line.startsWith("have ") && ID.test(id)) {
      if (this.#haves.length >= LIMITS.haves) return this.#close("too-much", out);
      this.#haves.push(id);
    } else if (line === "done" || line === "flush") {
      if (line === "flush" && !this.#haves.length) return;
      this.#afterCommon = line;
      if (!this.#haves.length) return this.#acknowledge(undefined, out);
      this.#asking = "common";
      out.push({ type: "common", haves: this.#haves });
    } else this.#close("protocol", out);
  }

  #advertise(id: ObjectId | undefined, out: UploadOut[]): void {
    if (!id) return this.#close("nothing-to-serve", out);
    this.#advertised = id;
    this.#state = "wants";
    const refs = [`${id} HEAD\0${CAPABILITIES}\n`, `${id} refs/heads/main\n`];
    out.push({ type: "write", bytes: concat(...refs.map(pktLine), FLUSH) });
  }

  #acknowledge(id: ObjectId | undefined, out: UploadOut[]): void {
    const nak = pktLine("NAK\n");
    if (this.#afterCommon === "flush") {
      const bytes = id ? concat(pktLine(`ACK ${id} continue\n`), nak) : nak;
      out.push({ type: "write", bytes });
      return;
    }
    out.push({ type: "write", bytes: id ? pktLine(`ACK ${id}\n`) : nak });
    this.#asking = "pack";
    out.push({ type: "pack", want: this.#want!, haves: this.#haves });
  }

  #pack(bytes: Uint8Array, out: UploadOut[]): void {
    for (let at = 0; at < bytes.length;) {
      const piece = bytes.subarray(at, at += Math.min(BAND_BYTES - this.#bandBytes, bytes.length - at));
      this.#band.push(piece);
      this.#bandBytes += piece.length;
      if (this.#bandBytes === BAND_BYTES) this.#flushBand(out);
    }
    if (this.#band.length) this.#band = [concat(...this.#band)]; // nothing of the caller's buffer is kept
  }

  #flushBand(out: UploadOut[]): void {
    if (!this.#bandBytes) return;
    out.push({ type: "write", bytes: pktLine(concat(Uint8Array.of(1), ...this.#band)) });
    this.#band = [];
    this.#bandBytes = 0;
  }

  #packed(out: UploadOut[]): void {
    this.#flushBand(out);
    this.#asking = undefined;
    this.#state = "request";
    out.push({ type: "write", bytes: FLUSH }, { type: "fetched", id: this.#want! });
  }

  #close(reason: UploadEnd, out: UploadOut[]): void {
    this.#state = "closed";
    this.wakeAt = Infinity;
    this.#queue = [];
    this.#band = [];
    out.push({ type: "close", reason });
  }
}
