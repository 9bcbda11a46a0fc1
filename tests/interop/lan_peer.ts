/** Runs LAN discovery inside a network namespace and prints what it hears as JSON lines, until its input ends. */
import { realClock, silentLog } from "../../core/base/mod.ts";
import { LanPort } from "../../core/dht/lan_io.ts";

const [id, port4, port6] = Deno.args;
const heard = (event: unknown) =>
  console.log(JSON.stringify(event, (_, value) => value instanceof Uint8Array ? value.toHex() : value));
const lan = await LanPort.open({
  id: Uint8Array.fromHex(id!),
  network: 0,
  publish: true,
  discover: true,
  ports: () => ({ 4: Number(port4), 6: Number(port6) }),
  clock: realClock,
  log: { ...silentLog, debug: (sentence, fields) => console.error(sentence, fields) },
  heard,
});
heard({ type: "ready" });
for await (const _ of Deno.stdin.readable); // until it is closed
await lan[Symbol.asyncDispose]();
