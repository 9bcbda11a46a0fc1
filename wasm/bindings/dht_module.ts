/** The door to the built module: the one place that knows where its bytes lie. */

export interface DhtExports {
  readonly memory: WebAssembly.Memory;
  place(which: number): number;
  init(network: number, client: boolean, agentLength: number, globalRate: number, addressRate: number): void;
  packet(now: number, length: number, ipBytes: number, port: number): number;
  wake(now: number): number;
  wakeAt(): number;
  rotate(): void;
  token(ipBytes: number, port: number): number;
  tokenOk(length: number, ipBytes: number, port: number): number;
  listNode(ipBytes: number, port: number, goodUntil: number): number;
  unlistNode(family: number): void;
  closest(now: number, family: number, most: number): number;
  expect(tid: number, ipBytes: number, port: number): void;
  forget(tid: number, ipBytes: number, port: number): void;
  setValue(id: bigint, packed: number, owner: number, user: number, kind: number, seq: number): number;
  removeValue(id: bigint): number;
  value(id: bigint): bigint;
  held(which: number): number;
}

let compiled: WebAssembly.Module | undefined;

function load(): WebAssembly.Module {
  return compiled ??= new WebAssembly.Module(Deno.readFileSync(new URL("../dist/dht.wasm", import.meta.url)));
}

/** Can the module be had: built, and readable by this process? */
export function hasDhtModule(): boolean {
  try {
    return load() !== undefined;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotCapable) return false;
    throw error;
  }
}

/** Gives the module's bytes from elsewhere, as a bundle must that has no files beside it. Before the first kernel. */
export function useDhtModule(bytes: Uint8Array<ArrayBuffer>): void {
  compiled = new WebAssembly.Module(bytes);
}

/** A fresh instance with its own memory. @throws {Deno.errors.NotFound} where `deno task wasm` was not run. */
export function instantiateDht(): DhtExports {
  return new WebAssembly.Instance(load(), {}).exports as unknown as DhtExports;
}
