/**
 * Fetches the real peers that this system does not carry, for the interoperability tests: an OpenDHT 3 with its
 * Python binding, and the Jami daemon of 2026 with the libraries it needs. Nothing is installed: packages are
 * unpacked into a folder (`KITH_PEERS`, default in the user's cache) and run by their own loader. They are
 * test peers only and never become part of Kith. Needs a Debian with apt, Node and npm; not root.
 */
import { peersFolder } from "../tests/interop/harness/peers.ts";
import { sh } from "../tests/interop/harness/shell.ts";

const ADDON = "@savoirfairelinux/jami-core-linux-x64@0.5.2";
const KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg";
const SETS = [
  { name: "opendht3", suite: "sid", packages: ["dhtnode", "python3-opendht"], alone: [] },
  {
    name: "libraries13",
    suite: "trixie",
    packages: [
      ...[
        "libva2",
        "libva-drm2",
        "libva-x11-2",
        "libvdpau1",
        "libx11-6",
        "libxcb1",
        "libudev1",
        "libasound2t64",
      ],
      ...["libssl3t64", "libdrm2", "libstdc++6", "libpulse0"],
    ],
    alone: ["libasound2-plugins"],
  },
];

/** The archive this system takes its own Debian packages from. */
async function archive(): Promise<string> {
  const texts: string[] = [];
  for (const folder of ["/etc/apt", "/etc/apt/sources.list.d"]) {
    for await (const file of Deno.readDir(folder)) {
      if (file.isFile && /\.(list|sources)$/.test(file.name)) {
        texts.push(await Deno.readTextFile(`${folder}/${file.name}`));
      }
    }
  }
  const all = [...texts.join("\n").matchAll(/^(?:URIs:|deb(?:\s+\[[^\]]*\])?)\s+(\S+)/gm)].map((match) =>
    match[1]!
  );
  const found = all.find((uri) => /\/debian\/?$/.test(uri));
  if (!found) throw new Error("no Debian archive among the configured apt sources");
  return found;
}

/** Unpacks `packages` and what they need, and `alone` without what they need, into `target`. */
async function unpack(suite: string, target: string, packages: string[], alone: string[]): Promise<void> {
  const work = await Deno.makeTempDir({ prefix: "kith-peers-" });
  try {
    for (const folder of ["lists/partial", "cache/archives/partial"]) {
      await Deno.mkdir(`${work}/${folder}`, { recursive: true });
    }
    await Deno.writeTextFile(`${work}/status`, "");
    await Deno.writeTextFile(
      `${work}/sources.list`,
      `deb [signed-by=${KEYRING}] ${await archive()} ${suite} main\n`,
    );
    const settings = {
      "Dir::State": work,
      "Dir::State::lists": `${work}/lists`,
      "Dir::State::status": `${work}/status`,
      "Dir::Cache": `${work}/cache`,
      "Dir::Cache::archives": `${work}/cache/archives`,
      "Dir::Etc::sourcelist": `${work}/sources.list`,
      "Dir::Etc::sourceparts": "/dev/null",
      "Dir::Etc::preferencesparts": "/dev/null",
      "APT::Architecture": "amd64",
      "APT::Install-Recommends": "false",
      "APT::Sandbox::User": "",
      "Acquire::Languages": "none",
      "Acquire::Retries": "3",
      "Debug::NoLocking": "true",
    };
    const options = Object.entries(settings).flatMap(([key, value]) => ["-o", `${key}=${value}`]);
    await sh("apt-get", ...options, "-qq", "update");
    await sh("apt-get", ...options, "-qq", "-y", "--download-only", "install", ...packages);
    if (alone.length) {
      await sh(
        "sh",
        "-c",
        'cd "$0" && exec "$@"',
        `${work}/cache/archives`,
        "apt-get",
        ...options,
        "-qq",
        "download",
        ...alone,
      );
    }
    const fresh = `${target}.new`;
    await Deno.remove(fresh, { recursive: true }).catch(() => {}); // usually not there
    await Deno.mkdir(fresh, { recursive: true });
    for await (const file of Deno.readDir(`${work}/cache/archives`)) {
      if (file.name.endsWith(".deb")) {
        await sh("dpkg-deb", "-x", `${work}/cache/archives/${file.name}`, fresh);
      }
    }
    for (const folder of ["doc", "man", "locale"]) {
      await Deno.remove(`${fresh}/usr/share/${folder}`, { recursive: true }).catch(() => {}); // not every set has it
    }
    await Deno.remove(target, { recursive: true }).catch(() => {}); // first time
    await Deno.rename(fresh, target);
  } finally {
    await Deno.remove(work, { recursive: true });
  }
}

/** Runs `make` unless the mark says that just this was made before. */
async function once(name: string, what: string, make: () => Promise<unknown>): Promise<void> {
  const mark = `${root}/${name}.mark`, done = await Deno.readTextFile(mark).catch(() => "");
  if (done === what) return console.log(`${name}: here already`);
  const start = performance.now();
  await make();
  await Deno.writeTextFile(mark, what);
  console.log(`${name}: ready after ${((performance.now() - start) / 1000).toFixed(1)} s`);
}

const root = peersFolder();
await Deno.mkdir(root, { recursive: true });
for (const { name, suite, packages, alone } of SETS) {
  await once(name, `${suite} ${packages} ${alone}`, () => unpack(suite, `${root}/${name}`, packages, alone));
}
await once(
  "jami26",
  ADDON,
  () => sh("npm", "install", "--silent", "--no-audit", "--no-fund", "--prefix", `${root}/jami26`, ADDON),
);
console.log(`test peers are in ${root}`);
