/**
 * Bounds of the DHT kernel, the same for both bodies: the build hands these numbers to the WebAssembly sources.
 * Sizes in bytes, times in milliseconds.
 */
export const KERNEL_LIMITS = {
  /** One datagram (dht §1.1). */
  datagramBytes: 65536,
  /** Containers inside containers. */
  depth: 16,
  /** A longer token in a reply is ignored (dht §0). */
  tokenBytes: 64,
  /** User agent. */
  agentBytes: 16,
  /** Entries of `n4` and `n6` each: read from a reply / written into an answer (dht §1.6). */
  nodesPerReply: 32,
  nodesPerAnswer: 8,
  /** Nodes listed for answers, per family. */
  nodesListed: 4096,
  /** Most nodes `closest` gives at once. */
  nodesPerQuestion: 64,

  /** Keys, values, and bytes of values (packed, owner and user type together) kept for answers. */
  keys: 65536,
  values: 131072,
  valueBytes: 64 * 1024 * 1024,
  /** One packed value (dht §1.7). */
  packedBytes: 65536 + 32,
  /** Values or sizes in one message; ids of `exp` and `re`; cells of `fileds`; conditions of a filter. */
  valuesPerMessage: 4096,
  idsPerMessage: 8192,
  cellsPerMessage: 16384,
  conditions: 16,

  /** Fewer values and fewer bytes than these travel inside the answer (dht §1.7). */
  inlineValues: 50,
  inlineBytes: 600,
  fragmentBytes: 1280,
  /** One answer to `get`: values, bytes of them, and bytes of its first datagram. What does not fit is left out. */
  answerValues: 1024,
  answerBytes: 1024 * 1024,
  answerHeadBytes: 60000,

  /** Addresses (IPv4, or IPv6 /64) remembered for the rates; the one silent longest makes room. */
  addresses: 8192,
  /** The sliding second: this many slots of this length; the running one makes it 17/16 s. */
  rateSlots: 17,
  rateSlotMs: 62.5,
  globalRate: 8192,
  addressRate: 1024,
  /**
   * Amplification: an answer may be this much bigger than its question for nothing; what exceeds it is a debt of the
   * address that fades by so much a second, and at the limit only small answers are given.
   */
  answerFreeBytes: 1024,
  answerDebtBytes: 1024 * 1024,
  answerDebtPerSecond: 256 * 1024,

  /** Messages announced by `expect`; the oldest makes room. */
  expected: 8192,
  /** Incomplete messages: in all, and from one address. */
  partials: 512,
  partialsPerAddress: 32,
  /**
   * Bytes of incomplete messages (header, announced values, and this much for each of them to keep its place): one
   * message, one address, messages nobody asked for, all.
   */
  placeBytes: 16,
  messageBytes: 2 * 1024 * 1024,
  partialAddressBytes: 4 * 1024 * 1024,
  partialStrangerBytes: 8 * 1024 * 1024,
  partialBytes: 16 * 1024 * 1024,
  /** Messages whose fragments came before their header, and what is kept of each (dht §1.7). */
  earlyPartials: 64,
  earlyBytes: 56 * 1024 + 65536 + 32,
  earlyFragments: 98,
  /** Pieces in one fragment packet. */
  piecesPerPacket: 16,
  /** An incomplete message is given up after this long without a new fragment / in all (dht §1.7). */
  partialIdleMs: 3000,
  partialTotalMs: 10000,
} as const;
