/** Requests of ours and their answers: one id under the keys the device may listen on, 30 seconds. Spec: connection §1.2, §1.5. */
import { type Clock, CoreError, type Random } from "../base/mod.ts";
import type { PublicKey } from "../crypto/mod.ts";
import { LIMITS } from "./limits.ts";
import {
  encodeRequest,
  type KeyForm,
  newRequestId,
  peerKey,
  type PeerRequest,
  REQUEST_USER_TYPE,
} from "./request.ts";
import type { Trace } from "./trace.ts";
import type { PeerDht } from "./words.ts";

type Answer = { readonly request: PeerRequest; readonly form: KeyForm };

export class Asking {
  #waiting = new Map<string, PromiseWithResolvers<Answer>>(); // by device and id
  #forms = new Map<string, KeyForm>(); // which key form a device answered on last

  constructor(readonly dht: PeerDht, readonly env: { readonly clock: Clock; readonly random: Random }) {}

  /**
   * Puts one request and waits for its answer. Under both keys, unless the device has answered before: then under the
   * one it answered on, until that fails once.
   * @throws {CoreError} `peers/no-answer`, `dht/put-failed` if no key could be reached; the signal's reason.
   */
  async ask(
    to: PublicKey,
    ice: string,
    connType: string,
    trace: Trace,
    signal: AbortSignal,
  ): Promise<Answer> {
    const { clock, random } = this.env, id = this.#freshId(to, random), name = `${to.longId} ${id}`;
    const answer = Promise.withResolvers<Answer>(), known = this.#forms.get(to.longId);
    const forms: KeyForm[] = known ? [known] : ["long", "short"],
      onAbort = () => answer.reject(signal.reason);
    answer.promise.catch(() => {}); // it may fail while nobody waits yet
    this.#waiting.set(name, answer);
    signal.addEventListener("abort", onAbort);
    using _late = clock.at(
      clock.now() + LIMITS.answerMs,
      () => answer.reject(new CoreError("peers/no-answer")),
    );
    try {
      const puts = forms.map((form) => this.put(to, form, { id, ice, isAnswer: false, connType }, signal));
      trace.note("request", `request put under ${forms.join(" and ")}`, id.toString());
      Promise.any(puts).then(
        () => trace.note("request", "request stored"),
        ({ errors }: AggregateError) => answer.reject(errors[0]),
      );
      const answered = await answer.promise;
      this.#remember(to.longId, answered.form);
      return answered;
    } catch (error) {
      this.#forms.delete(to.longId);
      throw error;
    } finally {
      this.#waiting.delete(name);
      signal.removeEventListener("abort", onAbort);
    }
  }

  /** An answer was heard. False if `sender` was not asked, or has answered already. */
  answered(request: PeerRequest, sender: PublicKey, form: KeyForm): boolean {
    const name = `${sender.longId} ${request.id}`, waiting = this.#waiting.get(name);
    this.#waiting.delete(name);
    waiting?.resolve({ request, form });
    return waiting !== undefined;
  }

  /** Puts a request or an answer, signed and encrypted, under one key of `to`. */
  put(to: PublicKey, form: KeyForm, body: PeerRequest, signal: AbortSignal): Promise<unknown> {
    const value = { data: encodeRequest(body), userType: REQUEST_USER_TYPE, pushType: body.connType };
    return this.dht.putEncrypted(peerKey(to, form), to, value, { signal });
  }

  #freshId(to: PublicKey, random: Random): bigint {
    for (;;) {
      const id = newRequestId(random);
      if (!this.#waiting.has(`${to.longId} ${id}`)) return id;
    }
  }

  #remember(device: string, form: KeyForm): void {
    this.#forms.delete(device);
    this.#forms.set(device, form);
    if (this.#forms.size > LIMITS.forms) this.#forms.delete(this.#forms.keys().next().value!);
  }
}
