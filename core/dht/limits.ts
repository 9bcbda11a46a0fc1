/** Every bound and every interval of the DHT room. Milliseconds and bytes unless the name says otherwise. */

const SECOND = 1000, MINUTE = 60 * SECOND, HOUR = 60 * MINUTE, MIB = 1 << 20;

/** How much of anything may be held or sent. */
export const LIMITS = {
  /** Node lists, put and sync sets. Spec: dht §4.1. */
  target: 8,
  /** Usable nodes of a search list; bad ones come on top, up to `searchBad`. */
  searchNodes: 14,
  searchBad: 25,
  /** How often a search whose nodes are nearly all dead takes in the next nearest we know. */
  searchRefills: 2,
  /** Nodes of one search asked at the same time. */
  searchParallel: 4,
  /** Living nodes that end a search although others are slow. */
  searchEnough: 4,
  /** Nodes of one search listened at. */
  listenNodes: 4,
  /** Keys searched at the same time, per family. */
  searches: 1 << 16,
  /** Single-id gets open at one node while it is read page by page. */
  pageParallel: 16,
  /** Ids of one key read from one node. */
  pageIds: 65536,
  /** Distinct values and bytes one get may deliver. */
  getValues: 65536,
  getBytes: 64 * MIB,
  /** Variants of one value id told apart by a listener (strangers may claim any id). */
  variants: 4,
  /** Values of one key remembered per node we listen at. Spec: dht §1.11. */
  listenValues: 4096,
  /** Known nodes per family that nobody uses; the longest silent go first. */
  idleNodes: 512,
  /** Addresses whose last speaker is found without a look at its id's text. */
  speakers: 4096,
  /** Entries of one `n4` or `n6` that are read. */
  compactNodes: 32,
  /** Token lengths that are kept. Spec: dht §0. */
  tokenBytes: 64,
  /** Addresses of nodes that broke the rules. */
  blacklist: 1024,
  /** Own requests waiting for an answer. */
  requests: 65536,
  /** Attempts of one request. Spec: dht §1.4. */
  attempts: 3,
  /** Authentication errors in a row that expire a node. */
  authErrors: 3,
  /** Bytes of remote values. Spec: dht §4.7. */
  storeBytes: 64 * MIB,
  /** Given up at once by the fattest address when that is reached, so that a full store does not sort for each put. */
  evictBytes: MIB,
  storeKeys: 65536,
  keyValues: 65536,
  /** Remote listeners in all, per IPv4 address or IPv6 /64, and per key. */
  listeners: 65536,
  listenersPerAddress: 4096,
  listenersPerKey: 4096,
  /** Signatures being checked for strangers, in all and per address. */
  questions: 256,
  questionsPerAddress: 32,
  /** Inline a value list below both of these. Spec: dht §1.7. */
  inlineValues: 50,
  inlineBytes: 600,
  fragmentBytes: 1280,
  /** A packed value, and the values of one listener push. */
  valueBytes: 65568,
  pushBytes: 56 << 10,
  /** Votes about our public address, per family; and how many must agree before it is believed. */
  addressVotes: 32,
  addressAgree: 3,
  /** Bootstrap hosts, and addresses tried per host. */
  bootstrapHosts: 64,
  bootstrapAddresses: 8,
  /** Operations held back while the network is being joined. */
  waiting: 65536,
  /** Events a slow reader of `listen` may leave lying before the iteration fails. */
  listenQueue: 65536,
  /** State files. */
  stateBytes: 256 * MIB,
  stateNodes: 4096,
} as const;

/** When things happen. Spec: dht §1.4, §4.1. */
export const TIMES = {
  /** Doubled and jittered before each attempt: gaps 1–1.25 s, 2–2.75 s, 4–5.75 s. */
  attempt: 500,
  attemptJitter: 250,
  nodeGood: 120 * MINUTE,
  nodeOld: 10 * MINUTE,
  /** How much longer a node must have become good before the kernel is told again. */
  listSlack: 30 * SECOND,
  /** The address we know of a node is asked again at most this often when others claim its id. */
  challenge: 10 * SECOND,
  bucketStale: 10 * MINUTE,
  bucketGrown: 150 * SECOND,
  searchIdle: 62 * MINUTE,
  cleanup: [2 * MINUTE, 6 * MINUTE],
  confirmFirst: [3 * SECOND, 5 * SECOND],
  confirmBusy: [5 * SECOND, 25 * SECOND],
  confirmIdle: [60 * SECOND, 180 * SECOND],
  confirmSoon: SECOND,
  secret: [15 * MINUTE, 45 * MINUTE],
  bootstrap: 10 * SECOND,
  bootstrapLongest: 24 * HOUR,
  /** Remote listeners live this long after their last `listen`. */
  listener: 10 * MINUTE,
  /** Our own subscriptions: renewed this long before they end. */
  listen: 30 * SECOND,
  listenStable: 5 * MINUTE,
  renewMargin: 10 * SECOND,
  /** A subscription nobody uses is kept this long. */
  listenKeep: 60 * SECOND,
} as const;
