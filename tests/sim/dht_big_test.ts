/** 2,000 nodes: does every lookup succeed under churn and loss, and does its price grow like a logarithm? */
import { ok, strictEqual } from "node:assert/strict";
import { percentile, seeded, table } from "../tools.ts";
import { DhtLoad } from "./dht_load.ts";
import { DhtNet, type Lookup } from "./dht_net.ts";

const MINUTE = 60_000, SIZES = [100, 200, 500, 1000, 2000];
/** 5 % of all packets are lost, half of them on each side; every fourth node has IPv6 too. */
const WORLD = { link: { delayMs: 20, jitterMs: 20, loss: 0.025 }, dual: 0.25 };
const VALUES = 200, LOOKUPS = 300;

const mean = (list: readonly number[]): number => list.reduce((a, b) => a + b, 0) / list.length;

/** Least squares of y over x. */
function fit(points: readonly (readonly [number, number])[]): { slope: number; r2: number } {
  const mx = mean(points.map(([x]) => x)), my = mean(points.map(([, y]) => y));
  const sxy = points.reduce((sum, [x, y]) => sum + (x - mx) * (y - my), 0);
  const sxx = points.reduce((sum, [x]) => sum + (x - mx) ** 2, 0);
  const syy = points.reduce((sum, [, y]) => sum + (y - my) ** 2, 0);
  return { slope: sxy / sxx, r2: sxy ** 2 / (sxx * syy) };
}

/** What looking up took, without churn. */
async function measure(net: DhtNet, load: DhtLoad): Promise<Lookup[]> {
  await net.world.run(2 * MINUTE);
  load.keep(VALUES);
  await net.world.run(MINUTE);
  for (const member of net.members) member.lookups.length = 0;
  for (let i = 0; i < LOOKUPS; i++) {
    load.ask();
    await net.world.run(100);
  }
  await net.world.run(20_000);
  return net.members.flatMap((member) => member.lookups);
}

seeded(
  "2,000 nodes answer 99.9 % of lookups under churn and loss, at logarithmic prices",
  [1],
  async (seed) => {
    const rows: (string | number)[][] = [], hops: [number, number][] = [], messages: [number, number][] = [];
    let net!: DhtNet, load!: DhtLoad;
    for (const size of SIZES) {
      net = new DhtNet({ seed, ...WORLD }), load = new DhtLoad(net);
      await net.grow(size, size / 40);
      const lookups = await measure(net, load), doublings = Math.log2(size);
      const [h, m] = [mean(lookups.map((l) => l.hops)), mean(lookups.map((l) => l.messages))];
      hops.push([doublings, h]), messages.push([doublings, m]);
      const ms = lookups.map((l) => l.ms), share = `${(100 * load.found / load.asked).toFixed(2)} %`;
      rows.push([
        size,
        lookups.length,
        h,
        Math.max(...lookups.map((l) => l.hops)),
        m,
        percentile(ms, 0.5),
        percentile(ms, 0.95),
        share,
      ]);
      strictEqual(load.found, load.asked, `${size} nodes at peace: ${JSON.stringify(load.misses)}`);
      ok(load.asked >= LOOKUPS - 3, `only ${load.asked} of ${LOOKUPS} asked at ${size} nodes`);
    }
    console.log(table(["nodes", "lookups", "hops", "most", "messages", "ms p50", "p95", "found"], rows));
    const [byHops, byMessages] = [fit(hops), fit(messages)];
    console.log(`hops: ${byHops.slope.toFixed(2)} more per doubling, R² ${byHops.r2.toFixed(3)};`);
    console.log(`messages: ${byMessages.slope.toFixed(2)} more per doubling, R² ${byMessages.r2.toFixed(3)}`);
    ok(byHops.r2 > 0.95 && byHops.slope > 0.1 && byHops.slope < 1, "hops are no line over log n");
    ok(byMessages.r2 > 0.8 && byMessages.slope < 4, "messages are no line over log n");

    const { world } = net, [before, foundBefore] = [load.asked, load.found];
    const [start, events, delivered] = [world.now, world.events, world.delivered];
    load.latencies.length = 0;
    using _churn = net.churn(0.2);
    await load.run(13 * MINUTE, VALUES, 4);
    await world.run(MINUTE);
    const asked = load.asked - before, found = load.found - foundBefore, share = found / asked;
    console.log(
      `churn: ${net.crashed} nodes replaced in ${
        (world.now - start) / MINUTE
      } minutes; ${found} of ${asked} lookups found ` +
        `their value (${(100 * share).toFixed(3)} %), done after ${
          percentile(load.latencies, 0.5).toFixed(0)
        } ms in the median, ` +
        `${percentile(load.latencies, 0.95).toFixed(0)} ms at 95 %; ${load.cut} cut off by a crash`,
    );
    const perNode = (world.delivered - delivered) / SIZES.at(-1)! / ((world.now - start) / MINUTE);
    console.log(
      `${world.events - events} events, ${
        perNode.toFixed(1)
      } packets per node and minute, hash ${world.hash}`,
    );
    ok(asked > 3000, `asked ${asked}`);
    ok(net.crashed > 350, `only ${net.crashed} crashed`);
    ok(share >= 0.999, `found ${found} of ${asked}: ${JSON.stringify(load.misses, null, 1)}`);
  },
);
