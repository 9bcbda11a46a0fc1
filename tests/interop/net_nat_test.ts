/** Our port mapper against a real home router: miniupnpd on nftables, in namespaces: a host, the router, and the world outside. */
import { strictEqual } from "node:assert/strict";
import { Process } from "./harness/process.ts";
import { sh, tryRun, which } from "./harness/shell.ts";

const OUTSIDE = "8.20.30.3", PUBLIC = "8.20.30.2", INSIDE = "192.168.66.2", ROUTER = "192.168.66.1";

/** A host behind a router with a port mapping daemon, and a machine outside. */
class Home implements AsyncDisposable {
  readonly #processes: Process[] = [];
  private constructor(readonly id: string, readonly folder: string) {}
  ns = (name: string) => `${this.id}-${name}`;

  static async open(config: readonly string[]): Promise<Home> {
    const home = new Home(`kithI${Deno.pid}`, await Deno.makeTempDir({ prefix: "kith-nat-" }));
    try {
      await home.#build(config);
    } catch (error) {
      await home[Symbol.asyncDispose]();
      throw error;
    }
    return home;
  }

  async #build(config: readonly string[]): Promise<void> {
    const [host, router, world] = ["host", "router", "world"].map(this.ns) as [string, string, string];
    for (const ns of [host, router, world]) {
      await sh("ip", "netns", "add", ns);
      await sh("ip", "-n", ns, "link", "set", "lo", "up");
    }
    const cable = async (a: string, dev: string, ip: string, b: string, dev2: string, ip2: string) => {
      await sh("ip", "-n", a, "link", "add", dev, "type", "veth", "peer", "name", dev2, "netns", b);
      for (const [ns, name, address] of [[a, dev, ip], [b, dev2, ip2]] as const) {
        await sh("ip", "-n", ns, "addr", "add", `${address}/24`, "dev", name);
        await sh("ip", "-n", ns, "link", "set", name, "up");
      }
    };
    await cable(host, "eth0", INSIDE, router, "lan", ROUTER);
    await cable(world, "eth0", OUTSIDE, router, "wan", PUBLIC);
    await sh("ip", "-n", host, "route", "add", "default", "via", ROUTER);
    await sh("ip", "netns", "exec", router, "sysctl", "-qw", "net.ipv4.ip_forward=1");
    const rules = `${this.folder}/rules.nft`, settings = `${this.folder}/miniupnpd.conf`;
    await Deno.writeTextFile(rules, RULES);
    await sh("ip", "netns", "exec", router, "nft", "-f", rules);
    await Deno.writeTextFile(settings, [...SETTINGS, ...config].join("\n") + "\n");
    const daemon = Process.start("/usr/sbin/miniupnpd", ["-d", "-f", settings, "-P", `${this.folder}/pid`], {
      namespace: router,
      name: "miniupnpd",
    });
    this.#processes.push(daemon);
    await daemon.line(/HTTP listening on port|Listening for NAT-PMP/);
  }

  node(methods: readonly string[]): Process {
    const script = new URL("net_nat_node.ts", import.meta.url).pathname;
    const node = Process.start(Deno.execPath(), ["run", "-A", script, ...methods], {
      namespace: this.ns("host"),
    });
    this.#processes.push(node);
    return node;
  }

  /** What a machine outside hears on a TCP port. */
  knock(ip: string, port: number): Promise<string | undefined> {
    const talk = `exec 3<>/dev/tcp/${ip}/${port}; head -n 1 <&3`;
    return tryRun("ip", "netns", "exec", this.ns("world"), "timeout", "2", "bash", "-c", talk);
  }
  /** The same for UDP. */
  knockUdp(ip: string, port: number): Promise<string | undefined> {
    const talk = `exec 3<>/dev/udp/${ip}/${port}; echo hi >&3; head -n 1 <&3`;
    return tryRun("ip", "netns", "exec", this.ns("world"), "timeout", "2", "bash", "-c", talk);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const process of this.#processes.reverse()) await process[Symbol.asyncDispose]();
    for (const name of ["host", "router", "world"]) await tryRun("ip", "netns", "del", this.ns(name));
    await Deno.remove(this.folder, { recursive: true });
  }
}

const RULES = `table inet filter {
  chain forward { type filter hook forward priority 0; policy drop; ct state established,related accept; jump miniupnpd; iifname "lan" accept; }
  chain miniupnpd { }
  chain prerouting { type nat hook prerouting priority -100; policy accept; jump prerouting_miniupnpd; }
  chain postrouting { type nat hook postrouting priority 100; policy accept; jump postrouting_miniupnpd; oifname "wan" masquerade; }
  chain prerouting_miniupnpd { }
  chain postrouting_miniupnpd { }
}
`;
const SETTINGS = [
  "ext_ifname=wan",
  `listening_ip=${ROUTER}/24`,
  "port=0",
  "uuid=6f1c3f0e-2f4b-4f0a-9d55-1f2e3d4c5b6a",
  "secure_mode=yes",
  "upnp_table_name=filter",
  "upnp_nat_table_name=filter",
  "upnp_forward_chain=miniupnpd",
  "upnp_nat_chain=prerouting_miniupnpd",
  "upnp_nat_postrouting_chain=postrouting_miniupnpd",
  "allow 1024-65535 0.0.0.0/0 1024-65535",
  "deny 0-65535 0.0.0.0/0 0-65535",
];

interface Said {
  tcp?: { ip: string; port: number; by: string };
  udp?: { ip: string; port: number; by: string };
  internal: number;
  ms: number;
}

function natTest(name: string, body: () => Promise<void>): void {
  Deno.test(name, async () => {
    const why = Deno.uid() !== 0
      ? "network namespaces need root"
      : !(await which("nft"))
      ? "nft is not installed (Debian: nftables)"
      : !(await Deno.stat("/usr/sbin/miniupnpd").catch(() => undefined))
      ? "miniupnpd is not installed (Debian: miniupnpd-nftables)"
      : undefined;
    if (!why) return await body();
    if (Deno.env.get("REQUIRE_PEERS") === "1") throw new Error(why);
    console.error(`SKIPPED ${name}: ${why}`);
  });
}

const all = ["enable_natpmp=yes", "enable_upnp=yes"];
for (
  const [method, methods, config] of [
    ["pcp", ["pcp"], all],
    ["pmp", ["pmp"], all],
    ["upnp", ["upnp"], [...all, "force_igd_desc_v1=no"]],
    ["upnp", ["upnp"], [...all, "force_igd_desc_v1=yes"]],
    ["p", [], all], // PCP or NAT-PMP, whichever answers first
    ["upnp", [], ["enable_natpmp=no", "enable_upnp=yes"]],
  ] as const
) {
  natTest(`PortMapper opens ports on a real router (${methods[0] ?? "any"}, ${config.at(-1)})`, async () => {
    await using home = await Home.open(config);
    const node = home.node(methods);
    const said = JSON.parse((await node.line(/^\{"(?:tcp|internal).*/))[0]) as Said;
    strictEqual(said.tcp?.by.startsWith(method), true, JSON.stringify(said));
    strictEqual(said.tcp.ip, PUBLIC);
    strictEqual(await home.knock(PUBLIC, said.tcp.port), "hello\n");
    strictEqual(await home.knockUdp(PUBLIC, said.udp!.port), "hello\n");
    await node.write("\n");
    await node.line(/"closed":true/);
    strictEqual(await node.ended(), 0);
    strictEqual(await home.knock(PUBLIC, said.tcp.port), undefined); // given back
  });
}

natTest("PortMapper says so when the router opens nothing", async () => {
  await using home = await Home.open([
    "enable_natpmp=no",
    "enable_upnp=yes",
    "deny 0-65535 0.0.0.0/0 0-65535",
  ]);
  const said = JSON.parse((await home.node(["pcp", "pmp"]).line(/^\{"internal.*/))[0]) as Said;
  strictEqual(said.tcp, undefined);
  strictEqual(said.ms < 5000, true, `${said.ms} ms`);
});
