/** The `msg:` channel: MessagePack maps one behind the other, split anywhere. Spec: swarm §5.2. */
import { concat, DecodeError } from "../../base/mod.ts";
import { decodeFirst, skim, Writer } from "../../codec/mod.ts";
import { LIMITS } from "../limits.ts";

/** One instant message. */
export interface Instant {
  /** 1 … 2⁵³. */
  readonly token: bigint;
  /** MIME type. */
  readonly type: string;
  readonly content: string;
}

export function encodeInstant({ token, type, content }: Instant): Uint8Array {
  const writer = new Writer();
  writer.map(4);
  writer.str("id");
  writer.uint(token);
  writer.str("t");
  writer.str(type);
  writer.str("c");
  writer.str(content);
  writer.str("req");
  writer.nil();
  return writer.finish();
}

/** Cuts a stream into messages. */
export class InstantReader {
  #rest: Uint8Array = new Uint8Array();
  #looked = 0; // bytes looked at in vain for the message that is coming in

  /** @throws {DecodeError} `swarm/instant` (also for a message that drips in), `codec/msgpack…`: close the channel. */
  push(bytes: Uint8Array): Instant[] {
    this.#rest = this.#rest.length ? concat(this.#rest, bytes) : bytes.slice();
    const found: Instant[] = [];
    while (this.#rest.length) {
      const length = skim(this.#rest, { depth: LIMITS.instantDepth, length: LIMITS.instantBytes });
      if (length < 0) {
        this.#looked += this.#rest.length;
        if (this.#rest.length > LIMITS.instantBytes) {
          throw new DecodeError("swarm/instant", { reason: "size" });
        }
        if (this.#looked > LIMITS.instantWork) throw new DecodeError("swarm/instant", { reason: "drip" });
        break;
      }
      const { value } = decodeFirst(this.#rest);
      this.#rest = this.#rest.slice(length);
      this.#looked = 0;
      found.push(instant(value));
    }
    return found;
  }
}

function instant(value: unknown): Instant {
  if (!(value instanceof Map)) throw new DecodeError("swarm/instant", { reason: "shape" });
  const token = value.get("id"), type = value.get("t"), content = value.get("c") ?? "";
  if (
    (typeof token !== "number" && typeof token !== "bigint") || token < 0 || typeof type !== "string" ||
    typeof content !== "string"
  ) {
    throw new DecodeError("swarm/instant", { reason: "fields" });
  }
  return { token: BigInt(token), type: type.slice(0, LIMITS.mimeLength), content };
}
