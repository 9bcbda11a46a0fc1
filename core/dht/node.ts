/** A DHT node: the kernel answers the world's simple questions, everything else is decided here. Pure. Spec: dht §1, §4. */
import { compareXor, type Endpoint, type Family, familyOf, type Machine, sameEndpoint } from "../base/mod.ts";
import { createTwinKernel } from "../../wasm/mod.ts";
import { Bootstrap } from "./bootstrap.ts";
import { detach } from "./detach.ts";
import { readValue } from "./incoming.ts";
import type { KernelAction } from "./kernel.ts";
import { LIMITS } from "./limits.ts";
import { Maintenance } from "./maintenance.ts";
import type { DhtIn, DhtInfo, DhtOut, DhtStatus, FamilyInfo } from "./messages.ts";
import type { DhtNodeOptions } from "./node_options.ts";
import { Operations } from "./operations.ts";
import { Packets } from "./packets.ts";
import type { Reply } from "./requests.ts";
import { exportState, importState } from "./state.ts";
import { Storage } from "./storage.ts";
import type { Value } from "./value.ts";
import type { Question } from "./value_types.ts";
import { AddressVotes } from "./votes.ts";
import { World } from "./world.ts";

const NOTHING: readonly DhtOut[] = [];

export class DhtNode implements Machine<DhtIn, DhtOut> {
  /** 20 bytes. */
  readonly id: Uint8Array;
  readonly network: number;
  readonly #world: World;
  readonly #storage: Storage;
  readonly #operations: Operations;
  readonly #bootstrap: Bootstrap;
  readonly #maintenance: Maintenance;
  readonly #votes = new AddressVotes();
  #status: Record<Family, DhtStatus> = { 4: "disconnected", 6: "disconnected" };
  #questions = new Map<number, (ok: boolean) => void>();
  #nextQuestion = 1;
  #nextDied = -Infinity;

  constructor(options: DhtNodeOptions) {
    const {
      random,
      network = 0,
      client = false,
      agent = "kith",
      families = [4, 6],
      kernel = createTwinKernel,
    } = options;
    const id = options.id ?? random.bytes(20), seed = random.bytes(16);
    const { globalRate, addressRate, publicStable = false, wide = false } = options;
    if (id.length !== 20) throw new RangeError("dht: an id has 20 bytes");
    this.id = id, this.network = network;
    this.#world = new World({
      id,
      random,
      families,
      publicStable,
      wide,
      kernel: kernel({ id, network, client, agent, seed, globalRate, addressRate }),
      packets: new Packets({ id, network, client, agent }),
    });
    const world = this.#world;
    this.#storage = new Storage({
      get now() {
        return world.now;
      },
      get created() {
        return world.created;
      },
      timers: world.timers,
      kernel: world.kernel,
      packets: world.packets,
      send: (bytes, to) => world.send(bytes, to),
      ask: (asking) => world.ask(asking),
      dropped: (why) => world.dropped(why),
      isNear: (key, from) => this.#isNear(key, familyOf(from.ip)),
      question: (question, answer) => this.#ask(question, answer),
      gained: (key, value) => this.#operations.gained(key, value),
      lost: (key, vid) => this.#operations.lost(key, vid),
    });
    this.#bootstrap = new Bootstrap(world, () => world.families.some((family) => this.#isConnected(family)));
    this.#maintenance = new Maintenance(world, this.#storage, (family) => this.#isConnected(family));
    this.#operations = new Operations(
      world,
      this.#storage,
      () => this.status === "connecting",
      () => this.#maintenance.rouse(),
    );
    world.onDied = (family) => this.#died(family);
  }

  get wakeAt(): number {
    return Math.min(this.#world.timers.next, this.#world.kernel.wakeAt);
  }
  get status(): DhtStatus {
    const { 4: ipv4, 6: ipv6 } = this.#status;
    if (ipv4 === "connected" || ipv6 === "connected") return "connected";
    return ipv4 === "connecting" || ipv6 === "connecting" ? "connecting" : "disconnected";
  }

  step(now: number, input: DhtIn): readonly DhtOut[] {
    const world = this.#world;
    world.now = now;
    this.#take(input);
    if (world.kernel.wakeAt <= now) this.#act(world.kernel.wake(now));
    world.timers.run(now);
    for (let i = 0; world.stale && i < 4; i++) {
      this.#judge();
      world.timers.run(now);
    }
    if (!world.out.length) return NOTHING;
    const { out } = world;
    world.out = [];
    return out;
  }

  info(): DhtInfo {
    const world = this.#world, storage = this.#storage, kernel = world.kernel.stats();
    const family = (family: Family): FamilyInfo | undefined => {
      const table = world.tables[family];
      return table && {
        status: this.#status[family],
        ...table.counts(world.now),
        tableDepth: table.ownDepth,
        networkSize: LIMITS.target * 2 ** table.ownDepth,
        searches: world.searches[family].size,
        known: world.nodes.count(family),
      };
    };
    return {
      id: this.id.toHex(),
      network: this.network,
      status: this.status,
      ipv4: family(4),
      ipv6: family(6),
      keys: storage.keys,
      values: storage.values,
      valueBytes: storage.bytes,
      remoteBytes: storage.remoteBytes,
      remoteListeners: storage.listeners.count,
      ops: this.#operations.count,
      requests: world.requests.size,
      publicAddresses: this.#votes.believed,
      claimedAddresses: this.#votes.claims,
      packetsIn: kernel.packets,
      bytesIn: kernel.bytes,
      packetsOut: world.packetsOut,
      bytesOut: world.bytesOut,
      drops: { ...kernel.drops, ...Object.fromEntries(world.drops) },
    };
  }
  /** A state file: good nodes and stored values. Spec: dht §4.13. */
  exportState(): Uint8Array {
    const world = this.#world, nodes = world.families.flatMap((f) => world.tables[f]!.goodNodes(world.now));
    return exportState({ id: this.id, nodes, values: this.#storage.export(), wallOffset: world.wallOffset });
  }
  /** The nodes to tell others of, good ones, our own neighbourhood first. */
  goodNodes(): { id: Uint8Array; address: Endpoint }[] {
    const world = this.#world, nodes = world.families.flatMap((f) => world.tables[f]!.goodNodes(world.now));
    return nodes.map(({ id, address }) => ({ id, address }));
  }

  #take(input: DhtIn): void {
    const world = this.#world;
    if ("wall" in input) world.wallOffset = input.wall - world.now;
    switch (input.type) {
      case "packet":
        return this.#packet(input.bytes, input.from);
      case "wake":
        return;
      case "unreachable":
        world.dropped("unreachable");
        return world.requests.unreachable(input.to);
      case "start":
        return this.#maintenance.start();
      case "bootstrap":
        return this.#bootstrap.add(input.hosts);
      case "resolved":
        return this.#bootstrap.resolved(input.host, input.port, input.ips);
      case "verified": {
        const answer = this.#questions.get(input.question);
        this.#questions.delete(input.question);
        return answer?.(input.ok);
      }
      case "insert":
        return this.#insert(input.id, input.address);
      case "ping":
        return this.#ping(input.op, input.address);
      case "connectivity":
        for (const family of world.families) this.#connectivityChanged(family);
        return;
      case "get":
      case "query":
        return this.#operations.get(input);
      case "put":
        return this.#operations.put(input);
      case "listen":
        return this.#operations.listen(input);
      case "cancel":
        return this.#operations.cancel(input.op);
      case "import":
        return this.#import(input.state);
    }
  }

  /** The kernel's views die with the next call on it: what is kept, or handed on after one, is copied first. */
  #packet(bytes: Uint8Array, from: Endpoint): void {
    const world = this.#world;
    if (world.nodes.blacklisted(from)) return world.dropped("blacklisted");
    this.#act(world.kernel.packet(world.now, bytes, from));
  }
  #act(actions: readonly KernelAction[]): void {
    const world = this.#world, first = actions[0], answer = actions[1];
    if (
      actions.length === 2 && first!.type === "heard" && answer!.type === "send" && this.#isOldNews(first!)
    ) {
      return world.send(answer!.bytes, answer!.to); // the busiest path: nobody calls the kernel before it is sent
    }
    for (const action of actions.map(detach)) {
      switch (action.type) {
        case "send":
          world.send(action.bytes, action.to);
          break;
        case "heard":
          this.#heard(action.id, action.from, action.client);
          break;
        case "put":
          this.#storage.put(action, this.#createdAt(action.created));
          break;
        case "refresh":
          this.#storage.refresh(action);
          break;
        case "listen":
          this.#storage.listeners.listen(
            action,
            world.nodes.sender(world.now, action.id, action.from, false),
          );
          break;
        case "update":
          this.#update(action);
          break;
        case "reply":
          this.#reply(action);
          break;
        case "error":
          this.#error(action);
          break;
        case "drop": // counted by the kernel
          break;
      }
    }
  }
  /** True if a packet of this node tells us nothing but that it is still there. */
  #isOldNews({ id, from }: Extract<KernelAction, { type: "heard" }>): boolean {
    const world = this.#world, node = world.nodes.speaker(id, from);
    if (!node || world.now - node.heardAt > 1000) return false;
    node.heard(world.now);
    return true;
  }
  #heard(id: Uint8Array, from: Endpoint, client: boolean): void {
    const world = this.#world, node = world.nodes.sender(world.now, id, from, client);
    if (!sameEndpoint(node.address, from)) world.challenge(node);
    else {
      node.heard(world.now);
      world.learn(node, 1);
    }
  }
  #reply(reply: Reply): void {
    const world = this.#world,
      { tid, from, id } = reply,
      request = world.requests.match(tid, from, id.toHex());
    if (!request) return this.#legacyPush(reply);
    const node = request.node ?? world.nodes.sender(world.now, id, from, reply.client);
    node.replied(world.now, from);
    world.learn(node, 2);
    if (reply.seenAs && this.#votes.vote(from, reply.seenAs)) {
      world.emit({ type: "public-address", ips: this.#votes.believed });
    }
    world.requests.answered(request, node, reply);
  }
  #error({ tid, from, id, code }: Extract<KernelAction, { type: "error" }>): void {
    const world = this.#world, request = world.requests.match(tid, from, id?.toHex());
    if (!request) return world.dropped("unexpected");
    const { node } = request;
    if (node && id) {
      node.replied(world.now, from);
      world.learn(node, 2);
    }
    world.requests.failed(request, code);
  }
  #update(action: Extract<KernelAction, { type: "update" }>): void {
    const world = this.#world, { tid, from, id, socket, token, values, refreshed, expired } = action;
    this.#pushed(socket, id, from, token, values, refreshed, expired);
    world.send(world.packets.encodeConfirmed(tid, from), from);
  }
  /** A reply nobody waits for may be a push of an ancient node. Spec: dht §1.11. */
  #legacyPush({ tid, id, from, token, values = [], refreshed, expired }: Reply): void {
    this.#pushed(tid, id, from, token, values, refreshed, expired);
  }
  #pushed(
    socket: number,
    id: Uint8Array,
    from: Endpoint,
    token: Uint8Array | undefined,
    packed: readonly Uint8Array[],
    refreshed: readonly bigint[],
    expired: readonly bigint[],
  ): void {
    const world = this.#world,
      open = world.socket(socket, id, from),
      entry = open?.listens.search.find(open.node);
    if (!open || !entry) return world.dropped("unexpected");
    if (token?.length && token.length <= LIMITS.tokenBytes) entry.token = token;
    const values: Value[] = [];
    for (const bytes of packed) {
      const value = readValue(bytes);
      value ? values.push(value) : world.dropped("value");
    }
    open.listens.pushed(entry, open.id, values, refreshed, expired);
  }

  #insert(id: Uint8Array, address: Endpoint): void {
    const world = this.#world, node = world.nodes.mention(world.now, id, address);
    if (!node) return;
    world.learn(node, 0);
    if (!this.#isConnected(node.family)) this.#maintenance.soon(0);
  }
  #ping(op: number, to: Endpoint): void {
    const world = this.#world, write = (tid: number) => world.packets.ping(tid);
    const over = (ok: boolean) => () => world.emit({ type: "done", op, ok, nodes: ok ? 1 : 0 });
    const asking = {
      query: "ping",
      node: undefined,
      to,
      write,
      reply: over(true),
      expired: over(false),
    } as const;
    if (!world.ask(asking)) over(false)();
  }
  #import(bytes: Uint8Array): void {
    const world = this.#world, state = importState(bytes, world.wallOffset, world.now);
    for (const { id, address } of state.nodes) this.#insert(id, address);
    for (const kept of state.values) if (!this.#storage.restore(kept)) world.dropped("restore");
  }
  #ask(question: Question, answer: (ok: boolean) => void): void {
    const number = this.#nextQuestion++;
    this.#questions.set(number, answer);
    this.#world.emit({ type: "verify", question: number, ...question });
  }
  /** Monotonic time of a creation date, never in the future. */
  #createdAt(seconds: number | undefined): number {
    const { now, wallOffset } = this.#world;
    return seconds === undefined ? now : Math.min(now, 1000 * seconds - wallOffset);
  }
  /** Nobody keeps what 14 nodes nearer than we are will keep. Spec: dht §4.7. */
  #isNear(key: Uint8Array, family: Family): boolean {
    const world = this.#world,
      nodes = world.tables[family]?.closest(world.now, key, LIMITS.searchNodes) ?? [];
    if (nodes.length < LIMITS.target) return true;
    return compareXor(key, this.id, nodes.at(-1)!.id) < 0;
  }
  #isConnected(family: Family): boolean {
    return this.#world.tables[family]?.best(this.#world.now) === "good";
  }
  /** After something changed: what is the status, and what follows from it? */
  #judge(): void {
    const world = this.#world, before = { ...this.#status }, overall = this.status;
    world.stale = false;
    for (const family of world.families) {
      const best = world.tables[family]!.best(world.now);
      const connecting = best === "dubious" || this.#bootstrap.busy(family);
      this.#status[family] = best === "good" ? "connected" : connecting ? "connecting" : "disconnected";
    }
    const { status } = this;
    if (status === "connected") this.#bootstrap.stop();
    else if (status === "disconnected" && !this.#bootstrap.active) this.#bootstrap.start();
    if (before[4] !== this.#status[4] || before[6] !== this.#status[6]) {
      world.emit({ type: "status", status, families: { ...this.#status } });
      if (status === "connected" && overall !== "connected") this.#maintenance.soon(0);
    }
    this.#operations.settle();
  }
  #connectivityChanged(family: Family): void {
    const world = this.#world;
    world.tables[family]?.connectivityChanged(world.now);
    world.nodes.connectivityChanged(family);
    this.#votes.clear(family);
    world.stale = true;
    this.#maintenance.soon(0);
    this.#bootstrap.start();
  }
  /** A search lost all its nodes: that is how a change of network looks from inside. */
  #died(family: Family): void {
    const { now } = this.#world;
    if (now < this.#nextDied) return;
    this.#nextDied = now + 30_000;
    this.#connectivityChanged(family);
  }
}
