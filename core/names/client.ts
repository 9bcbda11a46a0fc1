/** Asks a name server: name to account, account to name, and registers names. Nothing it says is taken on trust. Spec: account §7. */
import { type AccountId, type Clock, CoreError, isError, text, utf8 } from "../base/mod.ts";
import type { PrivateKey } from "../crypto/mod.ts";
import type { NameCache } from "./cache.ts";
import { type Http, http as realHttp, type HttpReply } from "./http_io.ts";
import { DEFAULT_NAME_SERVER, LIMITS } from "./limits.ts";
import {
  checkAddressReply,
  checkNameReply,
  type NameRecord,
  parseName,
  type Registration,
  serverUrl,
} from "./record.ts";

export interface NameClientOptions {
  /** Default {@linkcode DEFAULT_NAME_SERVER}. */
  readonly server?: string;
  readonly clock: Clock;
  /** Without it every question goes to the server. */
  readonly cache?: NameCache;
  readonly http?: Http;
}

/** What became of a registration. */
export type RegistrationResult = "registered" | "taken" | "refused" | "bad-signature";

export class NameClient {
  readonly server: string;
  readonly #clock: Clock;
  readonly #cache: NameCache | undefined;
  readonly #http: Http;

  /** @throws {CoreError} `names/bad-server`. */
  constructor({ server = DEFAULT_NAME_SERVER, clock, cache, http = realHttp }: NameClientOptions) {
    this.server = serverUrl(server);
    this.#clock = clock;
    this.#cache = cache;
    this.#http = http;
  }

  /**
   * The account behind `name` (or `name@server`); `undefined` if there is none.
   * @throws {CoreError} `names/bad-name`, `names/bad-server`, `names/unreachable`, `names/lying-server`.
   */
  async lookup(text: string, { signal }: { signal?: AbortSignal } = {}): Promise<NameRecord | undefined> {
    const { name, server = this.server } = parseName(text), wall = this.#clock.wall();
    const known = this.#cache?.name(server, name, wall);
    if (known !== undefined) return known ?? undefined;
    const reply = await this.#get(`${server}/name/${encodeURIComponent(name)}`, signal);
    const found = reply === undefined ? undefined : await checkNameReply(name, reply);
    this.#cache?.rememberName(server, name, found ?? null, wall);
    return found;
  }

  /**
   * The name of an account. It counts only if asking for that name leads back to the account, because a server may
   * say any name here and nobody signs this answer.
   * @throws {CoreError} `names/unreachable`, `names/lying-server`.
   */
  async reverse(
    jamiId: AccountId,
    { signal }: { signal?: AbortSignal } = {},
  ): Promise<NameRecord | undefined> {
    const { server } = this, wall = this.#clock.wall();
    let name = this.#cache?.address(server, jamiId, wall);
    if (name === undefined) {
      const reply = await this.#get(`${server}/addr/${jamiId}`, signal);
      name = reply === undefined ? null : checkAddressReply(jamiId, reply);
      this.#cache?.rememberAddress(server, jamiId, name, wall);
    }
    if (name === null) return undefined;
    const record = await this.lookup(name, { ...(signal && { signal }) });
    if (record?.jamiId !== jamiId) throw new CoreError("names/lying-server", { why: "address" });
    return record;
  }

  /**
   * Registers `name` for the account of `accountKey`. Names cannot be given back.
   * @param eth the account's Ethereum address, 40 hex digits.
   * @throws {CoreError} `names/bad-name`, `names/unreachable`, `names/lying-server`.
   */
  async register(
    text: string,
    accountKey: PrivateKey,
    eth: string,
    { signal }: { signal?: AbortSignal } = {},
  ): Promise<RegistrationResult> {
    const { name, server = this.server } = parseName(text), { publicKey } = accountKey;
    const registration: Registration = {
      addr: publicKey.shortId,
      owner: eth,
      signature: (await accountKey.sign(utf8(name))).toBase64(),
      publickey: utf8(publicKey.pem).toBase64(),
    };
    const url = `${server}/name/${encodeURIComponent(name)}`, body = JSON.stringify(registration);
    const reply = await this.#ask({ method: "POST", url, body }, signal);
    this.#cache?.forget(server, name, publicKey.shortId);
    if (reply.status === 401) return "bad-signature";
    if (reply.status === 400) return "refused";
    if (reply.status >= 400 && reply.status < 500) return "taken";
    if (!isGood(reply)) throw new CoreError("names/unreachable", { why: "status", status: reply.status });
    const answer = json(reply);
    return typeof answer === "object" && answer !== null && "success" in answer && answer.success === true
      ? "registered"
      : "refused";
  }

  /** JSON of a good answer; `undefined` if the server knows nothing. */
  async #get(url: string, signal: AbortSignal | undefined): Promise<unknown> {
    const reply = await this.#ask({ method: "GET", url }, signal);
    if (isGood(reply)) return json(reply);
    if (reply.status === 400) throw new CoreError("names/lying-server", { why: "refused" });
    if (reply.status > 400 && reply.status < 500) return undefined;
    throw new CoreError("names/unreachable", { why: "status", status: reply.status });
  }

  async #ask(
    request: { method: "GET" | "POST"; url: string; body?: string },
    signal: AbortSignal | undefined,
  ): Promise<HttpReply> {
    const limits = { limitBytes: LIMITS.replyBytes, limitMs: LIMITS.replyMs };
    return await this.#http({ ...request, ...limits, ...(signal && { signal }) });
  }
}

const isGood = ({ status }: HttpReply) => status >= 200 && status < 300;

function json({ body }: HttpReply): unknown {
  try {
    return JSON.parse(text(body) ?? "");
  } catch { // a login page of a hotel, for instance
    throw new CoreError("names/lying-server", { why: "shape" });
  }
}

/** True for an error that means: ask again later. */
export const isUnreachable = (error: unknown): boolean => isError(error, "names/unreachable");
