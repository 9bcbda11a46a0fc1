/**
 * One end of a link in a process of its own: TLS and the mux on a TCP connection of loopback, as two devices have it on theirs.
 * `link_peer.ts receive` listens and says `port N`, then `received N in MS`; `link_peer.ts send PORT BYTES` sends that much over one channel.
 */
import { realClock, Secret } from "../../core/base/mod.ts";
import { openLink } from "../../core/net/mod.ts";
import { tcpStream } from "../streams.ts";

const pem = (name: string) => Deno.readTextFileSync(new URL(`../keys/tls_${name}.pem`, import.meta.url));
const options = (who: string) => ({
  chain: pem(`${who}_chain`),
  key: new Secret(pem(`${who}_key`)),
  clock: realClock,
  checkPeer: (chain: readonly Uint8Array[]) => chain.length,
});
const [mode, port, bytes] = Deno.args;

if (mode === "receive") {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 }), done = Promise.withResolvers<void>();
  console.log(`port ${listener.addr.port}`);
  const { mux } = await openLink(tcpStream(await listener.accept()), {
    ...{ ...options("alice"), role: "server" as const },
    onRequest: () => (channel) => {
      (async () => {
        let got = 0, begun = 0;
        for (let piece; (piece = await channel.read()); got += piece.length) begun ||= performance.now();
        console.log(`received ${got} in ${performance.now() - begun}`);
        done.resolve();
      })();
    },
  });
  await done.promise;
  await mux.close();
  listener.close();
} else {
  const stream = tcpStream(await Deno.connect({ hostname: "127.0.0.1", port: Number(port) }));
  const { mux } = await openLink(stream, {
    ...options("bob"),
    role: "client" as const,
    onRequest: () => undefined,
  });
  const channel = await mux.open("data-transfer://bench"), block = new Uint8Array(65536);
  for (let left = Number(bytes); left > 0; left -= block.length) {
    await channel.write(block.subarray(0, Math.min(left, block.length)));
  }
  await channel.close();
  await mux.done;
}
