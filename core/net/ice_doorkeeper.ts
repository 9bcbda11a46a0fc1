/** Which checks of the other side count, and what the others are answered. Spec: connection §2.6, §9 H16, H17. */
import {
  encodeRefusal,
  encodeSuccess,
  type GoodCheck,
  type IceRole,
  judgeCheck,
  type Refusal,
  tieWon,
} from "./ice_check.ts";
import type { IceOptions, Path, Wire } from "./ice_words.ts";
import { ICE } from "./limits.ts";
import type { StunMessage } from "./stun.ts";

/** `close`: the connection has asked too often without knowing our password. */
export type Verdict = GoodCheck | "refused" | "close";

export class Doorkeeper {
  #flood = { count: 0, until: 0 };
  #conflicts = 0;
  constructor(readonly wire: Wire, readonly options: IceOptions, readonly tieBreaker: Uint8Array) {}

  /** Answers the check. `yieldRole` is called if the tie-breaker says that we change our role. */
  judge(now: number, message: StunMessage, path: Path, role: IceRole, yieldRole: () => void): Verdict {
    const verdict = judgeCheck(message, this.options), from = "conn" in path ? path.conn.from : path.from;
    if ("code" in verdict) return this.#refuse(now, message, verdict, path);
    if (verdict.role === role && this.#conflict(message, verdict, path, role, yieldRole)) return "refused";
    this.wire.reply(encodeSuccess(message.id, from, this.options), path);
    return verdict;
  }

  /** True as long as answers "487" to our own checks may still be acted upon. */
  mayYield(): boolean {
    return this.options.conflict === "switch" && this.#conflicts++ < ICE.conflicts;
  }

  #refuse(now: number, message: StunMessage, refusal: Refusal, path: Path): "refused" | "close" {
    this.wire.drop(`check-${refusal.code}`);
    if ("conn" in path) {
      if (!refusal.signed && ++path.conn.unauthorized > ICE.unauthorized) return "close";
    } else if (!refusal.signed) {
      if (now >= this.#flood.until) this.#flood = { count: 0, until: now + ICE.silentAcceptMs };
      if (++this.#flood.count > ICE.unauthorized) return "refused"; // a flood gets no echo
    }
    this.wire.reply(encodeRefusal(refusal, message.id, this.options), path);
    return "refused";
  }

  /** True if the request was answered 487. Spec: RFC 8445 §7.3.1.1. */
  #conflict(
    message: StunMessage,
    check: GoodCheck,
    path: Path,
    role: IceRole,
    yieldRole: () => void,
  ): boolean {
    const won = tieWon(this.tieBreaker, check.tieBreaker ?? new Uint8Array(8));
    const theyYield = role === "controlling" ? won : !won;
    if (this.options.conflict === "switch" && !theyYield) {
      yieldRole();
      return false;
    }
    this.wire.drop("role-conflict");
    if (this.#conflicts++ < ICE.conflicts) {
      this.wire.reply(encodeRefusal({ code: 487, signed: true }, message.id, this.options), path);
    }
    return true;
  }
}
