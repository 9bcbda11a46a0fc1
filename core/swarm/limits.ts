/** Every bound of the swarm room. Each has a test that meets it. Spec: swarm §12. */
export const LIMITS = {
  /** Inflated size of one git object. */
  objectBytes: 32 << 20,
  /** Entries of one tree, and how deep trees may lie inside each other. */
  treeEntries: 10_000,
  treeDepth: 4,
  /** Bytes of one tree object. */
  treeBytes: 4 << 20,
  /** Bytes of one commit object that is no checkpoint; header lines in it. */
  commitBytes: 1 << 20,
  commitHeaderLines: 64,
  /** Parents a commit may name; more is no commit of ours, but it can be read. */
  commitParents: 16,
  /** One pack: bytes as received, objects announced, bytes inflated in all. */
  packBytes: 256 << 20,
  packObjects: 500_000,
  packInflatedBytes: 512 << 20,
  /** Deltas that lean on deltas. */
  deltaChain: 50,
  /** A pkt-line with its four digits. */
  pktBytes: 65_520,
  /** Reference advertisement as a whole. */
  advertisementBytes: 64 << 10,
  /** One negotiation: `have` lines, `want` lines. */
  haves: 256,
  wants: 1,
  /** Side-band 2 (progress) we are willing to skip. */
  progressBytes: 64 << 10,
  /** Git dialogue without a byte of progress, and one fetch in all, ms. */
  stallMs: 60_000,
  fetchMs: 30 * 60_000,
  /** A `want` we cannot serve is answered by closing within this time, ms. */
  refusalMs: 5_000,
  /** Nesting of a message's JSON. */
  jsonDepth: 100,
  /** One instant message on a `msg:` channel, packed; how deep it may nest; its MIME type, characters. */
  instantBytes: 1 << 20,
  instantDepth: 16,
  /** Bytes looked at again and again while one of them is still incomplete. */
  instantWork: 64 << 20,
  mimeLength: 256,
  /** How long an older device may take to acknowledge a message, ms; tokens of its messages remembered. */
  sipAnswerMs: 15_000,
  heardTokens: 1024,
  /** Messages that wait for one device, devices that are waited for, tries per message. */
  waitingPerDevice: 256,
  waitingDevices: 1024,
  postTries: 20,
  /** First pause before a notice that led to nothing is given again, ms; how often; devices waited for. */
  insistMs: 15_000,
  insistTries: 6,
  insistDevices: 4096,
  /** Invitations that wait for an answer; the oldest goes first. */
  invitations: 256,
  /** Commit notices taken from one device in a minute. */
  noticesPerMinute: 600,
  /** Fetches and clones under way at once. */
  fetches: 8,
  /** First pause after a failed clone, and the longest, ms. */
  cloneRetryMs: { first: 5_000, longest: 12 * 3_600_000 },
  /** How long somebody is shown as typing without saying so again, ms. */
  typingMs: 12_000,
  /** One text, UTF-8 bytes. */
  textBytes: 1 << 20,
} as const;
