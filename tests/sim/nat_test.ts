import { deepStrictEqual, notStrictEqual, ok, strictEqual, throws } from "node:assert/strict";
import { type Endpoint, formatEndpoint, type UdpSocket } from "../../core/base/mod.ts";
import { type Host, type Nat, NAT_KINDS, type NatKind, type NatOptions, World } from "./mod.ts";

interface Mouth {
  readonly socket: UdpSocket;
  /** Senders of what arrived, oldest first. */
  readonly heard: string[];
  say(to: Endpoint): Promise<void>;
}

async function mouth(world: World, host: Host, port: number): Promise<Mouth> {
  const socket = await world.finish(host.env.net.udp({ port })), heard: string[] = [];
  void socket.run({ datagram: (_, from) => void heard.push(formatEndpoint(from)) });
  return {
    socket,
    heard,
    async say(to) {
      socket.send(Uint8Array.of(1), to);
      await world.run(100);
    },
  };
}

const OUTER = "198.51.100.7", INNER = "192.168.1.10";

/** A host behind a NAT, and two hosts outside with two sockets each. */
async function lab(options: Partial<NatOptions> & { kind: NatKind }) {
  const world = new World({ seed: 11 });
  const nat = world.nat("nat", { ip: OUTER, preserve: false, ...options });
  const inside = world.host("inside", { ips: [INNER], segment: nat.inside });
  const x = world.host("x", { ips: ["203.0.113.1"] }), y = world.host("y", { ips: ["203.0.113.2"] });
  const me = await mouth(world, inside, 5000);
  const [x1, x2, y1] = [await mouth(world, x, 1), await mouth(world, x, 2), await mouth(world, y, 1)];
  const at = (m: Mouth, ip: string) => ({ ip, port: m.socket.local.port });
  return {
    world,
    nat,
    inside,
    me,
    x1,
    x2,
    y1,
    X1: at(x1, "203.0.113.1"),
    X2: at(x2, "203.0.113.1"),
    Y1: at(y1, "203.0.113.2"),
  };
}

function endpointOf(text: string): Endpoint {
  const at = text.lastIndexOf(":");
  return { ip: text.slice(0, at), port: Number(text.slice(at + 1)) };
}

const expected: Record<NatKind, { samePort: boolean; x2: boolean; y1: boolean }> = {
  "full-cone": { samePort: true, x2: true, y1: true },
  "address-restricted": { samePort: true, x2: true, y1: false },
  "port-restricted": { samePort: true, x2: false, y1: false },
  "symmetric": { samePort: false, x2: false, y1: false },
};

for (const kind of Object.keys(NAT_KINDS) as NatKind[]) {
  Deno.test(`a ${kind} NAT maps and filters as RFC 4787 says`, async () => {
    const { me, x1, x2, y1, X1, Y1 } = await lab({ kind }), want = expected[kind];
    await me.say(X1);
    const seen = endpointOf(x1.heard[0]!);
    strictEqual(seen.ip, OUTER);
    notStrictEqual(seen.port, 5000, "no port preservation here");
    await x1.say(seen); // the one we spoke to always gets through
    await x2.say(seen), await y1.say(seen);
    deepStrictEqual(
      me.heard,
      ["203.0.113.1:1", ...(want.x2 ? ["203.0.113.1:2"] : []), ...(want.y1 ? ["203.0.113.2:1"] : [])],
    );
    await me.say(Y1);
    strictEqual(endpointOf(y1.heard[0]!).port === seen.port, want.samePort);
    if (!want.samePort) return;
    await y1.say(seen);
    strictEqual(me.heard.at(-1), "203.0.113.2:1", "having been spoken to, y may answer");
  });
}

Deno.test("a NAT keeps the port if asked to and free, and finds another for the second host", async () => {
  const { world, nat, me, x1, X1 } = await lab({ kind: "port-restricted", preserve: true });
  const twin = await mouth(world, world.host("twin", { ips: ["192.168.1.11"], segment: nat.inside }), 5000);
  await me.say(X1), await twin.say(X1);
  strictEqual(x1.heard[0], `${OUTER}:5000`);
  notStrictEqual(x1.heard[1], `${OUTER}:5000`);
  strictEqual(nat.mappings.length, 2);
});

Deno.test("a NAT forgets an idle mapping; outbound packets keep it, inbound ones only if it says so", async () => {
  for (const inboundRefreshes of [false, true]) {
    const { world, nat, me, x1, X1 } = await lab({ kind: "full-cone", udpMs: 30_000, inboundRefreshes });
    await me.say(X1);
    const seen = endpointOf(x1.heard[0]!);
    await world.run(25_000);
    await me.say(X1);
    strictEqual(x1.heard[1], formatEndpoint(seen), "kept by us");
    await world.run(25_000);
    await x1.say(seen);
    strictEqual(me.heard.length, 1, "still open");
    await world.run(10_000); // 35 s after our last word, 10 s after theirs
    await x1.say(seen);
    strictEqual(me.heard.length, inboundRefreshes ? 2 : 1);
    await world.run(60_000);
    await x1.say(seen);
    deepStrictEqual([me.heard.length, nat.mappings.length], [inboundRefreshes ? 2 : 1, 0]);
    await me.say(X1);
    notStrictEqual(x1.heard.at(-1), formatEndpoint(seen), "a new mapping, another port");
  }
});

Deno.test("a NAT hairpins for two hosts inside, or does not", async () => {
  for (const hairpin of [true, false]) {
    const { world, nat, me, x1, X1 } = await lab({ kind: "full-cone", hairpin });
    const twin = await mouth(world, world.host("twin", { ips: ["192.168.1.11"], segment: nat.inside }), 5000);
    await me.say(X1);
    await twin.say(endpointOf(x1.heard[0]!));
    strictEqual(me.heard.length, hairpin ? 1 : 0);
    strictEqual(world.counted("drop nat-hairpin"), hairpin ? 0 : 1);
    if (hairpin) ok(me.heard[0]!.startsWith(`${OUTER}:`), "it comes from the outer address");
    await twin.say({ ip: INNER, port: 5000 });
    strictEqual(me.heard.at(-1), "192.168.1.11:5000", "inside, nobody translates");
  }
});

Deno.test("hole punching works between restricted NATs and fails between a symmetric and a port-restricted one", async () => {
  const punch = async (left: NatKind, right: NatKind): Promise<boolean> => {
    const world = new World({ seed: 12 });
    const behind = async (name: string, kind: NatKind, ip: string) => {
      const nat = world.nat(name, { kind, ip, preserve: false });
      return await mouth(world, world.host(`${name} host`, { ips: ["10.0.0.2"], segment: nat.inside }), 4000);
    };
    const a = await behind("a", left, "198.51.100.1"), b = await behind("b", right, "198.51.100.2");
    const server = await mouth(world, world.host("server", { ips: ["203.0.113.1"] }), 3478);
    await a.say({ ip: "203.0.113.1", port: 3478 }), await b.say({ ip: "203.0.113.1", port: 3478 });
    const [seenA, seenB] = server.heard.map(endpointOf);
    for (let i = 0; i < 3; i++) await a.say(seenB!), await b.say(seenA!);
    return a.heard.length > 0 && b.heard.length > 0;
  };
  strictEqual(await punch("port-restricted", "port-restricted"), true);
  strictEqual(await punch("address-restricted", "full-cone"), true);
  strictEqual(await punch("symmetric", "port-restricted"), false);
  strictEqual(await punch("symmetric", "symmetric"), false);
});

Deno.test("two NATs in a row translate twice; neighbours behind the carrier's meet at its inner side", async () => {
  const world = new World({ seed: 13 });
  const carrier = world.nat("carrier", { kind: "port-restricted", ip: "198.51.100.1", hairpin: false });
  const homes = ["100.64.0.2", "100.64.0.3"].map((ip, i) =>
    world.nat(`home ${i}`, { kind: "full-cone", ip, preserve: false }, carrier.inside)
  );
  const [a, b] = [
    await mouth(world, world.host("a", { ips: ["192.168.1.2"], segment: homes[0]!.inside }), 4000),
    await mouth(world, world.host("b", { ips: ["192.168.1.2"], segment: homes[1]!.inside }), 4000),
  ];
  const server = await mouth(world, world.host("server", { ips: ["203.0.113.1"] }), 3478);
  await a.say({ ip: "203.0.113.1", port: 3478 });
  const seen = endpointOf(server.heard[0]!);
  strictEqual(seen.ip, "198.51.100.1");
  await server.say(seen);
  deepStrictEqual(a.heard, ["203.0.113.1:3478"]);
  await b.say(seen);
  strictEqual(world.counted("drop nat-hairpin"), 1, "the carrier does not hairpin");
  await b.say(homes[0]!.mappings[0]!.outer);
  ok(a.heard[1]!.startsWith("100.64.0.3:"), "but its own network does carry them");
});

Deno.test("a forwarded port lets everyone in, survives silence, and may be hit by nobody else", async () => {
  const { world, nat, me, x1, X1 } = await lab({ kind: "symmetric" });
  deepStrictEqual(nat.forward("udp", 4222, { ip: INNER, port: 5000 }), { ip: OUTER, port: 4222 });
  throws(() => nat.forward("udp", 4222, { ip: INNER, port: 5001 }), RangeError);
  await world.run(86_400_000);
  await x1.say({ ip: OUTER, port: 4222 });
  deepStrictEqual(me.heard, ["203.0.113.1:1"]);
  await me.say(X1);
  strictEqual(x1.heard[0], `${OUTER}:4222`, "and the way out uses it too");
});

Deno.test("a NAT that gets another address forgets everything", async () => {
  const { nat, me, x1, X1 } = await lab({ kind: "full-cone" });
  await me.say(X1);
  nat.readdress("198.51.100.8");
  await x1.say(endpointOf(x1.heard[0]!));
  strictEqual(me.heard.length, 0);
  await me.say(X1);
  strictEqual(endpointOf(x1.heard[1]!).ip, "198.51.100.8");
});

Deno.test("IPv6 behind a NAT box is not translated but filtered: pinholes go outwards only", async () => {
  const seenOutside = async (nat: (world: World) => Nat) => {
    const world = new World({ seed: 14 }), box = nat(world);
    const inside = world.host("inside", { ips: [INNER, "2001:db8:1::2"], segment: box.inside });
    const outside = world.host("outside", { ips: ["203.0.113.1", "2001:db8:2::2"] });
    const me = await mouth(world, inside, 5000), they = await mouth(world, outside, 5000);
    await they.say({ ip: "2001:db8:1::2", port: 5000 });
    const uninvited = me.heard.length;
    await me.say({ ip: "2001:db8:2::2", port: 5000 });
    strictEqual(they.heard[0], "[2001:db8:1::2]:5000");
    await they.say({ ip: "2001:db8:1::2", port: 5000 });
    strictEqual(me.heard.length, uninvited + 1);
    return uninvited;
  };
  const options = { kind: "symmetric", ip: OUTER } as const;
  strictEqual(await seenOutside((world) => world.nat("nat", options)), 0);
  strictEqual(await seenOutside((world) => world.nat("nat", { ...options, firewall6: "open" })), 1);
  strictEqual(
    await seenOutside((world) =>
      world.nat("inner", { ...options, ip: "100.64.0.2" }, world.nat("outer", options).inside)
    ),
    0,
  );
});

Deno.test("a firewall lets answers in, nothing else, and may know ports and protocols it hates", async () => {
  const world = new World({ seed: 15 });
  const wall = world.firewall("wall"), strict = world.firewall("strict", { udp: false });
  const narrow = world.firewall("narrow", { ports: [53] });
  const host = (name: string, ip: string, segment = world.internet) =>
    world.host(name, { ips: [ip], segment });
  const me = await mouth(world, host("me", "198.51.100.1", wall.inside), 5000);
  const mute = await mouth(world, host("mute", "198.51.100.2", strict.inside), 5000);
  const shy = await mouth(world, host("shy", "198.51.100.3", narrow.inside), 5000);
  const they = await mouth(world, host("they", "203.0.113.1"), 5000);
  await they.say({ ip: "198.51.100.1", port: 5000 });
  strictEqual(me.heard.length, 0);
  await me.say({ ip: "203.0.113.1", port: 5000 });
  await they.say({ ip: "198.51.100.1", port: 5000 });
  deepStrictEqual([they.heard, me.heard], [["198.51.100.1:5000"], ["203.0.113.1:5000"]]);
  await world.run(121_000);
  await they.say({ ip: "198.51.100.1", port: 5000 });
  strictEqual(me.heard.length, 1, "the pinhole has closed");
  await mute.say({ ip: "203.0.113.1", port: 5000 }), await shy.say({ ip: "203.0.113.1", port: 5000 });
  strictEqual(they.heard.length, 1);
});
