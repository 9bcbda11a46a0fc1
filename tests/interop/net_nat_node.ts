/** Runs inside a namespace of net_nat_test.ts: opens a port on the gateway, answers "hello" on it, says what it got as JSON lines. */
import { realClock, realRandom, silentLog } from "../../core/base/mod.ts";
import { type NatMethod, PortMapper, realStreamNet } from "../../core/net/mod.ts";

const methods = Deno.args as NatMethod[], say = (line: unknown) => console.log(JSON.stringify(line));
const env = { clock: realClock, random: realRandom, net: realStreamNet, log: silentLog };
const hello = new TextEncoder().encode("hello\n");
const listener = await realStreamNet.listen({}, (socket) => {
  socket.run({ data() {}, end() {}, drain() {}, closed() {} });
  socket.write(hello);
  socket.end();
});
const udp = await realStreamNet.udp();
const running = udp.run({ datagram: (_, from) => udp.send(hello, from) });
const started = performance.now(), mapper = await PortMapper.open(env, methods.length ? { methods } : {});
const tcp = await mapper.map("tcp", listener.local.port), open = await mapper.map("udp", udp.local.port);
say({
  tcp: tcp && { ...tcp.external, by: tcp.by },
  udp: open && { ...open.external, by: open.by },
  internal: listener.local.port,
  ms: Math.round(performance.now() - started),
});
const buffer = new Uint8Array(16);
await Deno.stdin.read(buffer); // any line: give everything back
await mapper[Symbol.asyncDispose]();
await listener[Symbol.asyncDispose]();
await udp[Symbol.asyncDispose]();
await running;
say({ closed: true });
