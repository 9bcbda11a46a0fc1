/** How fast virtual time passes: events per second with nothing in them, and datagrams between many hosts. */
import { type Endpoint, utf8 } from "../../core/base/mod.ts";
import { World } from "./mod.ts";

const report = (what: string, count: number, ms: number) =>
  console.log(`${what.padEnd(44)} ${(count / ms * 1000 / 1000).toFixed(0).padStart(6)} k/s`);

async function timers(): Promise<void> {
  const world = new World({ seed: 1 }), luck = world.stream("bench");
  const again = () => void world.schedule(world.now + luck.float() * 1000, again);
  for (let i = 0; i < 10_000; i++) again();
  const start = performance.now();
  await world.run(100_000);
  report("timers, 10,000 pending", world.events, performance.now() - start);
}

async function datagrams(hosts: number): Promise<void> {
  const world = new World({ seed: 1 }), peers: Endpoint[] = [];
  for (let i = 0; i < hosts; i++) peers.push({ ip: `10.${i >> 16}.${(i >> 8) & 255}.${i & 255}`, port: 7 });
  const link = { delayMs: 20, jitterMs: 10, loss: 0.01 };
  const sockets = await world.finish(Promise.all(peers.map(async ({ ip }) => {
    const { net, random } = world.host(ip, { ips: [ip], link }).env, socket = await net.udp({ port: 7 });
    void socket.run({ datagram: (bytes) => socket.send(bytes, peers[random.uint32() % hosts]!) });
    return socket;
  })));
  const bytes = utf8("x".repeat(200));
  sockets.forEach((socket, i) => {
    for (let n = 0; n < 10; n++) socket.send(bytes, peers[(i + n + 1) % hosts]!);
  });
  const start = performance.now();
  await world.run(2000);
  report(`datagrams of 200 bytes, ${hosts} hosts`, world.events, performance.now() - start);
}

await timers();
await datagrams(100);
await datagrams(2000);
