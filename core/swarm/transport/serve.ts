/** Serves a conversation on a channel, fetch after fetch, until the channel ends. Spec: swarm §4.3. */
import { type Clock, type CommitId, CoreError, Driver } from "../../base/mod.ts";
import type { ByteStream } from "../../net/mod.ts";
import type { Conversation } from "../conversation.ts";
import { packPieces } from "../git/pack_write.ts";
import { type UploadEnd, type UploadIn, type UploadOut, UploadPack } from "../git/upload.ts";
import { isBehind } from "../repo/reach.ts";
import { Serial } from "../serial.ts";

export interface ServeOptions {
  readonly clock: Clock;
  /** The peer holds this commit and all before it. */
  readonly fetched?: (id: CommitId) => void;
}

/** Resolves with the reason we closed, or `undefined` when the peer ended. Never rejects; the channel is closed then. */
export async function serve(
  channel: ByteStream,
  conversation: Conversation,
  options: ServeOptions,
): Promise<UploadEnd | undefined> {
  const questions = new Serial(), writes = new Serial(), { folder } = conversation;
  let ended: UploadEnd | undefined;
  const end = (why: UploadEnd) => {
    ended ??= why;
    channel.abort(new CoreError("swarm/git-closed", { why }));
  };
  const act = (out: UploadOut) => {
    if (out.type === "close") end(out.reason);
    else if (out.type === "fetched") options.fetched?.(out.id as CommitId);
    else if (out.type === "write") {
      void writes.run(() => channel.write(out.bytes)).catch(() => end("stalled"));
    } else void questions.run(() => answer(out)).catch(() => end("protocol"));
  };
  using driver = new Driver<UploadIn, UploadOut>(new UploadPack(), options.clock, act);
  const answer = async (out: Exclude<UploadOut, { type: "close" | "fetched" | "write" }>): Promise<void> => {
    if (out.type === "head") driver.feed({ type: "head", id: conversation.tip });
    else if (out.type === "common") {
      driver.feed({
        type: "common",
        id: out.haves.find((id) => folder.has(id)),
      });
    } else if (!folder.has(out.want) || !await isBehind(folder, out.want, conversation.tip)) {
      driver.feed({ type: "refused" });
    } else {
      const ids = await conversation.lacking(out.want, out.haves);
      for (const bytes of packPieces(ids.length, ids.values().map((id) => folder.read(id)!))) {
        driver.feed({ type: "pack", bytes });
        await writes.idle; // no more of the pack is made than the peer takes
        if (ended) return;
      }
      driver.feed({ type: "packed" });
    }
  };
  try {
    for (let bytes = await channel.read(); bytes; bytes = await channel.read()) {
      driver.feed({ type: "bytes", bytes });
    }
  } catch { /* the channel broke; when it was us, `ended` says why */ }
  await questions.idle;
  await writes.idle;
  await channel.close();
  return ended;
}
