import { deepStrictEqual, strictEqual, throws } from "node:assert/strict";
import fc from "fast-check";
import { encode } from "../codec/mod.ts";
import { readDaemonNames } from "./daemon_cache.ts";

const A = "a".repeat(40), B = "b".repeat(40);

Deno.test("[account 45] readDaemonNames() reads the files of both generations", () => {
  const old = encode(new Map([[A, "alice"], [`0x${B}`, "bob"]])),
    now = encode(new Map([[A, ["alice", A]], [B, ["bob", `ring:${B}`]]]));
  const wanted = [{ jamiId: A, name: "alice" }, { jamiId: B, name: "bob" }];
  deepStrictEqual([readDaemonNames(old), readDaemonNames(now)], [wanted, wanted]);
  deepStrictEqual(readDaemonNames(encode(new Map())), []);
});

Deno.test("[account 45] readDaemonNames() leaves out what is no name, and refuses what is no such file", () => {
  const odd = new Map<string, unknown>([[A, ""], [B, 5], ["short", "x"], ["c".repeat(40), ["y"]], [
    "d".repeat(40),
    ["z".repeat(1000), "d".repeat(40)],
  ]]);
  deepStrictEqual(readDaemonNames(encode(odd as never)), []);
  for (
    const bytes of [
      encode([1]),
      encode("x"),
      Uint8Array.of(),
      Uint8Array.of(0xdf, 255, 255, 255, 255),
      new Uint8Array(5 << 20),
    ]
  ) {
    throws(() => readDaemonNames(bytes), { code: "names/daemon-cache" });
  }
  fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
    try {
      readDaemonNames(bytes);
    } catch (error) {
      strictEqual((error as { code: string }).code, "names/daemon-cache");
    }
  }));
});
