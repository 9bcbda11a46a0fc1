/** Which real peers this machine has, and where. A test that needs an absent one is skipped loudly, or fails. */
import { which } from "./shell.ts";

/** `v23`: the OpenDHT 2.4.12 of Debian 12; `v26`: OpenDHT 3; `jamid23`, `jami26`: the Jami daemons of 2023 and 2026. */
export type PeerName = "v23" | "v26" | "jamid23" | "jami26";

/** Programs of one generation of OpenDHT. */
export interface Programs {
  /** Its command line node. */
  readonly dhtnode: readonly string[];
  /** A Python that can `import opendht`. */
  readonly python: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

/** Where `deno task peers` unpacks what the system does not have installed. */
export function peersFolder(): string {
  const given = Deno.env.get("KITH_PEERS");
  return given ??
    `${Deno.env.get("XDG_CACHE_HOME") ?? `${Deno.env.get("HOME") ?? "/tmp"}/.cache`}/kith/peers`;
}

/** The programs of a generation. @throws if they are not there; ask {@linkcode missing} first. */
export function programs(name: "v23" | "v26"): Programs {
  if (name === "v23") return { dhtnode: ["/usr/bin/dhtnode"], python: ["/usr/bin/python3"], env: {} };
  const root = `${peersFolder()}/opendht3`, library = `${root}/usr/lib/x86_64-linux-gnu`;
  const loader = [`${root}/usr/lib64/ld-linux-x86-64.so.2`, "--library-path", library];
  return {
    dhtnode: [...loader, `${root}/usr/bin/dhtnode`],
    python: [...loader, `${root}/usr/bin/python3`],
    env: { PYTHONHOME: `${root}/usr` },
  };
}

/** What runs the 2026 daemon: a loader with newer libraries, Node, and the folder of the addon. */
export function jami26(): { node: readonly string[]; addon: string } {
  const root = peersFolder(),
    libraries = `${root}/libraries13`,
    library = `${libraries}/usr/lib/x86_64-linux-gnu`;
  const loader = [
    `${libraries}/usr/lib64/ld-linux-x86-64.so.2`,
    "--library-path",
    `${library}:${library}/pulseaudio`,
  ];
  return {
    node: [...loader, nodePath()],
    addon: `${root}/jami26/node_modules/@savoirfairelinux/jami-core-linux-x64`,
  };
}

/** Why a test with these peers cannot run here; undefined: it can. */
export async function missing(...names: PeerName[]): Promise<string | undefined> {
  if (Deno.build.os !== "linux") return "network namespaces need Linux";
  if (Deno.uid() !== 0) return "network namespaces need root";
  if (!(await which("ip"))) return "`ip` is not installed (Debian: iproute2)";
  for (const name of names) {
    if (name === "v23") {
      if (!(await exists("/usr/bin/dhtnode"))) return "dhtnode is not installed (Debian: dhtnode)";
      if (!(await anyIn("/usr/lib/python3/dist-packages", "opendht"))) {
        return "Debian's python3-opendht is not installed";
      }
    } else if (name === "jamid23") {
      if (!(await exists("/usr/libexec/jamid"))) return "jamid is not installed (Debian: jami-daemon)";
      if (!(await which("dbus-daemon"))) return "dbus-daemon is not installed (Debian: dbus-daemon)";
    } else if (name === "v26") {
      if (!(await exists(programs("v26").dhtnode.at(-1)!))) return "no OpenDHT 3 (deno task peers)";
    } else if (!(await exists(jami26().addon)) || !(await exists(nodePath()))) {
      return "no Jami daemon of 2026 (deno task peers)";
    }
  }
  return undefined;
}

/**
 * A test against real peers. Where one is missing it is skipped with a line that says so; with
 * `REQUIRE_PEERS=1` that is a failure.
 */
export function peerTest(
  name: string,
  peers: readonly PeerName[],
  body: (t: Deno.TestContext) => Promise<void>,
): void {
  Deno.test({
    name,
    sanitizeOps: false, // signal listeners and child processes outlive a step, never the test's lab
    sanitizeResources: false,
    fn: async (t) => {
      const reason = await missing(...peers);
      if (reason === undefined) return await body(t);
      if (Deno.env.get("REQUIRE_PEERS") === "1") throw new Error(`cannot run: ${reason}`);
      console.warn(`SKIPPED ${name}: ${reason}`);
    },
  });
}

/** The Node binary: `KITH_NODE`, or the first in PATH. The newer loader needs the file itself. */
function nodePath(): string {
  const given = Deno.env.get("KITH_NODE");
  if (given) return given;
  for (const folder of (Deno.env.get("PATH") ?? "").split(":")) {
    try {
      if (Deno.statSync(`${folder}/node`).isFile) return Deno.realPathSync(`${folder}/node`);
    } catch {
      continue; // not in this folder
    }
  }
  return "/usr/bin/node";
}

async function exists(path: string): Promise<boolean> {
  try {
    return Boolean(await Deno.stat(path));
  } catch {
    return false;
  }
}

async function anyIn(folder: string, start: string): Promise<boolean> {
  try {
    for await (const entry of Deno.readDir(folder)) if (entry.name.startsWith(start)) return true;
  } catch {
    return false; // no such folder
  }
  return false;
}
