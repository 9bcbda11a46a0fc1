/** Instant messages as SIP MESSAGE on the `sip` channel, the way of devices of 2023. Spec: swarm §5.2. */
import {
  type AccountId,
  type Clock,
  CoreError,
  type DeviceId,
  isError,
  type Log,
  type Random,
  text,
  utf8,
} from "../../base/mod.ts";
import { formatSip, sipHeader, type SipMessage, SipReader } from "../../codec/mod.ts";
import type { ByteStream } from "../../net/mod.ts";
import { LIMITS } from "../limits.ts";
import { Serial } from "../serial.ts";
import type { Instant } from "./wire.ts";

/** Whoever speaks: the account and device of a link's verified chain. */
export interface Speaker {
  readonly account: AccountId;
  readonly device: DeviceId;
}

export interface SipSessionOptions {
  readonly me: { readonly account: AccountId; readonly name: string };
  readonly peer: Speaker;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly onInstant: (instant: Instant) => void;
}

const AGENT = "Kith", NO_BODY = new Uint8Array();

/** One `sip` channel, both directions. */
export class SipSession {
  /** Settles when the channel is over. */
  readonly done: Promise<void>;
  readonly #writes = new Serial();
  readonly #waiting = new Map<string, PromiseWithResolvers<void>>();
  readonly #heard = new Set<string>();
  #sequence: number;

  constructor(readonly channel: ByteStream, readonly options: SipSessionOptions) {
    this.#sequence = 1 + options.random.uint32() % 30_000;
    this.done = this.#read();
  }

  /**
   * Resolves when the peer answered 200.
   * @throws {CoreError} `swarm/sip-refused` (`status`), `swarm/sip-silent`, or what broke the channel.
   */
  async send({ token, type, content }: Instant): Promise<void> {
    const { me, peer, clock, random } = this.options, id = () => uuid(random), branch = `z9hG4bKPj${id()}`;
    const name = me.name.replace(/["\\\r\n<>]/g, "").trim(), sequence = this.#sequence++;
    const request: SipMessage = {
      start: { method: "MESSAGE", uri: `sips:${peer.account}@ring.dht;transport=tls` },
      headers: [
        ["Via", `SIP/2.0/TLS ring.dht;rport;branch=${branch};alias`],
        ["Max-Forwards", "70"],
        ["From", `${name ? `"${name}" ` : ""}<sip:${me.account}@ring.dht>;tag=${id()}`],
        ["To", `<sips:${peer.account}@ring.dht>`],
        ["Call-ID", id()],
        ["CSeq", `${sequence} MESSAGE`],
        ["Date", new Date(clock.wall()).toUTCString()],
        ["Message-ID", token.toString(16).padStart(16, "0")],
        ["User-Agent", AGENT],
        ["Content-Type", type],
      ],
      body: utf8(content),
    };
    const answer = Promise.withResolvers<void>();
    this.#waiting.set(branch, answer);
    using _timer = clock.at(
      clock.now() + LIMITS.sipAnswerMs,
      () => answer.reject(new CoreError("swarm/sip-silent")),
    );
    try {
      await this.#writes.run(() => this.channel.write(formatSip(request)));
      await answer.promise;
    } finally {
      this.#waiting.delete(branch);
    }
  }

  async #read(): Promise<void> {
    const reader = new SipReader();
    let why = new CoreError("net/link-closed");
    try {
      for (let bytes = await this.channel.read(); bytes; bytes = await this.channel.read()) {
        for (const message of reader.push(bytes)) this.#take(message);
      }
    } catch (error) {
      if (!(error instanceof CoreError)) throw error;
      if (isError(error, "codec/")) this.channel.abort(error);
      why = error;
    }
    for (const { reject } of this.#waiting.values()) reject(why);
    await this.channel.close();
  }

  #take(message: SipMessage): void {
    if ("status" in message.start) {
      const branch = /;branch=([^;,\s]+)/.exec(sipHeader(message, "Via") ?? "")?.[1] ?? "",
        { status } = message.start;
      if (status < 200) return;
      if (status < 300) this.#waiting.get(branch)?.resolve();
      else this.#waiting.get(branch)?.reject(new CoreError("swarm/sip-refused", { status }));
      return;
    }
    const { method } = message.start;
    if (method === "ACK") return;
    if (method !== "MESSAGE") {
      return this.#answer(
        message,
        method === "INVITE" ? 480 : 405,
        method === "INVITE" ? "Temporarily Unavailable" : "Method Not Allowed",
      );
    }
    const from = /<sips?:([0-9a-f]{40})@/.exec(sipHeader(message, "From") ?? "")?.[1],
      content = text(message.body);
    if (from !== this.options.peer.account) {
      this.options.log.warning("a message in another's name was refused", {
        device: this.options.peer.device,
      });
      return this.#answer(message, 403, "Forbidden");
    }
    if (content === undefined) return this.#answer(message, 400, "Bad Request");
    this.#answer(message, 200, "OK");
    const id = sipHeader(message, "Message-ID") ?? "",
      token = /^[0-9a-f]{1,16}$/i.test(id) ? BigInt(`0x${id}`) : 0n;
    if (id && this.#heard.has(id)) return;
    if (id) this.#heard.add(id);
    if (this.#heard.size > LIMITS.heardTokens) this.#heard.delete(this.#heard.values().next().value!);
    this.options.onInstant({
      token,
      type: (sipHeader(message, "Content-Type") ?? "").split(";")[0]!.trim().slice(0, LIMITS.mimeLength),
      content,
    });
  }

  #answer(request: SipMessage, status: number, phrase: string): void {
    const copied = ["Via", "From", "Call-ID", "CSeq"].flatMap((name) =>
      request.headers.filter(([other]) => other.toLowerCase() === name.toLowerCase())
    );
    const to = sipHeader(request, "To") ?? "",
      tagged = /;tag=/.test(to) ? to : `${to};tag=${uuid(this.options.random)}`;
    const response = formatSip({
      start: { status, phrase },
      headers: [...copied, ["To", tagged], ...(status === 405 ? [["Allow", "MESSAGE"] as const] : [])],
      body: NO_BODY,
    });
    this.#writes.run(() => this.channel.write(response)).catch(() => {}); // the reading side sees the end
  }
}

function uuid(random: Random): string {
  const digits = random.bytes(16).toHex();
  return [
    digits.slice(0, 8),
    digits.slice(8, 12),
    digits.slice(12, 16),
    digits.slice(16, 20),
    digits.slice(20),
  ].join("-");
}
