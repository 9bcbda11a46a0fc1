/** Authenticated requests to a relay: credentials, stale nonces, repetition. Shared by client and data connection. Spec: RFC 8489 §9.2. */
import { hex, type Random, Secret } from "../base/mod.ts";
import { TURN } from "./limits.ts";
import {
  ATTR,
  attributeError,
  attributeText,
  encodeStun,
  longTermKey,
  type StunAttribute,
  type StunMessage,
  textAttribute,
  verifyIntegrity,
} from "./stun.ts";

export interface TurnAccount {
  readonly user: string;
  readonly password: Secret<string>;
}

/** What a server made us use; shared by all requests to it. */
export class TurnCredentials {
  realm: string | undefined;
  nonce: string | undefined;
  #key: Secret<Uint8Array> | undefined;
  constructor(readonly account: TurnAccount) {}

  /** Takes realm and nonce of a 401 or 438. False if the server did not give both. */
  learn(message: StunMessage): boolean {
    const realm = attributeText(message, ATTR.realm) ?? this.realm;
    const nonce = attributeText(message, ATTR.nonce, TURN.nonce);
    if (!realm || !nonce) return false;
    if (realm !== this.realm || !this.#key) {
      this.realm = realm;
      this.#key = new Secret(longTermKey(this.account.user, realm, this.account.password.reveal()));
    }
    this.nonce = nonce;
    return true;
  }
  get key(): Uint8Array | undefined {
    return this.#key?.reveal();
  }
  get attributes(): StunAttribute[] {
    if (!this.realm || !this.nonce) return [];
    return [
      textAttribute(ATTR.username, this.account.user),
      textAttribute(ATTR.realm, this.realm),
      textAttribute(ATTR.nonce, this.nonce),
    ];
  }
}

/** How a request ended. */
export type TurnAnswer =
  | { ok: true; message: StunMessage }
  | { ok: false; code: number; reason: string };

interface Open {
  method: number;
  attributes: (id: Uint8Array) => StunAttribute[];
  done: (now: number, answer: TurnAnswer) => void;
  id: Uint8Array;
  bytes: Uint8Array;
  sends: number;
  gap: number;
  due: number;
  /** Times it was made anew with other credentials. */
  tries: number;
}

/** The open requests of one path to a server. Timeouts come back as code 0. */
export class TurnRequests {
  readonly #open = new Map<string, Open>();
  constructor(
    readonly credentials: TurnCredentials,
    readonly stream: boolean,
    readonly random: Random,
    readonly send: (bytes: Uint8Array) => void,
    readonly drop: (why: string) => void,
  ) {}

  get wakeAt(): number {
    let soonest = Infinity;
    for (const open of this.#open.values()) soonest = Math.min(soonest, open.due);
    return soonest;
  }

  ask(
    now: number,
    method: number,
    attributes: (id: Uint8Array) => StunAttribute[],
    done: (now: number, answer: TurnAnswer) => void,
  ): void {
    const blank = { id: new Uint8Array(12), bytes: new Uint8Array(0), sends: 0, gap: 0, due: 0, tries: 0 };
    this.#transmit(now, { method, attributes, done, ...blank });
  }

  #transmit(now: number, open: Open): void {
    open.id = this.random.bytes(12);
    const key = this.credentials.key;
    const attributes = [...open.attributes(open.id), ...(key ? this.credentials.attributes : [])];
    open.bytes = encodeStun({ class: "request", method: open.method, id: open.id, attributes, key });
    open.sends = this.stream ? TURN.sends : 1;
    open.gap = this.stream ? TURN.answerMs : TURN.rtoMs;
    open.due = now + open.gap;
    this.#open.set(hex(open.id), open);
    this.send(open.bytes);
  }

  wake(now: number): void {
    for (const [key, open] of [...this.#open]) {
      if (open.due > now) continue;
      if (open.sends >= TURN.sends) {
        this.#open.delete(key);
        open.done(now, { ok: false, code: 0, reason: "timeout" });
        continue;
      }
      open.sends++, open.gap *= 2;
      open.due = now + (open.sends === TURN.sends ? TURN.rtoMs * TURN.lastWaitFactor : open.gap);
      this.send(open.bytes);
    }
  }

  /** A success or error from the server. Unsigned successes are nobody's. */
  take(now: number, message: StunMessage): void {
    const key = hex(message.id), open = this.#open.get(key);
    if (!open || open.method !== message.method) return this.drop("turn-response-unasked");
    const secret = this.credentials.key, signed = secret !== undefined && verifyIntegrity(message, secret);
    if (message.class === "success") {
      if (!signed) return this.drop("turn-response-unsigned");
      this.#open.delete(key);
      return open.done(now, { ok: true, message });
    }
    const error = attributeError(message) ?? { code: 400, reason: "" };
    const renew = (error.code === 401 && !secret) || error.code === 438;
    if (!renew && secret && !signed && error.code !== 401) return this.drop("turn-response-unsigned");
    this.#open.delete(key);
    if (renew && open.tries++ < TURN.staleNonces && this.credentials.learn(message)) {
      this.#transmit(now, open);
    } else open.done(now, { ok: false, ...error });
  }

  clear(): void {
    this.#open.clear();
  }
}
