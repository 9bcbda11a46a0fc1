/** What a {@linkcode DhtNode} may be told at its birth. */
import type { Family, Random } from "../base/mod.ts";
import type { DhtKernel, KernelOptions } from "./kernel.ts";

export interface DhtNodeOptions {
  readonly random: Random;
  /** 20 bytes; default: random. With an identity: `nodeIdOf` its key. */
  readonly id?: Uint8Array;
  /** 0, the public network, unless told otherwise. */
  readonly network?: number;
  /** True: others shall not route to us. */
  readonly client?: boolean;
  /** `v`, at most 16 bytes of ASCII; default "kith". */
  readonly agent?: string;
  /** Families of the socket; default both. */
  readonly families?: readonly Family[];
  /** A server that never changes its place: longer subscriptions. Default false. */
  readonly publicStable?: boolean;
  /** A bootstrap node: keeps a wider table. Default false. */
  readonly wide?: boolean;
  /** Requests per second from everyone / from one address; see `KernelOptions`. */
  readonly globalRate?: number;
  readonly addressRate?: number;
  readonly kernel?: (options: KernelOptions) => DhtKernel;
}
