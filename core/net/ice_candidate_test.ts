import { deepStrictEqual, strictEqual, throws } from "node:assert/strict";
import fc from "fast-check";
import {
  type Candidate,
  formatCandidate,
  formatIceText,
  foundationOf,
  isRoutable,
  kindOf,
  pairPriority,
  parseCandidate,
  parseIceText,
  priorityOf,
  whyNotDial,
} from "./ice_candidate.ts";
import { mediaLines, requests, sample } from "../../tests/vectors/net/ice_text.ts";

Deno.test("[connection 17] parseIceText() reads the sample into six candidates and writes it back", () => {
  const offer = parseIceText(sample);
  strictEqual(offer.candidates.length, 6);
  deepStrictEqual([offer.ufrag, offer.pwd], ["281d478c", "5807e7e80774c59a5d9acb4e"]);
  deepStrictEqual(offer.candidates[5], {
    foundation: "Ra4d0003",
    component: 1,
    transport: "tcp",
    priority: 16777215,
    ip: "10.77.0.3",
    port: 56551,
    type: "relay",
    tcpType: "passive",
  });
  strictEqual(formatIceText(offer), sample);
});

for (const { origin, text } of requests) {
  Deno.test(`[connection 16] parseIceText() and formatIceText() keep ${origin}`, () => {
    strictEqual(formatIceText(parseIceText(text)), text);
  });
}

Deno.test("[connection 16] our foundations and priorities are those of real peers", () => {
  strictEqual(foundationOf("host", "10.77.0.1"), "Ha4d0001");
  strictEqual(foundationOf("relay", "10.77.0.3"), "Ra4d0003");
  deepStrictEqual([0, 1].map((i) => priorityOf("host", i, 1)), [2130706431, 2130706175]);
  strictEqual(priorityOf("srflx", 2, 1), 1694498303);
  deepStrictEqual([1, 2, 3].map((c) => priorityOf("relay", 0, c)), [16777215, 16777214, 16777213]);
  strictEqual(pairPriority(2130706431, 1694498303), (1694498303n << 32n) + 2n * 2130706431n + 1n);
});

Deno.test("parseCandidate() reads and writes the media lines of real calls", () => {
  for (const line of mediaLines) strictEqual(formatCandidate(parseCandidate(line)!), line);
});

Deno.test("[connection 18] UDP lines, unknown tcptypes, other components, port 0 and junk do not spoil the rest", () => {
  const good = "Ha4d0001 1 TCP 2130706431 10.77.0.1 34873 typ host tcptype passive";
  const lines = [
    "junk",
    "Ha4d0001 1 TCP 1 10.77.0.1 34873 typ host tcptype sideways",
    "Ha4d0001 1 TCP 1 10.77.0.1 34873 typ host",
    "Ha4d0001 1 tcp 1 10.77.0.1 34873 typ host tcptype passive",
    "Ha4d0001 0 TCP 1 10.77.0.1 34873 typ host tcptype passive",
    "Ha4d0001 1 TCP 4294967296 10.77.0.1 34873 typ host tcptype passive",
    "Ha4d0001 1 TCP 1 example.org 34873 typ host tcptype passive",
    "Ha4d0001 1 TCP 1 fe80::1%eth0 34873 typ host tcptype passive",
    "Ha4d0001 1 TCP 1 10.77.0.1 65536 typ host tcptype passive",
    "Ha4d0001 1 TCP 1 10.77.0.1 34873 typ hots tcptype passive",
    `${"H".repeat(32)} 1 TCP 1 10.77.0.1 34873 typ host tcptype passive`,
  ];
  for (const line of lines) strictEqual(parseCandidate(line), undefined, line);
  const text = ["", "abcdefgh", "x".repeat(24), ...lines, good + " generation 0", ""].join("\n");
  deepStrictEqual(parseIceText(text).candidates.map(formatCandidate), [good]);
  const udp = parseCandidate("Ha4d0001 2 UDP 1 10.77.0.1 5 typ host");
  deepStrictEqual([udp?.transport, udp?.component], ["udp", 2]); // read, and left aside by a TCP session
});

Deno.test("[connection H1] parseIceText() refuses 64 KiB and 10000 lines before any work", () => {
  const head = "abcdefgh\n" + "x".repeat(24) + "\n",
    line = "Ha4d0001 1 TCP 1 10.77.0.1 1 typ host tcptype passive\n";
  throws(() => parseIceText(head + line.repeat(1200)), { code: "net/ice-text-size" });
  throws(() => parseIceText(head + "\n".repeat(10000)), { code: "net/ice-text-size" });
  throws(() => parseIceText(head + "a\n".repeat(63)), { code: "net/ice-text-size" });
  strictEqual(parseIceText(head + line.repeat(62)).candidates.length, 62);
});

Deno.test("[connection H2] parseIceText() refuses a fragment of more than 60 characters", () => {
  const tail = "\n" + "x".repeat(24) + "\nHa4d0001 1 TCP 1 10.77.0.1 1 typ host tcptype passive\n";
  strictEqual(parseIceText("u".repeat(60) + tail).ufrag.length, 60);
  for (const ufrag of ["u".repeat(61), "u".repeat(128), "abc", "ab:cd", "ab cd", "abcdé"]) {
    throws(() => parseIceText(ufrag + tail), { code: "net/ice-credentials" }, ufrag);
  }
});

Deno.test("[connection H3] parseIceText() refuses empty credentials and an empty candidate list", () => {
  for (const text of ["", "\n\n\n", "abcdefgh\n", "abcdefgh\nshort\n"]) {
    throws(() => parseIceText(text), { code: "net/ice-credentials" }, text);
  }
  throws(() => parseIceText("abcdefgh\n" + "x".repeat(24) + "\njunk\n"), { code: "net/ice-no-candidates" });
});

Deno.test("[connection H4] whyNotDial() keeps us from scanning for others", () => {
  const dial = (ip: string, port = 4000, policy = {}) => whyNotDial({ ip, port }, policy);
  const refused: [string, string][] = [
    ["0.0.0.0", "unspecified"],
    ["::", "unspecified"],
    ["127.0.0.1", "loopback"],
    ["::1", "loopback"],
    ["224.0.0.1", "multicast"],
    ["ff02::1", "multicast"],
    ["255.255.255.255", "reserved"],
    ["240.0.0.1", "reserved"],
  ];
  for (const [ip, why] of refused) strictEqual(dial(ip), why, ip);
  for (const ip of ["192.0.2.7", "10.1.2.3", "192.168.1.9", "100.64.0.1", "2001:4860::1", "fd00::7"]) {
    strictEqual(dial(ip), undefined, ip);
  }
  for (const port of [25, 22, 80, 443, 1023]) strictEqual(dial("192.0.2.7", port), "low-port");
  strictEqual(dial("192.0.2.7", 0, { lowPorts: true }), "port-zero");
  deepStrictEqual([dial("192.0.2.7", 443, { lowPorts: true }), dial("127.0.0.1", 4000, { loopback: true })], [
    undefined,
    undefined,
  ]);
});

Deno.test("[connection H33] isRoutable() knows which addresses mean the same everywhere", () => {
  for (const ip of ["8.8.8.8", "2001:4860::8888", "192.1.0.1", "172.32.0.1"]) {
    strictEqual(isRoutable(ip), true, ip);
  }
  for (
    const ip of [
      "10.0.0.1",
      "172.16.0.1",
      "192.168.0.1",
      "100.64.9.9",
      "169.254.1.1",
      "127.0.0.1",
      "fe80::1",
      "fc00::1",
      "::1",
    ]
  ) {
    strictEqual(isRoutable(ip), false, ip);
  }
  strictEqual(kindOf("fe80::1"), "link-local");
});

Deno.test("parseCandidate() undoes formatCandidate(), and returns for any text", () => {
  const ip = fc.oneof(fc.ipV4(), fc.constantFrom("2001:db8::1", "fd77::1", "64:ff9b::1"));
  const candidate: fc.Arbitrary<Candidate> = fc.record({
    foundation: fc.stringMatching(/^[A-Za-z0-9]{1,31}$/),
    component: fc.integer({ min: 1, max: 256 }),
    priority: fc.integer({ min: 0, max: 0xffffffff }),
    ip,
    port: fc.integer({ min: 0, max: 65535 }),
    type: fc.constantFrom("host" as const, "srflx" as const, "prflx" as const, "relay" as const),
    tcpType: fc.constantFrom("active" as const, "passive" as const, "so" as const, undefined),
  }).map(({ tcpType, ...c }) => tcpType ? { ...c, transport: "tcp", tcpType } : { ...c, transport: "udp" });
  fc.assert(fc.property(candidate, (c) => deepStrictEqual(parseCandidate(formatCandidate(c)), c)));
  fc.assert(fc.property(fc.string(), (text) => void parseCandidate(text)));
});
