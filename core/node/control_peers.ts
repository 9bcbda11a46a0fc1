/** What can be asked about links to other devices: who is connected, and why it takes so long. */
import { CoreError, type DeviceId } from "../base/mod.ts";
import type { PeerLink, TraceReport } from "../peers/mod.ts";
import type { Verbs } from "./control.ts";
import { personOf } from "./control_targets.ts";
import type { WorkingAccount } from "./node.ts";

const DEVICE = /^[0-9a-f]{64}$/;

export const PEER_VERBS: Verbs = {
  /** Links there are, and the last attempts with their phases. */
  "peer.list": (node, fields) => {
    const { session } = node.account(fields.optional("account"));
    fields.end();
    return { links: session.peers.links().map(linkFact), traces: session.peers.traces() };
  },
  /**
   * Connects to a device (`who`: 64 hex digits), or to the devices of a person one after the other until one answers.
   * The answer holds what happened, also when it failed: `links` made, and a trace per attempt.
   */
  "peer.connect": async (node, fields) => {
    const account = node.account(fields.optional("account")), who = fields.text("who").toLowerCase();
    fields.end();
    const { peers } = account.session,
      attempts: { device: string; code: string }[] = [],
      traces: TraceReport[] = [];
    for await (const device of devicesOf(account, who)) {
      const before = peers.traces().length && peers.traces().at(-1)!.id;
      try {
        const link = await peers.connect(device);
        traces.push(...peers.traces().filter((trace) => trace.device === link.device).slice(-1));
        return { links: [linkFact(link)], attempts, traces };
      } catch (error) {
        if (!(error instanceof CoreError)) throw error;
        attempts.push({ device: device.longId, code: error.code });
        traces.push(
          ...peers.traces().filter(({ id, direction }) => direction === "out" && id > before).slice(-1),
        );
      }
    }
    return { links: [], attempts, traces };
  },
};

/** Announced devices with both ids; a bare device id as it is. */
async function* devicesOf(
  own: WorkingAccount,
  who: string,
): AsyncGenerator<{ longId: string; shortId: string }> {
  const { session } = own, { directory } = session.requests.options;
  if (DEVICE.test(who)) {
    const account = session.accountOf(who as DeviceId),
      shortId = account && session.online.online.legacyDevice(account, who as DeviceId);
    const chain = shortId ? undefined : await directory.device({ longId: who });
    const known = shortId ?? chain?.legacyDevice;
    if (!known) throw new CoreError("peers/no-certificate", { device: who });
    yield { longId: who, shortId: known };
    return;
  }

  for await (const { device, legacyDevice } of directory.devices(personOf(own, who))) {
    if (device !== session.options.account.deviceId) yield { longId: device, shortId: legacyDevice };
  }
}

const linkFact = ({ device, account, direction, since, path, mux }: PeerLink) => ({
  device,
  account,
  direction,
  since: Math.floor(since / 1000),
  path,
  channels: mux.info().channels.map(({ name, received, sent }) => ({ name, received, sent })),
});
