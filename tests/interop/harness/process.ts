/** A program that runs beside the test: its lines are kept and can be waited for, it is ended by its own pid. */

export interface ProcessOptions {
  /** Replaces the environment, but for what {@linkcode KEPT} names. */
  env?: Record<string, string>;
  /** Network namespace to run in. */
  namespace?: string;
  cwd?: string;
  /** Shown in error messages. Default: the program's name. */
  name?: string;
}

/** What a program needs to find its home, its packages and the way to them. */
const KEPT = [
  ...[
    "PATH",
    "HOME",
    "LANG",
    "XDG_CACHE_HOME",
    "DENO_DIR",
    "DENO_CERT",
    "DENO_TLS_CA_STORE",
    "NODE_EXTRA_CA_CERTS",
  ],
  ...[
    "NPM_CONFIG_REGISTRY",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "no_proxy",
  ],
];
const LAST_LINES = 40, GRACE_MS = 8000;

/** Lines of both outputs in order of arrival, the program's standard input, its end. */
export class Process implements AsyncDisposable {
  readonly lines: string[] = [];
  readonly #waiting = new Set<() => void>();
  readonly #input: WritableStreamDefaultWriter<Uint8Array>;
  readonly #output: Promise<unknown>;
  #status: Deno.CommandStatus | undefined;

  private constructor(readonly name: string, readonly child: Deno.ChildProcess) {
    this.#input = child.stdin.getWriter();
    this.#output = Promise.all([this.#collect(child.stdout), this.#collect(child.stderr)]);
    child.status.then((status) => {
      this.#status = status;
      this.#tell();
    });
  }

  static start(command: string, args: readonly string[], options: ProcessOptions = {}): Process {
    const { namespace, cwd, name = command.split("/").at(-1)! } = options;
    const kept = Object.fromEntries(
      KEPT.flatMap((key) => {
        const value = Deno.env.get(key);
        return value === undefined ? [] : [[key, value]];
      }),
    );
    const [program, ...rest] = namespace
      ? ["ip", "netns", "exec", namespace, command, ...args]
      : [command, ...args];
    const child = new Deno.Command(program!, {
      args: rest,
      clearEnv: true,
      env: { ...kept, DENO_NO_UPDATE_CHECK: "1", ...options.env },
      cwd,
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    });
    return new Process(name, child.spawn());
  }

  get pid(): number {
    return this.child.pid;
  }
  /** Exit code once it has ended; 128 + signal number if a signal ended it. */
  get code(): number | undefined {
    return this.#status?.code;
  }
  /** Position after the lines so far: wait for what comes after it. */
  mark(): number {
    return this.lines.length;
  }

  /**
   * First line from position `since` on that matches. Its match is returned.
   * @throws if the program ends first or `timeout` ms pass; the message shows its last lines.
   */
  async line(pattern: RegExp, timeout = 20_000, since = 0): Promise<RegExpMatchArray> {
    const end = performance.now() + timeout;
    for (let at = since;;) {
      for (; at < this.lines.length; at++) {
        const match = this.lines[at]!.match(pattern);
        if (match) return match;
      }
      if (this.#status) throw this.#failure(`ended with ${this.#status.code} before ${pattern}`);
      if (!(await this.#more(end))) throw this.#failure(`said nothing like ${pattern} for ${timeout} ms`);
    }
  }

  /** Waits for its end and gives the exit code. @throws after `timeout` ms. */
  async ended(timeout = 20_000): Promise<number> {
    const end = performance.now() + timeout;
    while (!this.#status) if (!(await this.#more(end))) throw this.#failure(`still ran after ${timeout} ms`);
    await this.#output;
    return this.#status.code;
  }

  async write(text: string): Promise<void> {
    await this.#input.write(new TextEncoder().encode(text));
  }

  /** Nothing more will be written. */
  async endInput(): Promise<void> {
    await this.#input.close();
  }

  signal(name: Deno.Signal): void {
    if (!this.#status) this.child.kill(name);
  }

  /** Processor seconds used so far (user and system) and resident bytes, from the kernel's books. */
  usage(): { cpu: number; rss: number } {
    const stat = Deno.readTextFileSync(`/proc/${this.pid}/stat`),
      fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    const status = Deno.readTextFileSync(`/proc/${this.pid}/status`);
    return {
      cpu: (Number(fields[11]) + Number(fields[12])) / 100,
      rss: 1024 * Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? NaN),
    };
  }

  /** Ends it: asks with SIGTERM, insists with SIGKILL. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.signal("SIGTERM");
    const timer = setTimeout(() => this.signal("SIGKILL"), GRACE_MS);
    await this.child.status;
    clearTimeout(timer);
    await this.#input.close().catch(() => {}); // the pipe is gone with its reader
    await this.#output;
  }

  async #collect(stream: ReadableStream<Uint8Array>): Promise<void> {
    let rest = "";
    for await (const text of stream.pipeThrough(new TextDecoderStream())) {
      const parts = (rest + text).split("\n");
      rest = parts.pop()!;
      this.lines.push(...parts);
      this.#tell();
    }
    if (rest) this.lines.push(rest), this.#tell();
  }
  #tell(): void {
    for (const wake of [...this.#waiting]) wake();
  }
  /** False when `end` passed without news. */
  async #more(end: number): Promise<boolean> {
    const left = end - performance.now();
    if (left <= 0) return false;
    return await new Promise((done) => {
      const finish = (news: boolean) => (clearTimeout(timer), this.#waiting.delete(wake), done(news));
      const wake = () => finish(true), timer = setTimeout(() => finish(false), left);
      this.#waiting.add(wake);
    });
  }
  #failure(what: string): Error {
    return new Error(
      `${this.name} ${what}. Its last lines:\n  ${this.lines.slice(-LAST_LINES).join("\n  ")}`,
    );
  }
}
