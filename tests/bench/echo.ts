/** Answers every datagram with the same bytes and no thought: what the system alone costs. argv: the port. */
const socket = Deno.listenDatagram({ transport: "udp", hostname: "127.0.0.1", port: Number(Deno.args[0]) });
const answer = new Uint8Array(300), buffer = new Uint8Array(65536);
answer.set([0x84, 0xa1, 0x72]); // how every reply begins
console.log("ready");
for (;;) {
  const [, from] = await socket.receive(buffer);
  await socket.send(answer, from);
}
