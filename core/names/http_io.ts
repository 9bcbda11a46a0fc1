/** HTTP as the name client needs it: one bounded answer, no redirects, a time limit. */
import { CoreError } from "../base/mod.ts";

export interface HttpReply {
  readonly status: number;
  readonly body: Uint8Array;
}
export interface HttpRequest {
  readonly method: "GET" | "POST";
  readonly url: string;
  /** JSON text. */
  readonly body?: string;
  readonly limitBytes: number;
  readonly limitMs: number;
  readonly signal?: AbortSignal;
}
/** Asks a server. Replaceable, so that rules can be tested with answers no honest server gives. */
export type Http = (request: HttpRequest) => Promise<HttpReply>;

/** @throws {CoreError} `names/unreachable` with `why`: `timeout`, `network`, `size`, `redirect`; the signal's reason. */
export const http: Http = async ({ method, url, body, limitBytes, limitMs, signal }) => {
  const late = AbortSignal.timeout(limitMs), both = signal ? AbortSignal.any([signal, late]) : late;
  const headers = { accept: "*/*", "content-type": "application/json", "user-agent": "Kith" };
  try {
    const reply = await fetch(url, {
      method,
      headers,
      redirect: "manual",
      signal: both,
      ...(body !== undefined && { body }),
    });
    if (reply.status >= 300 && reply.status < 400) {
      await reply.body?.cancel();
      throw unreachable("redirect");
    }
    return { status: reply.status, body: await readBody(reply, limitBytes) };
  } catch (error) {
    if (error instanceof CoreError) throw error;
    signal?.throwIfAborted();
    throw unreachable(late.aborted ? "timeout" : "network", error);
  }
};

async function readBody(reply: Response, limit: number): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const part of reply.body ?? []) {
    if ((size += part.length) > limit) throw unreachable("size"); // leaving the loop cancels the stream
    parts.push(part);
  }
  const whole = new Uint8Array(size);
  let at = 0;
  for (const part of parts) whole.set(part, at), at += part.length;
  return whole;
}

const unreachable = (why: string, cause?: unknown) => new CoreError("names/unreachable", { why }, { cause });
