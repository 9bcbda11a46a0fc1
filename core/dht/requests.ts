/** Requests of ours: numbered, repeated, matched with their answers, given up. Pure. Spec: dht §1.4. */
import type { Endpoint, Random } from "../base/mod.ts";
import { sameEndpoint } from "../base/mod.ts";
import type { KernelAction, QueryName } from "./kernel.ts";
import { LIMITS, TIMES } from "./limits.ts";
import type { RemoteNode } from "./nodes.ts";
import type { Timer, Timers } from "./timers.ts";

export type Reply = Extract<KernelAction, { type: "reply" }>;

/** What the asker wants to hear. Each is called at most once, except that `slow` may come before any other. */
export interface Asking {
  readonly query: QueryName;
  /** Known, or unknown while bootstrapping. */
  readonly node: RemoteNode | undefined;
  readonly to: Endpoint;
  /** The datagrams, once the transaction id is drawn. */
  readonly write: (tid: number) => Uint8Array | Uint8Array[];
  /** An answer from `to`; `node` is set by then. Its byte arrays live until the next call on the kernel. */
  readonly reply: (reply: Reply, request: Request) => void;
  /** An error reply. True: dealt with, the request is over. */
  readonly error?: (code: number, request: Request) => boolean;
  /** The second send: the node is slow. */
  readonly slow?: (request: Request) => void;
  /** Given up. */
  readonly expired?: (request: Request) => void;
}

export interface Request {
  readonly tid: number;
  readonly asking: Asking;
  node: RemoteNode | undefined;
  state: "pending" | "answered" | "expired" | "cancelled";
  sends: number;
  readonly sentAt: number;
}

type Open = Request & { packets: Uint8Array[]; gap: number; timer: Timer };

/** The world of the requests. */
export interface RequestsHost {
  readonly now: number;
  readonly random: Random;
  readonly timers: Timers;
  send(bytes: Uint8Array, to: Endpoint): void;
  /** A node did not answer and is expired now. */
  lost(node: RemoteNode): void;
  /** A message with this id may arrive in pieces, or: it will not any more. */
  expect?(tid: number, from: Endpoint, coming: boolean): void;
}

export class Requests {
  #open = new Map<number, Open>();
  constructor(readonly host: RequestsHost) {}

  get size(): number {
    return this.#open.size;
  }
  /** A transaction id, or listen socket, nobody uses. */
  newTid(inUse?: (tid: number) => boolean): number {
    for (;;) {
      const tid = this.host.random.uint32();
      if (tid !== 0 && !this.#open.has(tid) && !inUse?.(tid)) return tid;
    }
  }
  /** Sends a request. `undefined` when too many are open. */
  ask(asking: Asking, inUse?: (tid: number) => boolean): Request | undefined {
    if (this.#open.size >= LIMITS.requests) return undefined;
    const { host } = this, tid = this.newTid(inUse), written = asking.write(tid);
    const request: Open = {
      tid,
      asking,
      node: asking.node,
      state: "pending",
      sends: 0,
      sentAt: host.now,
      packets: Array.isArray(written) ? written : [written],
      gap: TIMES.attempt,
      timer: host.timers.at(Infinity, () => this.#attempt(request)),
    };
    this.#open.set(tid, request);
    asking.node?.open.push(request);
    if (asking.query === "get") host.expect?.(tid, asking.to, true);
    this.#attempt(request);
    return request;
  }
  /** Our open request `tid`, if it was sent to `from` and to the node of this id. */
  match(tid: number, from: Endpoint, id: string | undefined): Request | undefined {
    const request = this.#open.get(tid);
    if (!request || !sameEndpoint(request.asking.to, from)) return undefined;
    if (id !== undefined && request.node && request.node.key !== id) return undefined;
    return request;
  }
  /** An answer that {@linkcode match} accepted. */
  answered(request: Request, node: RemoteNode, reply: Reply): void {
    this.#close(request as Open, "answered");
    request.node = node;
    request.asking.reply(reply, request);
  }
  failed(request: Request, code: number): void {
    if (request.asking.error?.(code, request)) this.#close(request as Open, "cancelled");
  }
  cancel(request: Request | undefined): void {
    if (request?.state === "pending") this.#close(request as Open, "cancelled");
  }
  /** The system refused to send there: who was asked at `to` is lost at once. */
  unreachable(to: Endpoint): void {
    for (const request of [...this.#open.values()]) {
      if (request.state === "pending" && sameEndpoint(request.asking.to, to)) this.#expire(request);
    }
  }
  /** Gives up everything asked of `node`. */
  drop(node: RemoteNode): void {
    for (const request of [...node.open]) {
      if (request.state !== "pending") continue;
      this.#close(request as Open, "expired");
      request.asking.expired?.(request);
    }
  }

  #attempt(request: Open): void {
    const { host } = this, { asking } = request;
    if (request.sends === LIMITS.attempts) return this.#expire(request);
    if (request.sends === 1) asking.slow?.(request);
    if (request.state !== "pending") return;
    request.sends++;
    request.gap += request.gap + TIMES.attemptJitter * host.random.float();
    host.timers.move(request.timer, host.now + request.gap);
    for (const packet of request.packets) host.send(packet, asking.to);
  }
  #expire(request: Open): void {
    this.#close(request, "expired");
    request.asking.expired?.(request);
    const { node } = request;
    if (!node || !sameEndpoint(node.address, request.asking.to)) return;
    node.expired = true;
    this.drop(node);
    this.host.lost(node);
  }
  #close(request: Open, state: Request["state"]): void {
    request.state = state;
    request.packets = [];
    this.host.timers.cancel(request.timer);
    this.#open.delete(request.tid);
    const open = request.asking.node?.open, at = open?.indexOf(request) ?? -1;
    if (at >= 0) open!.splice(at, 1);
    if (request.asking.query === "get") this.host.expect?.(request.tid, request.asking.to, false);
  }
}
