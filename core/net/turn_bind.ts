/** The data connection to a relay: binds itself to a peer's attempt, then is a raw pipe. Pure. Spec: connection §3.2, RFC 6062 §4.4. */
import { type Machine, type Random, type Wake } from "../base/mod.ts";
import { TURN } from "./limits.ts";
import { ATTR, decodeStun, METHOD, type StunMessage } from "./stun.ts";
import { type TurnCredentials, TurnRequests } from "./turn_requests.ts";
import { TurnReader } from "./turn_stream.ts";

export type BindIn = { type: "connected" } | { type: "bytes"; bytes: Uint8Array } | Wake;
export type BindOut =
  | { type: "send"; bytes: Uint8Array }
  /** From here on every byte is the peer's; `rest` came in the same read as the answer. */
  | { type: "bound"; rest: Uint8Array }
  | { type: "failed"; why: string }
  | { type: "drop"; why: string };

export class TurnBind implements Machine<BindIn, BindOut> {
  readonly #requests: TurnRequests;
  readonly #reader = new TurnReader();
  #out: BindOut[] = [];
  #over = false;
  #deadline: number;

  /** @param id CONNECTION-ID of the attempt. */
  constructor(readonly id: Uint8Array, credentials: TurnCredentials, random: Random, now: number) {
    const send = (bytes: Uint8Array) => void this.#out.push({ type: "send", bytes });
    const drop = (why: string) => void this.#out.push({ type: "drop", why });
    this.#requests = new TurnRequests(credentials, true, random, send, drop);
    this.#deadline = now + TURN.bindMs;
  }

  get wakeAt(): number {
    return this.#over ? Infinity : Math.min(this.#deadline, this.#requests.wakeAt);
  }

  step(now: number, input: BindIn): BindOut[] {
    this.#out = [];
    if (this.#over) return this.#out;
    if (input.type === "connected") this.#ask(now);
    else if (input.type === "bytes") this.#bytes(now, input.bytes);
    if (!this.#over) this.#requests.wake(now);
    if (!this.#over && this.#deadline <= now) this.#fail("timeout");
    return this.#out;
  }

  #ask(now: number): void {
    const attributes = () => [{ type: ATTR.connectionId, value: this.id }];
    this.#requests.ask(now, METHOD.connectionBind, attributes, (_, answer) => {
      if (!answer.ok) return this.#fail(`${answer.code} ${answer.reason}`.slice(0, 80));
      this.#over = true;
      this.#out.push({ type: "bound", rest: this.#reader.rest });
    });
  }

  #bytes(now: number, bytes: Uint8Array): void {
    this.#reader.push(bytes);
    while (!this.#over) {
      const unit = this.#reader.next();
      if (unit === "more") return;
      if (unit === "broken" || unit.type === "channel") return this.#fail("not STUN");
      let message: StunMessage;
      try {
        message = decodeStun(unit.bytes, TURN.message);
      } catch (error) {
        return this.#fail((error as { code?: string }).code ?? "stun");
      }
      if (message.class === "success" || message.class === "error") this.#requests.take(now, message);
    }
  }

  #fail(why: string): void {
    this.#over = true;
    this.#out.push({ type: "failed", why });
  }
}
