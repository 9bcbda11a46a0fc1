/** LAN discovery with real dhtnodes, each on a host of its own. */
import { ok, strictEqual } from "node:assert/strict";
import { Lab, peerTest, programs } from "./harness/mod.ts";

const ID = "e1403978ff902469f0fdc1f4755d3caf6d01afdd", PORT4 = 4333, PORT6 = 4334;

for (const kind of ["v23", "v26"] as const) {
  peerTest(
    `[dht 55] a dhtnode of ${kind} and ours find each other on the link, in both families`,
    [kind],
    async () => {
      await using lab = await Lab.open();
      const [there, here] = [await lab.host("there"), await lab.host("here")];
      const script = new URL("./lan_peer.ts", import.meta.url).pathname;
      const ours = here.start(Deno.execPath(), [
        "run",
        "-A",
        "--unstable-net",
        script,
        ID,
        `${PORT4}`,
        `${PORT6}`,
      ], { name: "ours" });
      await ours.line(/"ready"/);
      const { dhtnode: [command, ...before], env } = programs(kind); // it starts second, so its question is heard
      const node = there.start(command!, [...before, "-D", "-p", "4222"], {
        env: { ...env },
        name: `dhtnode ${kind}`,
      });
      const [, id] = await node.line(/OpenDHT node ([0-9a-f]{40}) running/);
      await node.line(/type 'h' or 'help'/);
      for (const ip of [there.ip4, there.ip6]) {
        const { id: found, at } = JSON.parse((await ours.line(new RegExp(`"node".*"${ip}"`))).input!);
        strictEqual(found, id);
        strictEqual(at.port, 4222);
      }
      for (const address of [`${here.ip4}:${PORT4}`, `[${here.ip6}]:${PORT6}`]) {
        for (const end = performance.now() + 15_000;;) {
          const since = node.mark();
          await node.write("lr\n");
          await node.line(/IPv6 routing table/, 5000, since);
          await new Promise((resolve) => setTimeout(resolve, 100));
          if (node.lines.slice(since).some((line) => line.includes(ID) && line.includes(address))) break;
          ok(performance.now() < end, `${address} not in its table:\n${node.lines.slice(since).join("\n")}`);
        }
      }
    },
  );
}
