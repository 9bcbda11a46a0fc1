/** Our ICE against a second, independent implementation: werift-ice, over UDP and over TCP, in each role. */
import { strictEqual } from "node:assert/strict";
import { Candidate as WeriftCandidate, Connection } from "werift-ice";
import { realClock, realRandom, silentLog } from "../../core/base/mod.ts";
import {
  type Candidate,
  formatCandidate,
  IceLink,
  IceMedia,
  type IceOffer,
  parseCandidate,
  realStreamNet,
  type TcpType,
} from "../../core/net/mod.ts";

const env = { clock: realClock, random: realRandom, net: realStreamNet, log: silentLog };
const options = { policy: { loopback: true }, anyAddress: true } as const;

/** Gives the other implementation our half. */
function introduce(judge: Connection, offer: IceOffer, complete = true): void {
  judge.setRemoteParams({ iceLite: false, usernameFragment: offer.ufrag, password: offer.pwd });
  for (const c of offer.candidates) {
    if (c.ip.includes(":")) continue;
    judge.addRemoteCandidate(WeriftCandidate.fromSdp(formatCandidate(c)));
  }
  if (complete) judge.addRemoteCandidate(undefined);
}

/** Its half in our words; its transport word is lower case. */
function halfOf(judge: Connection): IceOffer {
  const lines = judge.localCandidates.map((c) =>
    c.toSdp().replace(/ (udp|tcp) /, (word) => word.toUpperCase())
  );
  const candidates = lines.map(parseCandidate).filter((c) => c !== undefined);
  return { ufrag: judge.localUsername, pwd: judge.localPassword, candidates };
}

const roles = ["controlling", "controlled"] as const, nominations = ["regular", "aggressive"] as const;

for (const role of roles) {
  for (const nomination of nominations) {
    if (role === "controlled" && nomination === "aggressive") continue; // the other side nominates
    Deno.test(`IceMedia and werift find a pair over UDP (we are ${role}, ${nomination})`, async () => {
      const judge = new Connection(role === "controlled", { useIpv6: false });
      await judge.gatherCandidates();
      await using media = await IceMedia.open(env, { ...options, role, nomination, components: [1] });
      const heard = Promise.withResolvers<string>(), answered = Promise.withResolvers<string>();
      judge.onData.subscribe((data) => heard.resolve(new Uint8Array(data).toHex()));
      media.onData = (_, bytes) => answered.resolve(bytes.toHex());
      introduce(judge, media.offer);
      await Promise.all([judge.connect(), media.connect(halfOf(judge))]);
      media.send(1, new Uint8Array([0x80, 1, 2]));
      strictEqual(await heard.promise, "800102");
      await judge.send(Buffer.from([0x80, 9]));
      strictEqual(await answered.promise, "8009");
      await judge.close();
    });

    for (const dials of ["we", "it"] as const) {
      // One direction at a time: the judge nominates every pair it finds and then closes all but its favourite.
      if (dials === "it" && nomination === "aggressive") continue;
      Deno.test(`IceLink and werift connect over TCP (we are ${role}, ${nomination}, ${dials} dialled)`, async () => {
        const judge = new Connection(role === "controlled", { useIpv6: false, useTcp: true });
        await judge.gatherCandidates();
        await using link = await IceLink.open(env, { ...options, role, nomination });
        const heard = Promise.withResolvers<string>(), half = halfOf(judge);
        judge.onData.subscribe((data) => heard.resolve(new Uint8Array(data).toHex()));
        const one = (type: TcpType) => (c: Candidate) =>
          c.tcpType === type && c.ip === half.candidates[0]!.ip;
        const theirs = { ...half, candidates: dials === "we" ? half.candidates.filter(one("passive")) : [] };
        const ours = link.offer.candidates.filter(one(dials === "it" ? "passive" : "active"));
        introduce(judge, { ...link.offer, candidates: ours }, dials === "it"); // else it gives up at once, having no pair of its own
        await Promise.all([judge.connect(), link.connect(theirs)]);
        await link.write(new Uint8Array([0x17, 3, 3, 0, 1, 42]));
        strictEqual(await heard.promise, "17030300012a");
        await judge.send(Buffer.from([0x17, 3, 3, 0, 1, 43]));
        const first = await link.read();
        strictEqual(first!.toHex().startsWith("17"), true);
        await judge.close();
      });
    }
  }
}

Deno.test("IceMedia settles a role conflict with werift when it may switch", async () => {
  const judge = new Connection(true, { useIpv6: false }); // both begin as controlling
  await judge.gatherCandidates();
  await using media = await IceMedia.open(env, {
    ...options,
    role: "controlling",
    conflict: "switch",
    components: [1],
  });
  introduce(judge, media.offer);
  await Promise.all([judge.connect(), media.connect(halfOf(judge))]);
  strictEqual(media.path(1) !== undefined, true);
  await judge.close();
});
