/** Work for a simulated DHT: values that living nodes keep alive, and random nodes asking for them. */
import { text } from "../../core/base/mod.ts";
import type { DhtNet, Member } from "./dht_net.ts";

interface Kept {
  readonly key: Uint8Array;
  readonly text: string;
  readonly by: Member;
  /** The putter's life in which it was put: after a crash nobody keeps it. */
  readonly bornAt: number;
  readonly op: { readonly done: { readonly ok: boolean } | undefined };
}

export interface Miss {
  readonly at: number;
  readonly key: string;
  readonly asker: number;
  readonly askerAgeMs: number;
  readonly putter: number;
  readonly valueAgeMs: number;
  readonly nodes: number;
}

export class DhtLoad {
  asked = 0;
  found = 0;
  /** Of the asked: who asked, or who kept, crashed before the answer; these do not count. */
  cut = 0;
  pending = 0;
  latencies: number[] = [];
  readonly misses: Miss[] = [];
  #kept: (Kept & { readonly at: number })[] = [];
  #count = 0;

  constructor(readonly net: DhtNet) {}

  /** Permanent puts from random nodes, so that `count` values are kept alive. */
  keep(count: number): void {
    this.#kept = this.#kept.filter((kept) => this.#isKept(kept));
    const { luck, world } = this.net, settled = this.net.settled(10_000);
    while (this.#kept.length < count) {
      const by = luck.pick(settled), key = luck.bytes(20), text = `value ${this.#count++}`;
      this.#kept.push({ key, text, by, bornAt: by.bornAt, op: by.put(key, text), at: world.now });
    }
  }

  /** Asks for one kept value from one living node. */
  ask(): void {
    const { luck, world, alive } = this.net;
    const ready = this.#kept.filter((kept) => kept.op.done && this.#isKept(kept));
    if (!ready.length) return;
    const kept = luck.pick(ready), asker = luck.pick(alive), { bornAt } = asker, at = world.now;
    this.pending++;
    asker.get(kept.key, ({ values, done }) => {
      this.pending--;
      if (!this.#isKept(kept)) return void this.cut++;
      this.asked++;
      this.latencies.push(world.now - at);
      if (values.some((value) => text(value.data) === kept.text)) return void this.found++;
      this.misses.push({
        at,
        key: kept.key.toHex(),
        asker: asker.index,
        askerAgeMs: at - bornAt,
        putter: kept.by.index,
        valueAgeMs: at - kept.at,
        nodes: done!.nodes,
      });
    });
  }

  /** Keeps `values` alive and asks `perSecond` times a second for `ms`. */
  async run(ms: number, values: number, perSecond: number): Promise<void> {
    const { world } = this.net, end = world.now + ms;
    while (world.now < end) {
      this.keep(values);
      for (let i = 0; i < perSecond; i++) {
        this.ask();
        await world.run(1000 / perSecond);
      }
    }
  }

  #isKept({ by, bornAt }: Kept): boolean {
    return by.alive && by.bornAt === bornAt;
  }
}
