import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { formatMessage, parse } from "@optique/core";
import fc from "fast-check";
import { kith, parseHostPort } from "./arguments.ts";

const read = (line: string) => parse(kith, line.split(" ").filter(Boolean));
function understood(line: string): Record<string, unknown> {
  const result = read(line);
  if (!result.success) throw new Error(formatMessage(result.error));
  return result.value;
}
function refused(line: string): string {
  const result = read(line);
  ok(!result.success, `"${line}" was understood`);
  return formatMessage(result.error);
}

Deno.test("parseHostPort() reads names and addresses of both families", () => {
  const cases: [string, string, number][] = [
    ["example.org", "example.org", 4222],
    ["example.org:80", "example.org", 80],
    ["192.0.2.1:1", "192.0.2.1", 1],
    ["[2001:db8::1]:65535", "2001:db8::1", 65535],
    ["[::1]", "::1", 4222],
    ["::1", "::1", 4222],
  ];
  for (const [text, host, port] of cases) deepStrictEqual(parseHostPort(text), { host, port }, text);
});

Deno.test("parseHostPort() refuses what is no host and port", () => {
  for (
    const bad of [
      "",
      ":80",
      "a:",
      "a:0",
      "a:65536",
      "a:b",
      "a b",
      "[::1",
      "[::1]:",
      "a:1:2",
      "http://a",
      "a/b",
      "a:-1",
    ]
  ) {
    strictEqual(parseHostPort(bad), undefined, bad);
  }
  fc.assert(fc.property(fc.string(), (text) => {
    const read = parseHostPort(text);
    ok(read === undefined || (read.port > 0 && read.port < 65536 && read.host.length > 0));
  }));
});

Deno.test("kith understands every command with its presets", () => {
  const preset = { bootstrap: [], network: 0, timeout: 10, json: false };
  deepStrictEqual(understood("dht put k v"), {
    ...{
      verb: "dht put",
      key: "k",
      text: "v",
      type: 0,
      userType: "text/plain",
      id: undefined,
      permanent: false,
    },
    ...preset,
  });
  deepStrictEqual(understood("dht put -- -k --permanent").key, "-k");
  deepStrictEqual(understood("dht get k --where id=5"), {
    verb: "dht get",
    key: "k",
    query: "id=5",
    ...preset,
  });
  deepStrictEqual(understood("dht listen k"), { verb: "dht listen", key: "k", query: undefined, ...preset });
  deepStrictEqual(understood("dht info -b [::1]:7 -b x --timeout 3 --json"), {
    ...{ verb: "dht info", bootstrap: [{ host: "::1", port: 7 }, { host: "x", port: 4222 }] },
    ...{ network: 0, timeout: 3, json: true },
  });
  deepStrictEqual(understood("dht node -p 0 -n 7 --state f --first"), {
    ...{ verb: "dht node", port: 0, bootstrap: [], network: 7, state: "f", first: true, json: false },
  });
  deepStrictEqual(understood("start"), {
    ...{ verb: "start", port: 4222, bootstrap: [], network: 0, home: undefined, json: false },
  });
  strictEqual(understood("dht put k v --id 0xffffffffffffffff").id, 2n ** 64n - 1n);
});

Deno.test("kith understands what is said to a running node", () => {
  const preset = { account: undefined, home: undefined, json: false }, server = "https://ns.jami.net";
  deepStrictEqual(understood("contact add bob"), { verb: "contact add", who: "bob", server, ...preset });
  deepStrictEqual(understood("contact list --all"), { verb: "contact list", all: true, ...preset });
  deepStrictEqual(understood("conversation create -t Tea bob eve"), {
    ...{ verb: "conversation create", title: "Tea", members: ["bob", "eve"], server, ...preset },
  });
  deepStrictEqual(understood("conversation add feed bob"), {
    ...{ verb: "conversation add", conversation: "feed", members: ["bob"], server, ...preset },
  });
  deepStrictEqual(understood("send bob hi -a ada --home h --json"), {
    ...{ verb: "send", to: "bob", text: "hi", reply: undefined, server },
    ...{ account: "ada", home: "h", json: true },
  });
  deepStrictEqual([understood("send bob").text, understood("send bob -- -hi").text], [undefined, "-hi"]);
  deepStrictEqual(understood("log -f"), {
    ...{ verb: "log", conversation: undefined, follow: true, read: false, limit: 20, server, ...preset },
  });
  deepStrictEqual(understood("search two words --in feed --from bob"), {
    ...{ verb: "search", words: ["two", "words"], in: "feed", from: "bob", limit: 20, server, ...preset },
  });
  deepStrictEqual(understood("status"), { verb: "status", home: undefined, json: false });
});

Deno.test("kith names what is wrong with the arguments", () => {
  const cases: [string, RegExp][] = [
    ["", /command/],
    ["dht", /command/],
    ["dnt", /dnt/],
    ["dht git k", /git/],
    ["dht put", /KEY/],
    ["dht put k", /TEXT/],
    ["dht put k v w", /w/],
    ["dht put k v --id 0", /value id/],
    ["dht put k v --id 18446744073709551616", /value id/],
    ["dht put k v --id x", /value id/],
    ["dht put k v --type 65536", /65,?535/],
    ["dht get k --bootstrap", /HOST:PORT/],
    ["dht get k --bootstrap a:b", /a:b/],
    ["dht get k --timeout 0", /1/],
    ["dht get k --timeout soon", /soon/],
    ["dht get k --permanent", /--permanent/],
    ["dht node --port 65536", /65,?535/],
    ["dht node --port -1", /-1|--port/],
    ["dht node --network 4294967296", /4,?294,?967,?295/],
    ["start --state f", /--state/],
    ["contact", /command/],
    ["contact add", /WHO/],
    ["contact ad bob", /ad/],
    ["conversation add feed", /WHO|1/],
    ["send", /TO/],
    ["send bob two words", /words/],
    ["log --limit 201", /200/],
    ["search", /WORD|1/],
    ["status bob", /bob/],
    ["start --home", /FOLDER/],
  ];
  for (const [line, pattern] of cases) ok(pattern.test(refused(line)), `${line}: ${refused(line)}`);
});
