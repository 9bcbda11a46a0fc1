/** Where crypto workers are made, asked and ended: the only place that knows how to start one. */
import { Worker } from "node:worker_threads";
import { CoreError } from "../base/mod.ts";
import type { Answer, Job, Request } from "./worker_io.ts";

let source: URL = new URL("./worker_io.ts", import.meta.url);

/** For a program bundled into one file: where the worker's code is instead, a file URL. Before the first use. */
export function setCryptoWorker(url: URL): void {
  source = url;
}

type Waiting = { resolve(value: Uint8Array<ArrayBuffer> | undefined): void; reject(error: Error): void };

/** One worker, started when first asked; it does not keep the program alive. A worker that dies fails what it was asked. */
export class WorkerPort {
  #worker: Worker | undefined;
  #waiting = new Map<number, Waiting>();
  #next = 1;

  /** @param linger false: the worker ends when nothing is left to do (Argon2i holds 64 MiB). */
  constructor(readonly linger: boolean) {}

  /** The job's value, `undefined` if it failed. @throws {CoreError} `crypto/worker` if the worker cannot run. */
  ask(job: Job): Promise<Uint8Array<ArrayBuffer> | undefined> {
    const { promise, resolve, reject } = Promise.withResolvers<Uint8Array<ArrayBuffer> | undefined>();
    const worker = this.#worker ??= this.#start(), request: Request = { id: this.#next++, job };
    this.#waiting.set(request.id, { resolve, reject });
    worker.ref();
    worker.postMessage(request);
    return promise;
  }

  #start(): Worker {
    const worker = new Worker(source);
    worker.unref();
    worker.on("message", ({ id, value }: Answer) => {
      this.#waiting.get(id)?.resolve(value);
      this.#waiting.delete(id);
      if (this.#waiting.size) return;
      worker.unref();
      if (!this.linger) this.#end();
    });
    const lost = (cause: unknown) => {
      if (this.#worker !== worker) return; // we ended it ourselves, or it was mourned already
      const error = new CoreError("crypto/worker", {}, { cause }), waiting = [...this.#waiting.values()];
      this.#waiting.clear();
      this.#end();
      for (const { reject } of waiting) reject(error);
    };
    worker.on("error", lost);
    worker.on("exit", lost);
    return worker;
  }

  #end(): void {
    this.#worker?.terminate();
    this.#worker = undefined;
  }
}
