/** The door to a DHT proxy: HTTP requests that stand for get, put and listen. Spec: dht §6. */
import { type Clock, CoreError, type Log, type Random } from "../base/mod.ts";
import type { DhtAccess, GetOptions, Heard, Put, PutOptions } from "./access.ts";
import {
  Lines,
  parseProxyInfo,
  parseProxyLine,
  parseProxyUrl,
  type ProxyInfo,
  type ProxyLine,
  ProxyView,
  valueToJson,
} from "./proxy.ts";
import { ANY, matches } from "./query.ts";
import { linked } from "./secure_order.ts";
import { sameValue, type Value } from "./value.ts";
import { PROXY_LIMITS, PROXY_TIMES } from "./value_limits.ts";

export interface ProxyOptions {
  /** `host:port`, `http://…` or `https://…`. */
  readonly url: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

/** A DHT reached through somebody else's node. It sees our plain values, never our keys; what it says is not believed. */
export class ProxyDht implements DhtAccess, AsyncDisposable {
  /** Lines that could not be used. */
  badLines = 0;
  readonly #url: URL;
  readonly #end = new AbortController();
  readonly #open = new Set<Promise<unknown>>();

  /** @throws {CoreError} `dht/proxy-url`. */
  constructor(readonly options: ProxyOptions) {
    this.#url = parseProxyUrl(options.url);
  }

  /** The node behind the proxy. @throws {CoreError} `dht/proxy-unreachable`, `dht/proxy-answer`, `dht/proxy-value`. */
  async info(signal?: AbortSignal): Promise<ProxyInfo> {
    using stop = this.#stop(signal);
    const answer = await this.#ask("node/info", {
      signal: this.#within(PROXY_TIMES.answerMs, stop.signal, tooLate()),
    });
    let body = "";
    for await (const line of this.#lines(answer)) body += line;
    try {
      return parseProxyInfo(JSON.parse(body));
    } catch (error) {
      if (error instanceof CoreError) throw error;
      throw new CoreError("dht/proxy-value", { field: "json" });
    }
  }

  async *get(key: string, { query = ANY, signal }: GetOptions = {}): AsyncGenerator<Value> {
    using stop = this.#stop(signal);
    const seen = new Map<bigint, Value[]>();
    let bytes = 0, values = 0;
    for await (const { value } of this.#values(`key/${key}`, stop.signal)) {
      const same = seen.get(value.id) ?? [];
      bytes += value.data.length + (value.encrypted?.length ?? 0);
      if (++values > PROXY_LIMITS.values || bytes > PROXY_LIMITS.answerBytes) {
        throw new CoreError("dht/proxy-flood");
      }
      if (!matches(query, value) || same.some((other) => sameValue(other, value))) continue;
      seen.set(value.id, [...same, value]);
      yield value;
    }
  }

  /**
   * Resolves when the proxy has put the value; how many nodes took it is not told (`nodes` is 1). A permanent value is
   * put again every 22 hours until `signal`; the proxy itself drops it within a day after that.
   */
  async put(key: string, value: Value, { permanent = false, signal }: PutOptions = {}): Promise<Put> {
    let id = value.id;
    while (id === 0n) id = new DataView(new Uint8Array(this.options.random.bytes(8)).buffer).getBigUint64(0);
    const body = JSON.stringify({ ...valueToJson({ ...value, id }), ...(permanent && { permanent }) });
    await this.#post(key, body, signal);
    if (permanent) this.#own(this.#keep(key, body, signal));
    return { id, nodes: 1 };
  }

  /** Connects again whenever the proxy goes away, and then finds out what came and went meanwhile. */
  async *listen(key: string, { query = ANY, signal }: GetOptions = {}): AsyncGenerator<Heard> {
    using stop = this.#stop(signal);
    const view = new ProxyView();
    let failures = 0;
    for (let first = true;; first = false) {
      try {
        if (!first) yield* this.#catchUp(key, query, view, stop.signal);
        const renew = this.#within(PROXY_TIMES.renewMs, stop.signal, new Renewal());
        for await (const { value, expired } of this.#values(`key/${key}/listen`, renew)) {
          failures = 0;
          if (!matches(query, value)) continue;
          if (expired) {
            const gone = view.lost(value);
            if (gone) yield { type: "expired", value: gone };
          } else if (view.saw(value).changed) yield { type: "value", value };
        }
      } catch (error) {
        stop.signal.throwIfAborted();
        if (!(error instanceof CoreError) && !isRenewal(error)) throw error;
        if (error instanceof CoreError) {
          this.options.log.debug("proxy went away", { code: error.code, failures });
        }
      }
      stop.signal.throwIfAborted();
      const wait = Math.min(PROXY_TIMES.retryMs * 2 ** failures++, PROXY_TIMES.retryMostMs);
      await this.#sleep(wait * (0.5 + this.options.random.float() / 2), stop.signal);
    }
  }

  /**
   * Reports `connected` (the node behind the proxy has good nodes) or not: at once, every 15 minutes, every minute
   * while it is down. Ends with `signal`.
   */
  async watch(
    report: (connected: boolean, info: ProxyInfo | undefined) => void,
    signal?: AbortSignal,
  ): Promise<void> {
    using stop = this.#stop(signal);
    while (!stop.signal.aborted) {
      let info: ProxyInfo | undefined;
      try {
        info = await this.info(stop.signal);
      } catch (error) {
        if (stop.signal.aborted) return;
        if (!(error instanceof CoreError)) throw error;
      }
      const connected = info !== undefined && info.good4 + info.good6 > 0;
      report(connected, info);
      await this.#sleep(connected ? PROXY_TIMES.statusMs : PROXY_TIMES.statusDownMs, stop.signal).catch(
        () => {},
      ); // the loop sees why
    }
  }

  /** Ends every operation; their iterations throw `dht/proxy-closed`. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#end.abort(new CoreError("dht/proxy-closed"));
    await Promise.allSettled(this.#open);
  }

  /** What came and what went while nobody listened. */
  async *#catchUp(
    key: string,
    query: GetOptions["query"],
    view: ProxyView,
    signal: AbortSignal,
  ): AsyncGenerator<Heard> {
    const present = await Array.fromAsync(this.get(key, { query: query ?? ANY, signal }));
    for (const value of view.keepOnly(present)) yield { type: "expired", value };
    for (const value of present) if (view.saw(value).changed) yield { type: "value", value };
  }

  async #post(key: string, body: string, signal: AbortSignal | undefined): Promise<void> {
    using stop = this.#stop(signal);
    const answer = await this.#ask(`key/${key}`, {
      method: "POST",
      body,
      signal: this.#within(PROXY_TIMES.answerMs, stop.signal, tooLate()),
    }, [502]);
    if (answer.status === 502) {
      await answer.body?.cancel();
      throw new CoreError("dht/put-failed");
    }
    for await (const _ of this.#lines(answer)); // read to its end, so that the connection can be used again
  }

  async #keep(key: string, body: string, signal: AbortSignal | undefined): Promise<void> {
    using stop = this.#stop(signal);
    for (let wait = PROXY_TIMES.repostMs;;) {
      try {
        await this.#sleep(wait, stop.signal);
      } catch {
        return; // told to stop
      }
      try {
        await this.#post(key, body, stop.signal);
        wait = PROXY_TIMES.repostMs;
      } catch (error) {
        if (stop.signal.aborted) return;
        if (!(error instanceof CoreError)) throw error;
        wait = PROXY_TIMES.statusDownMs;
        this.options.log.debug("permanent value not put again yet", { key, code: error.code });
      }
    }
  }

  async *#values(path: string, signal: AbortSignal): AsyncGenerator<ProxyLine> {
    for await (const line of this.#lines(await this.#ask(path, { signal }))) {
      try {
        yield parseProxyLine(line);
      } catch (error) {
        if (!(error instanceof CoreError)) throw error;
        this.badLines++;
      }
    }
  }

  async *#lines(answer: Response): AsyncGenerator<string> {
    const lines = new Lines();
    try {
      for await (const chunk of answer.body ?? []) yield* lines.feed(chunk);
      yield* lines.end();
    } catch (error) {
      throw unreachable(error);
    } finally {
      this.badLines += lines.skipped;
    }
  }

  /** One request, following up to five redirects. Any other status than 200 or one of `also` is an error. */
  async #ask(
    path: string,
    init: RequestInit & { signal: AbortSignal },
    also: readonly number[] = [],
  ): Promise<Response> {
    let url = new URL(path, this.#url);
    for (let hops = 0; hops <= PROXY_LIMITS.redirects; hops++) {
      let answer: Response;
      try {
        answer = await fetch(url, {
          ...init,
          redirect: "manual",
          headers: { "content-type": "application/json" },
        });
      } catch (error) {
        throw unreachable(error);
      }
      if (answer.status === 200 || also.includes(answer.status)) return answer;
      await answer.body?.cancel();
      const next = [301, 302, 307, 308].includes(answer.status) && answer.headers.get("location");
      if (!next) throw new CoreError("dht/proxy-answer", { status: answer.status });
      url = parseProxyTarget(next, url);
    }
    throw new CoreError("dht/proxy-answer", { why: "redirects" });
  }

  #stop(signal: AbortSignal | undefined): Disposable & { signal: AbortSignal } {
    return linked(signal ? AbortSignal.any([signal, this.#end.signal]) : this.#end.signal);
  }
  #own(work: Promise<unknown>): void {
    this.#open.add(work);
    work.finally(() => this.#open.delete(work)).catch((error) => this.options.log.error("proxy", { error }));
  }
  /** Rejects with the signal's reason if that comes first. */
  #sleep(ms: number, signal: AbortSignal): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>(), { clock } = this.options;
    if (signal.aborted) return Promise.reject(signal.reason);
    const timer = clock.at(clock.now() + ms, () => (signal.removeEventListener("abort", abort), resolve()));
    const abort = () => (timer[Symbol.dispose](), reject(signal.reason));
    signal.addEventListener("abort", abort, { once: true });
    return promise;
  }
  /** Follows `until`, and is aborted with `reason` after `ms`. `until` must be aborted in the end. */
  #within(ms: number, until: AbortSignal, reason: Error): AbortSignal {
    const control = new AbortController();
    this.#sleep(ms, until).then(() => control.abort(reason), () => control.abort(until.reason));
    return control.signal;
  }
}

/** A listening connection is given up now and then, in case it died without a word. */
class Renewal extends Error {}
const isRenewal = (error: unknown): boolean => error instanceof Renewal;

function parseProxyTarget(location: string, base: URL): URL {
  const url = URL.parse(location, base);
  if (!url || !["http:", "https:"].includes(url.protocol)) {
    throw new CoreError("dht/proxy-answer", { why: "redirect" });
  }
  return url;
}

const tooLate = () => new CoreError("dht/proxy-unreachable", { why: "time" });

/** What aborted a request stays what it is; everything else means that the proxy cannot be reached. */
function unreachable(error: unknown): unknown {
  if (error instanceof CoreError || error instanceof Renewal) return error;
  if (
    error instanceof TypeError || error instanceof Deno.errors.Http ||
    error instanceof Deno.errors.ConnectionReset
  ) {
    return new CoreError("dht/proxy-unreachable", {}, { cause: error });
  }
  return error;
}
