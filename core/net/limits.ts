/** Every bound of the net room, by part. Times in milliseconds, sizes in bytes. */

/** STUN messages. Spec: connection §2.6, RFC 8489 §5. */
export const STUN = {
  /** A check, an answer or a keepalive of ours or of a real peer is far smaller; TURN data travels in `TURN.message`. */
  message: 2048,
  attributes: 24,
  /** RFC 8489 §14.3 allows 513 bytes before SASLprep. */
  username: 513,
  /** RFC 8489 §14.8: reason phrase, realm and software are below 763 bytes. */
  text: 763,
} as const;

/** Candidate text and checks. Spec: connection §2, §9 H1–H4, H14–H17. */
export const ICE = {
  /** Text of a connection request. */
  text: 8192,
  lines: 64,
  ufragMin: 4,
  /** Real peers join both names in a fixed buffer: longer ones are never sent and never accepted. */
  ufragMax: 60,
  pwdMin: 22,
  pwdMax: 256,
  foundation: 31,
  /** Components of one session; calls number them over all streams. Spec: calls §2.2, §3. */
  components: 32,
  /** Addresses one request may make us dial, per component. */
  targets: 32,
  /** Candidates of ours in one offer, per component; real peers keep no more. */
  offered: 31,
  hosts: 8,
  /** Far ends that may prove to a UDP session who they are. */
  remotes: 64,
  pairs: 256,
  /** Connections at once on our listeners before nomination. */
  accepted: 16,
  /** An accepted connection without a valid check is closed after this. */
  silentAcceptMs: 10_000,
  /** Answers "401" to one connection (or one UDP session) before it is closed (ignored). */
  unauthorized: 10,
  /** Answers "487": our role is fixed by who sent the request. */
  conflicts: 3,
  /** Gap between two new checks. */
  paceMs: 50,
  connectMs: 15_000,
  /** A relay refuses until it has our permission: try again this often, this many times. */
  relayRetryMs: 500,
  relayRetries: 24,
  /** A check over our own connection is sent once. */
  answerMs: 8_000,
  /** UDP and triggered checks: first gap, doubling; seven sends and a last wait. */
  rtoMs: 500,
  sends: 7,
  lastWaitFactor: 16,
  /** Regular nomination: from the first success, unless all pairs are done sooner. */
  nominateMs: 400,
  /** All our checks are over: how long the other side may still reach us, or nominate. */
  patienceMs: 10_000,
  /** Spare connections live this long after nomination. */
  spareMs: 5_000,
  keepaliveMs: 20_000,
  keepaliveJitterMs: 4_000,
  /** Nothing heard on the selected path: ask, and give it up after this many questions without an answer. */
  quietMs: 45_000,
  quietAsks: 3,
  quietGapMs: 5_000,
  /** Candidates from relays and port mappings are waited for this long. Spec: connection §2.2. */
  gatherMs: 4_000,
  /** Bytes of the peer's stream kept until the application reads, then the socket is paused. */
  early: 256 * 1024,
} as const;

/** RFC 4571 frames. Spec: connection §2.8. */
export const FRAME = {
  max: 65_535,
  /** One TLS record with its header: 5 + 2^14 + 256. */
  record: 5 + 16_384 + 256,
} as const;

/** The relay client. Spec: connection §3, §9 H32. */
export const TURN = {
  /** STUN message or channel data on a stream. */
  message: 65_535 + 64,
  servers: 4,
  rtoMs: 500,
  sends: 7,
  lastWaitFactor: 16,
  /** Answer to a request over a stream. */
  answerMs: 8_000,
  lifetimeS: 600,
  /** A server may offer less or more; outside this it is no use to us. */
  lifetimeMinS: 60,
  lifetimeMaxS: 3_600,
  refreshBeforeMs: 60_000,
  permissionMs: 240_000,
  channelMs: 540_000,
  keepaliveMs: 15_000,
  permissions: 32,
  channels: 64,
  /** Peer connections through one TCP allocation. */
  connections: 8,
  /** A refused nonce may be renewed this often in a row. */
  staleNonces: 3,
  nonce: 763,
  /** A trial of a relay, and how long its connection may take to close. */
  testMs: 10_000,
  lingerMs: 1_000,
  /** After a failed trial; doubling. */
  backOffMs: 10_000,
  backOffMaxMs: 1_800_000,
  /** Data waiting for a channel or a connection being bound. */
  bindMs: 15_000,
} as const;

/** Port mapping by UPnP IGD, NAT-PMP and PCP. Spec: connection §3.4. */
export const NAT = {
  tcpPorts: [10_000, 15_000],
  udpPorts: [20_000, 25_000],
  leaseS: 7_200,
  /** Renewed after this part of the granted lifetime. */
  renewAt: 0.8,
  mappings: 32,
  /** A conflicting external port is replaced this often. */
  tries: 20,
  /** RFC 6886 §3.1: 250 ms doubling; four sends are enough for a machine one hop away. */
  pmpRtoMs: 250,
  pmpSends: 4,
  searchMs: 3_000,
  gateways: 4,
  ssdp: 2_048,
  httpHead: 8_192,
  httpBody: 65_536,
  /** Reads one answer may take: who drips single bytes is not worth the copying. */
  httpPieces: 1_024,
  httpMs: 5_000,
  url: 512,
  services: 32,
  /** No gateway answered: look again after this, and on every change of network. */
  lookAgainMs: 300_000,
} as const;

/** Spec: connection §1.8, §4.6, §9 H12–H14. */
export const TLS_LIMITS = {
  handshakeMs: 40_000,
  /** How long a close may take to tell the other side. */
  closeMs: 3_000,
  /** A chain is device, account, authority; two more are tolerated. */
  chainCertificates: 5,
  chainBytes: 32 << 10,
  /** Plaintext and ciphertext held while our reader is slow. */
  heldBytes: 256 << 10,
  /** Bytes handed to the stream below in one write: whole records, and one frame of RFC 4571. */
  writeBytes: 65535,
  /** A record is at most 2¹⁴ bytes, 256 of expansion, 5 of header. Spec: RFC 8446 §5.2. */
  recordBytes: 16384 + 256 + 5,
} as const;

/** The multiplexed socket. Spec: connection §5, §9 H14, H20–H31. */
export const MUX_LIMITS = {
  /** Largest value we write, and what one channel may send before the next one's turn when several have something. */
  valueBytes: 65535,
  turnBytes: 16384,
  /** Largest value we read; real peers write no more than `valueBytes`. */
  receivedValueBytes: 128 << 10,
  /** Largest value of another shape than `[channel, bytes]` that is read at all. */
  unusualBytes: 4096,
  /** Values that are no `[channel, bytes]` before the connection is closed. */
  badValues: 3,
  depth: 4,
  /** Messages in one control value. */
  controlMessages: 64,
  /** Longer names are declined; what is echoed is cut. */
  nameBytes: 1024,
  /** Channels at once, asked-for ones included. */
  channels: 512,
  /** New channels the peer may ask for: a burst, then 50 in 10 s. */
  requestBurst: 128,
  requestsPerSecond: 5,
  /** An unanswered request of the peer is declined after this. */
  answerMs: 30_000,
  /** A closed id is not used again before the peer's own end, or this. */
  lingerMs: 60_000,
  lingering: 1024,
  /** Data that belongs to no open channel before the connection is closed. */
  strayBytes: 1 << 20,
  /** Beacon: wait for replies; replies per second and how many may wait. */
  beaconMs: 3_000,
  beaconRepliesPerSecond: 5,
  beaconReplies: 15,
  beaconsOpen: 16,
  /** Received and not yet taken: at the first mark reading stops, below half of it it goes on. */
  channelBuffer: 1 << 20,
  linkBuffer: 8 << 20,
  accountBuffer: 64 << 20,
  /** A channel whose reader takes nothing for this long while it stops the others is ended. */
  stallMs: 10_000,
  /** How often a link that waits for the account's budget looks again. */
  budgetPollMs: 250,
  /** Given to the stream below and not taken yet. */
  inFlight: 256 << 10,
  /** Written and not sent: above these marks a writer waits. */
  channelBacklog: 64 << 10,
  linkBacklog: 1 << 20,
  /** Closed when the peer takes nothing of what is in flight, or leaves a value unfinished, for this long. */
  stuckMs: 60_000,
} as const;
