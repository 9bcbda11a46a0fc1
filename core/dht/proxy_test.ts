/** The proxy client: its language, and its door against a server that behaves in every way. */
import { deepStrictEqual, ok, rejects, strictEqual, throws } from "node:assert/strict";
import fc from "fast-check";
import { type Clock, CoreError, realClock, realRandom, silentLog, utf8 } from "../base/mod.ts";
import { v23, v26 } from "../../tests/vectors/dht/values.ts";
import {
  Lines,
  parseProxyInfo,
  parseProxyLine,
  parseProxyUrl,
  ProxyView,
  valueFromJson,
  valueToJson,
} from "./proxy.ts";
import { ProxyDht } from "./proxy_io.ts";
import { parseQuery } from "./query.ts";
import { decodeValue, makeValue, type Value } from "./value.ts";
import { PROXY_LIMITS } from "./value_limits.ts";

const key = "0beec7b5ea3f0fdbc95d0dd47f3c5bc275da8a33";
const captured = [v23, v26].flatMap((world) => [world.certificate, world.announcement, world.trustRequest]);
const values = captured.map(({ packed }) => decodeValue(Uint8Array.fromBase64(packed)));
const line = (value: Value, more = {}) => JSON.stringify({ ...valueToJson(value), ...more }) + "\n";
const wait = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

Deno.test("valueFromJson() undoes valueToJson(), signatures and ciphertexts included", () => {
  for (const value of values) {
    deepStrictEqual(valueFromJson(JSON.parse(JSON.stringify(valueToJson(value)))), value);
  }
  const plain = makeValue({
    id: 2n ** 64n - 1n,
    data: utf8("x"),
    userType: "text/plain",
    priority: 1,
    pushType: "a",
  });
  deepStrictEqual(valueToJson(plain), {
    id: "18446744073709551615",
    type: 0,
    data: "eA==",
    utype: "text/plain",
    prio: 1,
    pt: "a",
  });
  deepStrictEqual(valueFromJson(valueToJson(plain)), plain);
});

Deno.test("[dht 56] Lines finds the same lines wherever the stream is cut", () => {
  const whole = utf8(values.map((value) => line(value)).join("") + "\n\n" + '{"é":"€ 😀"}');
  const expected = new TextDecoder().decode(whole).split("\n").filter(Boolean);
  fc.assert(fc.property(fc.array(fc.nat(whole.length), { maxLength: 12 }), (cuts) => {
    const lines = new Lines(), found: string[] = [], at = [0, ...cuts.sort((a, b) => a - b), whole.length];
    for (let i = 1; i < at.length; i++) found.push(...lines.feed(whole.subarray(at[i - 1], at[i])));
    deepStrictEqual([...found, ...lines.end()], expected);
    strictEqual(lines.skipped, 0);
  }));
  const bytewise = new Lines(), found: string[] = [];
  for (let i = 0; i < whole.length; i++) found.push(...bytewise.feed(whole.subarray(i, i + 1)));
  deepStrictEqual([...found, ...bytewise.end()], expected);
});

Deno.test("[dht H28] Lines skips endless lines and bytes that are no text, and goes on behind them", () => {
  const lines = new Lines(10);
  deepStrictEqual(lines.feed(utf8("0123456789\n")), ["0123456789"]);
  for (let i = 0; i < 1000; i++) deepStrictEqual(lines.feed(utf8("0123456789")), []);
  deepStrictEqual(lines.feed(utf8("x\nshort\n")), ["short"]);
  deepStrictEqual(lines.feed(Uint8Array.of(0xff, 10, 97, 10)), ["a"]);
  deepStrictEqual(lines.feed(utf8("012345678901\n\n \nb\n")), ["b"]);
  strictEqual(lines.skipped, 3);
});

Deno.test("[dht H28] parseProxyLine() reads ids as text and number, owners that end with NUL, and refuses the rest", () => {
  strictEqual(parseProxyLine('{"id":5}').value.id, 5n);
  strictEqual(parseProxyLine('{"id":"18446744073709551615"}').value.id, 2n ** 64n - 1n);
  strictEqual(parseProxyLine('{"id":"5","expired":true}').expired, true);
  const signed = valueToJson(values[1]!);
  deepStrictEqual(valueFromJson({ ...signed, owner: `${signed.owner}\0` }), values[1]);
  const wrong = [
    "",
    "nonsense",
    "[]",
    "null",
    "5",
    "{}",
    '{"id":12957391856771400073}', // more than a number can hold: it would be another id
    '{"id":-1}',
    '{"id":"0x5"}',
    '{"id":"18446744073709551616"}',
    '{"id":"1","type":65536}',
    '{"id":"1","type":"0"}',
    '{"id":"1","data":"*"}',
    '{"id":"1","data":5}',
    '{"id":"1","cypher":5}',
    '{"id":"1","prio":-1}',
    '{"id":"1","utype":[]}',
    '{"id":"1","owner":"junk","sig":"AA=="}',
    JSON.stringify({ ...signed, sig: undefined }),
    JSON.stringify({ ...signed, sig: "" }),
    JSON.stringify({ ...signed, seq: 65536 }),
    JSON.stringify({ ...signed, to: "abc" }),
    "[".repeat(100_000),
  ];
  for (const text of wrong) throws(() => parseProxyLine(text), CoreError, text.slice(0, 80));
  fc.assert(fc.property(fc.json(), (text) => {
    try {
      parseProxyLine(text);
    } catch (error) {
      ok(error instanceof CoreError, String(error));
    }
  }));
});

Deno.test("parseProxyUrl() takes host:port as http and refuses what is no web address", () => {
  strictEqual(parseProxyUrl("dhtproxy.example.org:8000").href, "http://dhtproxy.example.org:8000/");
  strictEqual(parseProxyUrl("dhtproxy.example.org").href, "http://dhtproxy.example.org/");
  strictEqual(parseProxyUrl("[2001:db8::1]:8000").href, "http://[2001:db8::1]:8000/");
  strictEqual(parseProxyUrl("https://example.org/base?x#y").href, "https://example.org/base/");
  for (const url of ["", "ftp://example.org", "file:///etc/passwd", "http://", "a b"]) {
    throws(() => parseProxyUrl(url), { code: "dht/proxy-url" }, url);
  }
  const info = { node_id: key, ipv4: { good: 3 }, ipv6: { good: 1 } };
  deepStrictEqual(parseProxyInfo(info), { nodeId: key, good4: 3, good6: 1 });
  for (const junk of [null, 5, {}, { node_id: 5 }, { node_id: "x" }]) {
    throws(() => parseProxyInfo(junk), CoreError);
  }
});

Deno.test("ProxyView tells each value and edition once, and what is gone after a whole list", () => {
  const view = new ProxyView(), plain = makeValue({ id: 1n, data: utf8("a") }), signed = values[1]!;
  strictEqual(view.saw(plain).changed, true);
  strictEqual(view.saw({ ...plain }).changed, false);
  strictEqual(view.saw(makeValue({ id: 1n, data: utf8("b") })).changed, true); // another's value of the same id
  strictEqual(view.saw({ ...signed, seq: 2 }).changed, true);
  strictEqual(view.saw({ ...signed, seq: 3 }).changed, true);
  strictEqual(view.saw({ ...signed, seq: 2 }).changed, false);
  deepStrictEqual(view.keepOnly([plain]).map(({ id, seq }) => [id, seq]), [[1n, 0], [signed.id, 3]]);
  deepStrictEqual(view.lost({ ...plain }), plain);
  strictEqual(view.lost(plain), undefined);
});

/** Answers as `handle` says; the URL, and a way to end it that waits. */
async function serve(handle: (request: Request) => Response | Promise<Response>) {
  const server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen: () => {} }, handle);
  await Promise.resolve();
  const proxy = (clock: Clock = realClock) =>
    new ProxyDht({ url: `127.0.0.1:${server.addr.port}`, clock, random: realRandom, log: silentLog });
  return { server, proxy, [Symbol.asyncDispose]: () => server.shutdown() };
}

Deno.test("ProxyDht.get() reads values in tiny chunks, once each, those that match", async () => {
  const text = values.map((value) => line(value)).join("") + "junk\n" + line(values[0]!);
  await using s = await serve((request) => {
    strictEqual(new URL(request.url).pathname, `/key/${key}`);
    const bytes = utf8(text);
    let at = 0;
    return new Response(
      new ReadableStream({
        pull(controller) {
          controller.enqueue(bytes.slice(at, at += 701));
          if (at >= bytes.length) controller.close();
        },
      }),
    );
  });
  await using proxy = s.proxy();
  deepStrictEqual(await Array.fromAsync(proxy.get(key)), values);
  strictEqual(proxy.badLines, 1);
  deepStrictEqual(await Array.fromAsync(proxy.get(key, { query: parseQuery("WHERE value_type=8") })), [
    values[0],
    values[3],
  ]);
});

Deno.test("[dht H28] ProxyDht bounds lines and redirects, and names what went wrong", async () => {
  const answers: Record<string, () => Response> = {
    endless: () =>
      new Response(`{"id":"1","data":"${"A".repeat(PROXY_LIMITS.lineBytes)}"}\n${line(values[0]!)}`),
    loop: () => new Response(null, { status: 302, headers: { location: "/loop" } }),
    file: () => new Response(null, { status: 302, headers: { location: "file:///etc/passwd" } }),
    html: () => new Response("<html>", { status: 404 }),
    refused: () => new Response('{"err":"no"}', { status: 502 }),
  };
  let way = "endless";
  await using s = await serve(() => answers[way]!());
  await using proxy = s.proxy();
  deepStrictEqual(await Array.fromAsync(proxy.get(key)), [values[0]]);
  strictEqual(proxy.badLines, 1);
  for (way of ["loop", "file", "html"]) {
    await rejects(Array.fromAsync(proxy.get(key)), { code: "dht/proxy-answer" });
  }
  way = "refused";
  await rejects(proxy.put(key, values[0]!), { code: "dht/put-failed" });
  const nobody = new ProxyDht({ url: "127.0.0.1:1", clock: realClock, random: realRandom, log: silentLog });
  await rejects(nobody.info(), { code: "dht/proxy-unreachable" });
  await rejects(nobody.put(key, values[0]!), { code: "dht/proxy-unreachable" });
});

Deno.test("ProxyDht.listen() connects again and reports what came and went meanwhile", async () => {
  const [a, b, c] = ["a", "b", "c"].map((text, i) => makeValue({ id: BigInt(i + 1), data: utf8(text) }));
  let present = [a!, b!], connections = 0;
  await using s = await serve((request) => {
    if (!request.url.endsWith("/listen")) return new Response(present.map((value) => line(value)).join(""));
    const round = ++connections;
    return new Response(
      new ReadableStream({
        async start(controller) {
          for (const value of present) controller.enqueue(utf8(line(value)));
          if (round === 1) {
            controller.enqueue(utf8(line(a!, { expired: true }) + line(a!, { expired: true })));
            present = [c!]; // b goes and c comes while nobody listens
            await wait(20);
            controller.close();
          }
        },
      }),
    );
  });
  const quick: Clock = {
    ...realClock,
    at: (time, run) => realClock.at(realClock.now() + (time - realClock.now()) / 50, run),
  };
  await using proxy = s.proxy(quick);
  const heard: string[] = [], stop = new AbortController();
  await rejects(
    (async () => {
      for await (const { type, value } of proxy.listen(key, { signal: stop.signal })) {
        heard.push(`${type} ${new TextDecoder().decode(value.data)}`);
        if (heard.length === 5) stop.abort(new Error("enough"));
      }
    })(),
    /enough/,
  );
  deepStrictEqual(heard, ["value a", "value b", "expired a", "expired b", "value c"]);
});

Deno.test("ProxyDht puts permanent values again, and ends everything when disposed", async () => {
  const posted: unknown[] = [];
  await using s = await serve(async (request) => {
    if (request.method === "POST") return posted.push(await request.json()), new Response("{}\n");
    return new Response(
      new ReadableStream({ start: (controller) => controller.enqueue(utf8(line(values[0]!))) }),
    );
  });
  const alarms: (() => void)[] = [];
  const clock: Clock = { ...realClock, at: (_, run) => (alarms.push(run), { [Symbol.dispose]() {} }) };
  const proxy = s.proxy(clock), stop = new AbortController();
  const { id } = await proxy.put(key, makeValue({ data: utf8("x") }), {
    permanent: true,
    signal: stop.signal,
  });
  ok(id !== 0n);
  for (const times of [2, 3]) {
    alarms.at(-1)!(); // 22 hours later
    while (posted.length < times) await wait(5);
    await wait(5);
  }
  deepStrictEqual(new Set(posted.map((body) => JSON.stringify(body))).size, 1);
  deepStrictEqual((posted[0] as { permanent: boolean }).permanent, true);
  stop.abort();
  const listening = (async () => {
    for await (const { value } of proxy.listen(key)) if (value.id === 1n) await proxy[Symbol.asyncDispose]();
  })();
  await rejects(listening, { code: "dht/proxy-closed" });
  strictEqual(posted.length, 3);
});
