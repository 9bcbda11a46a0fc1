/** Slow work on a stream, several pieces at a time, results in the order they came. */

/**
 * Runs `work` on what `source` gives, up to `ahead` at a time, and yields the results in order. Leaving early stops
 * reading; `source` must then come to an end by itself (hand it a signal that the caller aborts).
 */
export async function* inOrder<T, U>(
  source: AsyncIterable<T>,
  work: (item: T) => Promise<U>,
  ahead: number,
): AsyncGenerator<U> {
  const items = source[Symbol.asyncIterator](), working: Promise<U>[] = [];
  let reading: Promise<IteratorResult<T>> | undefined, ended = false;
  try {
    while (!ended || working.length) {
      if (!ended && working.length < ahead) reading ??= items.next();
      const read = reading?.then((result) => ({ result })), first = working[0]?.then((value) => ({ value }));
      const next = await Promise.race([read, first].filter((promise) => promise !== undefined));
      if ("value" in next) {
        working.shift();
        yield next.value;
      } else {
        reading = undefined;
        if (next.result.done) ended = true;
        else {
          const job = work(next.result.value);
          job.catch(() => {}); // thrown where it is awaited, in its turn
          working.push(job);
        }
      }
    }
  } finally {
    reading?.catch(() => {}); // the reader has gone
    if (!ended) items.return?.()?.catch?.(() => {});
  }
}

/** A signal of our own that also follows `outer`, aborted when the scope ends. */
export function linked(outer: AbortSignal | undefined): Disposable & { signal: AbortSignal } {
  const control = new AbortController(), abort = () => control.abort(outer!.reason);
  if (outer?.aborted) abort();
  outer?.addEventListener("abort", abort, { once: true });
  return {
    signal: control.signal,
    [Symbol.dispose]() {
      outer?.removeEventListener("abort", abort);
      control.abort();
    },
  };
}
