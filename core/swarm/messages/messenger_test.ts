import { deepStrictEqual, rejects, strictEqual } from "node:assert/strict";
import {
  type AccountId,
  CoreError,
  type DeviceId,
  realClock,
  realRandom,
  silentLog,
  text,
  utf8,
} from "../../base/mod.ts";
import { sipHeader, SipReader } from "../../codec/mod.ts";
import { memoryPair } from "../../../tests/streams.ts";
import { Messenger, type Wire } from "./messenger.ts";
import type { Speaker } from "./sip_session.ts";

const who = (n: string): Speaker => ({
  account: n.repeat(40) as AccountId,
  device: n.repeat(64) as DeviceId,
});
const ann = who("a"), bea = who("b");

/** Two messengers on one imagined link; `old` declines `msg:` as a device of 2023 does. */
function pair(options: { old?: boolean } = {}) {
  const heard: { by: string; from: Speaker; type: string; content: string }[] = [], opened: string[] = [];
  let up = true;
  const make = (me: Speaker, other: () => Messenger, old: boolean): Messenger => {
    const wire: Wire = {
      open(device, name) {
        opened.push(`${me.account[0]}→${name.slice(0, 5)}`);
        if (!up) return Promise.reject(new CoreError("peers/no-answer", { device }));
        const accept = old && name.startsWith("msg:") ? undefined : other().accept(name, me);
        if (!accept) return Promise.reject(new CoreError("net/channel-refused", { why: "declined" }));
        const [near, far] = memoryPair();
        accept(far);
        return Promise.resolve(near);
      },
    };
    const onInstant = (from: Speaker, { type, content }: { type: string; content: string }) =>
      heard.push({ by: me.account[0]!, from, type, content });
    return new Messenger({
      me: { ...me, name: `"${me.account[0]}"` },
      wire,
      clock: realClock,
      random: realRandom,
      log: silentLog,
      onInstant,
    });
  };
  const a: Messenger = make(ann, () => b, Boolean(options.old)), b: Messenger = make(bea, () => a, false);
  return { a, b, heard, opened, link: (state: boolean) => up = state };
}
const settle = () => new Promise((done) => setTimeout(done, 20));

Deno.test("Messenger speaks msg: with who understands it, both ways over one channel", async () => {
  const { a, b, heard, opened } = pair();
  await a.send(bea, "text/plain", "hello");
  await b.send(ann, "text/plain", "hi");
  await settle();
  deepStrictEqual(heard.map(({ by, content, from }) => [by, content, from.account[0]]), [
    ["b", "hello", "a"],
    ["a", "hi", "b"],
  ]);
  deepStrictEqual(opened, ["a→msg:b"]);
  await a[Symbol.asyncDispose]();
  await b[Symbol.asyncDispose]();
});

Deno.test("[swarm 44] Messenger falls back to SIP MESSAGE where msg: is declined, and waits for its acknowledgement", async () => {
  const { a, b, heard, opened } = pair({ old: true });
  await a.send(bea, "application/im-gitmessage-id", "{}");
  await b.send(ann, "text/plain", "grüße\n2");
  await settle();
  deepStrictEqual(heard.map(({ by, type, content }) => [by, type, content]), [[
    "b",
    "application/im-gitmessage-id",
    "{}",
  ], ["a", "text/plain", "grüße\n2"]]);
  deepStrictEqual(opened, ["a→msg:b", "a→sip"]);
  await a[Symbol.asyncDispose]();
  await b[Symbol.asyncDispose]();
});

Deno.test("Messenger keeps what must arrive until the device is back, the latest of a kind only", async () => {
  const { a, b, heard, link } = pair();
  link(false);
  for (const content of ["1", "2", "3"]) a.post(bea, "conversation x", "text/plain", content);
  a.post(bea, "conversation y", "text/plain", "y");
  await settle();
  strictEqual(heard.length, 0);
  await rejects(a.send(bea, "text/plain", "now or never"), { code: "peers/no-answer" });
  link(true);
  a.connected(bea.device);
  await settle();
  deepStrictEqual(heard.map(({ content }) => content).sort(), ["3", "y"]);
  a.connected(bea.device);
  await settle();
  strictEqual(heard.length, 2);
  await a[Symbol.asyncDispose]();
  await b[Symbol.asyncDispose]();
});

Deno.test("[swarm H52] Messenger refuses a SIP MESSAGE in another's name, hears one id once, and answers what it cannot do", async () => {
  const { a, heard } = pair(), [near, far] = memoryPair();
  a.accept("sip", bea)!(far);
  const ask = async (head: string[], body = "x") => {
    await near.write(
      utf8(
        [
          ...head,
          "Via: SIP/2.0/TLS h;branch=z9hG4bK1",
          "To: <sips:x>",
          "Call-ID: 1",
          "CSeq: 1 X",
          `Content-Length: ${body.length}`,
          "",
          body,
        ].join("\r\n"),
      ),
    );
    const [answer] = new SipReader().push((await near.read())!);
    return "status" in answer!.start ? answer!.start.status : 0;
  };
  const from = (account: string) => `From: "x" <sip:${account}@ring.dht>;tag=1`,
    message = "MESSAGE sips:x@h SIP/2.0";
  strictEqual(await ask([message, from(bea.account), "Message-ID: 7", "Content-Type: text/plain"]), 200);
  strictEqual(await ask([message, from(bea.account), "Message-ID: 7", "Content-Type: text/plain"]), 200);
  strictEqual(await ask([message, from(ann.account), "Message-ID: 8", "Content-Type: text/plain"]), 403);
  strictEqual(await ask(["INVITE sips:x@h SIP/2.0", from(bea.account)]), 480);
  strictEqual(await ask(["OPTIONS sips:x@h SIP/2.0", from(bea.account)]), 405);
  deepStrictEqual(heard.map(({ content, from }) => [content, from.account]), [["x", bea.account]]);
  await near.write(utf8("nonsense\r\n\r\n")).catch(() => {});
  await rejects(near.read());
  await a[Symbol.asyncDispose]();
  await near[Symbol.asyncDispose]();
});

Deno.test("Messenger takes no channel that is not its own", () => {
  const { a } = pair();
  deepStrictEqual([
    a.accept(`msg:${bea.device}`, bea),
    a.accept("git://x/y", bea),
    a.accept("sip:", bea),
    a.accept("", bea),
  ], [undefined, undefined, undefined, undefined]);
  strictEqual(
    text(
      utf8(
        sipHeader(
          { start: { status: 200, phrase: "" }, headers: [["A", "b"]], body: new Uint8Array() },
          "a",
        )!,
      ),
    ),
    "b",
  );
});
